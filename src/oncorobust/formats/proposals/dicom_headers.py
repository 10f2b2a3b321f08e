"""What a proposal needs of a DICOM header: what it belongs to, its size, and whether it is an image to classify.

Objects without pixels, segmentations, reports, structure sets, presentation states, localizers and secondary captures
have a role other than "" and are left out of a proposal. Patient names and birth dates are never read.
"""

import struct
import warnings
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from oncorobust.formats.dicom.header import read_dataset, scan_header

TAGS = {
    0x00080005: "SpecificCharacterSet",
    0x00080008: "ImageType",
    0x00080016: "SOPClassUID",
    0x00080018: "SOPInstanceUID",
    0x00080050: "AccessionNumber",
    0x00080060: "Modality",
    0x00100020: "PatientID",
    0x00120062: "PatientIdentityRemoved",
    0x0020000D: "StudyInstanceUID",
    0x0020000E: "SeriesInstanceUID",
    0x00200013: "InstanceNumber",
    0x00200032: "ImagePositionPatient",
    0x00200037: "ImageOrientationPatient",
    0x00280002: "SamplesPerPixel",
    0x00280008: "NumberOfFrames",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280101: "BitsStored",
}
_SHORTS = frozenset(("SamplesPerPixel", "Rows", "Columns", "BitsStored"))
_CHARACTER_SET, _FIRST_SHORT, _NUMBER_OF_FRAMES = 0x00080005, 0x00280000, 0x00280008
_LATIN = (b"", b"ISO_IR 6", b"ISO_IR 100")
_short = struct.Struct("<H")
_ROOT = "1.2.840.10008.5.1.4.1.1."
_ROLES = {
    "88.": "are structured reports",
    "66.4": "are segmentations",
    "66.7": "are segmentations",
    "481.3": "are structure sets",
    "481.5": "are treatment plans",
    "11.": "are presentation states",
    "104.": "are encapsulated documents",
}
SECONDARY = "are secondary captures"
_SECONDARY_CLASS = "7"


class DicomHeader(NamedTuple):
    """Elements as text; place: position along the slice normal, mm, else InstanceNumber. role: why it is left out."""

    patient: str
    accession: str
    study: str
    series: str
    sop: str
    modality: str
    role: str
    place: float
    removed: bool
    height: int
    width: int
    channels: int
    bits: int
    frames: int


def read_header(path: str, start: bytes) -> DicomHeader:
    """Read a header from the first bytes of a file, or with pydicom. Raises whatever a damaged header raises."""
    scanned = scan_header(start, TAGS)
    if scanned is None or scanned[1].get(_CHARACTER_SET, b"").strip() not in _LATIN:
        return _header(_with_pydicom(Path(path)))
    return _header({TAGS[tag]: _text(tag, value) for tag, value in scanned[1].items()})


def _text(tag: int, value: bytes) -> Any:
    if tag >= _FIRST_SHORT and tag != _NUMBER_OF_FRAMES:
        return _short.unpack_from(value)[0] if value else 0
    return value.decode("latin-1").strip(" \0")


def _with_pydicom(path: Path) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom quotes faulty values, which may identify a person
        data = read_dataset(path, stop_before_pixels=True, specific_tags=list(TAGS.values()))
        values = {name: data.get(name) for name in TAGS.values()}
    found: dict[str, Any] = {}
    for name, value in values.items():
        if value is not None and value != "":
            several = not isinstance(value, str | int | float) and hasattr(value, "__iter__")
            found[name] = int(value) if name in _SHORTS else "\\".join(map(str, value)) if several else str(value)
    return found


def _header(elements: dict[str, Any]) -> DicomHeader:
    get = partial(_get, elements)
    return DicomHeader(
        patient=get("PatientID"),
        accession=get("AccessionNumber"),
        study=get("StudyInstanceUID"),
        series=get("SeriesInstanceUID"),
        sop=get("SOPInstanceUID"),
        modality=get("Modality"),
        role=_role(get("SOPClassUID"), get("ImageType"), pixels=bool(elements.get("Rows"))),
        place=_place(get("ImagePositionPatient"), get("ImageOrientationPatient"), get("InstanceNumber")),
        removed=get("PatientIdentityRemoved") == "YES",
        height=elements.get("Rows", 0),
        width=elements.get("Columns", 0),
        channels=elements.get("SamplesPerPixel", 1),
        bits=elements.get("BitsStored", 0),
        frames=int(get("NumberOfFrames") or 1),
    )


def _get(elements: dict[str, Any], name: str) -> str:
    return str(elements.get(name, ""))


def _role(sop_class: str, image_type: str, *, pixels: bool) -> str:
    own = sop_class.removeprefix(_ROOT)
    for start, role in _ROLES.items():
        if own == start or (start.endswith(".") and own.startswith(start)):
            return role
    if not pixels:
        return "are DICOM without pixels"
    if "LOCALIZER" in image_type.split("\\"):
        return "are localizers"
    return SECONDARY if own == _SECONDARY_CLASS or own.startswith(f"{_SECONDARY_CLASS}.") else ""


def _place(position: str, orientation: str, instance: str) -> float:
    try:
        x, y, z = (float(part) for part in position.split("\\"))
        a, b, c, d, e, f = (float(part) for part in orientation.split("\\"))
        return x * (b * f - c * e) + y * (c * d - a * f) + z * (a * e - b * d)
    except ValueError:
        return float(instance) if instance.lstrip("-").isdigit() else 0.0
