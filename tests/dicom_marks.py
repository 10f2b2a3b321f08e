"""Marks in every DICOM attribute that can hold a word, and the search for them in a stage's outputs.

PS3.15, Table E.1-1 lists the attributes that identify a person or an examination. Instead of that list, which every
edition of the standard makes longer, a mark stands in every attribute of pydicom's dictionary that holds text, a date,
an identifier or bytes, also in retired and private ones, in sequences, in the file meta information and in the
preamble; but for those (STRUCTURE) without which there is no image or no series. A mark holds its tag, so that a leak
says what leaked.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom import config
from pydicom.datadict import DicomDictionary, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset

STRUCTURE = {
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"),
    *("FrameOfReferenceUID", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness"),
    "SyntheticData",
}
COMMON = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientBirthTime", "OtherPatientIDs", "OtherPatientNames"),
    *("PatientAddress", "PatientTelephoneNumbers", "PatientMotherBirthName", "PatientComments", "PatientAge"),
    *("MedicalRecordLocator", "EthnicGroup", "Occupation", "MilitaryRank", "InstitutionName", "InstitutionAddress"),
    *("InstitutionalDepartmentName", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName"),
    *("PhysiciansOfRecord", "RequestingPhysician", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
    *("SeriesDate", "AcquisitionDate", "AcquisitionDateTime", "ContentDate", "StudyDescription", "SeriesDescription"),
    *("ProtocolName", "ImageComments", "StationName", "DeviceSerialNumber", "DeviceUID", "AdmissionID"),
    *("RequestedProcedureDescription", "ReasonForStudy", "AdditionalPatientHistory", "PersonName", "TextValue"),
)
"""What hospitals fill in; with these alone a header stays short enough for `dicom_header`."""

_TEXT = {"PN", "LO", "SH", "LT", "ST", "UT", "UC", "UR", "CS", "AE"}
_BYTES = {"OB", "UN"}
_PIXELS = {0x0028, 0x7FE0, 0x0002, 0x0004, 0xFFFE, 0x0000}
"""Groups that describe pixels or the file, not a person."""

_MARK = re.compile(rb"ZQ[0-9A-F]{8}|2\.25\.91370613[0-9]+|19370613|052341\.98|093Y|(?<![0-9])91370613")


def mark(tag: int, vr: str) -> str | bytes | None:
    """The mark of an attribute; None for one that holds numbers."""
    if vr in _TEXT:
        return f"ZQ{tag:08X}"
    if vr in _BYTES:
        return f"ZQ{tag:08X}".encode()
    others = {"DA": "19370613", "TM": "052341.98", "DT": "19370613052341.98", "AS": "093Y", "IS": "91370613"}
    return f"2.25.91370613{tag}" if vr == "UI" else others.get(vr)


def plant(path: Path, *, everything: bool, keep: frozenset[str] = frozenset()) -> None:
    """Write marks into a file: into the COMMON attributes, or into everything; `keep` stays as it is."""
    file = pydicom.dcmread(path)
    kept = {int(tag_for_keyword(name) or 0) for name in STRUCTURE | keep}
    wanted = DicomDictionary if everything else {int(tag_for_keyword(name) or 0) for name in COMMON}
    for tag in sorted(set(wanted) - kept):
        if tag >> 16 not in _PIXELS:
            _plant_one(file, tag)
    if everything:
        block = file.private_block(0x0099, "ZQ00990010", create=True)
        block.add_new(1, "LO", "ZQ00991001")
    file.preamble = b"ZQ00000000".ljust(128, b"\0")
    file.file_meta.SourceApplicationEntityTitle = "ZQ00020016"
    file.file_meta.PrivateInformationCreatorUID = "2.25.91370613100"
    file.file_meta.PrivateInformation = b"ZQ00020102"
    _save(file, path)


def _plant_one(file: FileDataset, tag: int) -> None:
    vr = DicomDictionary[tag][0]
    if vr == "SQ":
        item = Dataset()
        for inner in ("PatientName", "PatientID", "TextValue"):
            number = int(tag_for_keyword(inner) or 0)
            item.add(DataElement(number, DicomDictionary[number][0], f"ZQ{tag:08X}"))
        file.add(DataElement(tag, "SQ", [item]))
    elif (value := mark(tag, vr)) is not None:
        file.add(DataElement(tag, vr, value, validation_mode=config.IGNORE))


def _save(file: FileDataset, path: Path) -> None:
    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    try:
        file.save_as(path)
    finally:
        config.settings.writing_validation_mode = before


def change(path: Path, **values: object) -> None:
    """Set attributes of a file."""
    file = pydicom.dcmread(path)
    for name, value in values.items():
        setattr(file, name, value)
    _save(file, path)


def marks_in(content: bytes | str) -> set[str]:
    """The marks in some bytes."""
    return {found.decode() for found in _MARK.findall(content.encode() if isinstance(content, str) else content)}


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what is packed in them: the parts of npz and keras files, the chunks of PNG."""
    content = path.read_bytes()
    yield content
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    if content.startswith(b"\x89PNG"):
        yield from _chunks(content)


def _chunks(png: bytes) -> Iterator[bytes]:
    position, pixels = 8, b""
    while position < len(png):
        length, kind = int.from_bytes(png[position : position + 4]), png[position + 4 : position + 8]
        body = png[position + 8 : position + 8 + length]
        position += length + 12
        if kind == b"IDAT":
            pixels += body
        elif kind in (b"zTXt", b"iCCP"):
            yield zlib.decompress(body.partition(b"\0")[2][1:])
    yield zlib.decompress(pixels)
