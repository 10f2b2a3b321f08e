"""Simulated cohorts of patients with several images each and known true shares, and the coverage of intervals."""

from collections.abc import Sequence

import numpy as np

from oncorobust.evaluation.intervals import ratio_intervals
from oncorobust.evaluation.resampling import LEVEL, Draws, Estimate, draw_patients
from oncorobust.evaluation.share_bounds import Term

SETTINGS = [(n, share) for n in (20, 60, 300) for share in (0.05, 0.5, 0.95)]
"""Patients and true shares of the nine settings of the coverage simulation."""

PAIRS = [(0.85, 0.05, 0.05, 0.05), (0.4, 0.1, 0.1, 0.4), (0.5, 0.3, 0.05, 0.15), (0.02, 0.9, 0.01, 0.07)]
"""Probabilities that both models, only the first, only the second and neither are right."""


def shares(n_patients: int, share: float, *, correlation: float, n_cohorts: int, seed: int) -> list[Estimate]:
    """Estimate the share in each cohort: beta-binomial, 1 to 6 images a patient with this intraclass correlation."""
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 7, (n_cohorts, n_patients)).astype(float)
    strength = (1 - correlation) / correlation
    of_patient = rng.beta(share * strength, (1 - share) * strength, images.shape)
    flagged = rng.binomial(images.astype(int), of_patient).astype(float)
    cells = [(Term(1.0, top, bottom),) for top, bottom in zip(flagged, images, strict=True)]
    return ratio_intervals(cells, draws_of(n_patients), level=LEVEL)


def differences(
    n_patients: int, pair: Sequence[float], *, correlation: float, n_cohorts: int, seed: int
) -> list[Estimate]:
    """Estimate the difference of two models in each cohort: Dirichlet-multinomial, 1 to 6 images a patient."""
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 7, (n_cohorts, n_patients)).astype(float)
    strength = (1 - correlation) / correlation
    weights = rng.gamma(np.array(pair) * strength, size=(*images.shape, 4)) + 1e-300
    both, first, second, _ = np.moveaxis(
        rng.multinomial(images.astype(int), weights / weights.sum(axis=-1, keepdims=True)).astype(float), -1, 0
    )
    cells = [
        (Term(1.0, one + mine, size), Term(-1.0, one + other, size))
        for one, mine, other, size in zip(both, first, second, images, strict=True)
    ]
    return ratio_intervals(cells, draws_of(n_patients), level=LEVEL)


def draws_of(n_patients: int, *, n_draws: int = 2000) -> Draws:
    """Draw from patients named by their number."""
    return draw_patients([f"p{number:04}" for number in range(n_patients)], n_draws=n_draws, seed=0)


def coverage(estimates: Sequence[Estimate], truth: float) -> float:
    """Return the share of intervals that hold the truth."""
    held = [one.low is not None and one.high is not None and one.low <= truth <= one.high for one in estimates]
    return float(np.mean(held))
