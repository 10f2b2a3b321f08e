"""The grid of figures with one panel per data set: up to three in a row, with one legend below all of them."""

import math
from collections.abc import Callable, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oncorobust.report.figures.house import WIDTH_INCHES, settle
from oncorobust.report.figures.style import PlotData

_MOST_COLUMNS = 3
_LEGEND_INCHES = 0.75


def panel_figure(
    datasets: Sequence[PlotData],
    draw: Callable[[Axes, PlotData], None],
    *,
    panel_inches: float,
    y_label: str,
    handles: Sequence[Artist],
    legend_columns: int,
) -> Figure:
    """Return a figure whose panels `draw` fills, one for each data set; to be called within `house_style`.

    panel_inches: height of a panel. y_label: of the first panel of each row.
    """
    n_columns = min(_MOST_COLUMNS, len(datasets))
    n_rows = math.ceil(len(datasets) / n_columns)
    figure = Figure(figsize=(WIDTH_INCHES, panel_inches * n_rows + _LEGEND_INCHES), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes, data in zip(panels.flat, datasets, strict=False):
        draw(axes, data)
    for axes in panels.flat[len(datasets) :]:
        axes.remove()
    for axes in panels[:, 0]:
        axes.set_ylabel(y_label)
    figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns, columnspacing=1.2)
    return settle(figure)
