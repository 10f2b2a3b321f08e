"""Files beside the images of a DICOM tree: identical copies, localizers, macOS's files, and files without preamble."""

import shutil
from pathlib import Path

import lidc_trees as trees
import numpy as np
import pytest
from test_lidc_reader import ignore, open_tree, refused

from oncorobust.formats.dicom.images import images_only
from oncorobust.formats.dicom.index import index_dicom
from oncorobust.formats.image_files import describe_image, read_image

SLICE = "LIDC-IDRI/a/1-003.dcm"
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(64)


def test_identical_copies_are_used_once_and_noted(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    expected = open_tree(tmp_path)
    shutil.copy(tmp_path / SLICE, tmp_path / "LIDC-IDRI/a/1-003(1).dcm")
    shutil.copytree(tmp_path / "LIDC-IDRI/b", tmp_path / "again/LIDC-IDRI/b")
    raw = open_tree(tmp_path)
    assert raw.index.equals(expected.index)
    note = "7 files are identical copies of another and left out, for example LIDC-IDRI/a/1-003(1).dcm"
    assert raw.notes == (note, *expected.notes)


def test_files_of_one_uid_that_differ_are_refused(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    trees.write_slice(tmp_path / "LIDC-IDRI/a/other.dcm", 2, PixelPaddingValue=-3000)
    refused(tmp_path, r"expected each SOPInstanceUID once, got .* in .*1-003\.dcm and .*other\.dcm")


def test_a_localizer_in_a_series_is_left_out_and_noted(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    expected = open_tree(tmp_path)
    trees.write_slice(
        tmp_path / "LIDC-IDRI/a/0.dcm",
        9,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
    )
    raw = open_tree(tmp_path)
    assert raw.index.equals(expected.index)
    assert raw.notes[0] == "1 localizers in 1 series were left out, for example LIDC-IDRI/a/0.dcm"


def test_a_series_of_localizers_alone_is_kept(tmp_path: Path) -> None:
    trees.write_series(tmp_path, n=2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    headers, notes = images_only(index_dicom(tmp_path, on_progress=ignore), tmp_path)
    assert (len(headers), notes) == (2, ())


def test_files_of_macos_are_passed_over(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    expected = open_tree(tmp_path)
    for path in [*tmp_path.rglob("*.dcm"), *tmp_path.rglob("*.xml")]:
        path.with_name(f"._{path.name}").write_bytes(APPLE_DOUBLE)
        (tmp_path / "__MACOSX" / path.name).parent.mkdir(exist_ok=True)
        (tmp_path / "__MACOSX" / path.name).write_bytes(APPLE_DOUBLE)
    raw = open_tree(tmp_path)
    assert raw.index.equals(expected.index)
    assert raw.notes == expected.notes


@pytest.mark.parametrize("meta", [True, False])
def test_files_without_preamble_are_read(tmp_path: Path, meta: bool) -> None:
    trees.write_tree(tmp_path)
    expected, plain = open_tree(tmp_path), read_image(tmp_path / SLICE).values
    for path in tmp_path.rglob("*.dcm"):
        content = path.read_bytes()[132:]
        length = int.from_bytes(content[8:12], "little")
        path.write_bytes(content if meta else content[12 + length :])
    raw = open_tree(tmp_path)
    assert raw.index.equals(expected.index)
    assert describe_image(tmp_path / SLICE).unit == "HU"
    np.testing.assert_array_equal(read_image(tmp_path / SLICE).values, plain)
    np.testing.assert_array_equal(raw.read(0).values, expected.read(0).values)
