"""Tables as the page shows them: headings with the columns they span, and a command that traces a cell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from oncorobust.report.shown_attacks import PGD
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.numbers import ReadableUnit
from oncorobust.report.tables.render import counts_text, lay_out

_INTERVAL = re.compile(r"\S+ \(\S+ to [^)]+\)")


@dataclass(frozen=True)
class TableView:
    """A table as the template writes it: headings with the columns they span, and a command that traces a cell.

    A table without rows shows only its caption: no lines, and no cell to trace.
    """

    table: Table
    counts: str
    label_heads: tuple[str, ...]
    groups: list[tuple[str, int]]
    heads: list[tuple[str, bool]]
    lines: list[tuple[tuple[str, ...], list[tuple[str, bool]]]]
    trace: str | None


def table_view(table: Table, units: Mapping[str, ReadableUnit]) -> TableView:
    """Return a table as the page shows it; units: epsilon 1 in a unit that readers know, by data set."""
    layout = lay_out(table, units)
    return TableView(
        table=table,
        counts=counts_text(table),
        label_heads=layout.label_heads,
        groups=[(text, len(list(span))) for text, span in groupby(layout.headings, key=lambda one: one.group)],
        heads=[(one.text, one.paper) for one in layout.headings],
        lines=[
            (line.labels, [(unbroken(text), one.paper) for text, one in zip(line.texts, layout.headings, strict=True)])
            for line in layout.lines
        ],
        trace=_trace_command(table) if table.rows else None,
    )


def unbroken(text: str) -> str:
    """Return a table's text with each number and its interval on one line: their spaces are no-break spaces."""
    return _INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), text)


def _trace_command(table: Table) -> str:
    """Return a command that traces a cell of a table, under PGD where there is such a row."""
    cell = next((one for one in table.cells if one.row.startswith(PGD.title)), table.cells[0])
    column = "" if table.data_sets == "rows" else f" --column {cell.column}"
    return f'oncorobust trace "{table.name}" --row {cell.row}{column}'
