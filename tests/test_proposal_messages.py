"""Each mistake in a folder or a table gives one line that says what to do, and nothing is written."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from proposal_trees import columns, make_nnunet, propose, write_dicom, write_pictures, write_table, write_volume

from oncorobust.cli.main import main

Captured = pytest.CaptureFixture[str]


def refusal(folder: Path, capsys: Captured, *options: str) -> str:
    """Run the command, which has to fail and to write nothing, and return its only line."""
    output = folder.parent / "made" / "manifest.csv"
    assert main(["manifest", str(folder), "--name", "mine", "--output", str(output), *options]) == 1
    assert not (folder.parent / "made").exists()
    assert not [path for path in folder.parent.iterdir() if ".part" in path.name]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err.strip()


def classes(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "x", ["a/1.png", "a/2.png", "b/3.png", "b/4.png"])
    return tmp_path / "x"


def flat(tmp_path: Path, names: str = "1234") -> Path:
    write_pictures(tmp_path / "x", [f"{name}.png" for name in names])
    return tmp_path / "x"


def table(tmp_path: Path, *lines: str) -> tuple[str, str]:
    return "--table", str(write_table(tmp_path / "t.csv", [line.split(",") for line in lines]))


def test_no_folder_an_empty_one_and_one_without_images(tmp_path: Path, capsys: Captured) -> None:
    assert refusal(tmp_path / "none", capsys) == (
        f"oncorobust: expected a folder of images, got {tmp_path / 'none'}, which is missing"
    )
    (tmp_path / "x").mkdir()
    assert refusal(tmp_path / "x", capsys).endswith("x: expected a folder of images, got an empty folder")
    (tmp_path / "x" / "a.gif").write_bytes(b"GIF89a")
    (tmp_path / "x" / "notes.txt").write_text("nothing", encoding="utf-8")
    assert "got none among 2 files (1 GIF: convert them to PNG)" in refusal(tmp_path / "x", capsys)


def test_pointers_of_git_lfs(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.png").write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    assert refusal(tmp_path / "x", capsys).endswith("expected images, got git-lfs pointers; run `git lfs pull` there")


def test_images_without_labels(tmp_path: Path, capsys: Captured) -> None:
    said = refusal(flat(tmp_path), capsys)
    assert "expected labels, got no table and no folder per class; state the table with --table, or" in said
    assert "'1.png'" in said


def test_only_one_class(tmp_path: Path, capsys: Captured) -> None:
    write_pictures(tmp_path / "x", ["a/1.png", "a/2.png"])
    assert "expected a folder per class, got no level of folders with 2 to 100 names" in refusal(
        tmp_path / "x", capsys, "--as", "classes"
    )
    assert "expected images of at least two classes, got only 'a'" in refusal(
        tmp_path / "x", capsys, *table(tmp_path, "file,label", "1,a", "2,a"), "--label-column", "label"
    )


def test_too_many_files(tmp_path: Path, capsys: Captured) -> None:
    assert (
        "expected at most 3 files, got more; give the folder of the images themselves, or allow more with --max-files"
        in (refusal(classes(tmp_path), capsys, "--max-files", "3"))
    )


def test_a_folder_without_permission(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, scan = classes(tmp_path), os.scandir

    def refuse(place: str | int) -> object:
        if str(place).endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return scan(place)

    monkeypatch.setattr("os.scandir", refuse)
    said = refusal(folder, capsys)
    assert "/x/b: expected a folder that can be read, got Permission denied; change its permissions" in said
    assert f"(chmod -R u+rX {folder}) or move it elsewhere" in said


def test_a_file_without_permission(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, opened = classes(tmp_path), os.open

    def refuse(path: str, *rest: Any, **options: Any) -> int:
        if str(path).endswith("3.png"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest, **options)

    monkeypatch.setattr("os.open", refuse)
    assert f"got 1 without permission, for example 'b/3.png'; run chmod -R u+rX {folder}, or ask their owner" in (
        refusal(folder, capsys)
    )


def test_labels_for_no_file_and_files_for_no_label_are_counted_and_named(tmp_path: Path, capsys: Captured) -> None:
    folder = flat(tmp_path, "123456")
    rows = propose(
        folder, *table(tmp_path, "file,label", "1,a", "2,a", "3,b", "4,b", *(f"lost{n},a" for n in range(12)))
    )
    assert len(rows) == 4
    printed = capsys.readouterr().out
    names = ", ".join(f"lost{n}" for n in range(10))
    assert f"left out: 12 rows of t.csv label no file\n    {names}, ...\n" in printed
    assert "left out: 2 images have no label in t.csv\n    5.png, 6.png\n" in printed


def test_two_labels_for_one_id(tmp_path: Path, capsys: Captured) -> None:
    lines = ["file,label", "1,a", "2,a", "3,b", "4,b", "1,b"]
    assert "t.csv: expected one label for each id, got 'a' (line 2) and 'b' (line 6) for '1'; correct one of them" in (
        refusal(flat(tmp_path), capsys, *table(tmp_path, *lines))
    )


def test_identical_images_of_two_classes(tmp_path: Path, capsys: Captured) -> None:
    folder = classes(tmp_path)
    (folder / "b" / "5.png").write_bytes((folder / "a" / "1.png").read_bytes())
    said = refusal(folder, capsys)
    assert "got 2 files that are identical to one of another class, for example 'a/1.png' and 'b/5.png'" in said
    assert "leave all of them out with --drop-conflicts" in said


def test_identical_images_of_two_classes_can_be_left_out(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", ["a/1.png", "a/2.png", "a/6.png", "b/3.png", "b/4.png"])
    (tmp_path / "x" / "b" / "5.png").write_bytes((tmp_path / "x" / "a" / "1.png").read_bytes())
    rows = propose(tmp_path / "x", "--drop-conflicts")
    assert [row["image_id"] for row in rows] == ["a/2", "a/6", "b/3", "b/4"]


def test_large_files_with_the_same_start_middle_and_end_are_compared_in_full(tmp_path: Path, capsys: Captured) -> None:
    values = np.zeros((200, 200), dtype=np.uint8)
    for number, place in enumerate((100, 100, 101, 102)):
        folder = tmp_path / "x" / "ab"[number // 2]
        folder.mkdir(parents=True, exist_ok=True)
        other = values.copy()
        other[place, 50] = 255  # neither in the first 16 KiB nor in the 4 KiB at the middle and the end
        other[place, 51] = 0
        np.save(folder / f"{number}.npy", other if number != 1 else values)
    assert len(propose(tmp_path / "x")) == 4
    assert "copies of each other" not in capsys.readouterr().out


def test_a_class_of_one_patient(tmp_path: Path, capsys: Captured) -> None:
    write_pictures(tmp_path / "x", ["a/p1-1.png", "a/p2-1.png", "b/p3-1.png", "b/p3-2.png"])
    said = refusal(tmp_path / "x", capsys, "--pattern", "{patient_id}-*")
    assert "expected at least two patients in each class, got one in 'b' (2 images)" in said
    assert "leave the class out with --without 'b'" in said


def test_folders_of_patients_are_no_classes(tmp_path: Path, capsys: Captured) -> None:
    for number in range(6):
        write_dicom(tmp_path / "x" / f"P{number // 2}" / f"{number}.dcm", f"P{number // 2}")
    said = refusal(tmp_path / "x", capsys)
    assert (
        "expected classes, got one patient in each, for example in 'P0': these look like patients; state the labels"
        in said
    )


def test_mixed_modalities(tmp_path: Path, capsys: Captured) -> None:
    for number in range(6):
        folder = tmp_path / "x" / "ab"[number % 2]
        write_dicom(folder / f"{number}.dcm", f"P{number}", Modality="CT" if number < 4 else "MR")
    said = refusal(tmp_path / "x", capsys)
    assert "expected images of one modality, got 4 of CT and 2 of MR; choose one with --modality CT" in said
    assert len(propose(tmp_path / "x", "--modality", "CT")) == 4


def test_merged_cells_of_a_workbook(tmp_path: Path, capsys: Captured) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [["file", "label"], ["1", "a"], ["2", None], ["3", "b"], ["4", "b"]]:
        book.active.append(row)
    book.active.merge_cells("B2:B3")
    book.save(tmp_path / "t.xlsx")
    assert (
        "t.xlsx, sheet Sheet: expected a value in every row, got 1 merged cells (B2:B3); unmerge them and repeat"
        in (refusal(flat(tmp_path), capsys, "--table", str(tmp_path / "t.xlsx")))
    )


def test_empty_labels_of_a_csv(tmp_path: Path, capsys: Captured) -> None:
    assert "t.csv, line 3: expected a label, got an empty cell (1 rows); if cells were merged, repeat the value" in (
        refusal(flat(tmp_path), capsys, *table(tmp_path, "file,label", "1,a", "2,", "3,b", "4,b"))
    )


def test_a_workbook_without_openpyxl(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    said = refusal(flat(tmp_path), capsys, "--table", str(tmp_path / "t.xlsx"))
    assert "the package openpyxl is not installed: pip install openpyxl, or save the sheet as CSV UTF-8" in said


@pytest.mark.parametrize(
    ("names", "cells", "said"),
    [
        (
            ["100000", "20", "30", "40"],
            ["1.0E+05", "20", "30", "40"],
            "got '1.0E+05', a number in scientific notation (1 cells)",
        ),
        (["MARCH1", "b", "c", "d"], ["1-Mar", "b", "c", "d"], "got '1-Mar', a date (1 cells)"),
        (["0012", "2", "3", "4"], ["12", "2", "3", "4"], "got '12', which lost the leading zeros of '0012' (1 cells)"),
        (["12", "2", "3", "4"], ["12.0", "2", "3", "4"], "got '12.0', a decimal number (1 cells)"),
        (
            ["0012", "0013", "0014", "0015"],
            ["12", "13", "14", "15"],
            "which lost the leading zeros of '0012' (4 cells)",
        ),
    ],
)
def test_ids_that_a_spreadsheet_changed(
    tmp_path: Path, capsys: Captured, names: list[str], cells: list[str], said: str
) -> None:
    write_pictures(tmp_path / "x", [f"{name}.png" for name in names])
    lines = ["file,label", *(f"{cell},{label}" for cell, label in zip(cells, "aabb", strict=True))]
    refused = refusal(tmp_path / "x", capsys, *table(tmp_path, *lines))
    assert said in refused
    assert "format the column as text in the spreadsheet" in refused


def test_lost_zeros_can_be_ignored(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", ["0012.png", "0013.png", "0014.png", "0015.png"])
    rows = propose(tmp_path / "x", *table(tmp_path, "file,label", "12,a", "13,a", "14,b", "15,b"), "--ignore-zeros")
    assert columns(rows, "image_id", "label") == [("0012", "a"), ("0013", "a"), ("0014", "b"), ("0015", "b")]


def test_patients_that_differ_only_in_case_spaces_or_zeros(tmp_path: Path, capsys: Captured) -> None:
    lines = ["file,label,patient", "1,a,P 01", "2,a,p1", "3,b,q2", "4,b,q3"]
    options = table(tmp_path, *lines)
    said = refusal(flat(tmp_path), capsys, *options)
    assert (
        "got 2 ids that differ from another only in case, spaces or leading zeros, for example 'P 01' and 'p1'" in said
    )
    assert "--alike same or --alike different" in said
    assert columns(propose(tmp_path / "x", *options, "--alike", "different"), "patient_id")[:2] == [("P 01",), ("p1",)]


def test_alike_patients_can_be_joined(tmp_path: Path) -> None:
    options = table(tmp_path, "file,label,patient", "1,a,P 01", "2,a,p1", "3,a,q4", "4,b,q2", "5,b,q3")
    rows = propose(flat(tmp_path, "12345"), *options, "--alike", "same")
    assert [row["patient_id"] for row in rows] == ["P 01", "P 01", "q4", "q2", "q3"]


def test_a_patient_in_two_splits(tmp_path: Path, capsys: Captured) -> None:
    names = [
        f"{split}/{label}/{patient}-1.png" for split in ("train", "test") for label in "ab" for patient in ("p1", "p2")
    ]
    write_pictures(tmp_path / "x", names)
    said = refusal(tmp_path / "x", capsys, "--pattern", "{patient_id}-*")
    assert "expected each patient in one split, got 2 patients in two, for example with 'test/a/p1-1.png' and" in said
    assert "leave the given split out with --no-split" in said
    assert "split" not in propose(tmp_path / "x", "--pattern", "{patient_id}-*", "--no-split")[0]


def test_an_existing_manifest_is_named_and_kept(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "there").mkdir()
    manifest = tmp_path / "there" / "manifest.csv"
    manifest.write_text("mine", encoding="utf-8")
    assert main(["manifest", str(classes(tmp_path)), "--name", "x", "--output", str(manifest)]) == 1
    assert capsys.readouterr().err == (
        f"oncorobust: {manifest} exists already and is not overwritten; remove it, or give another with --output\n"
    )
    assert manifest.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("pattern", ["{patient}_{label}.png", "*.png", "re:(?P<label>"])
def test_a_faulty_pattern(tmp_path: Path, capsys: Captured, pattern: str) -> None:
    assert "--pattern: expected" in refusal(classes(tmp_path), capsys, "--as", "pattern", "--pattern", pattern)


def test_a_pattern_that_fits_no_file(tmp_path: Path, capsys: Captured) -> None:
    assert "got '{patient_id}+{label}', which none of 4 fits, for example 'a/1.png'" in (
        refusal(classes(tmp_path), capsys, "--pattern", "{patient_id}+{label}")
    )


def test_a_name_that_no_folder_can_have(tmp_path: Path, capsys: Captured) -> None:
    assert main(["manifest", str(classes(tmp_path)), "--name", "../x"]) == 1
    assert "--name: expected lower-case letters, digits and underscores, got '../x'" in capsys.readouterr().err


def test_a_folder_outside_a_project(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = classes(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["manifest", str(folder), "--name", "x"]) == 1
    assert "has no Snakefile: run oncorobust in the root of a project, or give a place with --output FILE" in (
        capsys.readouterr().err
    )


def test_labels_of_several_findings(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "x").mkdir()
    np.savez(tmp_path / "x" / "chest.npz", images=np.zeros((3, 4, 4), np.uint8), labels=np.zeros((3, 14), np.uint8))
    assert "chest.npz, labels: expected one label for each image, got 14 (several findings in one image" in (
        refusal(tmp_path / "x", capsys)
    )


def test_arrays_with_unknown_names(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "x").mkdir()
    np.savez(tmp_path / "x" / "a.npz", pictures=np.zeros((3, 4, 4), np.uint8))
    assert (
        "expected one .npz file with images and labels (train_images and train_labels, or images and labels), got none"
        in (refusal(tmp_path / "x", capsys))
    )


def test_structures_of_nnunet_are_named(tmp_path: Path, capsys: Captured) -> None:
    make_nnunet(tmp_path / "x", with_tumour={0})
    assert "one of organ, tumour, got no --value; state it with --value" in refusal(tmp_path / "x", capsys)


def test_suffixes_of_bids_are_named(tmp_path: Path, capsys: Captured) -> None:
    for number in "12":
        for suffix in ("T1w", "T2w"):
            write_volume(
                tmp_path / "x" / f"sub-{number}" / "anat" / f"sub-{number}_{suffix}.nii", np.ones((3, 3, 2), np.int16)
            )
    write_table(
        tmp_path / "x" / "participants.tsv",
        [["participant_id", "group"], ["sub-1", "a"], ["sub-2", "b"]],
        separator="\t",
    )
    assert "got 2 T1w and 2 T2w; choose one with --modality T1w" in refusal(tmp_path / "x", capsys)


def test_hostile_names_are_left_out_or_refused(tmp_path: Path, capsys: Captured) -> None:
    folder = classes(tmp_path)
    write_pictures(folder, ["a/\x1b[2J.png", "a/\u202egnp.png"], first=10)
    assert len(propose(folder)) == 4
    printed = capsys.readouterr().out
    assert "left out: 2 files have names with control characters" in printed
    assert "\x1b" not in printed


def test_a_link_out_of_the_folder_is_left_out(tmp_path: Path, capsys: Captured) -> None:
    folder = classes(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "secret.png")
    (folder / "a" / "link.png").symlink_to(tmp_path / "secret.png")
    assert len(propose(folder)) == 4
    assert (
        "left out: 1 files are links that lead out of the folder or to nothing\n    a/link.png"
        in capsys.readouterr().out
    )


def test_damaged_and_empty_files_are_left_out(tmp_path: Path, capsys: Captured) -> None:
    folder = classes(tmp_path)
    (folder / "a" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (folder / "a" / "void.png").touch()
    assert len(propose(folder)) == 4
    printed = capsys.readouterr().out
    assert "left out: 1 files: each has no readable PNG header\n    a/cut.png" in printed
    assert "left out: 1 files: each is empty\n    a/void.png" in printed
