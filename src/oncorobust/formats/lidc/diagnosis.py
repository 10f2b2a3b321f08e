"""Reader of LIDC-IDRI's diagnosis spreadsheet: diagnosis and diagnosis method of 157 patients.

The sheet `Diagnosis Truth` has one row per patient. Its headers contain the code book after a line break, so columns
are identified by the beginning of the header. Only diagnoses at the patient level are used: the nodule numbers of the
spreadsheet cannot be linked to the nodules of the XML, so a diagnosis applies to all nodules of its patient.

Source: tcia-diagnosis-data-2012-04-20.xls, The Cancer Imaging Archive, LIDC-IDRI (CC BY 3.0).
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256

PATTERN = "tcia-diagnosis-data*.xls"
SHEET = "Diagnosis Truth"
SHA256 = "dc91810f2063889a055680e5e95f431ee2bb3bc81333444f37e97e1ee55c9b1e"
MALIGNANT_CODES = (2, 3)

_HEADERS = {
    "patient_id": r"TCIA Patient ID",
    "code": r"Diagnosis at the Patient Level",
    "method": r"Diagnosis Method",
}


@dataclass(frozen=True)
class Diagnosis:
    """A patient's diagnosis.

    code: 0 unknown, 1 benign, 2 primary lung cancer, 3 metastasis. method: 0 unknown, 1 two years of stable images,
    2 biopsy, 3 resection, 4 progression or response.
    """

    code: int
    method: int


def find_spreadsheet(folder: Path) -> Path | None:
    """Find the spreadsheet at the top of a tree or one folder below; None if there is none.

    Raises InputError naming two spreadsheets that differ.
    """
    paths = sorted([*folder.glob(PATTERN), *folder.glob(f"*/{PATTERN}")])
    for path in paths[1:]:
        if file_sha256(path) != file_sha256(paths[0]):
            raise InputError(f"expected one diagnosis spreadsheet, got {paths[0]} and {path}")
    return paths[0] if paths else None


def read_diagnoses(path: Path) -> dict[str, Diagnosis]:
    """Read the diagnoses by PatientID. Raises InputError naming the file, its sheet or its row (from 1)."""
    rows = _read_sheet(path)
    columns = {name: _column(rows[0], pattern, path) for name, pattern in _HEADERS.items()}
    diagnoses: dict[str, Diagnosis] = {}
    for number, cells in enumerate(rows[1:], start=2):
        if all(_shown(cell) == "" for cell in cells):
            continue
        where = f"{path}, row {number}"
        patient_id = _shown(cells[columns["patient_id"]])
        if not re.fullmatch(r"LIDC-IDRI-[0-9]{4}", patient_id):
            raise InputError(f"expected a patient ID like LIDC-IDRI-0001, got another in {where}")
        if patient_id in diagnoses:
            raise InputError(f"expected each patient once, got {patient_id} again in {where}")
        diagnoses[patient_id] = Diagnosis(
            code=_code(cells[columns["code"]], 3, "a diagnosis", where),
            method=_code(cells[columns["method"]], 4, "a diagnosis method", where),
        )
    return diagnoses


def _read_sheet(path: Path) -> list[list[Any]]:
    """Read all cells of the sheet, one list per row: text, float, or "" for an empty cell."""
    import xlrd  # pure Python: native readers of this format crash the whole process on some damaged files

    try:
        book = xlrd.open_workbook(file_contents=path.read_bytes(), logfile=io.StringIO())
        names = book.sheet_names()
        sheet = book.sheet_by_name(SHEET) if SHEET in names else None
        rows = [] if sheet is None else [sheet.row_values(number) for number in range(sheet.nrows)]
    except Exception as error:  # a damaged file can raise almost any exception
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected an Excel file (.xls), got {text} in {path}") from error
    if sheet is None:
        raise InputError(f"expected a sheet {SHEET!r}, got {', '.join(names)} in {path}")
    if not rows:
        raise InputError(f"expected a header row, got an empty sheet in {path}")
    return rows


def _column(header: Sequence[Any], pattern: str, path: Path) -> int:
    for position, cell in enumerate(header):
        if re.match(pattern, _shown(cell)):
            return position
    found = ", ".join(_shown(cell).partition("\n")[0] for cell in header)
    raise InputError(f"expected a column {pattern!r}, got the columns {found} in {path}")


def _shown(cell: Any) -> str:
    return str(cell).strip()


def _code(cell: Any, last: int, words: str, where: str) -> int:
    text = _shown(cell).removesuffix(".0")
    if not (re.fullmatch(r"[0-9]", text) and int(text) <= last):
        raise InputError(f"expected {words} from 0 to {last}, got {text!r} in {where}")
    return int(text)
