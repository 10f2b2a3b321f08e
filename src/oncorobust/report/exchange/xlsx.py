"""Workbooks of Office Open XML (.xlsx), written to the byte alike for the same content.

Text is stored as text in the sheet itself (inline strings), so that no text is ever read as a formula; where it begins
with = + - @ the cell is also marked as text that was typed after an apostrophe, so that it stays text when a person
edits it. Numbers are stored as numbers with a format. There is no time, author or program in the file.

Source: ECMA-376, part 1, chapters 18.3 (worksheets) and 18.8 (styles).
"""

import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

PLAIN, HEAD, PERCENT, POINTS, EPSILON, COUNT, SCORE, P_VALUE, TYPED = range(9)
"""Styles of cells: text, heading, share, percentage points, epsilon, count, score, p value, text like a formula."""

_FORMATS = {
    PERCENT: "0.0%",
    POINTS: "+0.0;-0.0;0.0",
    EPSILON: "0.######",
    COUNT: "0",
    SCORE: "0.000",
    P_VALUE: "0.0000",
}
_FIRST_FORMAT = 164  # smaller numbers are those of built-in formats
_FORMULA = ("=", "+", "-", "@")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_TEXT = 32_767
_LONGEST_NAME = 31
_TIME = (1980, 1, 1, 0, 0, 0)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEADER = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


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
    """Write a workbook. Sheets need different names without []:*?/\\ of at most 31 characters; raises ValueError."""
    names = [one.name for one in sheets]
    wrong = [name for name in names if not 0 < len(name) <= _LONGEST_NAME or re.search(r"[\[\]:*?/\\]", name)]
    if wrong or len({name.lower() for name in names}) < len(names):
        raise ValueError(f"expected different names of sheets without []:*?/\\, got {names}")
    parts = {
        "[Content_Types].xml": _content_types(len(sheets)),
        "_rels/.rels": _relations([("officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": _workbook(names),
        "xl/_rels/workbook.xml.rels": _relations(
            [("worksheet", f"worksheets/sheet{number}.xml") for number in _numbers(sheets)] + [("styles", "styles.xml")]
        ),
        "xl/styles.xml": _styles(),
        **{
            f"xl/worksheets/sheet{number}.xml": _sheet(one)
            for number, one in zip(_numbers(sheets), sheets, strict=True)
        },
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            archive.writestr(entry, _HEADER + text)


def _numbers(sheets: Sequence[Sheet]) -> range:
    return range(1, len(sheets) + 1)


def _content_types(n_sheets: int) -> str:
    sheets = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{_SHEET_TYPE}.worksheet+xml"/>'
        for number in range(1, n_sheets + 1)
    )
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_SHEET_TYPE}.styles+xml"/>{sheets}</Types>'
    )


def _relations(targets: Iterable[tuple[str, str]]) -> str:
    lines = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{lines}</Relationships>'


def _workbook(names: Iterable[str]) -> str:
    sheets = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"/>'
        for number, name in enumerate(names, start=1)
    )
    return f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>'


def _styles() -> str:
    ids = {style: _FIRST_FORMAT + position for position, style in enumerate(_FORMATS)}
    formats = "".join(f'<numFmt numFmtId="{ids[style]}" formatCode={quoteattr(_FORMATS[style])}/>' for style in ids)
    wrap = '<alignment vertical="top" wrapText="1"/>'
    styles = []
    for style in range(TYPED + 1):
        font = f'numFmtId="{ids.get(style, 0)}" fontId="{int(style == HEAD)}" fillId="0" borderId="0" xfId="0"'
        quoted = ' quotePrefix="1"' if style == TYPED else ""
        styles.append(f'<xf {font}{quoted} applyNumberFormat="1" applyFont="1" applyAlignment="1">{wrap}</xf>')
    return (
        f'<styleSheet xmlns="{_MAIN}"><numFmts count="{len(ids)}">{formats}</numFmts>'
        '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
        '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        f'<cellXfs count="{len(styles)}">{"".join(styles)}</cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )


def _sheet(sheet: Sheet) -> str:
    pane = f'<pane ySplit="{sheet.n_heads}" topLeftCell="A{sheet.n_heads + 1}" activePane="bottomLeft" state="frozen"/>'
    columns = "".join(
        f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>'
        for number, width in enumerate(sheet.widths, start=1)
    )
    rows = "".join(
        f'<row r="{number}">{"".join(_cells(row, number))}</row>' for number, row in enumerate(sheet.rows, start=1)
    )
    return (
        f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">{pane if sheet.n_heads else ""}'
        f"</sheetView></sheetViews><cols>{columns}</cols><sheetData>{rows}</sheetData></worksheet>"
    )


def _cells(row: Sequence[SheetCell], number: int) -> Iterator[str]:
    for position, cell in enumerate(row):
        place = f'r="{column_name(position)}{number}"'
        if isinstance(cell.value, str):
            style = TYPED if cell.style == PLAIN and cell.value.startswith(_FORMULA) else cell.style
            text = escape(_NOT_XML.sub("\ufffd", cell.value[:_LONGEST_TEXT]))
            yield f'<c {place} s="{style}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
        elif cell.value is not None and math.isfinite(cell.value):
            yield f'<c {place} s="{cell.style}"><v>{cell.value!r}</v></c>'


def column_name(position: int) -> str:
    """Return the letters of a column: A for 0, Z for 25, AA for 26."""
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
