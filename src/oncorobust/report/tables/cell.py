"""Table cells that know where they come from.

Every number in a table is one `Cell`: its place (table, row, column, field), its value, and its two sources: the
metrics files (file and JSON pointer) and the per-image rows (file, filter, statistic). With s = +1 or -1 before a term,

    value = sum of s x metric = sum of s x statistic(rows where ...)

so that a trace can compute the number again from the rows and compare it with the table and with the metrics file.
The paper's cells have a place in the transcribed tables instead. `cells.json` is this module's nouns, written out.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import msgspec
import pandas as pd

from oncorobust.base.errors import InputError

Statistic = Literal[
    "accuracy",
    "robust_accuracy",
    "accuracy_kept",
    "coverage",
    "threshold",
    "accuracy_kept_strict",
    "coverage_strict",
    "threshold_strict",
    "robust_accuracy_threat",
    "n_images",
]
"""What is computed from rows: share predicted as labelled, of all, of those that nothing changes within an epsilon, or
of those kept; share kept; largest epsilon excluded; these three by the strict search instead of the paper's; share
predicted as labelled and not flipped under a threat model; number of images."""

Unit = Literal["percent", "points", "epsilon", "count"]
"""How a field is shown: a share as percent, a difference of shares as signed percentage points, others as they are."""


@dataclass(frozen=True)
class MetricSource:
    """A number in a metrics file: JSON pointer, and the sign with which it enters the cell."""

    file: str
    pointer: str
    sign: int


@dataclass(frozen=True)
class RowsSource:
    """A statistic over the rows of a file whose columns equal `where`, and the sign with which it enters the cell.

    epsilon: where the statistic is one at an epsilon that is no column of the rows, l_inf in [0, 1] units; else null.
    """

    file: str
    where: dict[str, str | float]
    statistic: Statistic
    sign: int
    epsilon: float | None = None


@dataclass(frozen=True)
class PaperSource:
    """A number of the paper: file, row and column of the transcribed table."""

    file: str
    row: str
    column: str


@dataclass(frozen=True)
class Cell:
    """One number: its place, its value (fraction, or epsilon in [0, 1] units), and its sources.

    column is the key of a data set; field says which of the data set's numbers. paper is null for our own numbers.
    """

    table: str
    row: str
    column: str
    field: str
    value: float
    metrics: tuple[MetricSource, ...]
    rows: tuple[RowsSource, ...]
    paper: PaperSource | None


@dataclass(frozen=True)
class TableColumn:
    """A data set as the tables show it; paper is the column of the paper's tables beside it, null for none."""

    key: str
    title: str
    paper: str | None
    n_images: int
    synthetic: bool


@dataclass(frozen=True)
class Field:
    """One of the numbers that a table gives for a row and a data set; its heading stands under its group's."""

    name: str
    group: str
    heading: str
    unit: Unit


@dataclass(frozen=True)
class Table:
    """A table: layout and cells.

    row_heads: what the parts of a row's key are, which colons separate: Attack and Epsilon of `PGD:0.002`.
    data_sets: where they stand for the reader: across, as rows (a cell's row and column are then both the data set's
        key), or as blocks of rows.
    """

    name: str
    file: str
    caption: str
    row_heads: tuple[str, ...]
    rows: tuple[str, ...]
    data_sets: Literal["across", "rows", "blocks"]
    columns: tuple[TableColumn, ...]
    fields: tuple[Field, ...]
    cells: tuple[Cell, ...]

    def find(self, *, row: str, column: str, field: str) -> Cell | None:
        """The cell at a place, None where the table is empty."""
        return next((one for one in self.cells if (one.row, one.column, one.field) == (row, column, field)), None)


def tables_to_json(tables: Iterable[Table]) -> dict[str, Any]:
    """Content of cells.json: `tables` with the layouts in their order, `cells` with every number of every table."""
    contents = [asdict(table) for table in tables]
    cells = [cell for content in contents for cell in content.pop("cells")]
    return {"tables": contents, "cells": cells}


def tables_from_json(content: Mapping[str, Any]) -> tuple[Table, ...]:
    """Tables out of the content of cells.json. Raises InputError where a key is missing or of another type."""
    try:
        cells = msgspec.convert(content["cells"], tuple[Cell, ...])
        layouts = [msgspec.convert({**layout, "cells": ()}, Table) for layout in content["tables"]]
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise InputError(f"expected the cells of the tables, got {error!r} in cells.json") from error
    return tuple(replace(one, cells=tuple(cell for cell in cells if cell.table == one.name)) for one in layouts)


def metric_value(cell: Cell, metrics: Mapping[str, Mapping[str, Any]]) -> float:
    """The cell's value from its metrics files; `metrics` maps a file's name to its content."""
    return sum(source.sign * _follow(metrics[source.file], source) for source in cell.metrics)


def _follow(content: Any, source: MetricSource) -> float:
    for step in source.pointer.removeprefix("/").split("/"):
        if not isinstance(content, Mapping) or step not in content:
            raise InputError(f"expected {source.pointer}, got no {step!r} in {source.file}")
        content = content[step]
    if isinstance(content, bool) or not isinstance(content, int | float):
        raise InputError(f"expected a number at {source.pointer}, got {content!r} in {source.file}")
    return float(content)


def rows_value(cell: Cell, rows: Mapping[str, pd.DataFrame]) -> float:
    """The cell's value computed again from per-image rows; `rows` maps a file's name to its frame."""
    return sum(source.sign * _statistic(rows[source.file], source) for source in cell.rows)


def _statistic(frame: pd.DataFrame, source: RowsSource) -> float:
    columns, statistic = _STATISTICS[source.statistic]
    missing = {"label", "predicted", *columns, *source.where} - set(frame.columns)
    if missing:
        raise InputError(f"expected columns {sorted(missing)}, got {list(frame.columns)} in {source.file}")
    for column, value in source.where.items():
        frame = frame[frame[column] == value]
    if frame.empty:
        raise InputError(f"expected rows where {source.where}, got none in {source.file}")
    return float(statistic(frame, source.epsilon, *columns))


def _accuracy(frame: pd.DataFrame, _: float | None) -> float:
    return (frame["label"] == frame["predicted"]).mean()


def _robust_accuracy(frame: pd.DataFrame, epsilon: float | None, first_flipped: str) -> float:
    return ((frame["label"] == frame["predicted"]) & (frame[first_flipped] > epsilon)).mean()


def _robust_accuracy_threat(frame: pd.DataFrame, _: float | None, flipped: str) -> float:
    return ((frame["label"] == frame["predicted"]) & ~frame[flipped]).mean()


def _accuracy_kept(frame: pd.DataFrame, epsilon: float | None, excluded: str) -> float:
    return _accuracy(frame[~frame[excluded]], epsilon)


def _coverage(frame: pd.DataFrame, _: float | None, excluded: str) -> float:
    return (~frame[excluded]).mean()


def _threshold(frame: pd.DataFrame, _: float | None, excluded: str, smallest: str) -> float:
    return frame.loc[frame[excluded], smallest].max()


def _n_images(frame: pd.DataFrame, _: float | None, image_id: str) -> float:
    return float(frame[image_id].nunique())


_STATISTICS: dict[Statistic, tuple[tuple[str, ...], Callable[..., float]]] = {
    "accuracy": ((), _accuracy),
    "robust_accuracy": (("first_flipped",), _robust_accuracy),
    "accuracy_kept": (("excluded",), _accuracy_kept),
    "coverage": (("excluded",), _coverage),
    "threshold": (("excluded", "min_epsilon"), _threshold),
    "accuracy_kept_strict": (("excluded_strict",), _accuracy_kept),
    "coverage_strict": (("excluded_strict",), _coverage),
    "threshold_strict": (("excluded_strict", "first_flipped"), _threshold),
    "robust_accuracy_threat": (("flipped",), _robust_accuracy_threat),
    "n_images": (("image_id",), _n_images),
}
"""Columns that a statistic needs beside label and predicted, and how it is computed from rows, epsilon and columns."""


def same_number(first: float, second: float) -> bool:
    """Whether two values are one number up to the order of a floating-point sum."""
    return math.isclose(first, second, rel_tol=1e-12, abs_tol=1e-12)


def read_rows(source: str | Path | BytesIO) -> pd.DataFrame:
    """Read predictions.csv, intervals.csv, threats.csv or sensitivity.csv; an id such as 007 or NA stays what it is.

    Raises InputError naming the file.
    """
    try:
        return pd.read_csv(source, dtype={"image_id": str, "patient_id": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"expected a table of rows, got {error} in {source}") from error


def epsilon_text(epsilon: float) -> str:
    """An epsilon as people write it, without exponent: 0.00001."""
    return format(epsilon, ".10f").rstrip("0").rstrip(".")
