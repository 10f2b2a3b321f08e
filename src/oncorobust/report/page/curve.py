"""A small curve of accuracy over epsilon with its band, drawn as SVG for the first screen of the page.

The measure is the strict worst case over all attacks, or PGD away from true labels where the strict protocol was not
run. The samples of patients are those of the tables, so that the band has the ends of the tables' intervals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from oncorobust.base.epsilons import epsilon_from_key
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.resampling import N_DRAWS, Estimate, draw_patients
from oncorobust.report.shown_attacks import PGD
from oncorobust.report.tables.cell import RowsSource
from oncorobust.report.tables.intervals import ratio_estimates
from oncorobust.report.tables.sources import accuracy_source, clean_source, strict_source

_WIDTH, _HEIGHT = 340, 122
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 334, 8, 104
_FULL = 1.0


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy at an epsilon with the ends of its 95 % interval, as shares; ends None where there is no interval."""

    epsilon: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ModelCurve:
    """Accuracy of one model over epsilon, from 0."""

    model: str
    points: tuple[CurvePoint, ...]


def curve_files(dataset: str, models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the files of rows that the curves of a data set need; models: attack.json by model."""
    return sorted({one.file for model, metrics in models.items() for one in _sources(dataset, model, metrics)})


def model_curves(
    dataset: str, models: Mapping[str, Mapping[str, Any]], rows: Mapping[str, pd.DataFrame], *, seed: int
) -> tuple[ModelCurve, ...]:
    """Return the curve of each model. models: attack.json by model. rows: by the name of their file."""
    patients = sorted({str(one) for frame in rows.values() for one in frame["patient_id"]})
    draws = draw_patients(patients, n_draws=N_DRAWS, seed=child_seed(seed, "patients", dataset))
    sources = {model: _sources(dataset, model, metrics) for model, metrics in models.items()}
    estimates = iter(ratio_estimates([one for of in sources.values() for one in of], rows, draws))
    return tuple(
        ModelCurve(model, tuple(_point(epsilon, next(estimates)) for epsilon in (0.0, *_epsilons(models[model]))))
        for model in sources
    )


def _sources(dataset: str, model: str, metrics: Mapping[str, Any]) -> list[RowsSource]:
    """Return the source of each point, first that without attack."""
    if "strict" in metrics:
        last = metrics["strict"]["attacks"][-1]
        points = [strict_source(dataset, model, attack=last, epsilon=one) for one in _epsilons(metrics)]
        return [clean_source(dataset, model, protocol="strict").rows[0], *(one.rows[0] for one in points)]
    points = [
        accuracy_source(dataset, model, attack=PGD.name, epsilon=one, attacked_label="true")
        for one in _epsilons(metrics)
    ]
    return [clean_source(dataset, model, protocol="paper").rows[0], *(one.rows[0] for one in points)]


def _epsilons(metrics: Mapping[str, Any]) -> list[float]:
    if "strict" in metrics:
        accuracies = metrics["strict"]["robust_accuracy"][metrics["strict"]["attacks"][-1]]
    else:
        accuracies = metrics["robust_accuracy"]["true"][PGD.name]
    return sorted(map(epsilon_from_key, accuracies))


def _point(epsilon: float, estimate: Estimate) -> CurvePoint:
    return CurvePoint(epsilon, estimate.value or 0.0, estimate.low, estimate.high)


def curve_svg(curves: Sequence[ModelCurve], *, stated: float, axis: str, label: str) -> str:
    """Return curves as SVG: one dashed for the clean model, solid for the hardened one, each with its band.

    stated: the epsilon of the numbers beside the curve, marked by a vertical line. axis: the largest epsilon as text.
    label: what the drawing shows, in words. Both texts must be escaped for HTML.
    """
    largest = max(one.epsilon for curve in curves for one in curve.points)
    parts = [
        f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">',
        *_axes(largest, stated, axis),
        *(part for curve in curves for part in _drawn(curve, largest)),
        "</svg>",
    ]
    return "".join(parts)


def _axes(largest: float, stated: float, axis: str) -> Iterable[str]:
    for share in (0.0, 0.5, _FULL):
        y = _y(share)
        yield f'<line class="rule" x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 4}" y="{y + 4:.1f}" text-anchor="end">{100 * share:.0f}</text>'
    yield f'<line class="stated" x1="{_x(stated, largest)}" x2="{_x(stated, largest)}" y1="{_TOP}" y2="{_BOTTOM}"/>'
    yield f'<text x="{_LEFT}" y="{_BOTTOM + 14}">0</text>'
    yield f'<text x="{_RIGHT}" y="{_BOTTOM + 14}" text-anchor="end">epsilon {axis}</text>'


def _drawn(curve: ModelCurve, largest: float) -> Iterable[str]:
    banded = [(one.epsilon, one.low, one.high) for one in curve.points if one.low is not None and one.high is not None]
    upper = [f"{_x(epsilon, largest)},{_y(high)}" for epsilon, _, high in banded]
    lower = [f"{_x(epsilon, largest)},{_y(low)}" for epsilon, low, _ in reversed(banded)]
    yield f'<polygon class="band {curve.model}" points="{" ".join(upper + lower)}"/>'
    line = " ".join(f"{_x(one.epsilon, largest)},{_y(one.value)}" for one in curve.points)
    yield f'<polyline class="line {curve.model}" points="{line}"/>'


def _x(epsilon: float, largest: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * epsilon / largest, 1)


def _y(share: float) -> float:
    return round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)
