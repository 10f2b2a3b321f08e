"""Small CBIS-DDSM trees for tests: case descriptions with the published files' quirks, and their DICOM files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from oncorobust.formats.cbis_ddsm.csv import SHA256

FULL = (40, 30)
HEADER = (
    "patient_id,{density},left or right breast,image view,abnormality id,abnormality type,{details},assessment,"
    "pathology,subtlety,image file path,cropped image file path,ROI mask file path\r\n"
)
MASS = HEADER.format(density="breast_density", details="mass shape,mass margins")
CALCIFICATION = HEADER.format(density="breast density", details="calc type,calc distribution")


def grey(rows: int = 8, columns: int = 12) -> np.ndarray:
    """A crop: a ramp from 1000 in steps of 100."""
    return (1000 + 100 * np.arange(rows * columns, dtype=np.uint16)).reshape(rows, columns)


def outline(value: int = 255, shape: tuple[int, int] = FULL) -> np.ndarray:
    """A mask: a rectangle of 10 x 10 pixels."""
    mask = np.zeros(shape, dtype=np.uint8)
    mask[5:15, 5:15] = value
    return mask


@dataclass(frozen=True)
class Lesion:
    """One row of a case description, and its images; `separate`: crop and mask in two series."""

    patient: str
    pathology: str = "BENIGN"
    kind: str = "mass"
    split: str = "train"
    view: str = "CC"
    separate: bool = False
    crop: np.ndarray = field(default_factory=grey)
    mask: np.ndarray = field(default_factory=outline)

    @property
    def name(self) -> str:
        kind, split = self.kind.capitalize()[:4], {"train": "Training", "test": "Test"}[self.split]
        return f"{kind}-{split}_{self.patient}_LEFT_{self.view}_1"

    def uid(self, what: str) -> str:
        return str(generate_uid(prefix="2.25.", entropy_srcs=[self.name, what]))

    def uids(self, role: str) -> tuple[str, str]:
        """StudyInstanceUID and SeriesInstanceUID of the crop, the mask, or the whole image."""
        part = role if self.separate or role == "image" else "lesion"
        return self.uid(f"study {part}"), self.uid(f"series {part}")

    def row(self) -> str:
        """A line of the CSV: masses end the mask's path in a line break, calcifications the crop's."""
        paths = {role: "/".join([self.name, *self.uids(role), "000000.dcm"]) for role in ("image", "crop", "mask")}
        broken = "mask" if self.kind == "mass" else "crop"
        paths[broken] = f'"{paths[broken]}\n"'
        details = "OVAL,CIRCUMSCRIBED" if self.kind == "mass" else "PUNCTATE,N/A"
        cells = [self.patient, "2", "LEFT", self.view, "1", self.kind, details, "4", self.pathology, "3"]
        return ",".join([*cells, paths["image"], paths["crop"], paths["mask"]]) + "\r\n"


PAIR = (Lesion("P_00001", "MALIGNANT"), Lesion("P_00002", split="test"))
"""The smallest tree: a lesion of each class, in each split."""


def csv_name(kind: str, split: str) -> str:
    return f"{kind[:4]}_case_description_{split}_set.csv"


def write_csvs(folder: Path, *lesions: Lesion) -> None:
    """Write the two files of each kind of lesion."""
    for kind in {lesion.kind for lesion in lesions}:
        for split in ("train", "test"):
            rows = [lesion.row() for lesion in lesions if (lesion.kind, lesion.split) == (kind, split)]
            text = (MASS if kind == "mass" else CALCIFICATION) + "".join(rows)
            assert csv_name(kind, split) in SHA256
            (folder / csv_name(kind, split)).write_bytes(text.encode())


def write_tree(folder: Path, *lesions: Lesion) -> Path:
    """Write CSVs and crops and masks; the whole images stay elsewhere."""
    write_csvs(folder, *lesions)
    for lesion in lesions:
        for number, role in enumerate(("crop", "mask")):
            write_dicom(dicom_path(folder, lesion, role), getattr(lesion, role), lesion, role, InstanceNumber=number)
    return folder


def dicom_path(folder: Path, lesion: Lesion, role: str) -> Path:
    """The classic layout, with the file names that the mass CSVs give."""
    study, series = lesion.uids(role)
    name = "000001.dcm" if role == "mask" and not lesion.separate else "000000.dcm"
    return folder / "CBIS-DDSM" / lesion.name / study / series / name


def write_dicom(path: Path, values: np.ndarray, lesion: Lesion, role: str, **changes: Any) -> None:
    """Write an image of 8 or 16 bits as the archive's files are: Secondary Capture, implicit, MONOCHROME2."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    file = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, lesion.uid(f"instance {role}")
    file.PatientID, file.Modality, file.SeriesDescription = lesion.name, "MG", "ROI mask images"
    file.StudyInstanceUID, file.SeriesInstanceUID = lesion.uids(role)
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 0
    file.Rows, file.Columns = values.shape[:2]
    file.BitsAllocated = file.BitsStored = 8 * values.itemsize
    file.HighBit = file.BitsStored - 1
    file.PixelData = values.tobytes()
    _save(file, path, changes)


def edit_dicom(path: Path, **changes: Any) -> None:
    """Set elements of a file by keyword."""
    _save(pydicom.dcmread(path), path, changes)


def _save(file: FileDataset, path: Path, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(file, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)
