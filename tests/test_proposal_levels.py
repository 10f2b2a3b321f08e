"""Which level of folders is the class, where several could be, and which tables beside folders give the labels."""

from pathlib import Path

import pytest
from proposal_trees import columns, propose, write_pictures, write_table
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
    assert "the classes are the folders glioma, healthy (level 2" in capsys.readouterr().out


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


def test_the_table_that_labels_files_is_chosen_among_several(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", [f"part_{number // 4}/ISIC_{number}.jpg" for number in range(8)])
    lines = [[f"HAM_{number}", f"ISIC_{number}", ("nv", "mel")[number % 2]] for number in range(8)]
    write_table(tmp_path / "x" / "metadata.csv", [["lesion_id", "image_id", "dx"], *lines])
    write_table(tmp_path / "x" / "pixels.csv", [["pixel0", "label"], *(["1", str(n % 2)] for n in range(8))])
    assert columns(propose(tmp_path / "x"), "label")[:2] == [("nv",), ("mel",)]


def test_folders_of_splits_with_a_table_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path / "x", [f"{split}_images/{split}{n}.png" for split in ("train", "test") for n in range(6)])
    train = write_table(
        tmp_path / "x" / "train.csv", [["id_code", "diagnosis"], *([f"train{n}", str(n % 2)] for n in range(6))]
    )
    write_table(tmp_path / "x" / "test.csv", [["id_code"], *([f"test{n}"] for n in range(6))])
    rows = propose(tmp_path / "x")
    assert columns(rows, "label") == [("0",), ("1",)] * 3
    printed = capsys.readouterr().out
    assert "because train.csv has a column of labels and names files" in printed
    assert "left out: 6 images have no label in train.csv" in printed
    assert "the labels are in train.csv (--table)" in printed
    test = [["id_code", "diagnosis"], *([f"test{n}", str(n % 2)] for n in range(6))]
    write_table(tmp_path / "x" / "test.csv", test)
    (tmp_path / "x-made").rename(tmp_path / "earlier")
    said = refusal(tmp_path / "x", capsys)
    assert "expected labels in one table, got test.csv, train.csv, which each name files" in said
    assert len(propose(tmp_path / "x", "--table", str(train))) == 6


def test_tables_that_are_not_used_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path / "x", [f"{'ab'[number // 2]}/{number}.jpg" for number in range(4)])
    write_table(tmp_path / "x" / "sexes.csv", [["image_id", "sex"], ["0", "F"]])
    write_table(tmp_path / "x" / "ages.csv", [["image_id", "age"], ["0", "7"]])
    assert columns(propose(tmp_path / "x"), "label") == [("a",), ("a",), ("b",), ("b",)]
    assert "the tables beside the images are not used: ages.csv, sexes.csv (--table)" in capsys.readouterr().out


def test_folders_that_a_table_lists_one_by_one_are_no_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "x", [f"Training_{number}/{number}.png" for number in range(6)])
    lines = [["NA", f"Training_{number}", ("HGG", "LGG")[number // 3]] for number in range(6)]
    table = write_table(tmp_path / "x" / "names.csv", [["2019", "2020", "Grade"], *lines])
    said = refusal(tmp_path / "x", capsys)
    assert "expected folders of classes, got 6 that column '2020' of names.csv lists one by one, as patients" in said
    assert f"state the label with --table {table} --label-column, or --as classes" in said
    rows = propose(tmp_path / "x", "--table", str(table), "--label-column", "Grade")
    assert columns(rows, "label") == [("HGG",)] * 3 + [("LGG",)] * 3


def test_a_table_that_explains_the_classes_is_only_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path / "x", [f"{label}/{number}.png" for label in "abc" for number in range(2)])
    write_table(tmp_path / "x" / "legend.csv", [["code", "name"], ["a", "one"], ["b", "two"], ["c", "three"]])
    assert len(propose(tmp_path / "x")) == 6
    assert "the tables beside the images are not used: legend.csv (--table)" in capsys.readouterr().out
