"""What the figures show of certificates: the curves of the smoothed clean model, and the bounds of each image.

The samples of patients are those of the tables (`report.tables.intervals`), so that the band has at a table's epsilon
the ends of the interval in the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from oncorobust.base.epsilons import epsilon_from_key
from oncorobust.base.layout import CLEAN
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.resampling import N_DRAWS, draw_patients
from oncorobust.report.figures.robustness_curves import Curve, last_attack
from oncorobust.report.tables.certificates import certificate_source, certified_source
from oncorobust.report.tables.intervals import ratio_estimates
from oncorobust.report.tables.row_statistics import selected

_MOST_STEPS = 100
"""Steps of the certified curve."""


@dataclass(frozen=True)
class Certified:
    """The smoothed clean model of a data set.

    epsilon: (points,) from 0, with every epsilon after which the curve falls. certified, low, high: certified accuracy
    and its interval in percent, not a number where there is none. attack_epsilon: (grid,) from 0. attacked: accuracy
    under an attack on the smoothed model in percent, which falls at these. images: a row for each certified
    test image with columns answered (right without abstaining), certified_epsilon and first_flipped of the smoothed
    model, and last_safe and first_flipped_itself of the strict search on the model itself, not a number without it.
    """

    sigma: float
    epsilon: Curve
    certified: Curve
    low: Curve
    high: Curve
    attack_epsilon: Float[np.ndarray, " grid"]
    attacked: Float[np.ndarray, " grid"]
    images: pd.DataFrame


def certified_of(
    dataset: str,
    metrics: Mapping[str, Any],
    attack: Mapping[str, Any],
    rows: Mapping[str, pd.DataFrame],
    intervals: pd.DataFrame | None,
    *,
    seed: int,
) -> Certified:
    """Return what the figures show of the clean model's certificates.

    metrics: content of certify.json. attack: of attack.json. rows: of certificates.csv, by the name of the file.
    intervals: of intervals.csv, None without the strict protocol. seed: of the run.
    """
    grid = sorted(map(epsilon_from_key, metrics["certified_accuracy"]))
    upper = [certificate_source(dataset, CLEAN, metrics, "smoothed_robust_accuracy", epsilon=one) for one in grid]
    images = selected(rows[upper[0].file], upper[0], columns=("patient_id", "first_flipped"))
    epsilons = [0.0, *_with_steps(grid, images["certified_epsilon"].to_numpy())]
    lower = [certified_source(dataset, CLEAN, metrics, one) for one in epsilons]
    draws = draw_patients(images["patient_id"], n_draws=N_DRAWS, seed=child_seed(seed, "patients", dataset))
    found = ratio_estimates([*lower, *upper], rows, draws)
    points, bounds = found[: len(lower)], found[len(lower) :]
    ends = np.array([(one.value, one.low, one.high) for one in points], dtype=float)  # None becomes not a number
    certified, low, high = 100 * ends.T
    attacked = np.array([points[0].value, *(one.value for one in bounds)], dtype=float)
    return Certified(
        sigma=metrics["sigma"],
        epsilon=np.array(epsilons),
        certified=certified,
        low=low,
        high=high,
        attack_epsilon=np.array([0.0, *grid]),
        attacked=100 * attacked,
        images=_images(images, attack, intervals),
    )


def _with_steps(grid: Sequence[float], certified: np.ndarray) -> list[float]:
    """Return the grid and the certified epsilons within it, evenly chosen ones if these are many, increasing."""
    steps = np.unique(certified[(certified > 0) & (certified < grid[-1])])
    if len(steps) > _MOST_STEPS:
        steps = steps[np.linspace(0, len(steps) - 1, _MOST_STEPS).round().astype(int)]
    return np.unique([*grid, *steps]).tolist()


def _images(rows: pd.DataFrame, attack: Mapping[str, Any], intervals: pd.DataFrame | None) -> pd.DataFrame:
    shown = pd.DataFrame(
        {
            "answered": (rows["predicted"] == rows["label"]) & ~rows["abstained"],
            "certified_epsilon": rows["certified_epsilon"],
            "first_flipped": pd.to_numeric(rows["first_flipped"]),
            "last_safe": np.nan,
            "first_flipped_itself": np.nan,
        }
    ).set_axis(rows["image_id"].to_numpy())
    if intervals is not None:
        last = intervals[intervals["attack"] == last_attack(attack)].set_index("image_id").reindex(shown.index)
        shown["last_safe"], shown["first_flipped_itself"] = last["last_safe"], last["first_flipped"]
    return shown
