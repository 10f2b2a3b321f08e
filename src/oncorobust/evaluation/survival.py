"""Minimal epsilon as a survival curve: the share of images whose answer withstands an epsilon.

An image that no attack flips is right-censored: its minimal epsilon is above the reach, the largest epsilon searched.
All images of a search have the same reach, so no image leaves the sample before another flips, and the Kaplan-Meier
curve at epsilon is the share of images with a larger minimal epsilon. It is defined from 0 to the reach.

A search finds an interval, and the image's minimal epsilon under the attacks lies in it: above last_safe, at or below
first_flipped. The curve of first_flipped is therefore an upper bound of the curve sought, that of last_safe a lower
bound. (Stronger attacks than those run may flip an image earlier: both are upper bounds for an ideal attacker.)

A misclassified image has an answer to flip too, but it is not robust. Two populations are offered:

    of_correct_images    correctly classified images only: how far right answers are from being wrong
    of_all_images        misclassified images count as flipped at 0: the curve is the strict robust accuracy, and its
                         value at 0 is the clean accuracy
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.base.arrays import PerImage
from oncorobust.base.errors import InputError
from oncorobust.evaluation.intervals import ratio_intervals, share_term
from oncorobust.evaluation.resampling import Draws, Estimate


@dataclass(frozen=True)
class MinimalEpsilons:
    """Minimal epsilons of images, [0, 1] units. epsilon: (n,), inf where censored. patient_ids: (n,). reach: of all."""

    epsilon: PerImage
    patient_ids: Sequence[str]
    reach: float


@dataclass(frozen=True)
class Bracket:
    """Bounds of the images' minimal epsilons, in the same order. above: last_safe. at_most: first_flipped."""

    above: MinimalEpsilons
    at_most: MinimalEpsilons


@dataclass(frozen=True)
class Curve:
    """A survival curve with a pointwise band. All (epsilons,): epsilon, share withstanding it, low and high."""

    epsilon: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def minimal_epsilons(epsilon: PerImage, patient_ids: Sequence[str], *, reach: float) -> MinimalEpsilons:
    """Censor minimal epsilons above the reach of their search.

    epsilon: (images,) at least 0, inf if the answer was never flipped. reach: the largest epsilon searched.
    Raises InputError for no images, NaN, a negative epsilon, or a reach that is no finite number above 0.
    """
    epsilon = np.asarray(epsilon, np.float64)
    if not (np.isfinite(reach) and reach > 0):
        raise InputError(f"minimal epsilons: expected the largest epsilon searched, above 0, got {reach}")
    if len(epsilon) == 0 or len(epsilon) != len(patient_ids):
        found = f"{len(epsilon)} epsilons of {len(patient_ids)} patient ids"
        raise InputError(f"minimal epsilons: expected images, each with a patient id, got {found}")
    wrong = ~(epsilon >= 0)
    if wrong.any():
        found = f"{epsilon[wrong][0]} for {wrong.sum()} of {len(epsilon)} images"
        raise InputError(f"minimal epsilons: expected numbers from 0 to infinity, got {found}")
    return MinimalEpsilons(np.where(epsilon > reach, np.inf, epsilon), patient_ids, float(reach))


def of_correct_images(rows: pd.DataFrame, *, reach: float) -> Bracket:
    """Return the bounds of correctly classified images.

    rows: one row per image with image_id, patient_id, label, predicted, last_safe and first_flipped (inf if never
    flipped). Raises InputError for rows that `of_all_images` refuses, and if no image is classified correctly.
    """
    _check(rows)
    right = rows[rows["label"] == rows["predicted"]]
    if right.empty:
        raise InputError(f"minimal epsilons: none of {len(rows)} images is classified correctly")
    return _bracket(right, right["last_safe"], right["first_flipped"], reach=reach)


def of_all_images(rows: pd.DataFrame, *, reach: float) -> Bracket:
    """Return the bounds of all images, with 0 for misclassified ones.

    rows: as for `of_correct_images`. Raises InputError for an image in several rows, NaN, a negative bound, a last_safe
    above first_flipped, or a reach that is no finite number above 0.
    """
    _check(rows)
    right = rows["label"] == rows["predicted"]
    return _bracket(rows, rows["last_safe"].where(right, 0.0), rows["first_flipped"].where(right, 0.0), reach=reach)


def _check(rows: pd.DataFrame) -> None:
    repeated = rows["image_id"][rows["image_id"].duplicated()]
    if len(repeated):
        raise InputError(f"minimal epsilons: expected one row per image, got several of {repeated.iloc[0]}")
    crossed = ~(rows["last_safe"] <= rows["first_flipped"])  # or NaN
    if crossed.any():
        first = rows.loc[crossed].iloc[0]
        found = f"{first['last_safe']} and {first['first_flipped']}"
        raise InputError(f"image {first['image_id']}: expected last_safe at or below first_flipped, got {found}")


def _bracket(rows: pd.DataFrame, above: pd.Series, at_most: pd.Series, *, reach: float) -> Bracket:
    """Censor first_flipped above the reach, and last_safe at the reach."""
    ids = rows["patient_id"].tolist()
    safe = minimal_epsilons(above.to_numpy(), ids, reach=reach)
    safe = MinimalEpsilons(np.where(safe.epsilon >= reach, np.inf, safe.epsilon), ids, safe.reach)
    return Bracket(safe, minimal_epsilons(at_most.to_numpy(), ids, reach=reach))


def distinct_epsilons(images: MinimalEpsilons, *, at_most: int) -> np.ndarray:
    """Return 0, the distinct minimal epsilons and the reach; if they are too many, evenly chosen ones by their rank."""
    found = np.unique([0.0, *images.epsilon[np.isfinite(images.epsilon)], images.reach])
    return found[np.unique(np.linspace(0, len(found) - 1, min(at_most, len(found))).round().astype(int))]


def curve(images: MinimalEpsilons, draws: Draws, *, grid: np.ndarray, level: float) -> Curve:
    """Compute the share of images that withstand each epsilon of a grid, with a pointwise band.

    grid: (epsilons,) from 0 to the reach. Raises InputError for an epsilon outside.
    """
    grid = np.asarray(grid, np.float64)
    outside = ~((grid >= 0) & (grid <= images.reach))
    if outside.any():
        raise InputError(
            f"survival curve: expected epsilons from 0 to the reach {images.reach}, got {grid[outside][0]}"
        )
    cells = [[share_term(images.epsilon > one, images.patient_ids, draws)] for one in grid]
    found = ratio_intervals(cells, draws, level=level)
    ends = [[np.nan if end is None else end for end in (one.value, one.low, one.high)] for one in found]
    return Curve(grid, *np.array(ends).T)


def restricted_mean(images: MinimalEpsilons, draws: Draws, *, up_to: float, level: float) -> Estimate:
    """Estimate the mean of min(minimal epsilon, up_to): the area under the survival curve from 0 to up_to.

    Raises InputError if up_to is not above 0 or is beyond the reach.
    """
    if not 0 < up_to <= images.reach:
        raise InputError(f"restricted mean: expected an end above 0, up to the reach {images.reach}, got {up_to}")
    shares = np.minimum(images.epsilon, up_to) / up_to
    (found,) = ratio_intervals([[share_term(shares, images.patient_ids, draws, factor=up_to)]], draws, level=level)
    return found
