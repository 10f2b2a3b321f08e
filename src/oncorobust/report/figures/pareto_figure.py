"""The clean-against-robust front as a figure: validation accuracy to the right, the same under attack upwards.

A point an experiment, named by the settings in which it differs from the others; the clean model is a diamond. Filled
points are not dominated and joined by a line, hollow ones are. Every name stands at the side of its point where it
covers least of what was placed before.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox, BboxBase

from oncorobust.report.figures.pareto import Front, Point
from oncorobust.report.figures.style import house_style, settle
from oncorobust.report.tables.cell import epsilon_text
from oncorobust.report.tables.render import SYNTHETIC

_CLEAN, _HARDENED = "black", "#0072B2"
_SIDES = ((6, 4, "left"), (-6, 4, "right"), (6, -10, "left"), (-6, -10, "right"), (0, 8, "center"), (0, -14, "center"))
"""Where a name may stand beside its point: offset in points, and what the offset is the edge of."""


def front_figure(front: Front, *, title: str) -> Figure:
    """The figure; title: the data set's."""
    with house_style():
        figure = Figure(figsize=(5.6, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        _draw_points(axes, front.points)
        attack = f"under PGD at epsilon {epsilon_text(front.epsilon)}"
        axes.set_xlabel("validation accuracy (%)")
        axes.set_ylabel(f"validation accuracy {attack} (%)")
        mark = f" ({SYNTHETIC} images)" if front.synthetic else ""
        axes.set_title(f"{title}{mark}: accuracy without attack and under it")
        figure.supxlabel("Validation images: a choice made here has not seen a test image.", fontsize=7, color="0.35")
        axes.legend(loc="best")
        settle(figure)
        _place_names(axes, front.points)
        return figure


def _draw_points(axes: Axes, points: Sequence[Point]) -> None:
    axes.plot(*_line(points), color=_HARDENED, linewidth=1, zorder=1)
    clean, *hardened = points
    groups = (
        ("clean model", [clean], "D", _CLEAN, _CLEAN if clean.on_front else "white"),
        ("hardened, not dominated", [one for one in hardened if one.on_front], "o", _HARDENED, _HARDENED),
        ("hardened, dominated by another", [one for one in hardened if not one.on_front], "o", _HARDENED, "white"),
    )
    for label, shown, marker, colour, face in groups:
        if shown:
            x, y = zip(*map(_place, shown), strict=True)
            axes.plot(x, y, marker, markersize=5.5, color=colour, markerfacecolor=face, zorder=2, label=label)
    axes.margins(0.16)
    # Where all points share an accuracy the margins reach past what an accuracy can be.
    axes.set_xlim(right=min(axes.get_xlim()[1], 101.0))
    axes.set_ylim(top=min(axes.get_ylim()[1], 101.0))
    axes.spines["top"].set_visible(False)
    axes.grid(color="0.93", linewidth=0.6)
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=7, integer=True))


def _place(point: Point) -> tuple[float, float]:
    """Where a point stands in the axes, in percent."""
    return 100 * point.accuracies.clean, 100 * point.accuracies.robust


def _line(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """The line through the points of the front, from left to right."""
    front = sorted(_place(one) for one in points if one.on_front)
    return [x for x, _ in front], [y for _, y in front]


def _place_names(axes: Axes, points: Sequence[Point]) -> None:
    x, y = _line(points)
    along = np.linspace(0, len(x) - 1, 40 * len(x))  # the line as a row of small boxes
    on_line = zip(np.interp(along, range(len(x)), x), np.interp(along, range(len(y)), y), strict=True)
    taken: list[BboxBase] = [_around(axes, *_place(one), size=5.0) for one in points]
    taken += [_around(axes, *one, size=2.0) for one in on_line]
    legend = axes.get_legend()
    if legend is not None:
        taken.append(legend.get_window_extent())
    for one in points:
        if one.experiment is not None:  # the legend names the clean model
            taken.append(_place_name(axes, one, taken))


def _around(axes: Axes, x: float, y: float, *, size: float) -> Bbox:
    """A small box of the canvas about a point of the axes; size: half a side, in pixels."""
    right, up = axes.transData.transform((x, y))
    return Bbox.from_extents(right - size, up - size, right + size, up + size)


def _place_name(axes: Axes, point: Point, taken: Sequence[BboxBase]) -> BboxBase:
    """Write a point's name at the side where it covers least; returns the part of the canvas that it takes."""
    boxes = []
    for side in _SIDES:
        name = _name(axes, point, side)
        boxes.append(name.get_window_extent())
        name.remove()
    costs = [_covered(box, taken) + box.width * box.height - _shared(box, axes.bbox) for box in boxes]
    best = costs.index(min(costs))
    _name(axes, point, _SIDES[best])
    return boxes[best]


def _name(axes: Axes, point: Point, side: tuple[int, int, str]) -> Annotation:
    right, up, edge = side
    return axes.annotate(point.label, _place(point), (right, up), textcoords="offset points", ha=edge, fontsize=7)


def _covered(box: BboxBase, taken: Sequence[BboxBase]) -> float:
    return sum(_shared(box, one) for one in taken)


def _shared(one: BboxBase, other: BboxBase) -> float:
    """The area that two boxes have in common."""
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else float(both.width * both.height)
