"""Frames of multi-frame DICOM files that rows of a manifest name: Enhanced CT and MR, doses, ultrasound, colour."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, RLELossless
from test_compressed import needs_plugins, sample
from test_image_files import write_dicom
from volume_trees import write_manifest

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom import files
from oncorobust.formats.image_files import describe_image
from oncorobust.formats.manifest import open_manifest

STORED = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)
PAIRS = ((1.0, -1024.0), (2.0, -1000.0), (0.5, 3.0))


def group(slope: float, intercept: float, unit: str) -> Dataset:
    item, found = Dataset(), Dataset()
    item.RescaleSlope, item.RescaleIntercept, item.RescaleType = slope, intercept, unit
    found.PixelValueTransformationSequence = [item]
    return found


def enhanced(path: Path, *, units: tuple[str, ...] = ("HU", "HU", "HU"), **tags: Any) -> Path:
    """Write three frames, each with its own rescale; the shared groups state another."""
    frames = [group(*pair, unit) for pair, unit in zip(PAIRS, units, strict=True)]
    elements = {
        "Modality": "CT",
        "SOPClassUID": EnhancedCTImageStorage,
        "NumberOfFrames": 3,
        "Rows": 4,
        "Columns": 5,
        "SharedFunctionalGroupsSequence": [group(7, 7, "HU")],
        "PerFrameFunctionalGroupsSequence": frames,
    }
    return write_dicom(path, STORED, **elements | tags)


def rows_of(folder: Path, file: str, *frames: int | str) -> Path:
    return write_manifest(folder, "path,frame", *(f"{file},{frame}" for frame in frames))


@pytest.mark.parametrize("compress", [False, True])
def test_each_frame_has_its_own_rescale(tmp_path: Path, compress: bool) -> None:
    path = enhanced(tmp_path / "a.dcm")
    if compress:
        file = pydicom.dcmread(path)
        file.compress(RLELossless)
        file.save_as(path)
    raw = open_manifest(rows_of(tmp_path, "a.dcm", 1, 2, 3))
    assert raw.intensity_unit == "HU"
    for number, (slope, intercept) in enumerate(PAIRS):
        np.testing.assert_array_equal(raw.read(number).values, STORED[number] * slope + intercept)


def test_shared_rescale_and_none(tmp_path: Path) -> None:
    shared = [group(2, -1000, "HU")]
    enhanced(
        tmp_path / "a.dcm", SharedFunctionalGroupsSequence=shared, PerFrameFunctionalGroupsSequence=[Dataset()] * 3
    )
    raw = open_manifest(rows_of(tmp_path, "a.dcm", 3, 1))
    np.testing.assert_array_equal(raw.read(0).values, STORED[2] * 2.0 - 1000)
    write_dicom(tmp_path / "b.dcm", STORED, NumberOfFrames=3, Rows=4, Columns=5)
    raw = open_manifest(rows_of(tmp_path, "b.dcm", 3, 1))
    np.testing.assert_array_equal(raw.read(0).values, STORED[2])
    assert (raw.intensity_unit, raw.read(1).limits) == ("stored value", (0, 65535))


def test_the_real_enhanced_ct_against_highdicom(tmp_path: Path) -> None:
    """As in findings/enhanced_ct_rescale.sh: its two frames with two pairs of slope and intercept."""
    file = pydicom.dcmread(sample("eCT_Supplemental.dcm"))
    shared = file.SharedFunctionalGroupsSequence[0]
    for frame, (slope, intercept) in zip(file.PerFrameFunctionalGroupsSequence, PAIRS[:2], strict=True):
        frame.PixelValueTransformationSequence = copy.deepcopy(shared.PixelValueTransformationSequence)
        frame.PixelValueTransformationSequence[0].RescaleSlope = slope
        frame.PixelValueTransformationSequence[0].RescaleIntercept = intercept
    del shared.PixelValueTransformationSequence, shared.RealWorldValueMappingSequence
    file.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    raw = open_manifest(rows_of(tmp_path, "a.dcm", 1, 2))
    for number, (slope, intercept) in enumerate(PAIRS[:2]):
        np.testing.assert_array_equal(raw.read(number).values, file.pixel_array[number] * slope + intercept)
    highdicom = pytest.importorskip("highdicom")
    frames = highdicom.imread(tmp_path / "a.dcm").get_frames(apply_modality_transform=True)
    for number in range(2):
        np.testing.assert_array_equal(raw.read(number).values, frames[number])


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("emri_small.dcm", (1, 10)),
        ("emri_small_RLE.dcm", (10, 4)),
        ("emri_small_big_endian.dcm", (1, 10)),
        ("SC_rgb_2frame.dcm", (2, 1)),
        ("SC_rgb_rle_16bit_2frame.dcm", (2, 1)),
        ("examples_ybr_color.dcm", (30, 1)),
        ("liver.dcm", (3, 1)),
    ],
)
def test_real_files_against_pydicom(tmp_path: Path, name: str, frames: tuple[int, ...]) -> None:
    (tmp_path / name).write_bytes(sample(name).read_bytes())
    raw = open_manifest(rows_of(tmp_path, name, *frames))
    whole = pydicom.dcmread(sample(name)).pixel_array
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(raw.read(number).values, whole[frame - 1])


@needs_plugins
def test_compressed_frames(tmp_path: Path) -> None:
    plain = pydicom.dcmread(sample("emri_small.dcm")).pixel_array
    for name in ("emri_small_jpeg_2k_lossless.dcm", "emri_small_jpeg_ls_lossless.dcm"):
        (tmp_path / name).write_bytes(sample(name).read_bytes())
        np.testing.assert_array_equal(open_manifest(rows_of(tmp_path, name, 7, 8)).read(1).values, plain[7])


def test_dose_planes(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(sample("rtdose.dcm").read_bytes())
    file = pydicom.dcmread(sample("rtdose.dcm"))
    raw = open_manifest(rows_of(tmp_path, "a.dcm", 5, 15))
    expected = file.pixel_array[4] * float(file.DoseGridScaling)
    np.testing.assert_allclose(raw.read(0).values, expected, rtol=1e-6)
    assert raw.intensity_unit == file.DoseUnits == "RELATIVE"


def test_a_frame_beside_files_of_one_frame(tmp_path: Path) -> None:
    enhanced(tmp_path / "a.dcm")
    write_dicom(tmp_path / "b.dcm", STORED[0], Modality="CT", RescaleSlope="1", RescaleIntercept="5")
    raw = open_manifest(write_manifest(tmp_path, "path,frame", "a.dcm,2", "b.dcm,", "b.dcm,1"))
    for number in (1, 2):
        np.testing.assert_array_equal(raw.read(number).values, STORED[0] + 5.0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.dcm,", r"line 2: expected a single frame, got 3 in .*a\.dcm; name one, from 1 to 3, in a column `frame`"),
        ("a.dcm,0", "line 2: expected a whole number from 1 as frame, got '0'"),
        ("a.dcm,4", r"line 2: expected a frame from 1 to 3, got 4 for .*a\.dcm"),
        ("a.dcm,1.5", "line 2: expected a whole number from 1 as frame, got '1.5'"),
        ("b.dcm,2", r"line 2: expected a frame from 1 to 1, got 2 for .*b\.dcm"),
        ("c.png,1", r"line 2: expected an empty cell of frame for a file of kind PNG, got one for .*c\.png"),
    ],
)
def test_frames_that_are_not_there(tmp_path: Path, row: str, message: str) -> None:
    from PIL import Image

    enhanced(tmp_path / "a.dcm")
    write_dicom(tmp_path / "b.dcm", STORED[0])
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "c.png")
    with pytest.raises(InputError, match=message):
        open_manifest(write_manifest(tmp_path, "path,frame", row, "b.dcm,1"))


def test_functional_groups_that_do_not_fit(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", units=("HU", "US", "HU"))
    with pytest.raises(InputError, match=r"expected all frames in one unit, got HU and rescaled value in .*a\.dcm"):
        describe_image(path)
    path = enhanced(tmp_path / "a.dcm", PerFrameFunctionalGroupsSequence=[Dataset()] * 2)
    with pytest.raises(InputError, match=r"expected per-frame functional groups for 3 frames, got 2 in .*a\.dcm"):
        describe_image(path)


def test_the_frames_of_a_file_are_not_all_decoded(tmp_path: Path) -> None:
    """A second frame whose bytes are gone does not matter to the first."""
    path = enhanced(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[: -STORED[0].nbytes - 4])
    raw = open_manifest(rows_of(tmp_path, "a.dcm", 1, 3))
    np.testing.assert_array_equal(raw.read(0).values, STORED[0] - 1024.0)
    with pytest.raises(InputError, match=r"expected a readable image, got .* in .*a\.dcm"):
        raw.read(1)


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "rtdose.dcm", "693_UNCR.dcm", "SC_rgb_2frame.dcm"]
)
def test_the_fast_scan_of_a_header_agrees_with_pydicom(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sample(name)
    assert files._scan(path) is not None
    found = files.describe_dicom(path)
    monkeypatch.setattr(files, "_scan", lambda _: None)
    assert files.describe_dicom(path) == found


def test_pixels_that_are_not_square_are_noted(tmp_path: Path) -> None:
    groups = [group(1, 0, "HU") for _ in range(3)]
    for item, spacing in zip(groups, ([1, 1], [3, 2], [1, 2]), strict=True):
        measures = Dataset()
        measures.PixelSpacing = spacing
        item.PixelMeasuresSequence = [measures]
    enhanced(tmp_path / "a.dcm", PerFrameFunctionalGroupsSequence=groups, PixelSpacing=[9, 1])
    write_dicom(tmp_path / "b.dcm", STORED[0], Modality="CT", RescaleSlope=1, RescaleIntercept=0, PixelSpacing=[3, 2])
    write_dicom(tmp_path / "c.dcm", STORED[0], Modality="CT", RescaleSlope=1, RescaleIntercept=0, PixelSpacing=[2, 2])
    raw = open_manifest(write_manifest(tmp_path, "path,frame", "a.dcm,1", "b.dcm,", "c.dcm,"))
    assert raw.notes == (
        "pixels of 2 DICOM files are not square, up to 0.5 times as high as wide, and used as stored: a.dcm, b.dcm",
    )
