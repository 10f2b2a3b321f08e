"""Figure 5: the minimal epsilons of each model as survival curves, one panel per data set.

A curve is the share of the correctly classified images that withstand an epsilon. The strict search leaves each image
an interval, so there are two: the line follows first flipped, an upper bound of the curve sought, and a strip reaches
down to that of last safe, a lower bound. The band is at each epsilon the 95 % interval over patients, from its lower
end for last safe to its upper end for first flipped. Images that no attack flips are right-censored at the reach, the
largest epsilon searched; a cross marks their share there, and the title says how many they are.

Without the strict protocol the figure says why it is empty.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from oncorobust.base.layout import ADVERSARIAL, CLEAN
from oncorobust.report.figures.house import empty_figure, house_style
from oncorobust.report.figures.panels import panel_figure
from oncorobust.report.figures.style import (
    BAND,
    PlotData,
    accuracy_axis,
    epsilon_axes,
    panel_title,
    protocols_of,
    stamp_synthetic,
)
from oncorobust.report.figures.survival_curves import Survival
from oncorobust.report.palette import BLACK, BLUE

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    CLEAN: ("clean model", {"color": BLUE, "linestyle": "--"}),
    ADVERSARIAL: ("adversarially trained model", {"color": BLACK, "linestyle": "-"}),
}
"""Title and style of each model."""

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
            panel_inches=2.75,
            y_label="correct images that withstand epsilon (%)",
            handles=_legend([model for model in MODELS if any(model in data.survival for data in datasets)]),
            legend_columns=3,
        )


def _panel(axes: Axes, data: PlotData) -> None:
    for model, (_, style) in MODELS.items():
        if model in data.survival:
            _draw(axes, data.survival[model], style)
    accuracy_axis(axes)
    epsilon_axes(axes, data)
    axes.set_title(f"{panel_title(data)}\n{_censored(data)}".rstrip(), fontsize=8)
    stamp_synthetic(axes, data)


def _draw(axes: Axes, shown: Survival, style: Mapping[str, Any]) -> None:
    x, colour = shown.epsilon, style["color"]
    axes.step(x, 100 * shown.first_flipped, where="post", **style)
    axes.fill_between(x, 100 * shown.last_safe, 100 * shown.first_flipped, color=colour, **_STRIP)
    axes.fill_between(x, 100 * shown.low, 100 * shown.high, color=colour, step="post", **BAND)
    if shown.n_censored:
        axes.plot(x[-1], 100 * shown.first_flipped[-1], "x", markersize=5, color=colour, clip_on=False)


def _censored(data: PlotData) -> str:
    """Return how many images of each model are censored; empty without a curve."""
    told = [
        f"{_LINES[MODELS[model][1]['linestyle']]} {one.n_censored} of {one.n_images}"
        for model, one in data.survival.items()
    ]
    return f"censored: {', '.join(told)}" if told else ""


def _legend(models: Sequence[str]) -> list[Line2D | Patch]:
    return [
        *(Line2D([], [], label=MODELS[model][0], **MODELS[model][1]) for model in models),
        Patch(color="0.3", alpha=_STRIP["alpha"], linewidth=0, label="from last safe to first flipped"),
        Patch(color="0.3", alpha=0.12, linewidth=0, label="95 % interval over patients"),
        Line2D([], [], color="0.3", linestyle="", marker="x", markersize=5, label="censored at the largest epsilon"),
    ]
