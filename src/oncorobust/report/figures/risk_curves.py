"""Risk over coverage of each score of certainty, with intervals over patients: the curves of Figure 4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.draw_intervals import risk_estimates
from oncorobust.evaluation.resampling import LEVEL, N_DRAWS, Estimate, draw_patients
from oncorobust.evaluation.scored_rows import score_names, scored

_COVERAGES = tuple(round(0.025 * step, 3) for step in range(2, 41))


@dataclass(frozen=True)
class RiskCurve:
    """Risk of a score at coverages, both as fractions, with intervals. seed: of the samples of patients."""

    coverages: tuple[float, ...]
    estimates: Sequence[Estimate]
    seed: int

    def band(self) -> pd.DataFrame:
        """Return the curve, columns coverage, risk, low, high; low and high are NaN where there is no interval."""
        rows = [(at, one.value, one.low, one.high) for at, one in zip(self.coverages, self.estimates, strict=True)]
        return pd.DataFrame(rows, columns=["coverage", "risk", "low", "high"], dtype=float)


Risks = Mapping[str, RiskCurve]
"""Curve of each score."""


def risk_curves(dataset: str, scores: pd.DataFrame, *, seed: int) -> Risks:
    """Return the risk over coverage of each score of a data set's test images.

    scores: rows of scores.csv. seed: of the run; the samples of patients are those of the tables.
    """
    test = scores[scores["split"] == "test"]
    own_seed = child_seed(seed, "patients", dataset)
    draws = draw_patients(test["patient_id"].astype(str), n_draws=N_DRAWS, seed=own_seed)
    return {
        name: RiskCurve(
            _COVERAGES,
            risk_estimates(scored(test, name, split="test"), draws, coverages=_COVERAGES, level=LEVEL),
            own_seed,
        )
        for name in score_names(test)
    }
