"""The curves of Figures 2 to 5 and 8 as JSON, panel by panel, for the charts of the page.

They are the curves that the figures draw (`figures.drawn_curve`). Epsilon and coverage have six significant digits,
percentages four decimals; null stands where a curve has no interval.

Only the page reads curves.json, and only a trace reads points.json, which holds the same values as exact fractions with
the source of each. Neither follows from the other. A point knows no colour, step or panel, and its series is named
after the rows (`min_epsilon`), not as a legend names the curve. A curve knows no source, and its band is not always
that of its points: in Figure 5 one band reaches from the lower end for last safe to the upper end for first flipped,
which are two series with an interval each. `tests/test_figure_points.py` compares the points with what is drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from oncorobust.base.layout import ADVERSARIAL
from oncorobust.report.figures.accuracy_over_epsilon import curves_of_figure_2
from oncorobust.report.figures.acquired import NORMS, Norm
from oncorobust.report.figures.before_and_after import curves_of_figure_3
from oncorobust.report.figures.drawn_curve import MODEL_TITLES, DrawnCurve
from oncorobust.report.figures.minimal_epsilons import curves_of_figure_5
from oncorobust.report.figures.natural_changes import AXIS, curves_of_figure_8, looks_of
from oncorobust.report.figures.robustness_curves import Curve
from oncorobust.report.figures.selective_prediction import SCORES, curves_of_figure_4
from oncorobust.report.figures.style import PlotData, intensity_axis, panel_title
from oncorobust.report.measures import measures_of
from oncorobust.report.shown_attacks import BIM, FGSM
from oncorobust.report.tables.protocols import attack_protocols
from oncorobust.report.tables.render import SYNTHETIC

_FIRST_SCORES = ("min_epsilon", "min_epsilon_strict", "confidence", "random")
_FIRST_HIDDEN = {FGSM.title, BIM.title, *(one[0] for name, one in SCORES.items() if name not in _FIRST_SCORES)}
"""Curves that a chart does not show until a reader asks for them, because many bands hide each other."""

_APART = 1.001

_ACCURACY = "accuracy (%)"
_SURVIVAL = "correct images that withstand epsilon (%)"
_RISK = "risk: errors among accepted (%)"


def charts_to_json(datasets: Sequence[PlotData]) -> dict[str, Any]:
    """Return the panels of each figure, by its number; figures without a panel are left out."""
    panels = [panel for data in datasets for panel in _panels(data)]
    numbers = sorted({panel["figure"] for panel in panels})
    return {"figures": {str(number): [one for one in panels if one["figure"] == number] for number in numbers}}


def _panels(data: PlotData) -> Iterator[dict[str, Any]]:
    protocols = attack_protocols({data.key: data.attack})
    yield _panel(2, data, curves_of_figure_2(data), y=_ACCURACY)
    if ADVERSARIAL in data.attack:
        for measure in measures_of(protocols):
            yield _panel(3, data, curves_of_figure_3(data, measure), y=_ACCURACY, heading=measure.heading)
    yield _panel(4, data, curves_of_figure_4(data), y=_RISK)
    if data.survival:
        yield _panel(5, data, [one for ends in curves_of_figure_5(data) for one in ends], y=_SURVIVAL)
    looks = looks_of([data])
    for model, found in data.acquired.items():
        for norm in NORMS if found.changes else ():
            curves = [_by_size(one) for one in curves_of_figure_8(found, norm, looks)]
            yield _panel(8, data, curves, y=_ACCURACY, heading=f"{MODEL_TITLES[model]}, {norm}", norm=norm)


def _panel(
    figure: int,
    data: PlotData,
    curves: Sequence[DrawnCurve],
    *,
    y: str,
    heading: str | None = None,
    norm: Norm | None = None,
) -> dict[str, Any]:
    title = [panel_title(data), *([heading] if heading else []), *([SYNTHETIC] if data.synthetic else [])]
    return {
        "figure": figure,
        "dataset": data.key,
        "title": ", ".join(title),
        "x": _axis(figure, data, norm),
        "y": {"label": y},
        "curves": [_curve(one) for one in curves],
    }


def _axis(figure: int, data: PlotData, norm: Norm | None) -> dict[str, Any]:
    """Return the lower axis. norm: of sizes on a logarithmic axis; None for epsilon or coverage."""
    scale, unit = intensity_axis(data)
    if figure == 4 or norm == "l2":
        return {"label": AXIS["l2"] if norm else "coverage (%)", "unit": None, "scale": None, "log": norm is not None}
    label = AXIS["l_inf"] if norm else "epsilon (pixel range 0 to 1)"
    return {"label": label, "unit": unit, "scale": scale, "log": norm is not None}


def _by_size(curve: DrawnCurve) -> DrawnCurve:
    """Return a curve with increasing x, as charts need them; equal sizes are set apart by less than a line is wide."""
    order = np.argsort(curve.x, kind="stable")
    x = curve.x[order]
    for place in range(1, len(x)):
        x[place] = max(x[place], x[place - 1] * _APART)
    low, high = (None if one is None else one[order] for one in (curve.low, curve.high))
    return replace(curve, x=x, y=curve.y[order], low=low, high=high)


def _curve(curve: DrawnCurve) -> dict[str, Any]:
    return {
        "title": curve.title,
        "colour": curve.colour,
        "line": curve.line,
        "width": curve.width,
        "step": curve.step,
        "shown": curve.title.partition(",")[0] not in _FIRST_HIDDEN,
        "x": [float(f"{one:.6g}") for one in curve.x.tolist()],
        "y": _rounded(curve.y),
        "low": [None] * len(curve.x) if curve.low is None else _rounded(curve.low),
        "high": [None] * len(curve.x) if curve.high is None else _rounded(curve.high),
    }


def _rounded(values: Curve) -> list[float | None]:
    return [None if np.isnan(one) else round(one, 4) for one in values.tolist()]
