"""Rows of a table as text cells: CSV with any separator, read line by line, or the sheet of an XLSX workbook.

CSV files are UTF-8 or UTF-16; a first line `sep=;` states the separator. In a workbook, dates become YYYY-MM-DD, whole
numbers lose their `.0`, and a format such as 00000 keeps its zeros, as the spreadsheet shows them. Merged cells are
refused, because only the first of them holds the value, and so are formulas that no spreadsheet has computed, and
titles above the header, which is the first line that is not blank.
"""

import codecs
import csv
import datetime
import importlib.util
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from statistics import median_low
from typing import Any

from oncorobust.base.errors import InputError

_SEPARATORS = ",;\t|"
_MOST_MERGED = 3
_FIRST_LINES = 20

Lines = Iterator[tuple[int, list[str]]]
"""The number of each line and its cells."""


def read_lines(path: Path, *, sheet: str | None = None) -> Lines:
    """Yield the rows that are not blank, header first, as stripped text. Raises InputError naming file and line."""
    read = _workbook(path, sheet) if path.suffix.lower() in (".xlsx", ".xlsm") else _delimited(path)
    filled = ((line, cells) for line, cells in read if any(cells))
    first = list(islice(filled, _FIRST_LINES))
    if not first:
        raise InputError(f"{path}: expected a table, got an empty file")
    _check_header(path, first)
    width = len(first[0][1])
    for line, cells in chain(first, filled):
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]
        if len(cells) != width:
            raise InputError(f"{path}, line {line}: expected {width} cells, as in the header, got {len(cells)}")
        yield line, cells


def _check_header(path: Path, lines: Sequence[tuple[int, list[str]]]) -> None:
    """Raise InputError where the first line is a title, or names few of the columns; the first may have no name."""
    counts = [sum(map(bool, cells)) for _, cells in lines]
    usual = median_low(counts)
    start, cells = lines[0]
    if counts[0] < usual - 1 or (counts[0] == 1 < usual and cells[0]):
        other = next(line for (line, _), count in zip(lines, counts, strict=True) if count >= usual)
        raise InputError(
            f"{path}, line {start}: expected a header that names the columns, got {counts[0]} names above lines of "
            f"{usual} cells; if line {other} is the header, remove the lines above it, otherwise name each column"
        )


def _delimited(path: Path) -> Lines:
    try:
        with path.open("rb") as stream:
            start = stream.read(4096)
    except OSError as error:
        raise InputError(f"{path}: expected a table that can be read, got {error.strerror}") from error
    if start.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        raise InputError(f"{path}: expected a CSV, got a workbook; save the sheet as .xlsx or as CSV UTF-8")
    encoding = _encoding(start)
    line = 1
    try:
        with path.open(encoding=encoding, newline="") as stream:
            separator, skipped = _separator(list(islice(stream, _FIRST_LINES)))
            stream.seek(0)
            reader = csv.reader(stream, delimiter=separator, strict=True)
            for row in reader:
                if line > skipped:
                    yield line, [cell.strip() for cell in row]
                line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8, got byte 0x{error.object[error.start]:02x} after line {line} (probably "
            "Windows-1252); save it as CSV UTF-8"
        ) from error
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: expected a CSV, got {error}") from error


def _encoding(start: bytes) -> str:
    """Return the encoding of a text. Every other byte of UTF-16 is 0 where the text is mostly Latin."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = start[::2].count(0), start[1::2].count(0)
    if 4 * max(even, odd) > len(start):
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8-sig"


def _separator(lines: Sequence[str]) -> tuple[str, int]:
    """Return the separator, which most of the first lines hold, and how many lines state it rather than rows."""
    stated = re.fullmatch("sep=(.)", lines[0].strip(), re.IGNORECASE) if lines else None
    if stated:
        return stated[1], 1
    plain = [re.sub(r'"[^"]*"', "", line) for line in lines]

    def held(separator: str) -> tuple[int, ...]:
        return sum(separator in line for line in plain), *(line.count(separator) for line in plain)

    return max(_SEPARATORS, key=held), 0


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
    _refuse_formulas(path, chosen)
    for line, cells in enumerate(chosen.iter_rows(), start=1):
        yield line, [_cell(cell) for cell in cells]


def _refuse_formulas(path: Path, sheet: Any) -> None:
    """Raise InputError where no formula has a value, as programs write that are no spreadsheets."""
    import openpyxl

    empty = {cell.coordinate for row in sheet.iter_rows() for cell in row if cell.value is None}
    if not empty:
        return
    formulas = openpyxl.load_workbook(path)[sheet.title]
    places = [cell.coordinate for row in formulas.iter_rows() for cell in row if cell.data_type == "f"]
    if places and empty.issuperset(places):
        raise InputError(
            f"{path}, sheet {sheet.title}: expected values, got {len(places)} formulas that were not computed, the "
            f"first in {places[0]}; open the workbook in a spreadsheet and save it"
        )


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
