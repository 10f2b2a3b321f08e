"""Tables as the page lays them out for people: a block for each data set, with few columns and lighter intervals.

Columns that are empty in a data set are left out of its block. Where a table has the same headings under several
groups, such as the three measures of Table S5, the groups become rows. A table with one row per data set is turned, so
that its data sets stand side by side. CSV and Markdown (`tables.render`) keep the layout of the tables themselves.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest

from oncorobust.report.shown_attacks import BASELINE, PGD
from oncorobust.report.tables.cell import Cell, Field, Table, TableColumn
from oncorobust.report.tables.numbers import ReadableUnit, display_cell, in_units
from oncorobust.report.tables.render import counts_text, marked_title, row_labels
from oncorobust.report.tables.validity import NOT_VALID

_SENTENCES = re.compile(r"(?<=\.) (?=[A-Z])")
_INTERVAL = re.compile(r"\(\S+ to [^)]+\)|p [=<] \S+")
_MANY_GROUPS = 3
"""Groups with the same headings from which on they stand as rows."""


@dataclass(frozen=True)
class CellView:
    """A number as the page shows it.

    text: the number. beside: its interval, p value or the reason for none, in lighter type. value: for sorting, empty
    where there is none. row, column, field: its place in the table; empty for an empty cell.
    """

    text: str
    beside: str
    value: str
    paper: bool
    row: str = ""
    column: str = ""
    field: str = ""


@dataclass(frozen=True)
class LineView:
    """A row of a block: its labels, each with its value for sorting, and its numbers."""

    labels: tuple[tuple[str, str], ...]
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class BlockView:
    """The rows of one data set, or of all of them in a table that is turned; groups: headings with their spans."""

    key: str
    title: str
    label_heads: tuple[str, ...]
    groups: tuple[tuple[str, int], ...]
    heads: tuple[tuple[str, bool], ...]
    lines: tuple[LineView, ...]


@dataclass(frozen=True)
class TableView:
    """A table as the template writes it: its blocks, and a command that traces a cell.

    lead, note: beginning and rest of the caption; the mark of results that are not valid is in the beginning.
    A table without rows shows only its caption: no blocks, and no cell to trace.
    """

    table: Table
    lead: str
    note: str
    blocks: tuple[BlockView, ...]
    trace: str | None

    @property
    def anchor(self) -> str:
        """Identifier of the table's heading."""
        return self.table.name.lower().replace(" ", "-")


_Places = Mapping[tuple[str, str, str], Cell]
_EMPTY = CellView("", "", "", paper=False)


def table_view(table: Table, units: Mapping[str, ReadableUnit]) -> TableView:
    """Return a table as the page shows it; units: epsilon 1 in a unit that readers know, by data set."""
    places = {(cell.column, cell.row, cell.field): cell for cell in table.cells}
    sentences = _SENTENCES.split(f"{table.caption} {counts_text(table)}" if table.rows else table.caption)
    n_leading = 2 if table.caption.startswith(NOT_VALID) else 1
    return TableView(
        table=table,
        lead=" ".join(sentences[:n_leading]),
        note=" ".join(sentences[n_leading:]),
        blocks=tuple(_blocks(table, places, units)) if table.rows else (),
        trace=_trace_command(table) if table.rows else None,
    )


def _blocks(table: Table, places: _Places, units: Mapping[str, ReadableUnit]) -> Iterator[BlockView]:
    if table.data_sets == "rows":
        yield _turned(table, places)
        return
    for column in table.columns:
        filled = {field for key, _, field in places if key == column.key}
        fields = [one for one in table.fields if one.name in filled]
        if fields:
            yield _block(table, places, column, fields, units.get(column.key))


def _block(
    table: Table, places: _Places, column: TableColumn, fields: Sequence[Field], unit: ReadableUnit | None
) -> BlockView:
    stacked = _stacked(fields)
    in_unit = unit if "Epsilon" in table.row_heads else None
    heads = next(iter(stacked.values())) if stacked else fields
    lines = []
    for row in table.rows:
        labels = _labels(table, row, in_unit)
        for group, members in stacked.items() if stacked else [("", fields)]:
            cells = tuple(_line(places, column.key, row, members))
            if any(one.field for one in cells):
                label = ((group, group),) if stacked else ()
                lines.append(LineView((*labels, *label), cells + (_EMPTY,) * (len(heads) - len(cells))))
    return BlockView(
        key=column.key,
        title=marked_title(column),
        label_heads=(*table.row_heads, *(["in units"] if in_unit else []), *(["Measure"] if stacked else [])),
        groups=_spans(["paper" if one.paper else "" for one in heads] if stacked else [one.group for one in heads]),
        heads=tuple((one.heading, one.paper) for one in heads),
        lines=tuple(lines),
    )


def _stacked(fields: Sequence[Field]) -> dict[str, list[Field]]:
    """Return the fields by group where many groups have the same headings, the paper's in the first; else none."""
    groups = {name: list(members) for name, members in groupby(fields, key=lambda one: one.group)}
    ours = {name: members for name, members in groups.items() if not members[0].paper}
    papers = [one for name, members in groups.items() if name not in ours for one in members]
    if len(ours) < _MANY_GROUPS or len({tuple(one.heading for one in members) for members in ours.values()}) > 1:
        return {}
    first = next(iter(ours))
    return {first: ours.pop(first) + papers, **ours}


def _labels(table: Table, row: str, unit: ReadableUnit | None) -> tuple[tuple[str, str], ...]:
    """Return the labels of a row, each with its value for sorting, and the epsilon also in units.

    A label that stands in place of a part of the row's key sorts by that part. The epsilon of a row without attack is
    empty.
    """
    parts = row.split(":")
    keys = [part if ":".join(parts[: end + 1]) in table.labels else "" for end, part in enumerate(parts)]
    shown = row_labels(table, row)
    labels = tuple((text, key or text) for text, key in zip_longest(shown, keys, fillvalue=""))
    if unit is None:
        return labels
    last = row.rpartition(":")[2]
    return (*labels, ("", "0") if last == BASELINE else (in_units(float(last), unit), last))


def _line(places: _Places, column: str, row: str, fields: Sequence[Field]) -> Iterator[CellView]:
    """Yield the numbers of a line; a reason why several have no value is told once."""
    told: set[str] = set()
    for one in fields:
        cell = places.get((column, row, one.name))
        view = _EMPTY if cell is None else _cell(cell, one)
        yield replace(view, beside="") if view.beside in told else view
        if view.field and not view.value:
            told.add(view.beside)


def _cell(cell: Cell, field: Field) -> CellView:
    text, bracket, beside = display_cell(cell, field.unit).partition(": " if cell.value is None else " (")
    value = "" if cell.value is None else repr(cell.value)
    beside = _INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), f"{bracket.strip(' :')}{beside}")
    return CellView(text, beside, value, field.paper, cell.row, cell.column, field.name)


def _turned(table: Table, places: _Places) -> BlockView:
    """Return a table with one row per data set as one with a column per data set."""
    lines = []
    for one in table.fields:
        found = [places.get((column.key, column.key, one.name)) for column in table.columns]
        if any(found):
            cells = tuple(_EMPTY if cell is None else _cell(cell, one) for cell in found)
            lines.append(LineView(((one.group, one.group), (one.heading, one.heading)), cells))
    return BlockView(
        key="",
        title="",
        label_heads=("", "Number"),
        groups=_spans([""] * len(table.columns)),
        heads=tuple((marked_title(column), False) for column in table.columns),
        lines=tuple(lines),
    )


def _spans(groups: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return each run of equal groups with its length; empty where no group has a name."""
    return tuple((text, len(list(run))) for text, run in groupby(groups)) if any(groups) else ()


def _trace_command(table: Table) -> str:
    """Return a command that traces a cell of a table, under PGD where there is such a row."""
    cell = next((one for one in table.cells if one.row.startswith(PGD.title)), table.cells[0])
    column = "" if table.data_sets == "rows" else f" --column {cell.column}"
    return f'oncorobust trace "{table.name}" --row {cell.row}{column}'
