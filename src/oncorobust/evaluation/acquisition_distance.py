"""How many times larger than the attacker's a change of the acquisition is, where each flips half of the images.

    size of a change    median over the images of its l_inf (or l2) at its smallest severity at which at least half of
                        the images have flipped, there or at a smaller severity
    minimal distance    median over the same images of the minimal epsilon (or minimal l2) of the attacks
    ratio               size of the change / minimal distance

Flips count changed predictions, for images predicted right and wrong alike; so do both searches. Severities are steps:
half of the images flip at a size between that of the step before and the size stated.

Either median may be censored. Where half of the images have not flipped at the largest severity, its size stands in and
the ratio is `at least` the value; where more than half of the images withstand the attacks, the reach of their search
stands in and the ratio is `at most` the value; with both, it is unknown. A draw of the bootstrap over patients with
censored medians may lie at either end of its range, as for a difference of medians (`medians`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.evaluation.acquisition_estimates import Size
from oncorobust.evaluation.medians import medians
from oncorobust.evaluation.resampling import NO_INTERVAL, Draws, Estimate
from oncorobust.evaluation.weighted import Resampled, draw_values, observed_value, percentiles, resampled

Known = Literal["exact", "at least", "at most", "unknown"]


@dataclass(frozen=True)
class MinimalDistances:
    """Minimal epsilon, or minimal l2, by image_id: inf where the attacks found none up to the reach."""

    of_image: pd.Series
    reach: float


@dataclass(frozen=True)
class DistanceRatio:
    """The ratio, and what it is made of. size, minimal: the medians, in [0, 1] units, or what stands in for them.

    known: how `ratio.value` is meant; the value is None where it is unknown. level: the severity of `size`.
    """

    ratio: Estimate
    known: Known
    size: float
    level: int
    minimal: float


def minimal_l2(rows: pd.DataFrame) -> MinimalDistances:
    """Return minimal_l2 of the rows' images. The reach is the largest distance found: an image without one exceeds it.

    Raises InputError if it was found for no image.
    """
    found = rows.drop_duplicates("image_id").set_index("image_id")["minimal_l2"].astype(float)
    if found.isna().all():
        raise InputError("minimal l2 distances: expected one for at least one image, got none")
    return MinimalDistances(found.fillna(np.inf), float(found.max()))


def distance_ratio(
    rows: pd.DataFrame, minimal: MinimalDistances, draws: Draws, *, size: Size, level: float
) -> DistanceRatio:
    """Compare a change with the attacker.

    rows: of one change, each image at every severity. minimal: of at least these images, in the norm `size`. draws: of
    all patients; the interval is the percentile interval. Raises InputError for an image without minimal distance or
    without a row for a severity.
    """
    images = _Images.of(rows, minimal, size)
    sample = resampled(images.patient_ids, draws)
    low, high, median, place, least = observed_value(images.ratio, sample)
    drawn = draw_values(images.ratio, sample)[:, :2]
    known = _known(float(low), float(high))
    value = {"exact": low, "at least": low, "at most": high}.get(known)
    ratio = _estimate(None if value is None else float(value), drawn, sample, known=known, level=level)
    return DistanceRatio(ratio, known, float(median), int(images.levels[int(place)]), float(least))


def _known(low: float, high: float) -> Known:
    if low == high:
        return "exact" if np.isfinite(low) else "unknown"
    return (
        "at least" if low > 0 and not np.isfinite(high) else "at most" if low == 0 and np.isfinite(high) else "unknown"
    )


@dataclass(frozen=True)
class _Images:
    """flipped, sizes: (images, levels), flipped at this severity or a smaller one. minimal: (images,)."""

    flipped: np.ndarray
    sizes: np.ndarray
    minimal: np.ndarray
    reach: float
    levels: np.ndarray
    patient_ids: list[str]

    @classmethod
    def of(cls, rows: pd.DataFrame, minimal: MinimalDistances, size: Size) -> "_Images":
        table = rows.pivot(index="image_id", columns="level", values=["flipped", size])
        lacking = table.index[table.isna().any(axis=1)]
        if len(lacking):
            raise InputError(f"image {lacking[0]}: expected a row at each severity of {rows['change'].iloc[0]}")
        of_image = minimal.of_image.reindex(table.index)
        if of_image.isna().any():
            raise InputError(f"image {of_image.index[of_image.isna()][0]}: expected a minimal distance, got none")
        patients = rows.drop_duplicates("image_id").set_index("image_id")["patient_id"]
        return cls(
            flipped=np.maximum.accumulate(table["flipped"].to_numpy(bool), axis=1),
            sizes=table[size].to_numpy(float),
            minimal=of_image.to_numpy(float),
            reach=minimal.reach,
            levels=table["flipped"].columns.to_numpy(),
            patient_ids=patients[table.index].tolist(),
        )

    def ratio(self, weights: np.ndarray) -> np.ndarray:
        """Return (draws, 5): least and largest ratio possible, size, place of its severity, minimal distance."""
        flipped = 2 * (weights @ self.flipped) >= weights.sum(axis=1, keepdims=True)
        reached = flipped.any(axis=1)
        place = np.where(reached, flipped.argmax(axis=1), len(self.levels) - 1)
        by_level = np.stack([medians(one, weights) for one in self.sizes.T], axis=1)
        size, minimal = by_level[np.arange(len(place)), place], medians(self.minimal, weights)
        known = np.isfinite(minimal)
        least = np.where(known, minimal, self.reach)
        with np.errstate(divide="ignore", invalid="ignore"):
            lowest = size / np.where(known, minimal, np.inf)
            highest = np.where(reached, size, np.inf) / least
        return np.stack([lowest, highest, size, place, least], axis=1)


def _estimate(value: float | None, drawn: np.ndarray, sample: Resampled, *, known: Known, level: float) -> Estimate:
    """Make the estimate. drawn: (draws, 2) least and largest ratio possible."""
    low = float(percentiles(np.where(np.isnan(drawn[:, 0]), 0, drawn[:, 0]), level)[0])
    high = float(percentiles(np.where(np.isnan(drawn[:, 1]), np.inf, drawn[:, 1]), level)[1])
    needed = int(np.ceil(1 - np.log2(1 - level)))
    size, reason = (len(sample.index), sample.n_patients), "" if known == "exact" else known
    if sample.n_patients < needed:
        text = f"an interval of a median needs {needed} patients, here are {sample.n_patients}"
        return Estimate(value, None, None, level, NO_INTERVAL, *size, "; ".join(filter(None, (reason, text))))
    lowest, highest = (one if np.isfinite(one) else None for one in (low, high))
    return Estimate(value, lowest, highest, level, "percentile bootstrap", *size, reason)
