"""A table labels the files that it names: by the right column, below one folder, and without contradictions."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from proposal_trees import Rows, columns, propose, write_pictures, write_table

from oncorobust.cli.main import main

Captured = pytest.CaptureFixture[str]
Write = Callable[[Path, str], object]

ORDER = (3, 5, 0, 7, 1, 6, 2, 4)
"""The images in the order of a shuffled table."""


def flat(tmp_path: Path, names: Sequence[str] = "01234567") -> Path:
    write_pictures(tmp_path / "x", [f"{name}.png" for name in names])
    return tmp_path / "x"


def table(tmp_path: Path, *lines: str) -> tuple[str, str]:
    return "--table", str(write_table(tmp_path / "t.csv", [line.split(",") for line in lines]))


def refusal(folder: Path, capsys: Captured, *options: str) -> str:
    """Run the command, which has to fail, and return its only line."""
    output = folder.parent / "made" / "manifest.csv"
    assert main(["manifest", str(folder), "--name", "mine", "--output", str(output), *options]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def labels(rows: Rows) -> list[str]:
    return [row["label"] for row in rows]


@pytest.mark.parametrize(
    "header", [",id,label", "Unnamed: 0,file,label", "index,image,label", "nr,image_id,label", "row,PatientID,label"]
)
@pytest.mark.parametrize("first", [0, 1])
def test_row_numbers_name_no_files_beside_a_telling_column(tmp_path: Path, header: str, first: int) -> None:
    names = [str(first + number) for number in range(8)]
    lines = [f"{first + place},{first + number},{'ab'[number // 4]}" for place, number in enumerate(ORDER)]
    assert labels(propose(flat(tmp_path, names), *table(tmp_path, header, *lines))) == ["a"] * 4 + ["b"] * 4


def test_row_numbers_do_not_go_before_a_column_of_which_files_are_missing(tmp_path: Path) -> None:
    lines = [f"{place},{number + 2},{'ab'[number // 4]}" for place, number in enumerate(ORDER)]
    rows = propose(flat(tmp_path), *table(tmp_path, ",id,label", *lines))
    assert columns(rows, "image_id", "label") == [(str(n), "ab"[n > 5]) for n in range(2, 8)]


def test_row_numbers_that_fit_far_better_are_refused(tmp_path: Path, capsys: Captured) -> None:
    lines = [f"{place},{number + 5},{'ab'[number // 4]}" for place, number in enumerate(ORDER)]
    said = refusal(flat(tmp_path), capsys, *table(tmp_path, ",id,label", *lines))
    assert "got '' without a telling name, of which 8 cells fit, and 'id', of which 3 fit; state one with" in said


@pytest.mark.parametrize("lost", [0, 2])
def test_two_columns_that_fit_about_equally_and_differ_are_refused(tmp_path: Path, capsys: Captured, lost: int) -> None:
    lines = [f"x/{n}.png,{n},{7 - n if n >= lost else n + 90},{'ab'[n // 4]}" for n in ORDER]
    options = table(tmp_path, "path,image,file,label", *lines)
    said = refusal(flat(tmp_path), capsys, *options)
    assert (
        f"got 'path', of which 8 cells fit, and 'file', of which {8 - lost} fit, and which give {8 - lost} files"
        in said
    )
    assert "different labels, for example '0.png'; state one with --file-column" in said
    assert labels(propose(tmp_path / "x", *options, "--file-column", "image")) == ["a"] * 4 + ["b"] * 4


def test_patients_with_the_numbers_of_files_are_no_second_column_of_files(tmp_path: Path) -> None:
    lines = [f"{n // 2},{n},{'ab'[n // 4]}" for n in ORDER]
    rows = propose(flat(tmp_path), *table(tmp_path, "patient,image,label", *lines))
    assert columns(rows, "patient_id", "label") == [(str(n // 2), "ab"[n // 4]) for n in range(8)]


def test_two_columns_that_agree_are_accepted(tmp_path: Path) -> None:
    lines = [f"x/{number}.png,{number},{'ab'[number // 4]}" for number in ORDER]
    assert len(propose(flat(tmp_path), *table(tmp_path, "path,image_id,label", *lines))) == 8


@pytest.mark.parametrize("name", ["site", "grade", "site_id"])
def test_a_column_of_few_values_does_not_go_before_the_patient(tmp_path: Path, name: str) -> None:
    write_pictures(tmp_path / "x", [f"{patient}/{image}.png" for patient in range(1, 9) for image in "ab"])
    lines = [f"{1 + patient % 3},{patient},{'ab'[patient > 4]}" for patient in range(1, 9)]
    rows = propose(tmp_path / "x", *table(tmp_path, f"{name},patient,label", *lines))
    assert {(row["patient_id"], row["label"]) for row in rows} == {(str(n), "ab"[n > 4]) for n in range(1, 9)}


def test_rows_below_another_folder_label_no_file(tmp_path: Path, capsys: Captured) -> None:
    lines = [f"siteA/{n}.png,{'ab'[n // 4]}" for n in range(8)]
    others = [f"siteB/{n}.png,a" for n in range(8, 20)]
    rows = propose(flat(tmp_path), *table(tmp_path, "file,label", *lines, *others))
    assert labels(rows) == ["a"] * 4 + ["b"] * 4
    assert "left out: 12 rows of t.csv label no file\n    siteB/8.png," in capsys.readouterr().out


def test_two_folders_that_fit_the_same_files_are_refused(tmp_path: Path, capsys: Captured) -> None:
    lines = [f"siteA/{n}.png,{'ab'[n // 4]}" for n in range(6)]
    said = refusal(flat(tmp_path), capsys, *table(tmp_path, "file,label", *lines, "siteB/6.png,a", "siteB/7.png,a"))
    assert (
        "column 'file': expected paths below one folder, got 'siteA' (6 rows) and 'siteB' (2 rows), which all" in said
    )
    assert "write each path relative to the folder of the images" in said


def test_rows_of_another_folder_beside_the_right_one_label_no_file(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", [f"train/{number}.png" for number in range(4)])
    lines = [f"train/{n}.png,{'ab'[n // 2]}" for n in range(4)]
    others = [f"test/{n}.png,{'ba'[n // 2]}" for n in range(4)]
    assert labels(propose(tmp_path / "x", *table(tmp_path, "file,label", *others, *lines))) == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    ("header", "line", "said"),
    [
        (
            "file,patient,label",
            "1,P9,a",
            "expected one patient for each id, got 'P1' (line 3) and 'P9' (line 10) for '1'",
        ),
        ("file,split,label", "1,test,a", "expected one split for each id, got 'train' (line 3) and 'test' (line 10)"),
    ],
)
def test_a_file_of_two_patients_or_splits_is_refused(
    tmp_path: Path, capsys: Captured, header: str, line: str, said: str
) -> None:
    value = "P{}" if "patient" in header else "train"
    lines = [f"{n},{value.format(n)},{'ab'[n // 4]}" for n in range(8)]
    refused = refusal(flat(tmp_path), capsys, *table(tmp_path, header, *lines, line))
    assert said in refused
    assert "correct one of them (1 such ids)" in refused


def test_a_row_that_repeats_another_is_accepted(tmp_path: Path) -> None:
    lines = [f"{n},{'' if n == 0 else f'P{n}'},{'ab'[n // 4]}" for n in range(8)]
    rows = propose(flat(tmp_path), *table(tmp_path, "file,patient,label", *lines, "1,P1,a", "0,P0,a"))
    assert [row["patient_id"] for row in rows] == [f"P{n}" for n in range(8)]


@pytest.mark.parametrize("cell", ["1.0E+05", "3-Mar", "Mar-26", "03. Mrz", "2026-03-01", "01.03.2026"])
def test_ids_of_patients_that_a_spreadsheet_changed_are_refused(tmp_path: Path, capsys: Captured, cell: str) -> None:
    lines = [f"{n},{cell if n < 3 else f'P{n}'},{'ab'[n // 4]}" for n in range(8)]
    said = refusal(flat(tmp_path), capsys, *table(tmp_path, "file,patient,label", *lines))
    assert f"t.csv, line 2: expected ids of patients, got {cell!r} (3 cells), which look like dates or numbers" in said
    assert "format the column as text in the spreadsheet" in said


@pytest.mark.parametrize("patient", ["12E3{}", "{}-3", "1.{}", "MAR{}", "{}.dcm", "may be {}"])
def test_ids_that_are_no_dates_or_numbers_are_accepted(tmp_path: Path, patient: str) -> None:
    lines = [f"{n},{patient.format(n)},{'ab'[n // 4]}" for n in range(8)]
    rows = propose(flat(tmp_path), *table(tmp_path, "file,patient,label", *lines))
    assert [row["patient_id"] for row in rows] == [patient.format(n) for n in range(8)]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_rows_for_missing_files_are_no_dates(tmp_path: Path, capsys: Captured, suffix: str) -> None:
    write_pictures(tmp_path / "x", [f"{n}.{suffix}" for n in range(8)])
    lines = [f"{n}.{suffix},{'ab'[n // 4 % 2]}" for n in range(13)]
    assert len(propose(tmp_path / "x", *table(tmp_path, "file,label", *lines))) == 8
    assert f"left out: 5 rows of t.csv label no file\n    8.{suffix}, 9.{suffix}, 10" in capsys.readouterr().out


def test_a_row_for_a_missing_file_is_no_date_where_files_have_dates(tmp_path: Path) -> None:
    days = [f"2026-03-0{n}" for n in range(1, 9)]
    lines = [f"{day},{'ab'[n // 4 % 2]}" for n, day in enumerate([*days, "2026-03-09"])]
    assert len(propose(flat(tmp_path, days), *table(tmp_path, "file,label", *lines))) == 8


@pytest.mark.parametrize("cell", ["#N/A", "nan", "NaN", "NA", "n/a", "<NA>", "NULL", "#NV", "#DIV/0!"])
def test_a_word_for_a_missing_value_is_no_class(tmp_path: Path, capsys: Captured, cell: str) -> None:
    lines = [f"{n},{cell if n > 5 else 'ab'[n // 3]}" for n in range(8)]
    said = refusal(flat(tmp_path), capsys, *table(tmp_path, "file,label", *lines))
    assert f"t.csv, line 8: expected a label, got {cell!r} (2 rows); if cells were merged, repeat" in said


def test_an_unknown_word_among_the_splits_is_refused(tmp_path: Path, capsys: Captured) -> None:
    words = ("Train", "Train", "Test", "Internal test")
    options = table(tmp_path, "file,split,label", *(f"{n},{words[n % 4]},{'ab'[n // 4]}" for n in range(8)))
    said = refusal(flat(tmp_path), capsys, *options)
    assert (
        "t.csv, line 5: expected a split such as train, val or test, got 'Internal test'; correct it, or leave the "
        "split out with --no-split" in said
    )
    assert "split" not in propose(tmp_path / "x", *options, "--no-split")[0]


def test_a_column_of_folds_is_no_split_and_is_told(tmp_path: Path, capsys: Captured) -> None:
    propose(flat(tmp_path), *table(tmp_path, "file,fold,label", *(f"{n},{n % 4},{'ab'[n // 4]}" for n in range(8))))
    assert "note: column 'fold' of t.csv names no train, val or test" in capsys.readouterr().out


def test_suffixes_of_other_files_are_named(tmp_path: Path, capsys: Captured) -> None:
    names = [f"IM{n}" for n in range(8)]
    options = table(tmp_path, "file,label", *(f"C:\\data\\{name}.dcm,{'ab'[n // 4]}" for n, name in enumerate(names)))
    assert (
        "t.csv, column file: expected names of files, got 'C:\\\\data\\\\IM0.dcm' where the file is 'IM0.png'; write "
        "the suffix of the files, or none" in refusal(flat(tmp_path, names), capsys, *options)
    )


def write_stated(path: Path, text: str) -> None:
    path.write_text(f"sep=;\n{text}", encoding="utf-8")


def write_wide(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-16-le"))


def write_wide_big(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-16-be"))


def write_with_mark(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-16"))


def write_old_lines(path: Path, text: str) -> None:
    path.write_bytes(text.replace("\n", "\r").encode())


@pytest.mark.parametrize("write", [write_stated, write_wide, write_wide_big, write_with_mark, write_old_lines])
def test_forms_in_which_spreadsheets_save_text(tmp_path: Path, write: Write) -> None:
    lines = [f"{n};P{n};a, b, {'xy'[n // 4]}" for n in range(8)]
    write(tmp_path / "t.csv", "\n".join(["file;patient;label", *lines, ""]))
    rows = propose(flat(tmp_path), "--table", str(tmp_path / "t.csv"))
    assert columns(rows, "patient_id", "label") == [(f"P{n}", f"a, b, {'xy'[n // 4]}") for n in range(8)]


def test_lines_are_counted_below_a_stated_separator(tmp_path: Path, capsys: Captured) -> None:
    write_stated(tmp_path / "t.csv", "\n".join(["file;label", *(f"{n};a" for n in range(7)), "7;", ""]))
    assert "t.csv, line 10: expected a label, got an empty cell (1 rows)" in refusal(
        flat(tmp_path), capsys, "--table", str(tmp_path / "t.csv")
    )


@pytest.mark.parametrize("header", ["file,patient,diagnosis", "file,diagnosis"])
@pytest.mark.parametrize("title", ["Study BRCA-7", "Study BRCA-7, export 2024"])
@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_title_above_the_header_is_refused(
    tmp_path: Path, capsys: Captured, header: str, title: str, kind: str
) -> None:
    lines = [f"{n},P{n},{'ab'[n // 4]}" if "patient" in header else f"{n},{'ab'[n // 4]}" for n in range(8)]
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        path.write_text("\n".join([f'"{title}"', "", header, *lines, ""]), encoding="utf-8")
    else:
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in [[title], [], header.split(","), *(line.split(",") for line in lines)]:
            book.active.append(row)
        book.save(path)
    said = refusal(flat(tmp_path), capsys, "--table", str(path))
    assert "line 1: expected a header that names the columns, got 1 names above lines of" in said
    assert "if line 3 is the header, remove the lines above it" in said


def test_a_table_without_a_header_is_refused(tmp_path: Path, capsys: Captured) -> None:
    said = refusal(flat(tmp_path), capsys, *table(tmp_path, *(f"data/{n}.png,{'ab'[n // 4]}" for n in range(8))))
    assert "expected names of columns in the first line, got 'data/0.png', which is a file; add a first line" in said


def test_formulas_that_were_not_computed_are_refused(tmp_path: Path, capsys: Captured) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["file", "score", "label"])
    for n in range(8):
        book.active.append([str(n), n, f'=IF(B{n + 2}>3,"malignant","benign")'])
    book.save(tmp_path / "t.xlsx")
    said = refusal(flat(tmp_path), capsys, "--table", str(tmp_path / "t.xlsx"))
    assert "t.xlsx, sheet Sheet: expected values, got 8 formulas that were not computed, the first in C2" in said
    assert "open the workbook in a spreadsheet and save it" in said


def test_a_stated_column_and_a_pattern_of_patients_contradict(tmp_path: Path, capsys: Captured) -> None:
    options = table(tmp_path, "file,who,label", *(f"{n},P{n},{'ab'[n // 4]}" for n in range(8)))
    said = refusal(flat(tmp_path), capsys, *options, "--patient-column", "who", "--pattern", "{patient_id}.png")
    assert "--pattern: expected one source of patient_id, got '{patient_id}.png' and the column 'who'" in said
