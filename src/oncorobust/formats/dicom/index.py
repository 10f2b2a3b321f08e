"""Index of all DICOM files below a folder, one row per file, read from their headers alone.

Archives arrange the same series in many ways (by patient, by UID, by manifest), so files are identified by their
headers and never by their folders. Pixels are not read. Large trees are read with one process per core, because parsing
headers is limited by the processor; `dicom.header` scans files with a simple layout and pydicom reads the others.

Columns have DICOM's keywords as names (PS3.6). Absent text is "", an absent number NA, an absent vector None.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.formats.dicom.header import is_dicom, read_dataset, scan_header
from oncorobust.formats.tree_walk import files_below

TEXT = ("PatientID",)
CODES = (
    "Modality",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "PhotometricInterpretation",
    "SyntheticData",
    "BurnedInAnnotation",
)
SHORTS = ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PixelRepresentation")
WHOLE = ("InstanceNumber", "NumberOfFrames")
DECIMALS = ("SliceThickness", "RescaleSlope", "RescaleIntercept")
VECTORS = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
COLUMNS = ("path", "TransferSyntaxUID", *TEXT, *CODES, *SHORTS, *WHOLE, *DECIMALS, *VECTORS)

_REPEATED = ("TransferSyntaxUID", *TEXT, *(code for code in CODES if code != "SOPInstanceUID"))
_CHARACTER_SET = 0x00080005
_LATIN = (b"", b"ISO_IR 6", b"ISO_IR 100")
"""Character sets that this module decodes; files with others are read by pydicom."""

_START_BYTES = 16384  # headers in the archives have 2,000 to 6,000 bytes
_FILES_PER_TASK = 256
_FEWEST_FILES_FOR_PROCESSES = 1024


def index_dicom(folder: Path, *, on_progress: Notify) -> pd.DataFrame:
    """Read the headers of all DICOM files below `folder`, one row per file, in the order of their paths.

    Columns: `path` (relative, with forward slashes) and the others of COLUMNS. Positions, spacings and thickness are in
    mm, in the patient's coordinate system (LPS); vectors are tuples of floats. Files that are not DICOM are skipped,
    but a file named `*.dcm` that is not DICOM is an error. Raises InputError naming the file that cannot be read.
    """
    paths = sorted(path.relative_to(folder).as_posix() for path in files_below(folder))
    tasks = [paths[start : start + _FILES_PER_TASK] for start in range(0, len(paths), _FILES_PER_TASK)]
    read = partial(_read_headers, folder)
    parts: list[pd.DataFrame] = []
    if len(paths) < _FEWEST_FILES_FOR_PROCESSES:
        results: Iterator[pd.DataFrame] = map(read, tasks)
        _collect(parts, results, total=len(paths), on_progress=on_progress)
    else:
        with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            _collect(parts, pool.map(read, tasks), total=len(paths), on_progress=on_progress)
    table = pd.concat(parts, ignore_index=True) if parts else _table([])
    return table.astype({name: "category" for name in _REPEATED})


def _collect(parts: list[pd.DataFrame], results: Iterator[pd.DataFrame], *, total: int, on_progress: Notify) -> None:
    for number, part in enumerate(results, start=1):
        parts.append(part)
        on_progress(min(number * _FILES_PER_TASK, total), total, "headers")


def _read_headers(folder: Path, paths: list[str]) -> pd.DataFrame:
    rows = (_read_header(folder, path) for path in paths)
    return _table([row for row in rows if row is not None])


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    types = {name: "str" for name in ("path", "TransferSyntaxUID", *TEXT, *CODES)}
    types |= {name: "Int64" for name in (*SHORTS, *WHOLE)} | {name: "Float64" for name in DECIMALS}
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    absent = {name: "" for name in types if types[name] == "str"}
    table = table.fillna(absent)
    return table.where(table.notna(), None).astype(types)


def _read_header(folder: Path, path: str) -> dict[str, Any] | None:
    """Read one file's row; None if the file is not DICOM."""
    file = folder / path
    try:
        with file.open("rb", buffering=0) as stream:
            start = stream.read(_START_BYTES)
        if not is_dicom(start):
            if path.lower().endswith(".dcm"):
                found = repr(start[:16]) if start else "an empty file"
                raise InputError(f"expected a DICOM file, got {found} in {file}")
            return None
        scanned = scan_header(start, _names_by_tag())
        if scanned is None or scanned[1].get(_CHARACTER_SET, b"").strip() not in _LATIN:
            return {"path": path} | _decode(file)
        syntax, elements = scanned
        row: dict[str, Any] = {"path": path, "TransferSyntaxUID": syntax}
        for tag, value in elements.items():
            row[_names_by_tag()[tag]] = _value(_names_by_tag()[tag], value)
        return row
    except InputError:
        raise
    except Exception as error:  # a damaged header can raise almost any exception
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected a readable DICOM header, got {text} in {file}") from error


@cache
def _names_by_tag() -> dict[int, str]:
    from pydicom.datadict import tag_for_keyword

    return {int(tag_for_keyword(name) or 0): name for name in (*COLUMNS[2:], "SpecificCharacterSet")}


def _value(name: str, value: bytes) -> Any:
    """Convert an element's bytes, from a little-endian file, to its value in the table."""
    if name in SHORTS:
        return struct.unpack("<H", value)[0] if value else None
    text = value.decode("latin-1").strip(" \0")
    if name in WHOLE:
        return int(text) if text else None
    if name in DECIMALS:
        return float(text) if text else None
    if name in VECTORS:
        return tuple(float(part) for part in text.split("\\")) if text else None
    return text


def _decode(file: Path) -> dict[str, Any]:
    """Read the row with pydicom, for any file that it supports."""
    header = read_dataset(file, stop_before_pixels=True)
    row: dict[str, Any] = {"TransferSyntaxUID": str(header.file_meta.get("TransferSyntaxUID", ""))}
    for name in COLUMNS[2:]:
        value = header.get(name)
        if value is None or value == "":
            continue
        if name in VECTORS:
            row[name] = tuple(float(part) for part in value)
        elif name in (*SHORTS, *WHOLE):
            row[name] = int(value)
        else:
            row[name] = float(value) if name in DECIMALS else _text(value)
    return row


def _text(value: Any) -> str:
    """Return a text as the file stores it, several values with backslashes between them."""
    return str(value) if isinstance(value, str) or not isinstance(value, Sequence) else "\\".join(map(str, value))
