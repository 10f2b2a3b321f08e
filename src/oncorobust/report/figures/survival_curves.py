"""The minimal epsilons of a data set's models as survival curves with bands, from per-image rows.

The samples of patients are those of the tables (`report.tables.intervals`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.layout import results_file
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.resampling import LEVEL, N_DRAWS, Draws, draw_patients
from oncorobust.evaluation.survival import Bracket, curve, distinct_epsilons, of_correct_images
from oncorobust.report.figures.robustness_curves import Curve, last_attack
from oncorobust.report.tables.protocols import largest_epsilon

_MOST_POINTS = 100
"""Of a curve: more distinct epsilons are represented by evenly chosen ones."""


@dataclass(frozen=True)
class Survival:
    """How many of a model's correctly classified images withstand each epsilon.

    epsilon: (points,) from 0 to the reach. first_flipped, last_safe: shares by either end of the images' intervals,
    (points,) fractions. low, high: band, (points,) fractions, not a number where there is no interval. n_censored: of
    the n_images.
    """

    epsilon: Curve
    first_flipped: Curve
    last_safe: Curve
    low: Curve
    high: Curve
    n_images: int
    n_censored: int


def survival_curves(
    dataset: str, models: Mapping[str, Mapping[str, Any]], rows: Mapping[str, pd.DataFrame], *, seed: int
) -> dict[str, Survival]:
    """Return the curves of each model of a data set that classifies any image correctly; none without strict search.

    models: attack.json by model. rows: by the name of their file. seed: of the run.
    """
    patients = sorted({str(one) for frame in rows.values() for one in frame["patient_id"]})
    draws = draw_patients(patients, n_draws=N_DRAWS, seed=child_seed(seed, "patients", dataset))
    return dict(_curves(dataset, models, rows, draws))


def _curves(
    dataset: str, models: Mapping[str, Mapping[str, Any]], rows: Mapping[str, pd.DataFrame], draws: Draws
) -> Iterator[tuple[str, Survival]]:
    for model, metrics in models.items():
        if "strict" in metrics:
            attack = last_attack(metrics)
            frame = rows[results_file(dataset, model, "intervals.csv")]
            frame = frame[frame["attack"] == attack].astype({"patient_id": str})
            if (frame["label"] == frame["predicted"]).any():
                yield model, survival(of_correct_images(frame, reach=largest_epsilon(metrics, attack=attack)), draws)


def survival(bracket: Bracket, draws: Draws) -> Survival:
    """Return both curves and the band of images whose minimal epsilons are bracketed."""
    grid = np.union1d(*(distinct_epsilons(one, at_most=_MOST_POINTS) for one in (bracket.at_most, bracket.above)))
    upper, lower = (curve(one, draws, grid=grid, level=LEVEL) for one in (bracket.at_most, bracket.above))
    found = bracket.at_most.epsilon
    return Survival(grid, upper.share, lower.share, lower.low, upper.high, len(found), int(np.isinf(found).sum()))
