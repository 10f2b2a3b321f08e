"""Tables as text: laid out for readers, as Markdown, and as CSV with raw values.

Numbers are rounded by `numbers`; an empty cell stays empty. CSV keeps the raw numbers, one column `<data set>.<field>`
each (in Table 2, one row per data set), and the ends of the interval in the columns `<data set>.<field>_low` and
`<data set>.<field>_high`.

Data sets stand across (Table 1), as rows (Table 2), or as blocks of rows (all other tables, which
have too many numbers per data set to fit across a page).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from oncorobust.report.shown_attacks import BASELINE
from oncorobust.report.tables.cell import Cell, Field, RowHead, Table, TableColumn, Unit
from oncorobust.report.tables.numbers import ReadableUnit, display_cell, in_units

SYNTHETIC = "SYNTHETIC"
"""Mark of a data set whose images were generated and show no patient."""

INTERVAL_ENDINGS = ("_low", "_high")
"""Endings of the CSV columns with the ends of a number's interval."""

NATURAL: RowHead = "Natural set"
"""Row head under which a part of a row's key is the key of a second data set."""
_NO_NUMBERS = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Heading:
    """Heading of a column of numbers: its group's text, its own, and whether its numbers are the paper's."""

    group: str
    text: str
    paper: bool


@dataclass(frozen=True)
class Line:
    """A row as shown: its labels and its numbers, empty where the table has none."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """A table as shown: headings of the label columns, headings of the number columns, rows."""

    label_heads: tuple[str, ...]
    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]


def lay_out(table: Table, units: Mapping[str, ReadableUnit] | None = None) -> Layout:
    """Return a table as readers see it, without the columns that are empty from top to bottom.

    units: by data set; in blocks, where each line belongs to one data set, they stand after the epsilon.
    """
    if table.data_sets == "across":
        return _data_sets_across(table)
    return _data_sets_as_rows(table) if table.data_sets == "rows" else _data_sets_as_blocks(table, units or {})


def _data_sets_across(table: Table) -> Layout:
    filled = {(cell.column, cell.field) for cell in table.cells}
    printed = _fields_of_the_paper(table)
    shown = [(column, one) for column in table.columns for one in table.fields if (column.key, one.name) in filled]
    return Layout(
        table.row_heads,
        tuple(Heading(marked_title(column), one.heading, one.name in printed) for column, one in shown),
        tuple(
            Line(row_labels(table, row), tuple(_text(table, row, column.key, one.name) for column, one in shown))
            for row in table.rows
        ),
    )


def _data_sets_as_rows(table: Table) -> Layout:
    shown = [one for one in table.fields if one.name in {cell.field for cell in table.cells}]
    printed = _fields_of_the_paper(table)
    return Layout(
        ("Data set",),
        tuple(Heading(one.group, one.heading, one.name in printed) for one in shown),
        tuple(
            Line((marked_title(column),), tuple(_text(table, column.key, column.key, one.name) for one in shown))
            for column in table.columns
        ),
    )


def _data_sets_as_blocks(table: Table, units: Mapping[str, ReadableUnit]) -> Layout:
    shown = [one for one in table.fields if one.name in {cell.field for cell in table.cells}]
    filled = {(cell.column, cell.row) for cell in table.cells}
    printed = _fields_of_the_paper(table)
    converted = bool(units) and "Epsilon" in table.row_heads
    return Layout(
        ("Data set", *table.row_heads, *(["in units"] if converted else [])),
        tuple(Heading(one.group, one.heading, one.name in printed) for one in shown),
        tuple(
            Line(
                (
                    marked_title(column),
                    *row_labels(table, row),
                    *([_units_text(row, units[column.key])] if converted else []),
                ),
                tuple(_texts(table, row, column.key, shown)),
            )
            for column in table.columns
            for row in table.rows
            if (column.key, row) in filled
        ),
    )


def _fields_of_the_paper(table: Table) -> set[str]:
    """Return the fields whose numbers are the paper's."""
    return {one.name for one in table.fields if one.paper}


def _units_text(row: str, readable: ReadableUnit) -> str:
    """Return the epsilon of a row's key, which is its last part, in units; empty for a row without attack."""
    last = row.rpartition(":")[2]
    return "" if last == BASELINE else in_units(float(last), readable)


def row_labels(table: Table, row: str) -> tuple[str, ...]:
    """Return a label under each of the table's row heads; Baseline has no epsilon, and a data set has its title.

    `Table.labels` stands in place of a part of the key that readers would not understand.
    """
    titles, parts = {one.key: marked_title(one) for one in table.columns}, row.split(":")
    beginnings = [":".join(parts[:end]) for end in range(1, len(parts) + 1)]
    labels = [
        titles[part] if head == NATURAL else table.labels.get(beginning, part)
        for part, beginning, head in zip(parts, beginnings, table.row_heads, strict=False)
    ]
    return (*labels, *[""] * (len(table.row_heads) - len(labels)))


def _texts(table: Table, row: str, column: str, fields: Sequence[Field]) -> Iterator[str]:
    """Yield the numbers of a line; a reason why several have no value is told once."""
    told: set[str] = set()
    for one in fields:
        text = _text(table, row, column, one.name)
        yield "none" if text in told else text
        if text.startswith("none: "):
            told.add(text)


def _text(table: Table, row: str, column: str, field: str) -> str:
    cell = table.find(row=row, column=column, field=field)
    return display_cell(cell, unit_of(table, cell)) if cell else ""


def unit_of(table: Table, cell: Cell) -> Unit:
    """Return how a cell's number is shown."""
    return next(one.unit for one in table.fields if one.name == cell.field)


def marked_title(column: TableColumn) -> str:
    """Return a data set's title, marked where its images are synthetic."""
    return f"{column.title} ({SYNTHETIC})" if column.synthetic else column.title


def counts_text(table: Table) -> str:
    """Return the number of attacked test images behind each data set's numbers, and what stands in brackets."""
    held = {cell.column for cell in table.cells}
    if NATURAL in table.row_heads:
        held |= {row.split(":")[table.row_heads.index(NATURAL)] for row in table.rows}
    shown = (f"{marked_title(one)} n = {one.n_images}" for one in table.columns if one.key in held)
    brackets = " In brackets: 95 % interval over patients." if any(cell.interval for cell in table.cells) else ""
    return f"Attacked test images: {'; '.join(shown)}.{brackets}"


def to_frame(table: Table) -> pd.DataFrame:
    """Return the table as CSV holds it: column `row`, then raw values (missing where there is none) and `synthetic`.

    Every field has its column, also where it is empty, so that the columns depend on the data sets alone.
    """
    found = {(cell.row, cell.column, cell.field): _raw(cell) for cell in table.cells}
    printed = _fields_of_the_paper(table)
    synthetic = {column.key: column.synthetic for column in table.columns}
    values: dict[str, list[float] | list[bool]] = {}
    for key in [""] if table.data_sets == "rows" else synthetic:
        for one in table.fields:
            cells = [found.get((row, key or row, one.name), _NO_NUMBERS) for row in table.rows]
            endings = ("",) if one.name in printed or one.unit == "count" else ("", *INTERVAL_ENDINGS)
            for position, ending in enumerate(endings):
                values[csv_column(table, key, one.name) + ending] = [numbers[position] for numbers in cells]
        values[csv_column(table, key, "synthetic")] = [synthetic[key or row] for row in table.rows]
    return pd.DataFrame({"row": table.rows, **values})


def _raw(cell: Cell) -> tuple[float, float, float]:
    """Return a cell's value and the ends of its interval, not a number where there is none."""
    ends = (None, None) if cell.interval is None else (cell.interval.low, cell.interval.high)
    value, low, high = (math.nan if one is None else one for one in (cell.value, *ends))
    return value, low, high


def csv_column(table: Table, dataset: str, field: str) -> str:
    """Return the name of the CSV column that holds a field of a data set."""
    return field if table.data_sets == "rows" else f"{dataset}.{field}"


def to_markdown(table: Table) -> str:
    """Return the table in Markdown: caption, numbers of images, rows; the caption alone where there are no rows."""
    if not table.rows:
        return f"**{table.name}.** {table.caption}\n"
    layout = lay_out(table)
    head = [*layout.label_heads, *(f"{one.group}: {one.text}" if one.group else one.text for one in layout.headings)]
    rule = [":---"] * len(layout.label_heads) + ["---:"] * len(layout.headings)
    lines = [f"**{table.name}.** {table.caption} {escape(counts_text(table))}", ""]
    for texts in (head, rule, *([*line.labels, *line.texts] for line in layout.lines)):
        lines.append("| " + " | ".join(escape(text) for text in texts) + " |")
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Escape characters of a title that Markdown would read as cell borders, HTML, emphasis or line ends."""
    for character, escaped in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("*", "\\*"), ("_", "\\_"), ("\n", " ")):
        text = text.replace(character, escaped)
    return text
