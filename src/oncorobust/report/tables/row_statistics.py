"""Statistics over per-image rows: a cell's value computed again from the rows that it names.

The rows are those of predictions.csv, intervals.csv, threats.csv and sensitivity.csv.
"""

import math
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.report.tables.cell import Cell, RowsSource, Statistic


def rows_value(cell: Cell, rows: Mapping[str, pd.DataFrame]) -> float:
    """Compute the cell's value from per-image rows; `rows` maps a file's name to its frame.

    Raises InputError where a file lacks a column or has no rows that fit.
    """
    return sum(source.sign * _statistic(rows[source.file], source) for source in cell.rows)


def _statistic(frame: pd.DataFrame, source: RowsSource) -> float:
    columns, statistic = _STATISTICS[source.statistic]
    missing = {"label", "predicted", *columns, *source.where} - set(frame.columns)
    if missing:
        raise InputError(f"{source.file}: columns {list(frame.columns)} (expected {sorted(missing)} too)")
    for column, value in source.where.items():
        frame = frame[frame[column] == value]
    if frame.empty:
        raise InputError(f"{source.file}: no rows where {source.where} (expected one per image)")
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
"""The columns that a statistic needs besides label and predicted, and its function of rows, epsilon and columns."""


def same_number(first: float, second: float) -> bool:
    """Return whether two values are one number up to the rounding of a floating-point sum."""
    return math.isclose(first, second, rel_tol=1e-12, abs_tol=1e-12)


def read_rows(source: str | Path | BytesIO) -> pd.DataFrame:
    """Read a file of per-image rows, with identifiers as text: 007 and NA stay as written.

    Raises InputError with the file's name where it cannot be read.
    """
    try:
        return pd.read_csv(source, dtype={"image_id": str, "patient_id": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{source}: {error} (expected a table with one row per image)") from error
