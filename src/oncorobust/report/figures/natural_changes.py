"""Figure 8: how far from natural changes the attacker is; accuracy by size in l_inf and l2, a row for each model.

Coloured markers are changes of the acquisition, one for each severity, joined in the order of the severities, at the
median size of the change. The grey line is noise of the same sizes, the black one an attack of that size: the strict
worst case for l_inf, the nearest image found with another answer for l2. An attack that reaches a low accuracy far to
the left of all markers needs changes that no scanner would make visible. Sizes of 0 have no place on the axis.

Where no data set has the block `acquisition`, the figure says why it is empty.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.figures.acquired import NORMS, AcquiredModel, Norm
from oncorobust.report.figures.drawn_curve import MODEL_TITLES, DrawnCurve, LineStyle, draw_curve
from oncorobust.report.figures.house import WIDTH_INCHES, empty_figure, house_style, settle
from oncorobust.report.figures.style import STRICT, PlotData, accuracy_axis, intensity_axis, stamp_synthetic
from oncorobust.report.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

AXIS: dict[Norm, str] = {"l_inf": "l_inf size (epsilon)", "l2": "l2 size"}
ATTACK: dict[Norm, str] = {"l_inf": "attack (strict)", "l2": "attack (nearest image found)"}
NOISE = "noise of equal size"

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LINES: tuple[LineStyle, ...] = ("-", "--", ":")
_MOST_ROWS = 4
_HEIGHT, _TALLEST, _SMALLEST = 2.25, 8.2, 2.0
"""Of a row of panels, of all rows together, and of a row where they are many, in inches."""
_LEGEND_COLUMNS, _LEGEND_LINE = 3, 0.17


def figure_8(datasets: Sequence[PlotData]) -> Figure:
    """Return Figure 8."""
    rows = _rows(datasets)
    if not rows:
        return empty_figure("Empty, because no data set has changes of the acquisition (acquisition in params.yaml).")
    looks, n_columns = looks_of(datasets), max(map(len, rows))
    height = min(_HEIGHT, max(_SMALLEST, _TALLEST / len(rows))) * len(rows)
    legend = _LEGEND_LINE * (2 + -(-(len(looks) + 2) // _LEGEND_COLUMNS))
    with house_style():
        figure = Figure(figsize=(WIDTH_INCHES, height + legend), layout="constrained")
        panels = figure.subplots(len(rows), n_columns, squeeze=False, sharey=True)
        for of_row, shown in zip(panels, rows, strict=True):
            for axes, (data, model, norm) in zip(of_row, shown, strict=False):
                _panel(axes, data, model, norm, looks)
            for axes in of_row[len(shown) :]:
                axes.remove()
            of_row[0].set_ylabel("accuracy (%)")
        figure.legend(
            handles=_legend(datasets, looks), loc="outside lower center", ncols=_LEGEND_COLUMNS, columnspacing=1.2
        )
        return settle(figure)


def _rows(datasets: Sequence[PlotData]) -> list[list[tuple[PlotData, str, Norm]]]:
    """Return data set, model and norm of each panel: a row for each model or, where these are many, each data set."""
    of_models = [
        [(data, model, norm) for norm in NORMS]
        for data in datasets
        for model, one in data.acquired.items()
        if one.changes
    ]
    if len(of_models) <= _MOST_ROWS:
        return of_models
    keys = dict.fromkeys(row[0][0].key for row in of_models)
    return [[panel for row in of_models if row[0][0].key == key for panel in row] for key in keys]


def looks_of(datasets: Sequence[PlotData]) -> dict[str, int]:
    """Return the position of each change that any panel shows, by its name; it decides colour, marker and line."""
    shown = (change.name for data in datasets for one in data.acquired.values() for change in one.changes)
    return {name: position for position, name in enumerate(dict.fromkeys(shown))}


def curves_of_figure_8(found: AcquiredModel, norm: Norm, looks: dict[str, int]) -> list[DrawnCurve]:
    """Return the curves of a panel: the attack, noise, and each change. looks: of `looks_of`."""
    curves = []
    if norm in found.attacks:
        attack = found.attacks[norm]
        share, colour, width = attack.accuracy, STRICT["color"], STRICT["linewidth"]
        ends = (share.value, share.low, share.high)
        curves.append(DrawnCurve(ATTACK[norm], attack.sizes, *ends, colour, width=width, step="post"))
    if found.changes:
        curves.append(_noise(found, norm))
    for change in found.changes:
        share, (colour, marker, line) = change.accuracy, _look(looks[change.name])
        drawn = change.sizes[norm] > 0
        x, y, low, high = (one[drawn] for one in (change.sizes[norm], share.value, share.low, share.high))
        curves.append(DrawnCurve(change.title, x, y, low, high, colour, line, marker, width=0.9))
    return curves


def _noise(found: AcquiredModel, norm: Norm) -> DrawnCurve:
    """Return the accuracy under noise of the sizes of all changes, by size."""
    sizes = np.concatenate([one.sizes[norm] for one in found.changes])
    shares = [one.noise[norm] for one in found.changes]
    values, lows, highs = (np.concatenate([getattr(one, name) for one in shares]) for name in ("value", "low", "high"))
    order = np.argsort(sizes, kind="stable")
    order = order[sizes[order] > 0]
    x, y, low, high = (one[order] for one in (sizes, values, lows, highs))
    return DrawnCurve(NOISE, x, y, low, high, GREY, "-.", "x", width=0.8)


def _panel(axes: Axes, data: PlotData, model: str, norm: Norm, looks: dict[str, int]) -> None:
    found = data.acquired[model]
    curves = curves_of_figure_8(found, norm, looks)
    for curve in curves:  # bands of the changes would hide each other
        draw_curve(axes, curve if curve.step else replace(curve, low=None, high=None))
    accuracy_axis(axes)
    _size_axis(axes, data, norm, looks)
    axes.set_title(f"{data.title} (n = {found.n_images})\n{MODEL_TITLES[model]}", fontsize=7)
    stamp_synthetic(axes, data)


def _size_axis(axes: Axes, data: PlotData, norm: Norm, looks: dict[str, int]) -> None:
    """Label the lower axis, which is logarithmic, and for l_inf an upper axis in units that readers know.

    All models of a data set have the same limits.
    """
    models = data.acquired.values()
    sizes = [x for one in models for curve in curves_of_figure_8(one, norm, looks) for x in curve.x.tolist()]
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.3, 1.3 * max(sizes))
    axes.set_xlabel(AXIS[norm])
    places = [axes.xaxis]
    if norm == "l_inf":
        scale, name = intensity_axis(data)
        upper = axes.secondary_xaxis("top", functions=(lambda x: np.multiply(x, scale), lambda x: np.divide(x, scale)))
        upper.set_xlabel(name, color="0.35", labelpad=4)
        upper.tick_params(colors="0.35", which="both", length=2, width=0.6)
        places.append(upper.xaxis)
    for axis in places:
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: epsilon_text(float(value))))
        axis.set_minor_formatter(NullFormatter())


def _legend(datasets: Sequence[PlotData], looks: dict[str, int]) -> list[Line2D]:
    titles = {
        change.name: change.title for data in datasets for one in data.acquired.values() for change in one.changes
    }
    return [
        Line2D([], [], label="attack", **STRICT),
        Line2D([], [], label=NOISE, color=GREY, linestyle="-.", marker="x", linewidth=0.8),
        *(
            Line2D([], [], label=titles[name], color=colour, marker=marker, linestyle=line, linewidth=0.9)
            for name, (colour, marker, line) in ((name, _look(place)) for name, place in looks.items())
        ),
    ]


def _look(place: int) -> tuple[str, str, LineStyle]:
    """Return colour, marker and line of a change; another marker and line where a colour comes again."""
    again, colour = divmod(place, len(_COLOURS))
    return _COLOURS[colour], _MARKERS[(colour + again) % len(_MARKERS)], _LINES[again % len(_LINES)]
