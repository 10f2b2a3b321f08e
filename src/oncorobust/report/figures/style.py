"""How all figures look, and figures as bytes that depend on nothing but the data.

Attacks have one colour and one marker each, from the palette of Okabe and Ito (jfly.uni-koeln.de/color), which
colour-blind people can tell apart; line style carries the second distinction, so that nothing rests on colour alone.
The lower axis is epsilon in [0, 1] pixel units; the upper one the same in units a reader knows (`intensity`).

PNG and SVG come without date, with fixed identifiers and glyphs as paths, because DVC compares bytes. Figures are built
without pyplot: no global state, no display.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from oncorobust.base.arrays import Images
from oncorobust.base.units import readable_unit
from oncorobust.report.tables.render import SYNTHETIC

COLOURS = {"fgsm": "#0072B2", "pgd": "#D55E00", "bim": "#009E73"}
MARKERS = {"fgsm": "o", "pgd": "s", "bim": "^"}
STRICT: dict[str, Any] = {"color": "black", "linewidth": 1.9}
"""The strict worst case over all attacks, which is no attack of its own: a heavy black line without markers."""
WIDTH_INCHES = 7.2
"""Width of two columns of a journal's page."""

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "oncorobust",
    "text.usetex": False,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Examples:
    """Adversarial examples of one model: k images, their counterparts by attack, and the model's probabilities."""

    images: Images
    adversarial: Float[np.ndarray, "attacks k h w c"]
    attacks: tuple[str, ...]
    probabilities_clean: Float[np.ndarray, "k classes"]
    probabilities: Float[np.ndarray, "attacks k classes"]
    labels: Int[np.ndarray, " k"]
    image_ids: Shaped[np.ndarray, " k"]
    epsilon: float


@dataclass(frozen=True)
class PlotData:
    """What the figures show of one data set.

    key: the data set's. attack: contents of attack.json by model. paper: column of the paper's tables, None for none.
    intensity_range and intensity_unit: stored values that became 0 and 1, and what they count.
    """

    key: str
    title: str
    synthetic: bool
    paper: str | None
    class_names: tuple[str, ...]
    intensity_range: tuple[float, float]
    intensity_unit: str
    attack: Mapping[str, Mapping[str, Any]]
    examples: Examples


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's settings of all figures, for the time of a block."""
    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):
        yield


def settle(figure: Figure) -> Figure:
    """Lay out a finished figure once and fix the places of its panels.

    They are rounded to a ten-thousandth of the figure, because the last bits of the layout solver's result depend on
    addresses in memory, and SVG would show them.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(float(one), 4) for one in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height))
    return figure


def to_png(figure: Figure) -> bytes:
    """The figure as PNG at 150 dots an inch."""
    return _render(figure, format="png", dpi=150, metadata={"Software": None})


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG."""
    return _render(figure, format="svg", metadata={"Date": None, "Creator": None})


def _render(figure: Figure, **options: Any) -> bytes:
    stream = io.BytesIO()
    with house_style():
        figure.savefig(stream, **options)
    return stream.getvalue()


def intensity_axis(data: PlotData) -> tuple[float, str]:
    """What epsilon 1 is in units that a reader knows, and their name."""
    return readable_unit(data.intensity_range, data.intensity_unit)


def epsilon_axes(axes: Axes, data: PlotData) -> None:
    """Label the lower axis with epsilon in [0, 1] units and add an upper one in grey levels or Hounsfield units."""
    scale, name = intensity_axis(data)
    upper = axes.secondary_xaxis(
        "top", functions=(lambda x: np.multiply(x, scale), lambda x: np.divide(np.asarray(x), scale))
    )
    upper.set_xlabel(name, color="0.35", labelpad=4)
    upper.tick_params(colors="0.35", length=2, width=0.6)
    upper.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.set_xlabel("epsilon (pixel range 0 to 1)")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlim(left=0)


def accuracy_axis(axes: Axes) -> None:
    """Accuracy in percent from 0 to 100 on the vertical axis, with light lines to read it by."""
    axes.set_ylim(-2, 102)
    axes.set_yticks(range(0, 101, 20))
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def panel_title(data: PlotData) -> str:
    """Title of a data set's panel with the number of test images behind it."""
    return f"{data.title} (n = {data.attack['clean']['n_images']})"


def stamp_synthetic(axes: Axes, data: PlotData) -> None:
    """Write SYNTHETIC across a panel whose images show no patient."""
    if data.synthetic:
        axes.text(
            0.5,
            0.5,
            SYNTHETIC,
            transform=axes.transAxes,
            rotation=25,
            ha="center",
            va="center",
            fontsize=17,
            fontweight="bold",
            color="0.6",
            alpha=0.45,
            zorder=0.5,
        )
