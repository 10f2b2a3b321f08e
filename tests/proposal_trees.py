"""Small folders of images as people have them, and the proposal that the command makes of them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from oncorobust.cli.main import main

Rows = list[dict[str, str]]

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def propose(folder: Path, *options: str) -> Rows:
    """Run the command, which has to succeed, and return the rows of the manifest beside the folder."""
    output = folder.parent / f"{folder.name}-made" / "manifest.csv"
    assert main(["manifest", str(folder), "--name", "mine", "--output", str(output), *options]) == 0
    return read_rows(output)


def read_rows(manifest: Path) -> Rows:
    with manifest.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def columns(rows: Rows, *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def write_pictures(folder: Path, names: Sequence[str], *, first: int = 0) -> None:
    """Write different grey pictures of 8 x 9 pixels in the format that each name says."""
    for number, name in enumerate(names, start=first):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 256, (8, 9), dtype=np.uint8)
        Image.fromarray(values).save(path)


def write_table(path: Path, lines: Sequence[Sequence[str]], *, separator: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{separator.join(cells)}\n" for cells in lines), encoding="utf-8")
    return path


def write_dicom(path: Path, patient: str, *, sop_class: str = CT, **elements: object) -> None:
    """Write a DICOM image of 6 x 7 pixels; elements: others by keyword, None to leave one out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    values: Mapping[str, object] = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "CT",
        "PatientID": patient,
        "PatientName": "Nobody^Secret",
        "PatientBirthDate": "19000101",
        "StudyInstanceUID": generate_uid(entropy_srcs=["study", patient]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=["series", patient]),
        "Rows": 6,
        "Columns": 7,
        "SamplesPerPixel": 1,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PhotometricInterpretation": "MONOCHROME2",
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "PixelData": np.arange(42, dtype=np.uint16).tobytes(),
        **elements,
    }
    for name, value in values.items():
        if value is not None:
            setattr(data, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


def write_volume(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


def make_decathlon(tree: Path, numbers: Sequence[int], *, with_cancer: set[int]) -> None:
    """Write cases as the Medical Segmentation Decathlon does: no channel in the names of images."""
    rng = np.random.default_rng(0)
    for number in numbers:
        mask = np.zeros((6, 7, 9), dtype=np.uint8)
        mask[1:3, 1:3, 4] = 2 if number in with_cancer else 1
        write_volume(tree / "labelsTr" / f"pancreas_{number:03}.nii.gz", mask)
        image = rng.integers(0, 999, (6, 7, 9)).astype(np.int16)
        write_volume(tree / "imagesTr" / f"pancreas_{number:03}.nii.gz", image)
    described = '{"modality": {"0": "CT"}, "labels": {"0": "background", "1": "pancreas", "2": "cancer"}}'
    (tree / "dataset.json").write_text(described, encoding="utf-8")


def make_nnunet(tree: Path, *, with_tumour: set[int]) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        mask = np.zeros((6, 7, 9), dtype=np.uint8)
        mask[1:3, 1:3, 7] = 1
        mask[3:5, 3:5, 6] = 2 if number in with_tumour else 1
        write_volume(tree / "labelsTr" / f"case_{number}.nii.gz", mask)
        write_volume(tree / "imagesTr" / f"case_{number}_0000.nii.gz", rng.integers(0, 999, (6, 7, 9)).astype(np.int16))
    described = (
        '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1, "tumour": 2}, "file_ending": ".nii.gz"}'
    )
    (tree / "dataset.json").write_text(described, encoding="utf-8")
