"""Rows of a table as text cells: CSV with any separator, read line by line, or the sheet of an XLSX workbook.

CSV files are UTF-8 or UTF-16 with a byte order mark. In a workbook, dates become YYYY-MM-DD, whole numbers lose their
`.0`, and a format such as 00000 keeps its zeros, as the spreadsheet shows them. Merged cells are refused, because only
the first of them holds the value.
"""

import codecs
import csv
import datetime
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError

_SEPARATORS = ",;\t|"
_MOST_MERGED = 3

Lines = Iterator[tuple[int, list[str]]]
"""The number of each line and its cells."""


def read_lines(path: Path, *, sheet: str | None = None) -> Lines:
    """Yield the rows that are not blank, header first, as stripped text. Raises InputError naming file and line."""
    found = _workbook(path, sheet) if path.suffix.lower() in (".xlsx", ".xlsm") else _delimited(path)
    width = 0
    for line, cells in found:
        if not any(cells):
            continue
        width = width or len(cells)
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]
        if len(cells) != width:
            raise InputError(f"{path}, line {line}: expected {width} cells, as in the header, got {len(cells)}")
        yield line, cells
    if not width:
        raise InputError(f"{path}: expected a table, got an empty file")


def _delimited(path: Path) -> Lines:
    try:
        with path.open("rb") as stream:
            start = stream.read(4096)
    except OSError as error:
        raise InputError(f"{path}: expected a table that can be read, got {error.strerror}") from error
    if start.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        raise InputError(f"{path}: expected a CSV, got a workbook; save the sheet as .xlsx or as CSV UTF-8")
    encoding = "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    line = 1
    try:
        with path.open(encoding=encoding, newline="") as stream:
            header = stream.readline()
            stream.seek(0)
            reader = csv.reader(stream, delimiter=_separator(header), strict=True)
            for row in reader:
                yield line, [cell.strip() for cell in row]
                line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8, got byte 0x{error.object[error.start]:02x} after line {line} (probably "
            "Windows-1252); save it as CSV UTF-8"
        ) from error
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: expected a CSV, got {error}") from error


def _separator(header: str) -> str:
    plain = re.sub(r'"[^"]*"', "", header)
    return max(_SEPARATORS, key=plain.count)


def _workbook(path: Path, sheet: str | None) -> Lines:
    if importlib.util.find_spec("openpyxl") is None:
        raise InputError(
            f"{path}: the package openpyxl is not installed: pip install openpyxl, or save the sheet as CSV UTF-8"
        )
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, data_only=True)
    except Exception as error:  # a damaged archive can raise almost any exception
        raise InputError(f"{path}: expected a workbook that can be read, got {error}") from error
    chosen = _sheet(book, sheet, path)
    if merged := sorted(str(area) for area in chosen.merged_cells.ranges):
        shown = ", ".join(merged[:_MOST_MERGED])
        raise InputError(
            f"{path}, sheet {chosen.title}: expected a value in every row, got {len(merged)} merged cells ({shown}); "
            "unmerge them and repeat the value in each row"
        )
    for line, cells in enumerate(chosen.iter_rows(), start=1):
        yield line, [_cell(cell) for cell in cells]


def _sheet(book: Any, name: str | None, path: Path) -> Any:
    filled = [sheet for sheet in book.worksheets if sheet.max_row > 1]
    if name is not None:
        if name not in book.sheetnames:
            raise InputError(f"{path}: expected one of the sheets {', '.join(book.sheetnames)}, got --sheet {name!r}")
        return book[name]
    if len(filled) != 1:
        raise InputError(
            f"{path}: expected one sheet with rows, got {len(filled)} of {', '.join(book.sheetnames)}; state "
            "one with --sheet"
        )
    return filled[0]


def _cell(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).strip()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int) and re.fullmatch("0+", cell.number_format or ""):
        return str(value).zfill(len(cell.number_format))
    return str(value)
