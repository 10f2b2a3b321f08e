"""Which images of a BIDS data set are taken, and labels that contradict each other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from proposal_trees import columns, propose, write_table, write_volume
from test_proposal_messages import refusal

Captured = pytest.CaptureFixture[str]


def make_bids(tree: Path, names: Sequence[str], lines: Sequence[Sequence[str]] = ()) -> None:
    for subject in range(1, 5):
        for place, name in enumerate(names):
            folder, _, end = name.rpartition("/")
            path = tree / f"sub-0{subject}" / (folder or "anat") / f"sub-0{subject}_{end}.nii.gz"
            write_volume(path, np.full((4, 4, 3), 10 * subject + place, np.int16))
    labels = lines or [[f"sub-0{subject}", "ab"[subject > 2]] for subject in range(1, 5)]
    write_table(tree / "participants.tsv", [["participant_id", "group"], *labels], separator="\t")


def test_a_participant_with_two_labels_is_named(tmp_path: Path, capsys: Captured) -> None:
    lines = [["sub-01", "a"], ["sub-01", "b"], ["sub-02", "a"], ["sub-03", "b"], ["sub-03", "a"], ["sub-04", "b"]]
    make_bids(tmp_path / "x", ["T1w"], lines)
    said = refusal(tmp_path / "x", capsys)
    assert "column group: expected one label for each participant, got several for 2, for example sub-01 (a and" in said


def test_a_participant_with_the_same_label_twice(tmp_path: Path) -> None:
    make_bids(tmp_path / "x", ["T1w"], [["sub-01", "a"], ["sub-01", "a"], *([f"0{n}", "ab"[n > 2]] for n in (2, 3, 4))])
    assert columns(propose(tmp_path / "x"), "label") == [("a",), ("a",), ("b",), ("b",)]


def test_only_images_of_anat_are_taken(tmp_path: Path, capsys: Captured) -> None:
    make_bids(tmp_path / "x", ["T1w", "dwi/dwi", "dwi/T1w"])
    assert [row["path"].split("/")[2] for row in propose(tmp_path / "x")] == ["anat"] * 4
    assert "left out: 8 images are no raw images in anat\n    sub-01/dwi/sub-01_T1w.nii.gz" in capsys.readouterr().out


def test_images_that_differ_in_contrast_or_run_are_told_and_chosen(tmp_path: Path, capsys: Captured) -> None:
    make_bids(tmp_path / "x", ["T1w", "ce-gad_T1w", "run-2_T1w"])
    assert len(propose(tmp_path / "x")) == 12
    said = (
        "the images are 4 T1w and 4 ce-gad_T1w and 4 run-2_T1w, each of which counts (--modality T1w takes one alone)"
    )
    assert said in capsys.readouterr().out
    for name in ("T1w", "ce-gad_T1w"):
        (tmp_path / "x-made").rename(tmp_path / f"before-{name}")
        rows = propose(tmp_path / "x", "--modality", name)
        assert [row["path"].partition("/anat/")[2] for row in rows] == [f"sub-0{n}_{name}.nii.gz" for n in (1, 2, 3, 4)]
        assert f"left out: 8 images are not {name} (--modality)" in capsys.readouterr().out
