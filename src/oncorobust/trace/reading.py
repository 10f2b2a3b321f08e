"""The results behind a trace, each file read and parsed once: tables, metrics, rows, dvc.lock."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.layout import CELLS, POINTS
from oncorobust.base.schema.version import parse_results
from oncorobust.pipeline.dvc_lock import Lock, parse_lock, recorded_md5
from oncorobust.report.figures.series import points_from_json
from oncorobust.report.tables.cell import Cell, Table, tables_from_json
from oncorobust.report.tables.paper_numbers import PaperTable, parse_paper_table
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.trace.repository import State


@dataclass(frozen=True)
class Contents:
    """File contents that cells are checked against, by file name: CSV tables, metrics, rows, transcribed tables.

    A table without a CSV file, such as the points of a figure, has no entry.
    """

    tables: Mapping[str, pd.DataFrame]
    metrics: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, pd.DataFrame]
    paper: Mapping[str, PaperTable]


@dataclass(frozen=True)
class Reading:
    """The results of a repository's state; its methods raise InputError naming a file that is missing or broken."""

    state: State

    @cached_property
    def lock(self) -> Lock:
        """Stages of dvc.lock; none before the first record."""
        try:
            text = self.state.read("dvc.lock").decode()
        except InputError:
            return {}
        return parse_lock(text)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All tables with their cells, and all figures with their points if the figures are made."""
        tables = tables_from_json(parse_results(self.state.read(CELLS), where=CELLS))
        try:
            points = self.state.read(POINTS)
        except InputError:
            return tables
        return (*tables, *points_from_json(parse_results(points, where=POINTS)).to_tables())

    @cached_property
    def _parsed(self) -> dict[str, Any]:
        return {}

    def contents(self, cells: Iterable[Cell], tables: Iterable[Table]) -> Contents:
        """Return the files that some cells of some tables name."""
        cells = list(cells)
        return Contents(
            tables={one.file: self._table(one.file) for one in tables if one.file.endswith(".csv")},
            metrics={
                path: self._metrics(path) for path in sorted({one.file for cell in cells for one in cell.metrics})
            },
            rows={path: self._rows(path) for path in sorted({one.file for cell in cells for one in cell.rows})},
            paper={path: self._paper(path) for path in sorted({cell.paper.file for cell in cells if cell.paper})},
        )

    def _table(self, path: str) -> pd.DataFrame:
        if path not in self._parsed:
            # Keys of rows are text, even when they are epsilons.
            self._parsed[path] = pd.read_csv(io.BytesIO(self.state.read(path)), dtype={"row": str})
        return self._parsed[path]

    def _metrics(self, path: str) -> Mapping[str, Any]:
        if path not in self._parsed:
            self._parsed[path] = parse_results(self.recorded(path), where=path)
        return self._parsed[path]

    def _rows(self, path: str) -> pd.DataFrame:
        if path not in self._parsed:
            self._parsed[path] = read_rows(io.BytesIO(self.recorded(path)))
        return self._parsed[path]

    def _paper(self, path: str) -> PaperTable:
        if path not in self._parsed:
            self._parsed[path] = parse_paper_table(self.state.read(path).decode(), where=path)
        return self._parsed[path]

    def recorded(self, path: str) -> bytes:
        """Return a file that may be in DVC instead of git, in the version that dvc.lock records."""
        return self.state.read_recorded(path, recorded_md5(self.lock, path))


def listing_file(table: Table) -> str:
    """Return the JSON file that lists the cells of a table or the points of a figure."""
    return CELLS if table.file.endswith(".csv") else table.file
