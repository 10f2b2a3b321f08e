"""What a proposal used to lose or to mix without a word: copies, spellings, empty masks, folders, ids and axes."""

import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from proposal_trees import columns, propose, write_dicom, write_pictures, write_volume
from test_proposal_messages import refusal

from oncorobust.formats.manifest import open_manifest

Captured = pytest.CaptureFixture[str]


def make_volumes(tree: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        volume = rng.integers(0, 999, (6, 7, 5)).astype(np.int16)
        write_volume(tree / "ab"[number // 3] / f"v{number}.nii.gz", volume)


def test_identical_volumes_of_two_classes(tmp_path: Path, capsys: Captured) -> None:
    make_volumes(tmp_path / "x")
    shutil.copy(tmp_path / "x" / "a" / "v0.nii.gz", tmp_path / "x" / "b" / "z.nii.gz")
    said = refusal(tmp_path / "x", capsys)
    assert "got 2 files that are identical to one of another class, for example 'a/v0.nii.gz' and 'b/z.nii.gz'" in said
    mask = np.zeros((6, 7, 5), np.uint8)
    mask[2, 2, 3] = 1
    write_volume(tmp_path / "x" / "b" / "z_mask.nii.gz", mask)
    assert "identical to one of another class" in refusal(tmp_path / "x", capsys)
    assert len(propose(tmp_path / "x", "--drop-conflicts")) == 5


def test_the_same_frame_of_identical_files_of_two_classes(tmp_path: Path, capsys: Captured) -> None:
    for number in range(4):
        pixels = (np.arange(3 * 42) + number).astype(np.uint16).tobytes()
        place = tmp_path / "x" / "ab"[number // 2] / f"{number}.dcm"
        write_dicom(place, f"P{number}", NumberOfFrames=3, PixelData=pixels)
    shutil.copy(tmp_path / "x" / "a" / "0.dcm", tmp_path / "x" / "b" / "9.dcm")
    assert "for example 'a/0.dcm' and 'b/9.dcm'" in refusal(tmp_path / "x", capsys)


def test_names_that_differ_only_in_their_unicode_form_are_one_class(tmp_path: Path) -> None:
    for split, form in (("train", "NFC"), ("test", "NFD")):
        names = [unicodedata.normalize(form, label) for label in ("bénin", "métastase")]
        write_pictures(tmp_path / "x", [f"{split}/{name}/{split}{n}.png" for name in names for n in range(2)])
    rows = propose(tmp_path / "x")
    assert {row["label"] for row in rows} == {unicodedata.normalize("NFC", label) for label in ("bénin", "métastase")}


def test_volumes_with_an_empty_mask_give_their_middle_slice(tmp_path: Path, capsys: Captured) -> None:
    make_volumes(tmp_path / "x")
    for number in range(6):
        mask = np.zeros((6, 7, 5), np.uint8)
        mask[2, 2, 3] = number > 2
        write_volume(tmp_path / "x" / "ab"[number // 3] / f"v{number}_seg.nii.gz", mask)
    rows = propose(tmp_path / "x")
    assert columns(rows, "label", "slice") == [("a", "middle")] * 3 + [("b", "largest")] * 3
    printed = capsys.readouterr().out
    assert "the reader refuses" not in printed
    assert "3 masks of volumes hold only 0 or cannot be read, for example 'a/v0_seg.nii.gz', and choose no" in printed


def test_one_patient_for_all_images(tmp_path: Path, capsys: Captured) -> None:
    write_pictures(tmp_path / "x", [f"{label}/P1-{n}.png" for label in "ab" for n in range(3)])
    said = refusal(tmp_path / "x", capsys, "--pattern", "{patient_id}-*")
    assert "expected images of several patients, got one patient for all 6 images; state the patients" in said


def test_a_folder_whose_name_ends_with_a_space_is_a_class(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", [f"{label}/{n}.png" for label in ("benign", "malignant ") for n in range(3)])
    rows = propose(tmp_path / "x")
    assert columns(rows, "path", "label")[3] == ("files/malignant /0.png", "malignant")
    opened = open_manifest(tmp_path / "x-made")
    assert [opened.read(position).values.shape for position in range(6)] == [(8, 9)] * 6


def test_each_file_in_a_folder_with_control_characters_is_counted(tmp_path: Path, capsys: Captured) -> None:
    names = [f"{label}/{n}.png" for label in ("a", "b") for n in range(3)]
    write_pictures(tmp_path / "x", [*names, *(f"c\x1b/d/{n}.png" for n in range(4))])
    assert len(propose(tmp_path / "x")) == 6
    printed = capsys.readouterr().out
    assert "left out: 4 files have names with control characters" in printed
    assert "\x1b" not in printed


def test_volumes_of_four_axes(tmp_path: Path, capsys: Captured) -> None:
    for number in range(4):
        write_volume(tmp_path / "x" / "ab"[number // 2] / f"{number}.nii", np.full((3, 3, 2, 4), number, np.int16))
    said = refusal(tmp_path / "x", capsys)
    assert "a/0.nii holds several volumes (a fourth axis); save one of them, or write a manifest by hand" in said
