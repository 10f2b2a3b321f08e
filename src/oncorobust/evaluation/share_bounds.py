"""Score intervals of shares whose images are clustered by patient, and of signed sums of such shares.

One share: Wilson's interval with Student's quantile, and with the number of images divided by their design effect. A
few patients with the rarer outcome say little about the design effect, so its estimate (linearised variance of the
ratio) is averaged with a prior that weighs as much as PRIOR_PATIENTS such patients. The prior's correlation between
images of a patient is PRIOR_CORRELATION x share for the lower bound, and PRIOR_CORRELATION x (1 - share) for the upper:
a small share often comes with an underestimated design effect, which would put the upper bound too low. If every
patient has one image that counts or does not, the design effect is 1 and the quantile normal: Wilson's interval. The
mean of numbers between 0 and 1, such as Brier scores, varies less than a share of the same size: its design effect is
estimated, and below 1.

Several shares, such as a difference of two models: MOVER recovers the variance of the sum from each share's interval
and the correlation of their sums per patient; for two shares this is Newcombe's hybrid score.

No variation: if all patients have the same value, no variance can be estimated. By Clopper and Pearson, at most a share
`1 - (outside / 2) ** (1 / patients)` of patients is then different, and these could have any value in the range.

Acceptance needs bounds that err at most as often as stated, also for few patients, where Wilson's one-sided error is up
to twice the nominal one: `exact_bounds`, which are wider.
Sources: Wilson 1927; Korn and Graubard 1998 (effective sample size); Zou 2008 (MOVER); Newcombe 1998. The prior was
chosen by simulation (`make test-statistics`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit

PRIOR_CORRELATION = 0.4
PRIOR_PATIENTS = 3


@dataclass(frozen=True)
class Term:
    """A ratio of sums over patients, and the factor with which it enters a cell.

    factor: 1.0 or -1.0; 0.5 for the halves of a balanced accuracy. numerator, denominator: (patients,) sums in the
    order of `Draws.patients`, for example of correct images and of images; both are 0 for a patient without images.
    """

    factor: float
    numerator: np.ndarray
    denominator: np.ndarray

    @cached_property
    def value(self) -> float:
        """Return the ratio of the sums; its denominator must not be 0."""
        return float(self.numerator.sum() / self.denominator.sum())

    @cached_property
    def n_patients(self) -> int:
        """Return the number of patients with images."""
        return int(np.count_nonzero(self.denominator))

    @cached_property
    def residuals(self) -> np.ndarray:
        """Return each patient's numerator minus the ratio times its denominator; rounding errors are 0."""
        found = self.numerator - self.value * self.denominator
        return np.where(np.abs(found) < 1e-9 * np.maximum(self.denominator, 1), 0.0, found)

    @cached_property
    def is_share(self) -> bool:
        """Return whether each patient's numerator lies between 0 and its denominator."""
        return bool(np.all((self.numerator >= 0) & (self.numerator <= self.denominator)))


def share_bounds(term: Term, *, level: float) -> tuple[float, float]:
    """Return the bounds of one share: Wilson with design effect, or those without variation."""
    if not term.residuals.any():
        return unvaried_bounds([term], level=level)
    share, typical = term.value, _typical_images(term)
    lower, upper = (1 + PRIOR_CORRELATION * part * (typical - 1) for part in (share, 1 - share))
    quantile = stdtrit(term.n_patients - 1, (1 + level) / 2) if typical > 1 else ndtri((1 + level) / 2)
    low = _wilson_bound(term, _design_effect(term, lower), -float(quantile))
    return max(0.0, low), min(1.0, _wilson_bound(term, _design_effect(term, upper), float(quantile)))


def exact_bounds(term: Term, *, level: float) -> tuple[float, float]:
    """Return the bounds of Clopper and Pearson of one share that varies, for the images divided by their design effect.

    With one flag of each patient they are exact: each is beyond the truth with probability (1 - level) / 2 at most.
    With several images a patient the effective number of images is also multiplied by the squared ratio of the normal
    quantile to Student's. Source: Korn and Graubard 1998.
    """
    share, typical, tail = term.value, _typical_images(term), (1 - level) / 2
    lower, upper = (1 + PRIOR_CORRELATION * part * (typical - 1) for part in (share, 1 - share))
    student = 1.0 if typical == 1 else float(ndtri(tail) / stdtrit(term.n_patients - 1, tail)) ** 2
    few, many = (student * term.denominator.sum() / _design_effect(term, prior) for prior in (lower, upper))
    return (
        float(betaincinv(share * few, (1 - share) * few + 1, tail)),
        float(betaincinv(share * many + 1, (1 - share) * many, 1 - tail)),
    )


def _typical_images(term: Term) -> float:
    """Return the mean number of images per patient, weighted by images."""
    return float((term.denominator**2).sum() / term.denominator.sum())


def _design_effect(term: Term, prior: float) -> float:
    """Return the design effect: the average of its estimate and the prior; 1 for one flag of each patient."""
    if _typical_images(term) == 1 and np.isin(term.numerator, (0.0, 1.0)).all():
        return 1.0
    n, share = term.n_patients, term.value
    estimated = n / (n - 1) * (term.residuals**2).sum() / term.denominator.sum() / (share * (1 - share))
    with_event, without = (term.numerator > 0).sum(), (term.numerator < term.denominator).sum()
    weight = min(with_event, without) / (min(with_event, without) + PRIOR_PATIENTS)
    return float(weight * estimated + (1 - weight) * prior)


def _wilson_bound(term: Term, effect: float, quantile: float) -> float:
    """Return Wilson's upper bound for a positive quantile, the lower one for a negative."""
    n, share = float(term.denominator.sum()) / effect, term.value
    centre, half = share + quantile**2 / (2 * n), sqrt(share * (1 - share) / n + quantile**2 / (4 * n**2))
    return (centre + quantile * half) / (1 + quantile**2 / n)


def sum_bounds(terms: Sequence[Term], *, level: float) -> tuple[float, float]:
    """Return the bounds of a signed sum of shares by MOVER; of one share, those of `share_bounds`."""
    bounds = np.array([share_bounds(term, level=level) for term in terms])
    values, factors = np.array([term.value for term in terms]), np.array([term.factor for term in terms])
    correlation = _correlations(terms)
    down, up = values - bounds[:, 0], bounds[:, 1] - values
    total = float(factors @ values)

    def distance(to_low: np.ndarray, to_high: np.ndarray) -> float:
        parts = np.where(factors > 0, to_low, to_high) * factors
        return sqrt(max(0.0, float(parts @ correlation @ parts)))

    lowest, highest = value_range(terms)
    return max(lowest, total - distance(down, up)), min(highest, total + distance(up, down))


def _correlations(terms: Sequence[Term]) -> np.ndarray:
    """Return the correlations of the terms' residuals, 0 for a term without variation and 1 with itself."""
    residuals = np.array([term.residuals / term.denominator.sum() for term in terms])
    covariance = residuals @ residuals.T
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    correlation = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def unvaried_bounds(terms: Sequence[Term], *, level: float) -> tuple[float, float]:
    """Return the bounds of a sum of shares that has the same value in all patients."""
    value = sum(term.factor * term.value for term in terms)
    n_patients = min(term.n_patients for term in terms)
    different = 1 - ((1 - level) / 2) ** (1 / n_patients)
    lowest, highest = value_range(terms)
    return value - different * (value - lowest), value + different * (highest - value)


def value_range(terms: Sequence[Term]) -> tuple[float, float]:
    """Return the smallest and largest possible value of a signed sum of shares."""
    factors = [term.factor for term in terms]
    return float(sum(min(one, 0) for one in factors)), float(sum(max(one, 0) for one in factors))
