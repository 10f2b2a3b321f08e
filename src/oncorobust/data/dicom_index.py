"""All DICOM files below a folder, a row each, from their headers alone.

Archives lay the same series out in many ways (by patient, by UID, by manifest), so files are told apart by what their
headers say and never by where they lie. Pixels are not read. A large tree is read by a process a core, because parsing
headers is bound by the processor; each element is decoded only if it is asked for, which is what makes it quick.

Columns are named by DICOM's keywords (PS3.6). Absent text is "", an absent number NA, absent numbers None.
"""

import os
import struct
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

from oncorobust.data.walk import files_below
from oncorobust.errors import InputError
from oncorobust.progress import Notify

TEXT = ("PatientID", "SeriesDescription")
CODES = (
    "Modality",
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
_FILES_PER_TASK = 256
_FEWEST_FILES_FOR_PROCESSES = 1024


def index_dicom(folder: Path, *, on_progress: Notify) -> pd.DataFrame:
    """Read the headers of all DICOM files below `folder`; a row a file, in the order of their paths.

    Columns: `path` (relative, with forward slashes) and those of COLUMNS. Positions, spacings and thickness are in mm,
    in the patient's coordinate system (LPS); vectors are tuples of floats. Files that are not DICOM are passed over,
    except those named `*.dcm`. Raises InputError naming the file that cannot be read.
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
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object).astype(types)


def _read_header(folder: Path, path: str) -> dict[str, Any] | None:
    """One file's row; None where the file is not DICOM."""
    import pydicom  # a third of a second, and most trees have no DICOM

    file = folder / path
    try:
        with file.open("rb") as stream:
            head = stream.read(132)
        if head[128:] != b"DICM":
            if path.lower().endswith(".dcm"):
                found = repr(head[:16]) if head else "an empty file"
                raise InputError(f"expected a DICOM file, got {found} in {file}")
            return None
        header = pydicom.dcmread(file, stop_before_pixels=True)
        row: dict[str, Any] = {"path": path, "TransferSyntaxUID": str(header.file_meta.get("TransferSyntaxUID", ""))}
        row |= {name: str(header[_tag(name)].value or "") if _tag(name) in header else "" for name in TEXT}
        row |= {name: _code(header, name) for name in CODES}
        row |= {name: _short(header, name) for name in SHORTS}
        row |= {name: _number(header, name, int) for name in WHOLE}
        row |= {name: _number(header, name, float) for name in DECIMALS}
        return row | {name: _vector(header, name) for name in VECTORS}
    except InputError:
        raise
    except Exception as error:  # a damaged header raises nearly anything
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected a readable DICOM header, got {text} in {file}") from error


@cache
def _tag(name: str) -> Any:
    """A keyword's tag: looking keywords up is a third of the time of reading a header."""
    import pydicom

    return pydicom.tag.Tag(name)


def _raw(header: Any, name: str) -> Any:
    element = header.get_item(_tag(name))
    return None if element is None else element.value


def _code(header: Any, name: str) -> str:
    value = _raw(header, name)
    if isinstance(value, bytes):
        return value.decode("ascii", errors="backslashreplace").strip(" \0")
    return "" if value is None else str(value)


def _short(header: Any, name: str) -> int | None:
    value = _raw(header, name)
    if isinstance(value, bytes):
        element = header.get_item(_tag(name))
        return int(struct.unpack("<H" if element.is_little_endian else ">H", value)[0]) if value else None
    return None if value is None else int(value)


def _number(header: Any, name: str, kind: type) -> Any:
    text = _code(header, name)
    return kind(text) if text else None


def _vector(header: Any, name: str) -> tuple[float, ...] | None:
    value = _raw(header, name)
    if isinstance(value, bytes):
        value = [part for part in value.decode("ascii").strip(" \0").split("\\") if part]
    return tuple(float(part) for part in value) if value else None
