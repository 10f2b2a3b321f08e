"""Lookup of a table cell by name, and a check of its value against four independent sources.

A cell of `cells.json` names the metrics and the per-image rows it was computed from. The functions here find the cell
that a person names, and read or recompute its value from four sources, which must agree:

    cells.json = the table's CSV file = the metrics file at the pointer = the statistic over the rows

Its interval, from the same samples of patients, and its p value are computed again from the rows and must be the same
too. The paper's cells are compared with the transcribed table instead. The functions take loaded contents; `cli.trace`
reads the files, and `pipeline.dvc_lock` finds the stages that made them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_lock import StageRecord
from oncorobust.report.tables.cell import Cell, Interval, Table, TableColumn
from oncorobust.report.tables.intervals import computed_again
from oncorobust.report.tables.paired_tests import compares_models, difference_test
from oncorobust.report.tables.paper_numbers import PaperTable
from oncorobust.report.tables.render import csv_column
from oncorobust.report.tables.row_statistics import rows_value, same_number
from oncorobust.report.tables.sources import sum_of_metrics
from oncorobust.trace.repository import Directory


@dataclass(frozen=True)
class Contents:
    """File contents that a cell is checked against, by file name: CSV tables, metrics, rows, transcribed tables."""

    tables: Mapping[str, pd.DataFrame]
    metrics: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, pd.DataFrame]
    paper: Mapping[str, PaperTable]


@dataclass(frozen=True)
class Check:
    """The value of a cell from each source, in the order of comparison, and whether all agree.

    interval: computed again from the rows; null for a cell that has none.
    """

    cell: Cell
    values: Mapping[str, float | None]
    interval: Interval | None
    agrees: bool


@dataclass(frozen=True)
class Trace:
    """The checked cells of a table's row and data set, with all stages that led to them.

    state: description of the commit. found: present MD5 of the recorded files, by path. directories: present content of
    the recorded directories, by path. code: recorded digests of script and library modules by path, for each MD5 of a
    file in workflow/code. found_code: present digests of the same modules, by path. not_recorded: results that dvc.lock
    does not record, or records with other bytes. edits: how the present raw trees differ from those that the results
    were computed from, one sentence for each file, by path of the tree.
    """

    table: Table
    state: str
    checks: tuple[Check, ...]
    stages: tuple[StageRecord, ...]
    found: Mapping[str, str]
    directories: Mapping[str, Directory]
    code: Mapping[str, Mapping[str, str]]
    found_code: Mapping[str, str]
    not_recorded: tuple[str, ...]
    edits: Mapping[str, tuple[str, ...]]

    @property
    def sound(self) -> bool:
        """Return whether all values agree, all results are recorded, and no raw tree here has changed since."""
        return all(check.agrees for check in self.checks) and not self.not_recorded and not any(self.edits.values())


def check_cell(cell: Cell, table: Table, contents: Contents) -> Check:
    """Get a cell's value from each of its sources and compare them. Raises InputError when a file lacks the value."""
    values = {"cells.json": cell.value, "table": _table_value(cell, table, contents.tables[table.file])}
    if cell.paper is not None:
        values["paper"] = _paper_value(cell, contents.paper)
        return Check(cell, values, None, agrees=_same(values))
    if cell.metrics:
        values["metrics"] = sum_of_metrics(cell.metrics, contents.metrics)
    if not cell.rows:
        return Check(cell, values, None, agrees=_same(values) and cell.interval is None)
    again = computed_again(cell, contents.rows)
    values["rows"] = rows_value(cell, contents.rows) if cell.metrics else again.value
    agrees = _same(values) and _same_interval(cell.interval, again.interval) and _same_test(cell, contents)
    return Check(cell, values, again.interval, agrees)


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


def _table_value(cell: Cell, table: Table, frame: pd.DataFrame) -> float | None:
    column = csv_column(table, cell.column, cell.field)
    if column not in frame.columns or cell.row not in set(frame["row"]):
        raise InputError(f"{table.file} has no row {cell.row} or no column {column}")
    value = float(frame.loc[frame["row"] == cell.row, column].iloc[0])
    return None if math.isnan(value) else value


def _paper_value(cell: Cell, paper: Mapping[str, PaperTable]) -> float:
    source = cell.paper
    if source is None or (source.row, source.column) not in paper[source.file]:
        raise InputError(f"{source} has no number of the paper for {cell.row}, {cell.column}")
    return paper[source.file][source.row, source.column]


def find_table(tables: Sequence[Table], name: str) -> Table:
    """Return the table of this name, such as `Table 1`, `table s5` or `S5`. Raises InputError listing the tables."""
    wanted = _plain(name).removeprefix("table")
    for table in tables:
        if _plain(table.name).removeprefix("table") == wanted:
            return table
    raise InputError(f"expected a table ({', '.join(table.name for table in tables)}), got {name!r}")


def find_cells(table: Table, *, row: str | None, column: str | None, field: str | None) -> list[Cell]:
    """Return the cells of a row and a data set: all fields, or the one named.

    row: such as `PGD:0.002`. column: a data set by key, title or the paper's column, or an unambiguous beginning of one
    of these. Upper and lower case do not matter. In Table 2, whose rows are data sets and whose columns are fields, row
    or column is enough. Raises InputError listing the possible values, or saying why the table is empty.
    """
    if not table.rows:
        raise InputError(f"{table.name} has no rows. {table.caption}")
    fields = [one.name for one in table.fields]
    if table.data_sets == "rows":
        if field is None and column is not None and row is not None and _plain(column) in map(_plain, fields):
            column, field = None, column
        row, column = row or column, column or row
        dataset = _find_dataset(table.columns, column)
        row_key = _find_dataset(table.columns, row)
    else:
        dataset, row_key = _find_dataset(table.columns, column), _find(table.rows, row, "row", table.name)
    wanted = fields if field is None else [_find(fields, field, "field", table.name)]
    found = [one for one in table.cells if (one.row, one.column) == (row_key, dataset) and one.field in wanted]
    if not found:
        there = sorted({one.field for one in table.cells if (one.row, one.column) == (row_key, dataset)})
        raise InputError(
            f"no value at {row_key}, {dataset}, {field} (fields with a value: {', '.join(there) or 'none'})"
        )
    return found


def _find(names: Sequence[str], wanted: str | None, what: str, where: str) -> str:
    for name in names:
        if wanted is not None and _plain(name) == _plain(wanted):
            return name
    raise InputError(f"expected --{what} of {where} to be one of {', '.join(names)}, got {wanted}")


def _find_dataset(columns: Sequence[TableColumn], wanted: str | None) -> str:
    """Return the key of the data set of this name; an exact name comes before the beginning of one."""
    if wanted is None and len(columns) == 1:
        return columns[0].key
    if wanted is not None:
        plain = _plain(wanted)
        names = {one.key: {_plain(name) for name in (one.key, one.title, one.paper or one.key)} for one in columns}
        by_key = [key for key in names if _plain(key) == plain]
        exact = [key for key in names if plain in names[key]]
        begins = [key for key in names if any(name.startswith(plain) for name in names[key])]
        for candidates in (by_key, exact, begins):
            if len(candidates) == 1:
                return candidates[0]
    shown = ", ".join(f"{one.key} ({one.title})" for one in columns)
    raise InputError(f"expected --column to name one of {shown}, got {wanted}")


def _plain(name: str) -> str:
    return name.casefold().replace(" ", "").replace("_", "").replace("-", "")
