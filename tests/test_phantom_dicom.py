"""Phantom DICOM files: what they say of themselves, their pixels and geometry, and the validator's verdict."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from oncorobust.acquire.phantoms.dicom_writing import (
    Geometry,
    Series,
    ct_slice,
    instance_uid,
    mr_slice,
    radiograph,
    secondary_capture,
    synthetic_uid,
    write_dicom,
)
from oncorobust.formats.dicom.files import read_dicom

RNG = np.random.default_rng(0)
GEOMETRY = Geometry((-42.0, -41.0, -62.5), pixel_spacing_mm=0.65, slice_thickness_mm=2.5)
HU_1024 = RNG.integers(0, 3000, (7, 5)).astype(np.uint16)
GREY_8 = np.where(RNG.random((7, 5)) < 0.5, 255, 0).astype(np.uint8)


def series(*, implicit_vr: bool) -> Series:
    return Series(
        patient_id="PHANTOM-9001",
        study_uid=synthetic_uid("study"),
        series_uid=synthetic_uid("series"),
        date="20000101",
        number=7,
        description="a description",
        implicit_vr=implicit_vr,
    )


def ct(*, signed: bool, implicit_vr: bool) -> FileDataset:
    stored = HU_1024.astype(np.int16) if signed else HU_1024
    if signed:
        stored[0] = -2000
    return ct_slice(stored, series=series(implicit_vr=implicit_vr), number=3, geometry=GEOMETRY, padded=signed)


def capture(stored: np.ndarray) -> FileDataset:
    return secondary_capture(stored, series=series(implicit_vr=True), number=3, laterality="L")


KINDS: dict[str, Callable[[], FileDataset]] = {
    "CT explicit signed": lambda: ct(signed=True, implicit_vr=False),
    "CT implicit signed": lambda: ct(signed=True, implicit_vr=True),
    "CT implicit unsigned": lambda: ct(signed=False, implicit_vr=True),
    "MR explicit": lambda: mr_slice(HU_1024, series=series(implicit_vr=False), number=3, geometry=GEOMETRY),
    "MR implicit": lambda: mr_slice(HU_1024, series=series(implicit_vr=True), number=3, geometry=GEOMETRY),
    "SC 16 bit": lambda: capture(HU_1024 * 20),
    "SC 8 bit": lambda: capture(GREY_8),
    "CR": lambda: radiograph(HU_1024, series=series(implicit_vr=True), number=3),
}


@pytest.fixture(params=KINDS)
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "sub" / "1-1.dcm"
    write_dicom(KINDS[request.param](), path)
    return path


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy of Debian's dicom3tools is not installed")
def test_the_validator_only_misses_synthetic_data(image: Path) -> None:
    done = subprocess.run(["dciodvfy", str(image)], capture_output=True, text=True, check=False)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "Error" in line or "Warning" in line]
    extended = "Warning - Dicom dataset contains attributes not present in standard DICOM IOD"
    unknown = [line for line in complaints if "(0x0008,0x001c)" in line or line.startswith(extended)]
    assert complaints == unknown
    assert sum(line.startswith("Error") for line in complaints) == 1, "the program read the file"


def test_every_file_says_that_it_is_synthetic(image: Path) -> None:
    header = pydicom.dcmread(image)
    assert header.SyntheticData == "YES"
    assert str(header.PatientName) == "SYNTHETIC^PHANTOM"
    assert header.PatientIdentityRemoved == "YES"
    assert header.DeidentificationMethod.startswith("SYNTHETIC: ")
    assert header.ImageComments == "SYNTHETIC PHANTOM"
    assert header.Manufacturer == "SYNTHETIC"
    assert (header.PatientID, header.SeriesNumber, header.InstanceNumber) == ("PHANTOM-9001", 7, 3)
    assert (
        header.SOPInstanceUID
        == header.file_meta.MediaStorageSOPInstanceUID
        == instance_uid(series(implicit_vr=True), 3)
    )
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert header[name].value.startswith("2.25.")


def test_pixels_come_back(image: Path) -> None:
    header = pydicom.dcmread(image)
    expected = HU_1024.astype(int)
    if header.Modality == "MG":
        expected = GREY_8.astype(int) if header.BitsAllocated == 8 else expected * 20
        assert header.LargestImagePixelValue == expected.max()
    if header.PixelRepresentation:
        expected[0] = -2000
    np.testing.assert_array_equal(header.pixel_array, expected)
    assert len(header.PixelData) % 2 == 0
    assert header.PhotometricInterpretation == "MONOCHROME2"


@pytest.mark.parametrize("kind", ["CT explicit signed", "MR implicit"])
def test_geometry_is_that_of_an_axial_slice(kind: str, tmp_path: Path) -> None:
    write_dicom(KINDS[kind](), tmp_path / "a.dcm")
    header = pydicom.dcmread(tmp_path / "a.dcm")
    assert list(header.ImagePositionPatient) == [-42.0, -41.0, -62.5]
    assert list(header.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    assert list(header.PixelSpacing) == [0.65, 0.65]
    assert (header.SliceThickness, header.SliceLocation) == (2.5, -62.5)
    assert header.FrameOfReferenceUID != header.StudyInstanceUID


@pytest.mark.parametrize("kind", ["CT explicit signed", "CT implicit signed"])
def test_padding_is_the_trap_of_real_files(kind: str, tmp_path: Path) -> None:
    write_dicom(KINDS[kind](), tmp_path / "a.dcm")
    header = pydicom.dcmread(tmp_path / "a.dcm")
    assert header.PixelPaddingValue == (63536 if "explicit" in kind else -2000)
    assert (63536).to_bytes(2, "little") in (tmp_path / "a.dcm").read_bytes()
    values = read_dicom(tmp_path / "a.dcm").values
    np.testing.assert_array_equal(values[1:], HU_1024[1:].astype(float) - 1024)
    assert (values[0] == values[1:].min()).all()


def test_uids_depend_on_names_alone() -> None:
    assert synthetic_uid("a", 1) == synthetic_uid("a", 1) != synthetic_uid("a", 2)
    assert synthetic_uid("a", 1) != synthetic_uid("a1")
    for number in range(100):
        root, _, tail = synthetic_uid(number).rpartition(".")
        assert root == "2.25"
        assert int(tail) < 2**128
        assert str(int(tail)) == tail
