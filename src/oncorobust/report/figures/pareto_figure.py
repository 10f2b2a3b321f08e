"""The clean-robust front as a figure: validation accuracy to the right, the same under attack upwards.

Each experiment has its own colour and marker, and the legend names it by the settings in which it differs from the
others; the clean model is a black diamond. A line joins the filled points, which no other point dominates; hollow
points are dominated.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.figures.house import ONE_COLUMN_INCHES, house_style, settle
from oncorobust.report.figures.pareto import Front, Point
from oncorobust.report.palette import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from oncorobust.report.tables.render import SYNTHETIC

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
"""The palette without black, which marks the clean model."""

_MARKERS = "os^vP<X"
"""Six colours and seven markers, taken in turn, tell 42 experiments apart."""


def front_figure(front: Front, *, title: str) -> Figure:
    """Return the figure; title: the data set's."""
    with house_style():
        figure = Figure(figsize=(ONE_COLUMN_INCHES, 3.6 + 0.17 * len(front.points)), layout="constrained")
        axes = figure.subplots()
        _draw_points(axes, front.points)
        axes.set_xlabel("validation accuracy (%)")
        axes.set_ylabel(f"validation accuracy under PGD\nat epsilon {epsilon_text(front.epsilon)} (%)")
        mark = f" ({SYNTHETIC} images)" if front.synthetic else ""
        axes.set_title(f"{title}{mark}")
        meanings = [
            Line2D([], [], color="0.6", marker="o", label="on the front"),
            Line2D([], [], color="0.6", marker="o", fillstyle="none", linestyle="", label="dominated by another"),
        ]
        points = [line for line in axes.lines if line.get_marker() != "None"]
        figure.legend(
            handles=[*points, *meanings],
            loc="outside lower center",
            ncols=1,
            title="Accuracies of validation images, not of test images",
            title_fontsize=7,
        )
        return settle(figure)


def _draw_points(axes: Axes, points: Sequence[Point]) -> None:
    front = sorted(_place(one) for one in points if one.on_front)
    axes.plot(*zip(*front, strict=True), color="0.6", linewidth=1, zorder=1)
    for point, (colour, marker) in zip(points, _looks(), strict=False):
        fill = "full" if point.on_front else "none"
        x, y = _place(point)
        axes.plot(x, y, marker, markersize=6.5, color=colour, fillstyle=fill, alpha=0.8, label=point.label)
    axes.margins(0.1)
    # Where all points share an accuracy the margins reach beyond 100 %.
    axes.set_xlim(right=min(axes.get_xlim()[1], 101.0))
    axes.set_ylim(top=min(axes.get_ylim()[1], 101.0))
    axes.spines["top"].set_visible(False)
    axes.grid(color="0.93", linewidth=0.6)
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=7, integer=True))


def _looks() -> Iterator[tuple[str, str]]:
    """Yield colour and marker of each point: the clean model's, then those of the experiments in turn."""
    yield BLACK, "D"
    yield from zip(cycle(_COLOURS), cycle(_MARKERS), strict=False)


def _place(point: Point) -> tuple[float, float]:
    """Return where a point stands in the axes, in percent."""
    return 100 * point.accuracies.clean, 100 * point.accuracies.robust
