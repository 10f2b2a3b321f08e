"""The probability that a random image of one group has a smaller value than one of another, with right-censoring.

This is the Mann-Whitney statistic divided by its number of pairs, in Gehan's form for censored values. A pair counts 1
if the first value is known to be smaller, 0 if it is known to be larger, and one half otherwise: if both values are
equal, if both are censored, or if one is censored below the other. A value censored at x is larger than every known
value up to x. Without censoring this is the area under the ROC curve.

The interval is Newcombe's, which has a width at 0 and 1 too, where all bootstrap draws agree. Its two numbers of images
are divided by the design effect: the jackknife's variance, over patients, as a multiple of the variance of independent
images. If the jackknife has no variance, the numbers of patients take the place of those of images. In simulated
cohorts of 20, 60 and 300 patients with an AUC of 0.5, 0.8 and 0.95 the 95 % interval held the true value in 93 to 99 %
of cohorts, the percentile interval in 83 to 96 %, BCa in 89 to 96 %.
Sources: Gehan 1965, Biometrika 52:203-223; Hanley and McNeil 1982, Radiology 143:29-36; Newcombe 2006, Statistics in
Medicine 25:559-573, method 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from oncorobust.evaluation.resampling import Estimate
from oncorobust.evaluation.weighted import Resampled, Statistic, jackknife_variance, observed_value

_NEAR = 1e-9
"""Probabilities nearer than this to 0 or 1 are 0 or 1."""


@dataclass(frozen=True)
class Values:
    """Values of images. value: (n,) numbers. known: (n,) False where the true value is larger than the one stated."""

    value: np.ndarray
    known: np.ndarray


def probability_smaller(
    first: Values, second: Values, first_weights: np.ndarray, second_weights: np.ndarray
) -> np.ndarray:
    """Return (draws,) the probability that a random first value is smaller than a random second one.

    first_weights: (draws, n). second_weights: (draws, m). NaN in draws in which one group has no weight. Takes
    O(draws x images) after one sort.
    """
    balance = _pairs_decided(first, second, first_weights, second_weights, sign=-1)
    pairs = first_weights.sum(axis=1) * second_weights.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return 0.5 + 0.5 * balance / pairs


def share_decided(first: Values, second: Values) -> float:
    """Return the share of pairs whose order is known."""
    n, m = len(first.value), len(second.value)
    return float(_pairs_decided(first, second, np.ones((1, n)), np.ones((1, m)), sign=1)[0] / (n * m))


def _pairs_decided(
    first: Values, second: Values, first_weights: np.ndarray, second_weights: np.ndarray, *, sign: int
) -> np.ndarray:
    """Add up the weights of pairs with a smaller first value, and `sign` times those with a larger one."""
    known, hidden = _Sorted(second, second_weights, known=True), _Sorted(second, second_weights, known=False)
    own, censored = first.value[first.known], first.value[~first.known]
    decided = known.total - known.up_to(own) + hidden.total - hidden.below(own) + sign * known.below(own)
    return np.einsum("ij,ij->i", first_weights[:, first.known], decided) + sign * np.einsum(
        "ij,ij->i", first_weights[:, ~first.known], known.up_to(censored)
    )


class _Sorted:
    """Weights of the known or the censored values of a group, cumulated in the order of the values."""

    def __init__(self, values: Values, weights: np.ndarray, *, known: bool) -> None:
        at = np.flatnonzero(values.known == known)
        order = at[np.argsort(values.value[at], kind="stable")]
        self._value = values.value[order]
        self._cumulated = np.zeros((len(weights), len(order) + 1))
        np.cumsum(weights[:, order], axis=1, out=self._cumulated[:, 1:])
        self.total = self._cumulated[:, -1:]

    def below(self, limits: np.ndarray) -> np.ndarray:
        """Return (draws, limits) the weight of values below each limit."""
        return self._cumulated[:, np.searchsorted(self._value, limits, side="left")]

    def up_to(self, limits: np.ndarray) -> np.ndarray:
        """Return (draws, limits) the weight of values at or below each limit."""
        return self._cumulated[:, np.searchsorted(self._value, limits, side="right")]


def hanley_mcneil_variance(probability: float, n: float, m: float) -> float:
    """Return the variance of the estimated probability for n first and m second independent values.

    Newcombe's form of Hanley and McNeil's formula (his method 5), in which the two group sizes share their mean.
    """
    theta, size = probability, (n + m) / 2 - 1
    return theta * (1 - theta) * (1 + size * (1 - theta) / (2 - theta) + size * theta / (1 + theta)) / (n * m)


def newcombe_interval(probability: float, n: float, m: float, *, level: float) -> tuple[float, float]:
    """Return Newcombe's score-like interval of the probability; it has a width at 0 and 1 too."""
    z = norm.ppf((1 + level) / 2)

    def excess(theta: float) -> float:
        return (theta - probability) ** 2 - z**2 * hanley_mcneil_variance(theta, n, m)

    inside = min(max(probability, _NEAR), 1 - _NEAR)  # excess is 0 at 0 and 1 themselves, and negative beside them
    low = 0.0 if probability <= _NEAR else float(brentq(excess, 0.0, inside))
    high = 1.0 if probability >= 1 - _NEAR else float(brentq(excess, inside, 1.0))
    return low, high


def probability_estimate(
    statistic: Statistic,
    samples: Sequence[Resampled],
    *,
    images: tuple[int, int],
    patients: tuple[int, int],
    n_patients: int,
    level: float,
) -> Estimate:
    """Estimate a probability that `probability_smaller` computes, with its interval.

    statistic: of the weights of the samples, which are independent of each other. images, patients: their numbers in
    both groups. n_patients: distinct patients of both groups together.
    """
    value = float(observed_value(statistic, *samples))
    sizes = _effective_sizes(value, jackknife_variance(statistic, *samples), images=images, patients=patients)
    low, high = newcombe_interval(value, *sizes, level=level)
    return Estimate(value, low, high, level, "Newcombe, design effect by jackknife", sum(images), n_patients)


def _effective_sizes(
    value: float, variance: float, *, images: tuple[int, int], patients: tuple[int, int]
) -> tuple[float, float]:
    """Return the numbers of independent images that would give the variance, at most the numbers of images."""
    n, m = map(float, images)
    independent = hanley_mcneil_variance(value, n, m)
    if variance == 0 or independent == 0:
        return float(patients[0]), float(patients[1])
    design_effect = max(1.0, variance / independent)
    return n / design_effect, m / design_effect
