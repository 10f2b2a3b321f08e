"""Writers of brain-metastases phantoms: DICOM series with lesions.csv, or NIfTI volumes with segmentations.

    dicom/PHANTOM-9001/study-1/t1-post/0001.dcm ...     lesions.csv
    nifti/BraTS-MET-90001-000/BraTS-MET-90001-000-t1c.nii.gz  ...-seg.nii.gz

Every study shows one to three metastases and as many positions without one; one patient in four has a second study.
Slices are axial and a voxel (slice k, row i, column j) lies at

    x = x0 + s j,   y = y0 + s i,   z = z0 + t k   mm, in DICOM's patient coordinates (left, posterior, superior: LPS);

NIfTI's coordinates are right, anterior, superior, so its affine reverses the signs of x and y.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt16

from oncorobust.acquire.phantoms.brain import BrainPhantom, render_brain
from oncorobust.acquire.phantoms.dicom_writing import Geometry, Series, mr_slice, synthetic_uid, write_dicom
from oncorobust.acquire.phantoms.marks import mark_synthetic
from oncorobust.base.seeds import child_rng
from oncorobust.settings.data import Phantom

FIRST_DICOM_PATIENT, FIRST_NIFTI_PATIENT = 9001, 90001
PATIENTS_PER_STUDY = 0.8
PIXEL_SPACING_MM, SLICE_THICKNESS_MM = 1.25, 3.0

LESION_COLUMNS = "patient_id,study_uid,series_uid,lesion_id,label,x_mm,y_mm,z_mm,diameter_mm"


@dataclass(frozen=True)
class Study:
    """One volume: patient and time point, both from 0; corner_mm is the centre of its first voxel, LPS."""

    patient: int
    time_point: int
    n_metastases: int
    corner_mm: tuple[float, float, float]


def write_brain_mets_phantom(folder: Path, settings: Phantom) -> None:
    """Write DICOM series and lesions.csv with `n_images` rows, half of them lesions (rounded down)."""
    mark_synthetic(folder, settings, stands_for="brain metastases on MRI (DICOM and lesions.csv)")
    lines: list[str] = []
    for study in _plan_studies(settings):
        phantom = _render(study, settings)
        series = _series(settings, study)
        _write_series(folder / "dicom", phantom, study, series)
        lines += _lesion_lines(phantom, study, series)
    if settings.n_images % 2:  # a metastasis without a row does not become a negative
        del lines[next(place for place, line in enumerate(lines) if line.split(",")[4] == "1")]
    (folder / "lesions.csv").write_text("\n".join([LESION_COLUMNS, *lines, ""]), encoding="utf-8")


def write_brain_mets_nifti_phantom(folder: Path, settings: Phantom) -> None:
    """Write NIfTI volumes and segmentations with n_images / 2 metastases; the reader chooses the negatives."""
    mark_synthetic(folder, settings, stands_for="brain metastases on MRI (NIfTI in the naming of BraTS-METS)")
    for study in _plan_studies(settings):
        phantom = _render(study, settings)
        case = f"BraTS-MET-{FIRST_NIFTI_PATIENT + study.patient}-{study.time_point:03d}"
        place = folder / "nifti" / case
        place.mkdir(parents=True)
        _write_nifti(place / f"{case}-t1c.nii.gz", np.round(phantom.t1c).astype(np.int16), study)
        _write_nifti(place / f"{case}-seg.nii.gz", phantom.segmentation, study)


def _plan_studies(settings: Phantom) -> list[Study]:
    """Plan studies with one to three metastases each until there are enough; the last patients have one study."""
    rng = child_rng(settings.seed, "brain_mets", "plan")
    left = (settings.n_images + 1) // 2
    counts: list[int] = []
    while left:
        counts.append(min(int(rng.integers(1, 4)), left))
        left -= counts[-1]
    n_patients = int(np.ceil(PATIENTS_PER_STUDY * len(counts)))
    corners = rng.integers(-360, -280, (len(counts), 3)) / 4  # multiples of 0.25 mm have short decimal text
    return [
        Study(number % n_patients, number // n_patients, count, (float(x), float(y), float(z)))
        for number, (count, (x, y, z)) in enumerate(zip(counts, corners, strict=True))
    ]


def _render(study: Study, settings: Phantom) -> BrainPhantom:
    return render_brain(
        n_metastases=study.n_metastases,
        difficulty=settings.difficulty,
        rng=child_rng(settings.seed, "brain_mets", study.patient, study.time_point),
        pixel_spacing_mm=PIXEL_SPACING_MM,
        slice_thickness_mm=SLICE_THICKNESS_MM,
    )


def _series(settings: Phantom, study: Study) -> Series:
    names = ("brain_mets", settings.seed, study.patient, study.time_point)
    return Series(
        patient_id=f"PHANTOM-{FIRST_DICOM_PATIENT + study.patient}",
        study_uid=synthetic_uid(*names, "study"),
        series_uid=synthetic_uid(*names, "series"),
        date=f"{2000 + study.time_point}0101",
        number=1,
        description="T1 POST (SYNTHETIC)",
        implicit_vr=study.patient % 2 == 1,
    )


def _write_series(folder: Path, phantom: BrainPhantom, study: Study, series: Series) -> None:
    """Write the slices; for half of the patients the first instance is the highest slice."""
    place = folder / series.patient_id / f"study-{study.time_point + 1}" / "t1-post"
    n_slices = len(phantom.t1c)
    descending = study.patient % 4 >= 2
    for index, values in enumerate(phantom.t1c):
        number = n_slices - index if descending else index + 1
        position = _position_mm(study, (float(index), 0.0, 0.0))
        image = mr_slice(
            _twelve_bits(values),
            series=series,
            number=number,
            geometry=Geometry(position, PIXEL_SPACING_MM, SLICE_THICKNESS_MM),
        )
        write_dicom(image, place / f"{number:04d}.dcm")


def _twelve_bits(values: np.ndarray) -> UInt16[np.ndarray, "rows cols"]:
    return np.clip(np.round(values), 0, 2**12 - 1).astype(np.uint16)


def _position_mm(study: Study, voxel: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the LPS coordinates of a voxel (slice, row, column), mm."""
    k, i, j = voxel
    x, y, z = study.corner_mm
    return x + PIXEL_SPACING_MM * j, y + PIXEL_SPACING_MM * i, z + SLICE_THICKNESS_MM * k


def _lesion_lines(phantom: BrainPhantom, study: Study, series: Series) -> Iterator[str]:
    """Yield the rows of lesions.csv; a position without a metastasis has no diameter."""
    found = [(metastasis.centre, f"{metastasis.diameter_mm:.1f}") for metastasis in phantom.metastases]
    places = [*((1, *place) for place in found), *((0, centre, "") for centre in phantom.negatives)]
    for number, (label, centre, diameter) in enumerate(places, start=1):
        name = f"{series.patient_id}-{study.time_point + 1}-{number}"
        where = ",".join(f"{value:.2f}" for value in _position_mm(study, centre))
        yield f"{series.patient_id},{series.study_uid},{series.series_uid},{name},{label},{where},{diameter}"


def _write_nifti(path: Path, volume: np.ndarray, study: Study) -> None:
    """Write (slice, row, column) as NIfTI's (x, y, z), with the affine from voxels to RAS as qform and sform."""
    import nibabel  # takes half a second, and the DICOM tree does not need it

    x, y, z = study.corner_mm
    affine = np.diag([-PIXEL_SPACING_MM, -PIXEL_SPACING_MM, SLICE_THICKNESS_MM, 1.0])
    affine[:3, 3] = -x, -y, z
    image = nibabel.Nifti1Image(np.ascontiguousarray(volume.transpose(2, 1, 0)), affine)
    image.header["descrip"] = b"SYNTHETIC PHANTOM"
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    nibabel.save(image, path)
