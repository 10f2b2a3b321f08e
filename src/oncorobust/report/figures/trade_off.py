"""Figure 7: clean accuracy against accuracy under attack, one point for each model of each data set.

The accuracy under attack is that of the strict worst case, or of PGD away from the true label where the strict protocol
was not run, at the epsilon of Table S5. An arrow leads from the clean model to the adversarially trained one: to the
right it gains robust accuracy, downwards it pays for it with clean accuracy. Bars are 95 % intervals over patients. All
numbers are points of Figure 3, too.

Source: Zhang 2019 (TRADES, arXiv 1901.08573), figure of accuracy against robustness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.figures.drawn_curve import MODEL_TITLES
from oncorobust.report.figures.house import house_style
from oncorobust.report.figures.panels import panel_figure
from oncorobust.report.figures.robustness_curves import accuracy_curve, last_attack
from oncorobust.report.figures.style import PlotData, panel_title, protocols_of, stamp_synthetic
from oncorobust.report.measures import STRICT, TRUE, Measure
from oncorobust.report.palette import BLACK, BLUE
from oncorobust.report.shown_attacks import PGD

_LOOKS: dict[str, tuple[str, str, Literal["none", "full"]]] = {
    "clean": (BLUE, "o", "none"),
    "adversarial": (BLACK, "s", "full"),
}
"""Colour, marker and fill of each model."""


@dataclass(frozen=True)
class ModelPoint:
    """The accuracies of a model in percent: value, lower and upper end of its interval, without and under attack."""

    model: str
    clean: tuple[float, float, float]
    attacked: tuple[float, float, float]


def figure_7(datasets: Sequence[PlotData], *, epsilon: float) -> Figure:
    """Return Figure 7. epsilon: that of Table S5.

    Raises InputError where the data sets were not all attacked under the same protocols.
    """
    measure, attack = attack_of_figure_7(datasets)
    shown = [model for model in _LOOKS if any(model in data.attack for data in datasets)]
    with house_style():
        return panel_figure(
            datasets,
            lambda axes, data: _panel(axes, data, points_of_figure_7(data, measure, epsilon=epsilon), attack, epsilon),
            panel_inches=2.6,
            y_label="accuracy without attack (%)",
            handles=[*map(_handle, shown), Line2D([], [], color="0.6", label="95 % interval over patients")],
            legend_columns=3,
        )


def attack_of_figure_7(datasets: Sequence[PlotData]) -> tuple[Measure, str]:
    """Return the measure of the accuracy under attack, and what the axis calls the attack."""
    return (STRICT, "all attacks, strict") if "strict" in protocols_of(datasets) else (TRUE, "PGD, true labels")


def points_of_figure_7(data: PlotData, measure: Measure, *, epsilon: float) -> list[ModelPoint]:
    """Return the points of a data set's panel, the clean model first."""
    found = []
    for model in _LOOKS:
        if model in data.attack:
            attack = last_attack(data.attack[model]) if measure is STRICT else PGD.name
            x, y = accuracy_curve(data.attack[model], attack=attack, measure=measure)
            low, high = data.bands[model, attack, measure.ending]
            at = x.tolist().index(epsilon)
            clean, attacked = ((float(y[one]), float(low[one]), float(high[one])) for one in (0, at))
            found.append(ModelPoint(model, clean, attacked))
    return found


def _panel(axes: Axes, data: PlotData, points: Sequence[ModelPoint], attack: str, epsilon: float) -> None:
    for one in points:
        colour, marker, fill = _LOOKS[one.model]
        (x, x_low, x_high), (y, y_low, y_high) = one.attacked, one.clean
        axes.plot([x_low, x_high], [y, y], color=colour, linewidth=0.9, alpha=0.6)
        axes.plot([x, x], [y_low, y_high], color=colour, linewidth=0.9, alpha=0.6)
        axes.plot(x, y, marker, color=colour, fillstyle=fill, markersize=6, clip_on=False)
    if len(points) > 1:
        start, end = ((one.attacked[0], one.clean[0]) for one in points)
        axes.annotate(
            "", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": "0.5", "shrinkA": 5, "shrinkB": 5}
        )
    for limits, ticks in ((axes.set_xlim, axes.set_xticks), (axes.set_ylim, axes.set_yticks)):
        limits(-2, 102)
        ticks(range(0, 101, 20))
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"accuracy at epsilon {epsilon_text(epsilon)} (%)\n({attack})")
    axes.set_title(panel_title(data), fontsize=8)
    stamp_synthetic(axes, data)


def _handle(model: str) -> Line2D:
    colour, marker, fill = _LOOKS[model]
    return Line2D([], [], color=colour, marker=marker, fillstyle=fill, linestyle="", label=MODEL_TITLES[model])
