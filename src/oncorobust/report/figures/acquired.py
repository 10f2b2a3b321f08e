"""What Figure 8 shows of a model under changes of the acquisition: accuracy by the size of the change.

Sizes are medians over the images. The samples of patients are those of the tables (`report.tables.intervals`), so that
a point of a change has the interval of its cell in Table A.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.resampling import N_DRAWS, draw_patients
from oncorobust.report.figures.robustness_curves import Curve, last_attack
from oncorobust.report.tables.acquisition_sources import changed_rows, l2_attack_rows, levels_of
from oncorobust.report.tables.cell import RowsSource, Statistic
from oncorobust.report.tables.intervals import ratio_estimates
from oncorobust.report.tables.row_statistics import selected
from oncorobust.report.tables.rows_of_images import minimal_l2
from oncorobust.report.tables.sources import strict_source

Norm = Literal["l_inf", "l2"]
NORMS: tuple[Norm, ...] = get_args(Norm)

NOISE: Mapping[Norm, Statistic] = {"l_inf": "noise_l_inf_accuracy", "l2": "noise_l2_accuracy"}
"""Accuracy under noise of the size of a change."""

_MOST_STEPS = 100
"""Steps of the curve of an attack."""


@dataclass(frozen=True)
class Accuracies:
    """Accuracy and its interval in percent, (points,), not a number where there is none."""

    value: Curve
    low: Curve
    high: Curve


@dataclass(frozen=True)
class ChangeCurve:
    """A change at its severities, (levels,) increasing; sizes and noise: (levels,) by norm."""

    name: str
    title: str
    unit: str
    severities: tuple[float, ...]
    sizes: Mapping[Norm, Curve]
    accuracy: Accuracies
    noise: Mapping[Norm, Accuracies]


@dataclass(frozen=True)
class AttackCurve:
    """Accuracy under an attack, which falls at each of (points,) sizes; the first is below all of them."""

    sizes: Curve
    accuracy: Accuracies


@dataclass(frozen=True)
class AcquiredModel:
    """A model under changes of the acquisition and under attack; attacks: by norm, without one that flips no image.

    n_images: number of images with a change.
    """

    changes: tuple[ChangeCurve, ...]
    attacks: Mapping[Norm, AttackCurve]
    n_images: int


def acquired_of(
    dataset: str,
    model: str,
    content: Mapping[str, Any],
    attack: Mapping[str, Any],
    rows: Mapping[str, pd.DataFrame],
    *,
    seed: int,
) -> AcquiredModel:
    """Return what the figure shows of a model.

    content: of acquisition.json. attack: of attack.json. rows: of acquisition.csv and, with the strict protocol, of
    intervals.csv, by the name of the file. seed: of the run.
    """
    estimate = _Estimates(dataset, rows, seed)
    attacks = {norm: _attack(dataset, model, attack, rows, norm, estimate) for norm in NORMS}
    return AcquiredModel(
        tuple(_change(dataset, model, content, name, estimate) for name in content["changes"]),
        {norm: curve for norm, curve in attacks.items() if curve is not None},
        content["n_images"],
    )


@dataclass(frozen=True)
class _Estimates:
    """Estimates of accuracies from the samples of patients of the file that they come from."""

    dataset: str
    rows: Mapping[str, pd.DataFrame]
    seed: int

    def of(self, sources: Sequence[RowsSource]) -> Accuracies:
        """Return the accuracies of some sources of one file."""
        patients = self.rows[sources[0].file]["patient_id"]
        draws = draw_patients(patients, n_draws=N_DRAWS, seed=child_seed(self.seed, "patients", self.dataset))
        found = ratio_estimates(sources, self.rows, draws)
        ends = np.array([(one.value, one.low, one.high) for one in found], dtype=float)  # None becomes not a number
        return Accuracies(*(100 * ends.T))


def _change(dataset: str, model: str, content: Mapping[str, Any], name: str, estimate: _Estimates) -> ChangeCurve:
    levels, one = levels_of(content, name), content["changes"][name]
    severities = tuple(levels.values())

    def shares(statistic: Statistic) -> Accuracies:
        return estimate.of([changed_rows(dataset, model, name, severity, statistic) for severity in severities])

    return ChangeCurve(
        name=name,
        title=one["title"],
        unit=one["unit"],
        severities=severities,
        sizes={norm: np.array([one["levels"][level][f"median_{norm}"] for level in levels]) for norm in NORMS},
        accuracy=shares("changed_accuracy"),
        noise={norm: shares(statistic) for norm, statistic in NOISE.items()},
    )


def _attack(
    dataset: str,
    model: str,
    attack: Mapping[str, Any],
    rows: Mapping[str, pd.DataFrame],
    norm: Norm,
    estimate: _Estimates,
) -> AttackCurve | None:
    """Return the curve of the strict search, or of the search in l2; None where none was run or it flips no image."""
    if norm == "l_inf" and "strict" not in attack:
        return None
    source = attack_source(dataset, model, attack, norm)
    columns = ("first_flipped",) if norm == "l_inf" else ("image_id", "changed_predicted", "minimal_l2")
    frame = selected(rows[source(0.0).file], source(0.0), columns=columns)
    found = frame["first_flipped"] if norm == "l_inf" else minimal_l2(frame)
    steps = np.unique(found[(frame["label"] == frame["predicted"]) & np.isfinite(found) & (found > 0)])
    if not len(steps):
        return None
    if len(steps) > _MOST_STEPS:
        steps = steps[np.linspace(0, len(steps) - 1, _MOST_STEPS).round().astype(int)]
    sizes = np.array([steps[0] / 2, *steps])
    return AttackCurve(sizes, estimate.of([source(size) for size in sizes.tolist()]))


def attack_source(dataset: str, model: str, attack: Mapping[str, Any], norm: Norm) -> Callable[[float], RowsSource]:
    """Return a function of a size that gives the rows of the accuracy under the attack of that size."""
    if norm == "l2":
        return lambda size: l2_attack_rows(dataset, model, size)
    return lambda size: strict_source(dataset, model, attack=last_attack(attack), epsilon=size).rows[0]
