"""Labels of nodules, and the diagnosis spreadsheet: as published, as damaged, and the real one where it is at hand."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lidc_trees as trees
import msgspec
import pandas as pd
import pytest
import xlwt

from oncorobust.base.errors import InputError
from oncorobust.formats.lidc.diagnosis import SHA256, Diagnosis, find_spreadsheet, read_diagnoses
from oncorobust.formats.lidc.labels import label_nodule
from oncorobust.settings.data import Lidc

SETTINGS = Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=(2, 3), crop_mm=20.0)
HEADER = (
    "TCIA Patient ID",
    "Diagnosis at the Patient Level\n0=Unknown\n1=benign or non-malignant disease\n",
    "Diagnosis Method\n0 = unknown\n1 = review of radiological images",
    "Primary tumor site for metastatic disease",
    "Nodule 1\nDiagnosis at the Nodule Level \n0=Unknown",
    "Nodule 1\nDiagnosis Method at the Nodule Level\n0 = unknown",
)
ROW = ("LIDC-IDRI-0068", 3, 4, "Head & Neck Cancer", 3, 4)


def settings(**changes: Any) -> Lidc:
    return msgspec.structs.replace(SETTINGS, **changes)


def write_sheet(
    folder: Path,
    rows: Sequence[Sequence[Any]] = (ROW,),
    *,
    header: Sequence[str] = HEADER,
    sheet: str = "Diagnosis Truth",
    name: str = "tcia-diagnosis-data-2012-04-20.xls",
) -> Path:
    book = xlwt.Workbook()
    page = book.add_sheet(sheet)
    for number, cells in enumerate((header, *rows)):
        for column, cell in enumerate(cells):
            if cell is not None:
                page.write(number, column, cell)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(str(path))
    return path


@pytest.mark.parametrize(
    ("ratings", "changes", "label"),
    [
        ((2,), {}, 0),
        ((4,), {}, 1),
        ((3,), {}, 1),
        ((3,), {"tie": "benign"}, 0),
        ((3,), {"tie": "drop"}, None),
        ((1, 5), {"tie": "drop"}, None),
        ((2, 3, 3, 3), {}, 0),  # mean 2.75
        ((2, 3, 3, 3), {"rating": "median"}, 1),
        ((1, 1, 4, 5), {"rating": "median"}, 0),  # median 2.5
        ((4, 4), {"min_readers": 3}, None),
        ((4, 4, 4), {"min_readers": 3}, 1),
    ],
)
def test_labels_by_readers(ratings: tuple[int, ...], changes: dict[str, Any], label: int | None) -> None:
    expected = None if label is None else (label, "readers")
    assert label_nodule(ratings, None, settings(**changes)) == expected


@pytest.mark.parametrize(
    ("diagnosis", "changes", "label"),
    [
        (Diagnosis(1, 2), {}, (0, "pathology")),
        (Diagnosis(2, 3), {}, (1, "pathology")),
        (Diagnosis(3, 2), {}, (1, "pathology")),
        (Diagnosis(0, 2), {}, (1, "readers")),  # a biopsy of unknown outcome
        (Diagnosis(1, 1), {}, (1, "readers")),  # stable images are no pathology
        (Diagnosis(1, 1), {"pathology_methods": (1,)}, (0, "pathology")),
        (Diagnosis(1, 2), {"pathology_methods": ()}, (1, "readers")),
        (Diagnosis(1, 2), {"tie": "drop"}, (0, "pathology")),  # before ties are dropped
        (Diagnosis(1, 2), {"min_readers": 2}, None),
    ],
)
def test_labels_of_a_tie_by_pathology(diagnosis: Diagnosis, changes: dict[str, Any], label: object) -> None:
    assert label_nodule((3,), diagnosis, settings(**changes)) == label


def test_the_spreadsheet_is_read_by_how_its_headers_begin(tmp_path: Path) -> None:
    rows = [ROW, ("LIDC-IDRI-0071 ", 1.0, "2", None, " ", None), (None,) * 6, ("LIDC-IDRI-0072", 0, 0)]
    assert read_diagnoses(write_sheet(tmp_path, rows)) == {
        "LIDC-IDRI-0068": Diagnosis(code=3, method=4),
        "LIDC-IDRI-0071": Diagnosis(code=1, method=2),
        "LIDC-IDRI-0072": Diagnosis(code=0, method=0),
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("LIDC-IDRI-0001", 4, 2), "expected a diagnosis from 0 to 3, got '4' in .*xls, row 3"),
        (("LIDC-IDRI-0001", None, 2), "expected a diagnosis from 0 to 3, got '' in .*xls, row 3"),
        (("LIDC-IDRI-0001", 1.5, 2), r"expected a diagnosis from 0 to 3, got '1\.5' in .*xls, row 3"),
        (("LIDC-IDRI-0001", 1, 5), "expected a diagnosis method from 0 to 4, got '5' in .*xls, row 3"),
        (("LIDC-IDRI-0001", 1, "biopsy"), "expected a diagnosis method from 0 to 4, got 'biopsy' in .*xls, row 3"),
        (("R-004", 1, 2), "expected a patient ID like LIDC-IDRI-0001, got another in .*xls, row 3"),
        (("LIDC-IDRI-0068", 1, 2), "expected each patient once, got LIDC-IDRI-0068 again in .*xls, row 3"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, row: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_diagnoses(write_sheet(tmp_path, [ROW, row]))


def test_a_wrong_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a sheet 'Diagnosis Truth', got Nodule counts in .*\.xls"):
        read_diagnoses(write_sheet(tmp_path, sheet="Nodule counts"))


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    header = (*HEADER[:2], *HEADER[3:])
    names = "TCIA Patient ID, Diagnosis at the Patient Level, Primary .*"
    message = f"expected a column 'Diagnosis Method', got the columns {names} in"
    with pytest.raises(InputError, match=message):
        read_diagnoses(write_sheet(tmp_path, [], header=header))


def test_an_empty_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a header row, got an empty sheet in .*\.xls"):
        read_diagnoses(write_sheet(tmp_path, [], header=()))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600])
def test_what_is_no_spreadsheet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tcia-diagnosis-data.xls"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"expected an Excel file \(\.xls\), got .* in .*tcia-diagnosis-data\.xls"):
        read_diagnoses(path)


def test_the_spreadsheet_may_lie_one_folder_down_and_twice_but_not_in_two_versions(tmp_path: Path) -> None:
    assert find_spreadsheet(tmp_path) is None
    write_sheet(tmp_path, name="lidc-idri-nodule-counts-6-23-2015.xls")
    assert find_spreadsheet(tmp_path) is None
    inner = write_sheet(tmp_path / "docs")
    assert find_spreadsheet(tmp_path) == inner
    outer = tmp_path / inner.name
    outer.write_bytes(inner.read_bytes())
    assert find_spreadsheet(tmp_path) in (inner, outer)
    write_sheet(tmp_path, [])
    with pytest.raises(InputError, match=r"expected one diagnosis spreadsheet, got .*\.xls and .*\.xls"):
        find_spreadsheet(tmp_path)


def real_spreadsheet() -> Path | None:
    """The published spreadsheet: named by a variable, or where the raw tree has it."""
    named = os.environ.get("ONCOROBUST_LIDC_DIAGNOSIS")
    return Path(named) if named else find_spreadsheet(trees.ROOT / "data" / "raw" / "lidc")


def test_the_published_spreadsheet_has_the_stored_diagnoses() -> None:
    path = real_spreadsheet()
    if path is None:
        pytest.skip("no tcia-diagnosis-data*.xls in data/raw/lidc, and ONCOROBUST_LIDC_DIAGNOSIS names none")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    assert read_diagnoses(path) == trees.stored_diagnoses()


def test_the_stored_diagnoses_have_the_published_counts() -> None:
    diagnoses = pd.Series([diagnosis.code for diagnosis in trees.stored_diagnoses().values()])
    assert diagnoses.value_counts().sort_index().tolist() == [27, 36, 43, 51]
