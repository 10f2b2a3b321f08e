"""Workbooks (.xlsx) written by XlsxWriter, to the byte alike for the same content.

Text stays text: nothing is read as a formula, a link or a number. Text that begins with = + - @ is also marked as typed
after an apostrophe, so that it stays text when a person edits it. Numbers are stored as numbers with a format.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter

PLAIN, HEAD, PERCENT, POINTS, EPSILON, COUNT, SCORE, P_VALUE, TYPED = range(9)
"""Styles of cells: text, heading, share, percentage points, epsilon, count, score, p value, text like a formula."""

_STYLES: dict[int, dict[str, Any]] = {
    PLAIN: {},
    HEAD: {"bold": True},
    PERCENT: {"num_format": "0.0%"},
    POINTS: {"num_format": "+0.0;-0.0;0.0"},
    EPSILON: {"num_format": "0.######"},
    COUNT: {"num_format": "0"},
    SCORE: {"num_format": "0.000"},
    P_VALUE: {"num_format": "0.0000"},
    TYPED: {"quote_prefix": True},
}
_FORMULA = ("=", "+", "-", "@")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_TEXT = 32_767
_LONGEST_NAME = 31
_NO_TIME = datetime(1980, 1, 1)
_AS_TEXT = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


@dataclass(frozen=True)
class SheetCell:
    """A cell: text, a number or nothing, and its style."""

    value: str | float | int | None
    style: int = PLAIN


@dataclass(frozen=True)
class Sheet:
    """A sheet. n_heads: rows of headings, which stay in view; widths: of the columns, in characters."""

    name: str
    rows: tuple[tuple[SheetCell, ...], ...]
    n_heads: int
    widths: tuple[int, ...]


def write_workbook(path: str | Path, sheets: Sequence[Sheet]) -> None:
    """Write a workbook. Sheets need different names without []:*?/\\ of at most 31 characters; raises ValueError.

    Numbers that are not finite are left out: a workbook cannot hold them.
    """
    names = [one.name for one in sheets]
    wrong = [name for name in names if not 0 < len(name) <= _LONGEST_NAME or re.search(r"[\[\]:*?/\\]", name)]
    if wrong or len({name.lower() for name in names}) < len(names):
        raise ValueError(f"expected different names of sheets without []:*?/\\, got {names}")
    with xlsxwriter.Workbook(path, _AS_TEXT) as book:
        book.set_properties({"created": _NO_TIME})
        styles = [book.add_format({"valign": "top", "text_wrap": True, **one}) for one in _STYLES.values()]
        for sheet in sheets:
            page = book.add_worksheet(sheet.name)
            page.freeze_panes(sheet.n_heads, 0)
            for position, width in enumerate(sheet.widths):
                page.set_column(position, position, width)
            for place, cell in (((i, j), cell) for i, row in enumerate(sheet.rows) for j, cell in enumerate(row)):
                _write(page, place, cell, styles)


def _write(
    page: xlsxwriter.worksheet.Worksheet,
    place: tuple[int, int],
    cell: SheetCell,
    styles: Sequence[xlsxwriter.format.Format],
) -> None:
    if isinstance(cell.value, str):
        style = TYPED if cell.style == PLAIN and cell.value.startswith(_FORMULA) else cell.style
        page.write_string(*place, _NOT_XML.sub("\ufffd", cell.value[:_LONGEST_TEXT]), styles[style])
    elif cell.value is not None and math.isfinite(cell.value):
        page.write_number(*place, cell.value, styles[cell.style])
