"""Statistics over per-image rows: a cell's value computed again from the rows that it names.

The rows are those of predictions.csv, intervals.csv, threats.csv, sensitivity.csv, certificates.csv and
acquisition.csv. Nearly every statistic is a ratio of two sums over images, such as correct images over images; its
parts give its interval too (`intervals`). The others are a largest epsilon, a count and a median size.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.report.tables.cell import Cell, RowsSource, Statistic
from oncorobust.report.tables.rows_of_images import ALWAYS_RIGHT, OF_ALL_ROWS, minimal_l2, one_row_of_each_image


@dataclass(frozen=True)
class Parts:
    """A ratio over images, in parts: the patient of each image, and what it adds above and below the fraction line."""

    patient_ids: np.ndarray
    numerator: np.ndarray
    denominator: np.ndarray


def rows_value(cell: Cell, rows: Mapping[str, pd.DataFrame]) -> float:
    """Compute the cell's value from per-image rows; `rows` maps a file's name to its frame.

    Raises InputError where a file lacks a column or has no rows that fit.
    """
    return sum(source.sign * _statistic(rows[source.file], source) for source in cell.rows)


def ratio_parts(frame: pd.DataFrame, source: RowsSource) -> Parts | None:
    """Return the parts of a statistic that is a ratio over images; None for a largest epsilon or a count.

    Raises InputError where the file lacks a column or has no rows that fit.
    """
    if source.statistic not in _RATIOS:
        return None
    columns, ratio = _RATIOS[source.statistic]
    columns = ("patient_id", *columns)
    named = _named(frame, source, columns=columns)
    used = [one for one in frame if one in {"label", "predicted", ALWAYS_RIGHT, *columns}]
    chosen = _of_images(frame[used][named], source)
    numerator, denominator = ratio(chosen, source, *columns[1:])
    return Parts(chosen["patient_id"].to_numpy(), np.asarray(numerator, float), np.asarray(denominator, float))


def selected(frame: pd.DataFrame, source: RowsSource, *, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows that a source names, one for each image where its statistic is one of several rows of an image.

    Raises InputError where they lack a column or there are none.
    """
    return _of_images(frame[_named(frame, source, columns=columns)], source)


def _of_images(rows: pd.DataFrame, source: RowsSource) -> pd.DataFrame:
    return one_row_of_each_image(rows) if source.statistic in OF_ALL_ROWS else rows


def _named(frame: pd.DataFrame, source: RowsSource, *, columns: tuple[str, ...]) -> np.ndarray:
    """Return which rows a source names; at least one."""
    missing = {"label", "predicted", *columns, *source.where} - set(frame.columns)
    if missing:
        raise InputError(f"{source.file}: columns {list(frame.columns)} (expected {sorted(missing)} too)")
    named = np.ones(len(frame), dtype=bool)
    for column, value in source.where.items():
        named &= (frame[column] == value).to_numpy(dtype=bool)
    if not named.any():
        raise InputError(f"{source.file}: no rows where {source.where} (expected one per image)")
    return named


def _statistic(frame: pd.DataFrame, source: RowsSource) -> float:
    parts = ratio_parts(frame, source)
    if parts is not None:
        below = parts.denominator.sum()
        return float(parts.numerator.sum() / below) if below else math.nan
    columns, statistic = _OTHERS[source.statistic]
    return float(statistic(selected(frame, source, columns=columns), *columns))


Ratio = tuple[pd.Series, pd.Series]


def _right(frame: pd.DataFrame) -> pd.Series:
    return frame["label"] == frame["predicted"]


def _all(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(True, index=frame.index)


def _accuracy(frame: pd.DataFrame, _: RowsSource) -> Ratio:
    return _right(frame), _all(frame)


def _robust_accuracy(frame: pd.DataFrame, source: RowsSource, first_flipped: str) -> Ratio:
    return _right(frame) & (frame[first_flipped] > source.epsilon), _all(frame)


def _robust_accuracy_threat(frame: pd.DataFrame, _: RowsSource, flipped: str) -> Ratio:
    return _right(frame) & ~frame[flipped], _all(frame)


def _accuracy_kept(frame: pd.DataFrame, _: RowsSource, excluded: str) -> Ratio:
    return _right(frame) & ~frame[excluded], ~frame[excluded]


def _coverage(frame: pd.DataFrame, _: RowsSource, excluded: str) -> Ratio:
    return ~frame[excluded], _all(frame)


def _base_accuracy(frame: pd.DataFrame, _: RowsSource, base_predicted: str) -> Ratio:
    return frame["label"] == frame[base_predicted], _all(frame)


def _smoothed_accuracy(frame: pd.DataFrame, _: RowsSource, abstained: str) -> Ratio:
    return _right(frame) & ~frame[abstained], _all(frame)


def _commonest_label(frame: pd.DataFrame, _: RowsSource) -> Ratio:
    """Of labels that equally many images have, the first counts."""
    return frame["label"] == frame["label"].mode().iloc[0], _all(frame)


def _abstained_share(frame: pd.DataFrame, _: RowsSource, abstained: str) -> Ratio:
    return frame[abstained], _all(frame)


def _certified_accuracy(frame: pd.DataFrame, source: RowsSource, abstained: str, certified: str) -> Ratio:
    return _right(frame) & ~frame[abstained] & (frame[certified] >= source.epsilon), _all(frame)


def _smoothed_robust_accuracy(frame: pd.DataFrame, source: RowsSource, abstained: str, first: str) -> Ratio:
    return _right(frame) & ~frame[abstained] & (pd.to_numeric(frame[first]) > source.epsilon), _all(frame)


def _withstanding(frame: pd.DataFrame, source: RowsSource, first_flipped: str) -> Ratio:
    return _right(frame) & (frame[first_flipped] > source.epsilon), _right(frame)


def _safe(frame: pd.DataFrame, source: RowsSource, last_safe: str) -> Ratio:
    """Images that are safe up to the reach, the largest epsilon searched, withstand it."""
    safe = (frame[last_safe] > source.epsilon) | (frame[last_safe] >= float(source.options["reach"]))
    return _right(frame) & safe, _right(frame)


def _changed_accuracy(frame: pd.DataFrame, _: RowsSource, predicted: str) -> Ratio:
    return frame["label"] == frame[predicted], _all(frame)


def _changed_flips(frame: pd.DataFrame, _: RowsSource, flipped: str) -> Ratio:
    return frame[flipped], _all(frame)


def _worst_changed_accuracy(frame: pd.DataFrame, _: RowsSource, *_columns: str) -> Ratio:
    return _right(frame) & frame[ALWAYS_RIGHT], _all(frame)


def _robust_accuracy_l2(frame: pd.DataFrame, source: RowsSource, *_columns: str) -> Ratio:
    """Images for which the search found none withstand every distance."""
    return _right(frame) & ~(minimal_l2(frame) <= source.epsilon), _all(frame)


def _unchanged_accuracy(frame: pd.DataFrame, source: RowsSource, *_columns: str) -> Ratio:
    return _accuracy(frame, source)


def _threshold(frame: pd.DataFrame, excluded: str, smallest: str) -> float:
    return frame.loc[frame[excluded], smallest].max()


def _n_images(frame: pd.DataFrame, image_id: str) -> float:
    return float(frame[image_id].nunique())


def _median(frame: pd.DataFrame, size: str) -> float:
    return float(frame[size].median())


_RATIOS: dict[Statistic, tuple[tuple[str, ...], Callable[..., Ratio]]] = {
    "accuracy": ((), _accuracy),
    "robust_accuracy": (("first_flipped",), _robust_accuracy),
    "accuracy_kept": (("excluded",), _accuracy_kept),
    "coverage": (("excluded",), _coverage),
    "accuracy_kept_strict": (("excluded_strict",), _accuracy_kept),
    "coverage_strict": (("excluded_strict",), _coverage),
    "robust_accuracy_threat": (("flipped",), _robust_accuracy_threat),
    "base_accuracy": (("base_predicted",), _base_accuracy),
    "smoothed_accuracy": (("abstained",), _smoothed_accuracy),
    "abstained_share": (("abstained",), _abstained_share),
    "commonest_label_share": ((), _commonest_label),
    "certified_accuracy": (("abstained", "certified_epsilon"), _certified_accuracy),
    "share_withstanding": (("first_flipped",), _withstanding),
    "share_safe": (("last_safe",), _safe),
    "smoothed_robust_accuracy": (("abstained", "first_flipped"), _smoothed_robust_accuracy),
    "changed_accuracy": (("changed_predicted",), _changed_accuracy),
    "changed_flips": (("flipped",), _changed_flips),
    "noise_l_inf_accuracy": (("noise_l_inf_predicted",), _changed_accuracy),
    "noise_l2_accuracy": (("noise_l2_predicted",), _changed_accuracy),
    "unchanged_accuracy": (("image_id", "changed_predicted"), _unchanged_accuracy),
    "worst_changed_accuracy": (("image_id", "changed_predicted"), _worst_changed_accuracy),
    "robust_accuracy_l2": (("image_id", "changed_predicted", "minimal_l2"), _robust_accuracy_l2),
}
_OTHERS: dict[Statistic, tuple[tuple[str, ...], Callable[..., float]]] = {
    "threshold": (("excluded", "min_epsilon"), _threshold),
    "threshold_strict": (("excluded_strict", "first_flipped"), _threshold),
    "n_images": (("image_id",), _n_images),
    "median_l_inf": (("l_inf",), _median),
    "median_l2": (("l2",), _median),
}
"""The columns that a statistic needs besides label and predicted, and its function of rows and columns.

A ratio is given the source too, before the columns.
"""


def same_number(first: float, second: float) -> bool:
    """Return whether two values are one number up to the rounding of a floating-point sum."""
    return math.isclose(first, second, rel_tol=1e-12, abs_tol=1e-12)


_TEXT = ("image_id", "patient_id", "attack", "attacked_label", "won_by", "threat", "change", "unit")
"""Columns of text. pandas would read `true` as a Boolean wherever a part of a large file has no other label."""


def read_rows(source: str | Path | BytesIO) -> pd.DataFrame:
    """Read a file of per-image rows, with identifiers and names as text: 007, NA and the label `true` stay as written.

    Raises InputError with the file's name where it cannot be read.
    """
    try:
        return pd.read_csv(source, dtype=dict.fromkeys(_TEXT, str), keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{source}: {error} (expected a table with one row per image)") from error
