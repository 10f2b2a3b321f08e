"""A check of cells against four independent sources.

A cell of `cells.json` names the metrics and the per-image rows it was computed from. The functions here read or
recompute its value from four sources, which must agree:

    cells.json = the table's CSV file = the metrics file at the pointer = the statistic over the rows

Its interval, from the same samples of patients, and its p value are computed again from the rows and must be the same
too. The paper's cells are compared with the transcribed table instead. A point of a figure stands in no CSV file. The
functions take loaded contents, which `trace.reading` reads.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.report.tables.cell import Cell, Interval, Table
from oncorobust.report.tables.paired_tests import compares_models, difference_test
from oncorobust.report.tables.paper_numbers import PaperTable
from oncorobust.report.tables.recomputed import all_computed_again
from oncorobust.report.tables.render import csv_column
from oncorobust.report.tables.row_statistics import rows_value, same_number
from oncorobust.report.tables.sources import sum_of_metrics
from oncorobust.trace.reading import Contents, listing_file


@dataclass(frozen=True)
class Check:
    """The value of a cell from each source, in the order of comparison, and whether all agree.

    interval: computed again from the rows; None for a cell that has none.
    """

    cell: Cell
    values: Mapping[str, float | None]
    interval: Interval | None
    agrees: bool


def check_cells(cells: Iterable[tuple[Cell, Table]], contents: Contents) -> list[Check]:
    """Get the value of each cell, given with its table, from each of its sources and compare them.

    Cells with the same samples of patients share them. Raises InputError when a file lacks a value.
    """
    pairs = list(cells)
    again = iter(all_computed_again([cell for cell, _ in pairs if _has_rows(cell)], contents.rows))
    keys = {file: _positions(frame) for file, frame in contents.tables.items()}
    return [_check(cell, table, contents, next(again) if _has_rows(cell) else None, keys) for cell, table in pairs]


def check_cell(cell: Cell, table: Table, contents: Contents) -> Check:
    """Do the same for one cell."""
    return check_cells([(cell, table)], contents)[0]


def _has_rows(cell: Cell) -> bool:
    return bool(cell.rows) and cell.paper is None


def _check(
    cell: Cell, table: Table, contents: Contents, again: Cell | None, positions: Mapping[str, Mapping[str, int]]
) -> Check:
    values = {PurePosixPath(listing_file(table)).name: cell.value}
    if table.file in contents.tables:
        values["table"] = _table_value(cell, table, contents.tables[table.file], positions[table.file])
    if cell.paper is not None:
        values["paper"] = _paper_value(cell, contents.paper)
        return Check(cell, values, None, agrees=_same(values))
    if cell.metrics:
        values["metrics"] = sum_of_metrics(cell.metrics, contents.metrics)
    if again is None:
        return Check(cell, values, None, agrees=_same(values) and cell.interval is None)
    values["rows"] = rows_value(cell, contents.rows) if cell.metrics else again.value
    agrees = _same(values) and _same_interval(cell.interval, again.interval) and _same_test(cell, contents)
    return Check(cell, values, again.interval, agrees)


def _positions(frame: pd.DataFrame) -> dict[str, int]:
    return {row: position for position, row in enumerate(frame["row"])}


def _same(values: Mapping[str, float | None]) -> bool:
    """Return whether all values are one number, or all are missing."""
    first, *others = values.values()
    if first is None:
        return all(one is None for one in others)
    return all(one is not None and same_number(first, one) for one in others)


def _same_test(cell: Cell, contents: Contents) -> bool:
    if not compares_models(cell):
        return cell.test is None
    p_value, method = difference_test(cell, contents.rows)
    return cell.test is not None and same_number(cell.test.p_value, p_value) and cell.test.method == method


def _same_interval(first: Interval | None, second: Interval | None) -> bool:
    if first is None or second is None:
        return first is second
    ends = _same({"1": first.low, "2": second.low}) and _same({"1": first.high, "2": second.high})
    return ends and first.method == second.method


def _table_value(cell: Cell, table: Table, frame: pd.DataFrame, positions: Mapping[str, int]) -> float | None:
    column = csv_column(table, cell.column, cell.field)
    if column not in frame.columns or cell.row not in positions:
        raise InputError(f"{table.file} has no row {cell.row} or no column {column}")
    value = float(frame[column].to_numpy()[positions[cell.row]])
    return None if math.isnan(value) else value


def _paper_value(cell: Cell, paper: Mapping[str, PaperTable]) -> float:
    source = cell.paper
    if source is None or (source.row, source.column) not in paper[source.file]:
        raise InputError(f"{source} has no number of the paper for {cell.row}, {cell.column}")
    return paper[source.file][source.row, source.column]
