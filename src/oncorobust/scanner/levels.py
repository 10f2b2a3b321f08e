"""Title, five severities and their source for each change. docs/explanation/acquisition.md gives the formulas.

A source states what was read there. Where it gives a range, the levels lie inside; where none was found, it says so.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Levels:
    """Title of a change, five increasing severities in its unit, and where they come from."""

    title: str
    severities: tuple[float, float, float, float, float]
    source: str


_CAR = (
    "Canadian Association of Radiologists 2008, Standards for irreversible compression in digital diagnostic imaging "
    "within radiology: up to 12 : 1 (CT of the head), 15 : 1 (other CT), 24 : 1 (MR), 25 : 1 (breast) and 30 : 1 "
    '(other radiographs), after Koff et al. 2009, Pan-Canadian evaluation of irreversible compression ratios ("lossy" '
    "compression) for development of national guidelines, J. Digit. Imaging 22, 569. 6 : 1 is the least ratio that "
    "the same group tried on thin slices of CT."
)
_COMPRESSION = (6.0, 12.0, 15.0, 24.0, 30.0)

LEVELS = {
    "dose_noise": Levels(
        "Noise of a lower dose",
        (10.0, 15.0, 20.0, 30.0, 40.0),
        "Noise indices 15, 20, 30 and 40 HU in Chen et al. 2014, Combining automatic tube current modulation with "
        "adaptive statistical iterative reconstruction for low-dose chest CT screening, PLOS ONE 9, e92414. 10 HU: no "
        "source, a level below them. The noise is added to what the image has.",
    ),
    "kernel_sharp": Levels(
        "Sharper reconstruction kernel",
        (1.1, 1.2, 1.35, 1.5, 1.7),
        "No source found for the levels; range by kernels for soft tissue to kernels for lung. Method: Ohkubo et al. "
        "2016, Image filtering to make computer-aided detection robust to image reconstruction kernel choice in lung "
        "cancer CT screening, Med. Phys.",
    ),
    "kernel_smooth": Levels(
        "Smoother reconstruction kernel",
        (0.5, 0.75, 1.0, 1.5, 2.0),
        "No source found for the levels; range by kernels for lung to kernels for soft tissue, and twice that. "
        "Method: Ohkubo et al. 2016 (see kernel_sharp); Nickoloff and Riley 1985, Med. Phys. 12, 437 (Gaussian point "
        "spread).",
    ),
    "slice_thickness": Levels(
        "Thicker slice",
        (2.0, 2.5, 3.0, 4.0, 5.0),
        "Inside 1.0 to 5.0 mm, the slices of 12 CT scanners of 11 centres for lung cancer screening (study of "
        "ground-glass opacity, J. Appl. Clin. Med. Phys., PMC5690005), and at most 5 mm, the limit for MR of brain "
        "tumours (protocol after ACRIN 6686). LUNA16 leaves out slices above 2.5 mm.",
    ),
    "hu_shift": Levels(
        "Shift of CT numbers",
        (5.0, 8.4, 10.0, 15.0, 23.0),
        "5 HU: the usual tolerance for water in quality control. 8.4 HU: least range within one scanner in Birnbaum "
        "et al. 2007, Multi-detector row CT attenuation measurements, Radiology 242, 109. 10 HU (spleen), 15 HU (air "
        "in the trachea), 23 HU (spleen, 40 cm patients): two scanners of one vendor in Systematic scanner "
        "variability of patient CT attenuation measurements.",
    ),
    "resampling": Levels(
        "Coarser pixels",
        (0.8, 0.98, 1.25, 1.5, 2.0),
        "0.98 mm: 25 cm in 256 pixels in Connick et al. 2018 (see contrast_shift). No source found for the others; "
        "range by fields of view of the body in 512 to 256 pixels. A grid no coarser than the image's own changes "
        "nothing.",
    ),
    "bias_field": Levels(
        "Bias field",
        (10.0, 15.0, 20.0, 30.0, 40.0),
        "BrainWeb (Cocosco et al. 1997, BrainWeb: online interface to a 3D MRI simulated brain database): fields of "
        "20 % and 40 %, taken from real scans and scaled; the other levels lie around and between.",
    ),
    "rician_noise": Levels(
        "Rician noise",
        (1.0, 3.0, 5.0, 7.0, 9.0),
        "BrainWeb's levels, of the signal of a reference tissue (see bias_field); here of the image's signal. Method: "
        "Gudbjartsson and Patz 1995, The Rician distribution of noisy MRI data, Magn. Reson. Med. 34, 910.",
    ),
    "ghosting": Levels(
        "Ghosting",
        (1.0, 2.5, 5.0, 10.0, 20.0),
        "2.5 %: the most that the American College of Radiology and AAPM TG-284 accept in a phantom. No source found "
        "for the others; range by a good scanner to a patient who moves.",
    ),
    "contrast_shift": Levels(
        "Longer echo time",
        (5.0, 10.0, 15.0, 20.0, 28.0),
        "Inside the differences between scanners of one trial: 85 to 100 ms (18 %) for T2-weighted and 100 to 128 ms "
        "(28 %) for FLAIR images in Connick et al. 2018, Multiple Sclerosis-Secondary Progressive Multi-Arm "
        "Randomisation Trial (MS-SMART), BMJ Open 8, e021944.",
    ),
    "blur": Levels(
        "Blur",
        (0.2, 0.4, 0.6, 0.8, 1.0),
        "Simulated motion of 0.2 to 1.0 mm in Ma et al. 2017, Blurred digital mammography images: an analysis of "
        "technical recall and observer detection performance, Br. J. Radiol. 90, 20160271; here as a Gaussian of that "
        "width. 0.4 mm was the least that observers saw.",
    ),
    "quantum_noise": Levels(
        "Quantum noise of a lower dose",
        (25.0, 40.0, 50.0, 70.0, 75.0),
        "50 % and 70 %: Ruschin et al. 2007, Dose dependence of mass and microcalcification detection in digital "
        "mammography, Med. Phys. 34, 400. 50 % and 75 %: Warren et al. 2012, Effect of image quality on calcification "
        "detection in digital mammography, Med. Phys. 39, 3202. No source for 25 % and 40 %, levels below them.",
    ),
    "rotation": Levels(
        "Turned patient",
        (1.0, 2.0, 3.0, 5.0, 10.0),
        "No source found; range by patients who lie nearly straight.",
    ),
    "jpeg": Levels("JPEG", _COMPRESSION, _CAR),
    "jpeg2000": Levels("JPEG 2000", _COMPRESSION, _CAR),
    "window_8bit": Levels(
        "8 bits of a window",
        (1500.0, 1600.0, 2000.0, 3000.0, 4096.0),
        "Usual windows of teaching material: lung 1500 and 1600 HU, bone 2000 and 3000 HU; 4096 HU: all 12 bits of "
        "CT. No paper found. The window begins at -1024 HU.",
    ),
    "grey_levels": Levels(
        "Fewer grey levels",
        (0.392, 0.787, 1.587, 3.226, 6.667),
        "No source found; 8, 7, 6, 5 and 4 bits.",
    ),
}
"""By the names of `settings.acquisition.QUANTITIES`."""
