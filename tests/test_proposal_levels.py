"""Which level of folders is the class, where several could be, and which tables beside folders give the labels."""

from pathlib import Path

import pytest
from proposal_trees import columns, propose, write_pictures
from test_proposal_messages import refusal

from oncorobust.formats.proposals.folders import SPLIT_WORDS


def test_folders_of_patients_that_repeat_the_names_of_classes_are_no_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "x", [f"P{n:02}/{label}/{n}.png" for n in range(12) for label in ("glioma", "healthy")])
    for one in (1, 4):  # some patients have one class only
        (tmp_path / "x" / f"P{one:02}" / "glioma" / f"{one}.png").unlink()
    rows = propose(tmp_path / "x")
    assert {(row["label"], row["patient_id"]) for row in rows[:2]} == {("glioma", "P00"), ("healthy", "P00")}
    assert len(rows) == 22
    assert "the classes are the folders glioma, healthy (level 2 of the folders)" in capsys.readouterr().out


def test_hospitals_that_repeat_the_names_of_classes_are_asked_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{site}/{label}/{site}{n}.png" for site in ("berlin", "paris") for label in ("ca", "scc") for n in (1, 2)]
    write_pictures(tmp_path / "x", names)
    said = refusal(tmp_path / "x", capsys)
    assert "expected one level of folders that are classes, got berlin, paris, which each hold ca, scc" in said
    assert said.endswith("with --pattern '{label}/*/*' or --pattern '*/{label}/*'")
    assert {row["label"] for row in propose(tmp_path / "x", "--pattern", "*/{label}/*")} == {"ca", "scc"}


def test_sequences_and_magnifications_below_classes_are_no_classes(tmp_path: Path) -> None:
    write_pictures(
        tmp_path / "x", [f"{label}/{m}X/{n}.png" for label in ("ca", "scc") for m in (40, 100) for n in "ab"]
    )
    assert {row["label"] for row in propose(tmp_path / "x", "--pattern", "{patient_id}.*")} == {"ca", "scc"}


@pytest.mark.parametrize("name", ["train_images", "Train", "trainset", "training-data", "train images"])
def test_words_for_a_split(name: str) -> None:
    assert SPLIT_WORDS[name.lower()] == "train"
    assert SPLIT_WORDS["valid_images"] == "validation"
    assert "trainer" not in SPLIT_WORDS
    assert columns([{"a": SPLIT_WORDS["test_images"]}], "a") == [("test",)]
