"""The quick walk over a header finds what pydicom finds, and leaves what it does not know to pydicom."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from oncorobust.acquire.phantoms.dicom_writing import Geometry, Series, ct_slice
from oncorobust.formats.dicom.header import scan_header

PATIENT_ID, SOP_CLASS, ROWS, SPACING = 0x00100020, 0x00080016, 0x00280010, 0x00280030
WANTED = (PATIENT_ID, SOP_CLASS, ROWS, SPACING)
EXAMPLES = sorted(
    path
    for path in (Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm")
    if path.read_bytes()[128:132] == b"DICM"
)


def ct_bytes(path: Path, *, implicit_vr: bool = True, change: tuple[str, object] | None = None) -> bytes:
    series = Series("LIDC-IDRI-9001", "2.25.1", "2.25.2", "20000101", 1, "", implicit_vr)
    geometry = Geometry((0.0, 0.0, 1.5), 0.7, 2.5)
    image = ct_slice(np.zeros((4, 6), np.int16), series=series, number=1, geometry=geometry, padded=False)
    if change:
        setattr(image, change[0], change[1])
    image.save_as(path, enforce_file_format=True)
    return path.read_bytes()


@pytest.mark.parametrize(("implicit_vr", "syntax"), [(True, ImplicitVRLittleEndian), (False, ExplicitVRLittleEndian)])
def test_values_of_both_plain_syntaxes(tmp_path: Path, implicit_vr: bool, syntax: str) -> None:
    found = scan_header(ct_bytes(tmp_path / "a.dcm", implicit_vr=implicit_vr), WANTED)
    assert found is not None
    assert found[0] == syntax
    assert {tag: value.strip(b" \0") for tag, value in found[1].items()} == {
        PATIENT_ID: b"LIDC-IDRI-9001",
        SOP_CLASS: b"1.2.840.10008.5.1.4.1.1.2",
        ROWS: b"\x04",
        SPACING: b"0.7\\0.7",
    }


def test_examples_of_all_kinds_are_read_as_pydicom_reads_them_or_left_to_it() -> None:
    read = 0
    for path in EXAMPLES:
        found = scan_header(path.read_bytes(), WANTED)
        if found is None:
            continue
        read += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True)
        assert found[0] == header.file_meta.TransferSyntaxUID in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
        for tag in WANTED:
            element = header.get_item(tag)
            assert (found[1].get(tag) or None) == (None if element is None else element.value or None), (path.name, tag)
    assert read >= 15
    assert read < len(EXAMPLES)


@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "image_dfl.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm"])
def test_other_syntaxes_are_left_to_pydicom(name: str) -> None:
    path = next(path for path in EXAMPLES if path.name == name)
    assert scan_header(path.read_bytes(), WANTED) is None


def test_a_sequence_of_undefined_length_is_left_to_pydicom(tmp_path: Path) -> None:
    item = Dataset()
    item.ReferencedSOPInstanceUID = "2.25.7"
    sequence = pydicom.Sequence([item])
    path = tmp_path / "a.dcm"
    assert scan_header(ct_bytes(path, change=("ReferencedImageSequence", sequence)), WANTED) is not None
    image = pydicom.dcmread(path)
    image["ReferencedImageSequence"].is_undefined_length = True
    image.save_as(path)
    assert scan_header(path.read_bytes(), WANTED) is None


def test_a_header_that_is_cut_off_anywhere_is_left_to_pydicom(tmp_path: Path) -> None:
    whole = ct_bytes(tmp_path / "a.dcm", implicit_vr=False)
    pixels = whole.index(b"\xe0\x7f\x10\x00OW")
    assert scan_header(whole[: pixels + 12], WANTED) is not None
    ends = [end for end in range(pixels) if scan_header(whole[:end], WANTED) is not None]
    # Between two elements nothing tells that a header is cut off; pydicom reads such a file too.
    for end in ends:
        (tmp_path / "b.dcm").write_bytes(whole[:end])
        pydicom.dcmread(tmp_path / "b.dcm")
