"""The spread of a share between training seeds, from the per-image rows of models that only this seed sets apart.

The spread is that of training. It says nothing about other patients, and no interval over patients says anything about
training: the two stand beside each other and are never pooled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd

from oncorobust.evaluation.comparisons import pair_rows
from oncorobust.evaluation.resampling import LEVEL, NO_INTERVAL, Estimate
from oncorobust.report.tables.cell import RowsSource, Statistic
from oncorobust.report.tables.row_statistics import ratio_parts, selected
from oncorobust.report.tables.sources import OVER_SEEDS
from oncorobust.report.tables.statistic_names import SeedStatistic

OF_SEEDS: frozenset[str] = frozenset(get_args(SeedStatistic))
"""The statistics that `seed_estimate` gives."""

_STATISTICS: Mapping[Statistic, Callable[[list[float]], float]] = {
    "mean_over_seeds": lambda values: float(np.mean(values)),
    "smallest_over_seeds": min,
    "largest_over_seeds": max,
    "deviation_over_seeds": lambda values: float(np.std(values, ddof=1)),
    "n_training_seeds": lambda values: float(len(values)),
}


def seed_estimate(sources: Sequence[RowsSource], rows: Mapping[str, pd.DataFrame]) -> Estimate:
    """Return the statistic over training seeds that all sources name; it has no interval, and the reason says so.

    sources: their options hold the share (`of`) and the training seed; those of one seed add up by their signs. rows:
    by the name of their file. Raises InputError where rows lack a column, are not one for each image, or where two
    models were attacked on other images; ValueError for fewer than two seeds.
    """
    shares = [share_of_seed(one) for one in sources]
    images = _same_images(shares, rows)
    values: dict[int, float] = {}
    for source, share in zip(sources, shares, strict=True):
        seed = int(source.options["training_seed"])
        values[seed] = values.get(seed, 0.0) + source.sign * _value(rows[share.file], share)
    if len(values) < 2:
        raise ValueError(f"expected at least two training seeds, got {sorted(values)}")
    found = _STATISTICS[sources[0].statistic](list(values.values()))
    reason = f"{OVER_SEEDS} {len(values)} training seeds"
    return Estimate(found, None, None, LEVEL, NO_INTERVAL, len(images), images["patient_id"].nunique(), reason)


def share_of_seed(source: RowsSource) -> RowsSource:
    """Return the source of the share whose spread over training seeds a source states."""
    statistic: Any = source.options["of"]
    return replace(source, statistic=statistic)


def _same_images(shares: Sequence[RowsSource], rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of the first source, after checking that all sources are of the same images."""
    first, *others = (selected(rows[one.file], one, columns=("image_id", "patient_id")) for one in shares)
    for share, frame in zip(shares[1:], others, strict=True):
        pair_rows(first, frame, names=(shares[0].file, share.file))
    return first


def _value(frame: pd.DataFrame, share: RowsSource) -> float:
    parts = ratio_parts(frame, share)
    if parts is None:
        raise ValueError(f"{share.statistic}: expected a share of the images")
    return float(parts.numerator.sum() / parts.denominator.sum())
