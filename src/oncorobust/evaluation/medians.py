"""The median minimal epsilon with its interval, and the comparison of two groups of images by minimal epsilon."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.intervals import share_term
from oncorobust.evaluation.ordering import Values, probability_estimate, probability_smaller, share_decided
from oncorobust.evaluation.resampling import NO_INTERVAL, Draws, Estimate, draw_patients, patient_index
from oncorobust.evaluation.share_bounds import Term, share_bounds
from oncorobust.evaluation.survival import MinimalEpsilons
from oncorobust.evaluation.weighted import Resampled, draw_values, observed_value, percentiles, resampled

CROSSING = "score interval of the curve at one half"
"""The method of a median's interval: `Estimate.method`."""


@dataclass(frozen=True)
class GroupComparison:
    """Two groups of images compared by minimal epsilon.

    first, second: their medians. difference: second median minus first. smaller: probability that a random image of the
    first group has the smaller minimal epsilon than one of the second; 0.5 if neither group tends to be smaller.
    decided: share of pairs of images whose order is known; the others count one half in `smaller`.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    smaller: Estimate
    decided: float


def median(images: MinimalEpsilons, draws: Draws, *, level: float) -> Estimate:
    """Estimate the median: the smallest epsilon that at most half of the images withstand.

    value is None and reason says "not reached" if more than half are censored. The interval holds the epsilons at which
    the interval of the share withstanding them holds one half (Brookmeyer and Crowley 1982, Biometrics 38:29-41, with
    the score interval clustered by patient); high is None if that at the reach still does. The interval is empty for
    one patient. Of the draws only the patients are used: in simulated cohorts of 10, 20 and 60 patients this interval
    held the true value in 93 to 99 %, the percentile interval of the draws in 90 to 97 %.
    """
    sample = resampled(images.patient_ids, draws)
    value = float(medians(images.epsilon, np.ones((1, len(sample.index))))[0])
    low, high = (-np.inf, np.inf) if sample.n_patients < 2 else _crossings(images, draws, level=level)
    reasons = [] if np.isfinite(value) else [_not_reached([images])]
    if sample.n_patients < 2:
        reasons.append("all images are of one patient: no interval")
    elif not np.isfinite(high):
        reasons.append("no upper end: it is beyond the largest epsilon searched, or needs more patients")
    method = CROSSING if np.isfinite(low) else NO_INTERVAL
    return _estimate((value, low, high), [sample], method, reasons, level=level)


def _crossings(images: MinimalEpsilons, draws: Draws, *, level: float) -> tuple[float, float]:
    """Return the ends of the smallest interval around all epsilons whose share has an interval that holds one half.

    low: the smallest epsilon at which the lower bound is at most one half. high: the smallest one from which on the
    upper bound stays at most one half; a bound may fall and rise again, because the design effect changes with epsilon.
    """
    grid = np.unique([0.0, *images.epsilon[np.isfinite(images.epsilon)]])
    at_most = np.array([share_bounds(one, level=level) for one in _withstanding(images, draws, grid)]) <= 0.5
    crossed, above = np.flatnonzero(at_most[:, 0]), np.flatnonzero(~at_most[:, 1])
    high = above[-1] + 1 if len(above) else 0
    return (
        float(grid[crossed[0]]) if len(crossed) else np.inf,
        float(grid[high]) if high < len(grid) else np.inf,
    )


def _withstanding(images: MinimalEpsilons, draws: Draws, grid: np.ndarray) -> Iterator[Term]:
    """Yield the share of images that withstand each epsilon of an increasing grid."""
    everyone = share_term(np.ones(len(images.epsilon), bool), images.patient_ids, draws)
    order = np.argsort(images.epsilon, kind="stable")
    index, ends = patient_index(images.patient_ids, draws)[order], np.searchsorted(images.epsilon[order], grid, "right")
    left = everyone.numerator.copy()
    for begin, end in pairwise([0, *ends.tolist()]):
        np.subtract.at(left, index[begin:end], 1)
        yield Term(1.0, left.copy(), everyone.denominator)


def medians(epsilon: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (draws,) the smallest epsilon that at most half of the weight is above; inf if it is censored.

    epsilon: (images,), inf where censored. weights: (draws, images). NaN in draws without weight.
    """
    order = np.argsort(epsilon, kind="stable")
    cumulated = np.cumsum(weights[:, order], axis=1)
    total = cumulated[:, -1:]
    place = (cumulated < total / 2).sum(axis=1)
    return np.where(total[:, 0] > 0, epsilon[order][place], np.nan)


def compare_groups(
    first: MinimalEpsilons, second: MinimalEpsilons, *, n_draws: int, seed: int, level: float
) -> GroupComparison:
    """Compare two groups of images of different patients, such as medical and natural images.

    The patients of each group are resampled independently of the other's. Censoring hides the order of some pairs; how
    they count is said in `ordering`. The groups may have different reaches. All n patients of a group are on one side
    of its true median with probability 2^(1 - n), and then no interval between their values holds it: for few patients
    the difference of the medians has no interval.
    """
    groups = [first, second]
    samples = [
        resampled(one.patient_ids, draw_patients(one.patient_ids, n_draws=n_draws, seed=child_seed(seed, name)))
        for one, name in zip(groups, ("first", "second"), strict=True)
    ]
    values = [_values(one) for one in groups]
    return GroupComparison(
        median(first, samples[0].draws, level=level),
        median(second, samples[1].draws, level=level),
        _difference_of_medians(groups, samples, level=level),
        _smaller(values, samples, level=level),
        share_decided(*values),
    )


def _smaller(values: list[Values], samples: list[Resampled], *, level: float) -> Estimate:
    n_images, n_patients = ([len(one.index) for one in samples], [one.n_patients for one in samples])
    reason = ""
    if min(n_patients) < 2:
        reason = "a group has images of 1 patient only; at least 2 patients are needed"
    elif share_decided(*values) == 0:
        reason = "the order of no pair of images is known"
    if reason:
        return Estimate(None, None, None, level, NO_INTERVAL, sum(n_images), sum(n_patients), reason)
    return probability_estimate(
        partial(probability_smaller, values[0], values[1]),
        samples,
        images=(n_images[0], n_images[1]),
        patients=(n_patients[0], n_patients[1]),
        n_patients=sum(n_patients),
        level=level,
    )


def _values(images: MinimalEpsilons) -> Values:
    known = np.isfinite(images.epsilon)
    return Values(np.where(known, images.epsilon, images.reach), known)


def _difference_of_medians(groups: list[MinimalEpsilons], samples: list[Resampled], *, level: float) -> Estimate:
    """Estimate the second median minus the first by bootstrap; a draw without either median may lie at either end."""

    def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # neither median is reached
            return medians(groups[1].epsilon, second) - medians(groups[0].epsilon, first)

    value, drawn = float(observed_value(difference, *samples)), draw_values(difference, *samples)
    low = float(percentiles(np.where(np.isnan(drawn), -np.inf, drawn), level)[0])
    high = float(percentiles(np.where(np.isnan(drawn), np.inf, drawn), level)[1])
    reasons = [] if np.isfinite(value) else [_not_reached(groups)]
    fewest, needed = min(one.n_patients for one in samples), int(np.ceil(1 - np.log2(1 - level)))
    method = "percentile bootstrap"
    if fewest < needed:
        low, high, method = -np.inf, np.inf, NO_INTERVAL
        reasons.append(f"an interval of a median needs {needed} patients in each group, one has {fewest}")
    elif not (np.isfinite(low) and np.isfinite(high)):
        reasons.append("an end of the interval is beyond the largest epsilon searched")
    return _estimate((value, low, high), samples, method, reasons, level=level)


def _estimate(
    ends: tuple[float, float, float], samples: list[Resampled], method: str, reasons: list[str], *, level: float
) -> Estimate:
    """Make an estimate of value, low and high, without those that are not finite."""
    value, low, high = (one if np.isfinite(one) else None for one in ends)
    n_images, n_patients = sum(len(one.index) for one in samples), sum(one.n_patients for one in samples)
    return Estimate(value, low, high, level, method, n_images, n_patients, "; ".join(reasons))


def _not_reached(groups: list[MinimalEpsilons]) -> str:
    beyond = " and ".join(f"{one.reach:g}" for one in groups if np.isinf(one.epsilon).mean() > 0.5)
    return f"not reached: more than half of the images withstand epsilon {beyond}"
