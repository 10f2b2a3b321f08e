"""Small brain volumes with metastases at known places, and the trees in which they are stored.

Volumes are (slice, row, column); affines go from these indices to LPS mm.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import nibabel.orientations as orientations
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from oncorobust.settings.data import BrainMets

SETTINGS = BrainMets(crop_mm=24.0, min_distance_mm=10.0, max_per_patient=None)
SHAPE = (18, 60, 56)
SPACING_MM = (3.0, 2.0, 2.0)
LESIONS = {(6, 24, 18): 5.0, (11, 33, 40): 4.0}  # centre voxel: radius, mm
HEADER = "patient_id,study_uid,series_uid,lesion_id,label,x_mm,y_mm,z_mm,diameter_mm"


def silent(done: int, total: int, word: str) -> None:
    """Progress that nobody watches."""


def axial_affine(*, spacing_mm: tuple[float, float, float] = SPACING_MM) -> np.ndarray:
    """Slices to the head, rows to the back, columns to the left."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = spacing_mm
    affine[:, 3] = (-55.0, -60.5, -20.25, 1.0)
    return affine


@dataclass
class Scene:
    """An image, 0 outside of an ellipsoid, and its segmentation: enhancing spheres with a necrotic core, one oedema."""

    values: np.ndarray
    segmentation: np.ndarray
    affine: np.ndarray = field(default_factory=axial_affine)


def make_scene(*, seed: int = 0) -> Scene:
    offsets = np.indices(SHAPE) - np.reshape((np.array(SHAPE) - 1) / 2, (3, 1, 1, 1))
    brain = ((offsets / np.reshape((12, 28, 26), (3, 1, 1, 1))) ** 2).sum(axis=0) < 1
    noise = np.random.default_rng(seed).integers(0, 200, SHAPE)
    values = np.where(brain, 300 + noise, 0)
    segmentation = np.zeros(SHAPE, dtype=np.uint8)
    for number, (centre, radius) in enumerate(LESIONS.items()):
        distance = distance_mm(centre)
        if number == 0:
            segmentation[distance <= radius + 3] = 2
        segmentation[distance <= radius] = 3
        segmentation[distance <= 2] = 1
    values[segmentation == 3] += 900
    return Scene(values=values.astype(np.float32), segmentation=segmentation)


def distance_mm(centre: tuple[int, int, int]) -> np.ndarray:
    steps = (np.indices(SHAPE) - np.reshape(centre, (3, 1, 1, 1))) * np.reshape(SPACING_MM, (3, 1, 1, 1))
    distance: np.ndarray = np.sqrt((steps**2).sum(axis=0))
    return distance


def to_nifti(values: np.ndarray, affine: np.ndarray, *, axes: str = "LPS") -> Any:
    """The volume with its voxels along the axes of these codes (nibabel's), moved there by nibabel itself."""
    ras = np.diag((-1.0, -1.0, 1.0, 1.0)) @ affine[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), ras)
    wanted = orientations.axcodes2ornt(tuple(axes))
    return image.as_reoriented(orientations.ornt_transform(orientations.io_orientation(ras), wanted))


def write_case(folder: Path, case: str, scene: Scene, *, axes: str = "LPS") -> Path:
    """Write the two files of a case; gives the folder they are in."""
    place = folder / "nifti" / case
    place.mkdir(parents=True, exist_ok=True)
    nibabel.save(to_nifti(scene.values, scene.affine, axes=axes), place / f"{case}-t1c.nii.gz")
    nibabel.save(to_nifti(scene.segmentation, scene.affine, axes=axes), place / f"{case}-seg.nii.gz")
    return place


def write_series(
    folder: Path, values: np.ndarray, affine: np.ndarray, *, uid: str = "1.2.3", study: str = "1.2", **elements: object
) -> list[Path]:
    """Write an MR series of 16-bit slices, named and numbered against their order of place; in that order."""
    folder.mkdir(parents=True, exist_ok=True)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    files = []
    for number, plane in enumerate(values):
        header = _header(f"{uid}.{number}")
        header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = study, uid, f"{study}.9"
        header.InstanceNumber = len(values) - number
        header.ImagePositionPatient = list(affine[:3, 3] + number * affine[:3, 0])
        header.ImageOrientationPatient = [*(affine[:3, 2] / spacing[2]), *(affine[:3, 1] / spacing[1])]
        header.PixelSpacing = [spacing[1], spacing[2]]
        header.Rows, header.Columns = plane.shape
        header.PixelData = plane.astype("<u2").tobytes()
        for name, value in elements.items():
            setattr(header, name, value)
        files.append(folder / f"{len(values) - number:03d}.dcm")
        header.save_as(files[-1], enforce_file_format=True)
    return files


def edit_dicom(path: Path, **elements: object) -> None:
    """Set elements of a DICOM file; None removes one."""
    header = pydicom.dcmread(path)
    for name, value in elements.items():
        if value is None:
            del header[name]
        else:
            setattr(header, name, value)
    header.save_as(path)


def write_lesions(folder: Path, rows: list[str], *, header: str = HEADER) -> Path:
    """Write lesions.csv."""
    path = folder / "lesions.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def _header(sop_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = sop_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    header.SOPClassUID, header.SOPInstanceUID, header.Modality, header.PatientID = MRImageStorage, sop_uid, "MR", "p"
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    return header
