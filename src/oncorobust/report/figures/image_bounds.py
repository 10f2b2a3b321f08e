"""Figure 6: the bounds of each certified image, one line per image, one panel per data set with certificates.

A bar reaches from 0 to the certified epsilon: no change within it alters the smoothed model's answer. A triangle marks
the smallest epsilon at which an attack on the same smoothed model succeeded; the answer of the smoothed model changes
somewhere between the two. A thin grey line is the interval of the strict search on the model itself, from last safe to
first flipped; it is of another model and may lie anywhere. Images that the smoothed model answers wrong, or abstains
on, have no certificate; the panel says how many they are.

Without certificates the figure says why it is empty.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from oncorobust.report.figures.certified import Certified
from oncorobust.report.figures.house import empty_figure, house_style
from oncorobust.report.figures.panels import panel_figure
from oncorobust.report.figures.style import CERTIFIED, PlotData, epsilon_axes, stamp_synthetic

_MOST_IMAGES = 60
"""Lines of a panel; of more images, evenly chosen ones are shown."""

_ITSELF = "0.55"
_BEYOND = 1.05
"""Where a bound beyond the largest epsilon of the grid is drawn, as a share of it."""


def figure_6(datasets: Sequence[PlotData]) -> Figure:
    """Return Figure 6."""
    shown = [data for data in datasets if data.certified is not None]
    if not shown:
        return empty_figure("Empty, because no data set has certificates (certify in params.yaml).")
    with house_style():
        return panel_figure(
            shown,
            _panel,
            panel_inches=3.2,
            y_label="test images, by certified epsilon",
            handles=_legend(),
            legend_columns=3,
        )


def _panel(axes: Axes, data: PlotData) -> None:
    found = data.certified
    if found is None:
        raise ValueError(f"{data.key}: expected certificates")
    chosen = shown_images(found)
    largest, y = float(found.attack_epsilon[-1]), np.arange(len(chosen))
    _draw_itself(axes, chosen, y, largest)
    axes.barh(y, chosen["certified_epsilon"].clip(upper=largest), color=CERTIFIED["color"], height=0.62, alpha=0.85)
    flipped = chosen["first_flipped"].to_numpy()
    reached = np.isfinite(flipped)
    axes.plot(flipped[reached], y[reached], "<", color=CERTIFIED["color"], fillstyle="none", markersize=4)
    axes.plot(np.full((~reached).sum(), _BEYOND * largest), y[~reached], ">", color=CERTIFIED["color"], markersize=3)
    axes.set_yticks([])
    axes.set_ylim(-1, max(len(chosen), 1))
    epsilon_axes(axes, data)
    axes.set_xlim(0, 1.1 * largest)
    axes.set_title(f"{data.title} (sigma {found.sigma:g})\n{_told(found, len(chosen))}")
    stamp_synthetic(axes, data)


def shown_images(found: Certified) -> pd.DataFrame:
    """Return the images to show, the largest certified epsilon first from below."""
    ordered = found.images[found.images["answered"]].sort_values("certified_epsilon", kind="stable")
    places = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), _MOST_IMAGES)).round().astype(int))
    return ordered.iloc[places] if len(ordered) else ordered


def _draw_itself(axes: Axes, chosen: pd.DataFrame, y: np.ndarray, largest: float) -> None:
    low = chosen["last_safe"].to_numpy()
    high = chosen["first_flipped_itself"].to_numpy()
    flipped = high <= largest
    axes.hlines(y, low, np.minimum(high, largest), color=_ITSELF, linewidth=1.2, zorder=3)
    axes.plot(low, y, "|", color=_ITSELF, markersize=4, zorder=3)
    axes.plot(high[flipped], y[flipped], "|", color=_ITSELF, markersize=4, zorder=3)


def _told(found: Certified, n_shown: int) -> str:
    n, n_answered = len(found.images), int(found.images["answered"].sum())
    shown = "" if n_shown == n_answered else f" ({n_shown} shown)"
    return f"{n_answered} of {n} images predicted right{shown}"


def _legend() -> list[Line2D | Patch]:
    colour = CERTIFIED["color"]
    return [
        Patch(color=colour, alpha=0.85, linewidth=0, label="certified (smoothed model)"),
        Line2D([], [], color=colour, linestyle="", marker="<", fillstyle="none", label="attack on it succeeded"),
        Line2D([], [], color=colour, linestyle="", marker=">", label="no attack on it succeeded"),
        Line2D([], [], color=_ITSELF, marker="|", label="model itself: last safe to first flipped"),
    ]
