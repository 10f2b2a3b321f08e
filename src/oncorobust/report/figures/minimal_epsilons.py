"""Figure 5: the minimal epsilons of each model as survival curves, one panel per data set.

A curve is the share of the correctly classified images that withstand an epsilon. The strict search leaves each image
an interval, so there are two: the line follows first flipped, an upper bound of the curve sought, and a strip reaches
down to that of last safe, a lower bound. The band is at each epsilon the 95 % interval over patients, from its lower
end for last safe to its upper end for first flipped. Images that no attack flips are right-censored at the reach, the
largest epsilon searched; a cross marks their share there, and the title says how many they are.

Without the strict protocol the figure says why it is empty.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from oncorobust.base.layout import ADVERSARIAL, CLEAN
from oncorobust.report.figures.drawn_curve import MODEL_TITLES, DrawnCurve, LineStyle, draw_curve
from oncorobust.report.figures.house import empty_figure, house_style
from oncorobust.report.figures.panels import panel_figure
from oncorobust.report.figures.style import (
    PlotData,
    accuracy_axis,
    epsilon_axes,
    panel_title,
    protocols_of,
    stamp_synthetic,
)
from oncorobust.report.figures.survival_curves import Survival
from oncorobust.report.palette import BLACK, BLUE

_LOOKS: dict[str, tuple[str, LineStyle]] = {CLEAN: (BLUE, "--"), ADVERSARIAL: (BLACK, "-")}
"""Colour and line style of each model."""

_LAST_SAFE: dict[str, LineStyle] = {CLEAN: ":", ADVERSARIAL: "-."}

_LINES = {"--": "dashed", "-": "solid"}

_STRIP: dict[str, Any] = {"alpha": 0.3, "linewidth": 0, "zorder": 0.45, "step": "post"}


def figure_5(datasets: Sequence[PlotData]) -> Figure:
    """Return Figure 5. Raises InputError where the data sets were not all attacked under the same protocols."""
    if "strict" not in protocols_of(datasets):
        return empty_figure("Empty, because the strict protocol was not run (attacks.protocols in params.yaml).")
    with house_style():
        return panel_figure(
            datasets,
            _panel,
            panel_inches=2.9,
            y_label="correct images that withstand epsilon (%)",
            handles=_legend([model for model in _LOOKS if any(model in data.survival for data in datasets)]),
            legend_columns=3,
        )


def curves_of_figure_5(data: PlotData) -> list[tuple[DrawnCurve, DrawnCurve]]:
    """Return the curves of each model, of first flipped with the band, and of last safe."""
    return [_both_ends(data.survival[model], model) for model in _LOOKS if model in data.survival]


def _both_ends(shown: Survival, model: str) -> tuple[DrawnCurve, DrawnCurve]:
    title, (colour, line) = MODEL_TITLES[model], _LOOKS[model]
    band = (100 * shown.low, 100 * shown.high)
    upper = DrawnCurve(
        f"first flipped, {title}", shown.epsilon, 100 * shown.first_flipped, *band, colour, line, step="post"
    )
    lower = DrawnCurve(
        f"last safe, {title}", shown.epsilon, 100 * shown.last_safe, None, None, colour, _LAST_SAFE[model], step="post"
    )
    return upper, lower


def _panel(axes: Axes, data: PlotData) -> None:
    for upper, lower in curves_of_figure_5(data):
        draw_curve(axes, upper)
        axes.fill_between(upper.x, lower.y, upper.y, color=upper.colour, **_STRIP)
    for model, shown in data.survival.items():
        if shown.n_censored:
            share, colour = 100 * shown.first_flipped[-1], _LOOKS[model][0]
            axes.plot(shown.epsilon[-1], share, "x", markersize=5, color=colour, clip_on=False)
    accuracy_axis(axes)
    epsilon_axes(axes, data)
    axes.set_title("\n".join([panel_title(data), *_censored(data)]), fontsize=8)
    stamp_synthetic(axes, data)


def _censored(data: PlotData) -> list[str]:
    """Return how many images of each model are censored, a line for each."""
    return [
        f"{_LINES[_LOOKS[model][1]]}: {one.n_censored} of {one.n_images} censored"
        for model, one in data.survival.items()
    ]


def _legend(models: Sequence[str]) -> list[Line2D | Patch]:
    return [
        *(
            Line2D([], [], label=MODEL_TITLES[model], color=_LOOKS[model][0], linestyle=_LOOKS[model][1])
            for model in models
        ),
        Patch(color="0.3", alpha=_STRIP["alpha"], linewidth=0, label="from last safe to first flipped"),
        Patch(color="0.3", alpha=0.12, linewidth=0, label="95 % interval over patients"),
        Line2D([], [], color="0.3", linestyle="", marker="x", markersize=5, label="censored at the largest epsilon"),
    ]
