"""From a table cell back to its inputs, with its number computed again.

A cell of `cells.json` names the metrics and the per-image rows it came from. Here a person's words find the cell, and
its value is taken again from four independent places, which must be one number:

    cells.json = the table's CSV file = the metrics file at the pointer = the statistic over the rows

The paper's cells are compared with the transcribed table instead. Everything comes in as loaded content;
`trace_command` reads the files and `lock` knows the stages behind them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_lock import StageRecord
from oncorobust.report.tables.cell import Cell, Table, TableColumn
from oncorobust.report.tables.paper_numbers import PaperTable
from oncorobust.report.tables.render import csv_column
from oncorobust.report.tables.row_statistics import rows_value, same_number
from oncorobust.report.tables.sources import sum_of_metrics
from oncorobust.trace.repository import Directory


@dataclass(frozen=True)
class Contents:
    """What a cell is checked against, by the file's name: CSV tables, metrics, rows, transcribed tables."""

    tables: Mapping[str, pd.DataFrame]
    metrics: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, pd.DataFrame]
    paper: Mapping[str, PaperTable]


@dataclass(frozen=True)
class Check:
    """A cell's value from each of its places, in the order they are compared, and whether all are one number."""

    cell: Cell
    values: Mapping[str, float]
    agrees: bool


@dataclass(frozen=True)
class Trace:
    """A row and data set of a table, checked, with all stages behind it.

    state: the commit in words. found: MD5 of the recorded files as they are now, by path; directories likewise.
    code: recorded digests of script and library modules by path, for each MD5 of the file in workflow/code that held
    them. found_code: digests of the same modules as they are now, by path.
    not_recorded: results that dvc.lock does not record, or records with other bytes.
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

    @property
    def sound(self) -> bool:
        """Whether every number agrees and every result is the recorded one."""
        return all(check.agrees for check in self.checks) and not self.not_recorded


def check_cell(cell: Cell, table: Table, contents: Contents) -> Check:
    """Take a cell's value from each of its places and compare them.

    Raises InputError where a file lacks the number.
    """
    values = {"cells.json": cell.value, "table": _table_value(cell, table, contents.tables[table.file])}
    if cell.paper is None:
        values["metrics"] = sum_of_metrics(cell.metrics, contents.metrics)
        values["rows"] = rows_value(cell, contents.rows)
    else:
        values["paper"] = _paper_value(cell, contents.paper)
    return Check(cell, values, agrees=all(same_number(cell.value, value) for value in values.values()))


def _table_value(cell: Cell, table: Table, frame: pd.DataFrame) -> float:
    column = csv_column(table, cell.column, cell.field)
    if column not in frame.columns or cell.row not in set(frame["row"]):
        raise InputError(f"expected row {cell.row} and column {column}, got neither or one of them in {table.file}")
    return float(frame.loc[frame["row"] == cell.row, column].iloc[0])


def _paper_value(cell: Cell, paper: Mapping[str, PaperTable]) -> float:
    source = cell.paper
    if source is None or (source.row, source.column) not in paper[source.file]:
        raise InputError(f"expected the paper's number of {cell.row}, {cell.column}, got none in {source}")
    return paper[source.file][source.row, source.column]


def find_table(tables: Sequence[Table], name: str) -> Table:
    """The table a person means: `Table 1`, `table s5`, `S5`. Raises InputError that lists the tables."""
    wanted = _plain(name).removeprefix("table")
    for table in tables:
        if _plain(table.name).removeprefix("table") == wanted:
            return table
    raise InputError(f"expected a table of {', '.join(table.name for table in tables)}, got {name!r}")


def find_cells(table: Table, *, row: str | None, column: str | None, field: str | None) -> list[Cell]:
    """The cells of a row and a data set, all fields or the one named.

    Row `PGD:0.002` in any case; a data set by key, title or the paper's column, in any case, or by the beginning of one
    where only one fits. In Table 2, whose rows are data sets and whose columns are fields, one of the two is enough.
    Raises InputError that lists what there is, or says why there is nothing.
    """
    if not table.rows:
        raise InputError(f"expected a table with rows, got none in {table.name}. {table.caption}")
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
        raise InputError(f"expected a filled cell, got none at {row_key}, {dataset}, {field}; filled there: {there}")
    return found


def _find(names: Sequence[str], wanted: str | None, what: str, where: str) -> str:
    for name in names:
        if wanted is not None and _plain(name) == _plain(wanted):
            return name
    raise InputError(f"expected --{what} of {where} to be one of {', '.join(names)}, got {wanted}")


def _find_dataset(columns: Sequence[TableColumn], wanted: str | None) -> str:
    """Key of the data set that a person means: an exact name first, then the beginning of one."""
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
    raise InputError(f"expected --column to mean one data set of {shown}, got {wanted}")


def _plain(name: str) -> str:
    return name.casefold().replace(" ", "").replace("_", "").replace("-", "")
