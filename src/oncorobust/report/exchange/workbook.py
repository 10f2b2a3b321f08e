"""All tables as one workbook: a sheet about the run, a sheet per table, and one for the validity gate.

Each number of ours has its interval in two columns beside it, and the images behind it in a third; shares are formatted
as percent, differences of shares are in percentage points. Values are not rounded; formats round what is shown.
"""

from collections.abc import Iterator, Sequence

from oncorobust.report.exchange.xlsx import (
    COUNT,
    EPSILON,
    HEAD,
    P_VALUE,
    PERCENT,
    PLAIN,
    POINTS,
    SCORE,
    Sheet,
    SheetCell,
)
from oncorobust.report.tables.cell import Cell, Field, Table, TableColumn, Unit
from oncorobust.report.tables.render import SYNTHETIC, marked_title, row_labels
from oncorobust.report.tables.validity import Gate, watermark

_STYLES: dict[Unit, int] = {
    "percent": PERCENT,
    "points": POINTS,
    "epsilon": EPSILON,
    "l2": EPSILON,
    "times": SCORE,
    "count": COUNT,
    "score": SCORE,
}
_UNIT_TEXT: dict[Unit, str] = {
    "percent": "",
    "points": "percentage points",
    "epsilon": "epsilon",
    "l2": "l2 distance",
    "times": "times",
    "count": "",
    "score": "",
}
_NO_CELL = SheetCell(None)
_LABEL_WIDTH, _NUMBER_WIDTH, _TEXT_WIDTH = 22, 13, 60


def to_sheets(tables: Sequence[Table], gates: Sequence[Gate]) -> tuple[Sheet, ...]:
    """Return the sheets of the workbook: About, each table, Validity."""
    return (_about(tables, gates), *map(_table_sheet, tables), _gates_sheet(gates))


def _about(tables: Sequence[Table], gates: Sequence[Gate]) -> Sheet:
    columns = {column.key: column for table in tables for column in table.columns}
    made = [column.title for column in columns.values() if column.synthetic]
    lines = [
        *(
            [(f"{SYNTHETIC} images", f"{', '.join(made)}: these images were generated and show no patient.")]
            if made
            else []
        ),
        *([("Validity", mark)] if (mark := watermark(gates)) else []),
        ("Shares", "Formatted as percent; the cell holds the fraction. Differences are in percentage points."),
        ("low, high", "Ends of the 95 % confidence interval over patients; empty where there is none."),
        ("epsilon", "l_inf radius for pixel values in [0, 1]."),
        *((table.name, table.caption) for table in tables),
    ]
    rows = [(SheetCell("Sheet or term", HEAD), SheetCell("Meaning", HEAD))]
    rows += [(SheetCell(name), SheetCell(text)) for name, text in lines]
    return Sheet("About", tuple(rows), 1, (_LABEL_WIDTH, 2 * _TEXT_WIDTH))


def _table_sheet(table: Table) -> Sheet:
    shown = [one for one in table.fields if any(cell.field == one.name for cell in table.cells)]
    heads = [SheetCell(text, HEAD) for text in ("Data set", *table.row_heads)]
    heads += [SheetCell(text, HEAD) for one in shown for text in _headings(one, table)]
    rows = [tuple(heads), *_lines(table, shown)]
    n_labels = 1 + len(table.row_heads)
    widths = (_LABEL_WIDTH,) * n_labels + (_NUMBER_WIDTH,) * (len(heads) - n_labels)
    return Sheet(table.name, tuple(rows), 1, widths)


def _headings(field: Field, table: Table) -> Iterator[str]:
    """Return the headings of a number's columns."""
    text = ": ".join(filter(None, (field.group, field.heading, _UNIT_TEXT[field.unit])))
    yield text
    if not _is_bare(field):
        yield from (f"{text}, {ending}" for ending in ("low", "high", "n images"))
    if _is_tested(field, table):
        yield f"{text}, p (Holm)"


def _is_bare(field: Field) -> bool:
    """Return whether a number stands alone: it is a count or the paper's."""
    return field.paper or field.unit == "count"


def _is_tested(field: Field, table: Table) -> bool:
    return any(cell.test for cell in table.cells if cell.field == field.name)


def _lines(table: Table, fields: Sequence[Field]) -> Iterator[tuple[SheetCell, ...]]:
    found = {(cell.column, cell.row, cell.field): cell for cell in table.cells}
    held = {(cell.column, cell.row) for cell in table.cells}
    for column in table.columns:
        for row in table.rows:
            if (column.key, row) in held:
                cells = ((one, found.get((column.key, row, one.name))) for one in fields)
                numbers = [number for one, cell in cells for number in _numbers(one, cell, table)]
                yield (*_labels(table, column, row), *numbers)


def _labels(table: Table, column: TableColumn, row: str) -> Iterator[SheetCell]:
    yield SheetCell(marked_title(column))
    yield from map(SheetCell, row_labels(table, row) if table.row_heads else ())


def _numbers(field: Field, cell: Cell | None, table: Table) -> Iterator[SheetCell]:
    """Return the cells of one number: value, ends of the interval, images, p value."""
    style, scale = _STYLES[field.unit], 100 if field.unit == "points" else 1
    ends = (cell.interval.low, cell.interval.high) if cell and cell.interval else (None, None)
    for value in (cell.value if cell else None, *(() if _is_bare(field) else ends)):
        yield _NO_CELL if value is None else SheetCell(value * scale, style)
    if not _is_bare(field):
        yield SheetCell(cell.n_images if cell else None, COUNT)
    if _is_tested(field, table):
        yield SheetCell(cell.test.p_holm if cell and cell.test else None, P_VALUE)


def _gates_sheet(gates: Sequence[Gate]) -> Sheet:
    heads = tuple(SheetCell(text, HEAD) for text in ("Data set", "Model", "Check", "Status", "Found", "Expected"))
    title = {gate.dataset: f"{gate.title} ({SYNTHETIC})" if gate.synthetic else gate.title for gate in gates}
    rows = [
        tuple(
            SheetCell(text, PLAIN)
            for text in (title[gate.dataset], gate.model, one.name, one.status, one.finding, one.expected)
        )
        for gate in gates
        for one in gate.checks
    ]
    widths = (_LABEL_WIDTH, _NUMBER_WIDTH, _LABEL_WIDTH, _NUMBER_WIDTH, _TEXT_WIDTH, _TEXT_WIDTH)
    return Sheet("Validity", (heads, *rows), 1, widths)
