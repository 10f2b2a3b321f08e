"""The common style of the figures: what they show, lines, axes and marks.

Each attack has its own colour and marker (`report.shown_attacks`), and line styles carry the second distinction, so
that no meaning rests on colour alone. The lower axis is epsilon for pixel values in [0, 1]; the upper axis gives it in
units that readers know (`base.units`). Sizes and fonts are those of `figures.house`.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from oncorobust.base.arrays import Images
from oncorobust.base.units import readable_unit
from oncorobust.report.figures.acquired import AcquiredModel
from oncorobust.report.figures.bands import Bands
from oncorobust.report.figures.certified import Certified
from oncorobust.report.figures.risk_curves import Risks
from oncorobust.report.figures.survival_curves import Survival
from oncorobust.report.palette import BLACK, SKY
from oncorobust.report.tables.protocols import attack_protocols
from oncorobust.report.tables.render import SYNTHETIC
from oncorobust.settings.attacks import Protocol

_LETTERS_PER_INCH, _LINE_INCHES = 14.0, 0.15
"""Of the bold letters of `stamp_mark`."""

STRICT: dict[str, Any] = {"color": BLACK, "linewidth": 1.9}
"""The strict worst case over all attacks: a heavy black line without markers."""

CERTIFIED: dict[str, Any] = {"color": SKY, "linewidth": 1.7}
"""The certified accuracy of the smoothed model: a light blue line, and an attack on that model in the same colour."""

BAND: dict[str, Any] = {"linewidth": 0, "zorder": 0.4}
"""The band of a curve: several may overlap, and the mark SYNTHETIC stands above them."""


@dataclass(frozen=True)
class Examples:
    """Adversarial examples of one model: k images, their counterparts by attack, and the model's probabilities.

    Images are (h, w, c) in [0, 1]; epsilon: l_inf radius of the examples.
    """

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

    attack: contents of attack.json by model. paper: column of the paper's tables, None for none. intensity_range,
    intensity_unit: stored values that became 0 and 1, and their unit. bands: lower and upper ends in percent of the
    intervals of each curve, by model, attack and ending of the measure (`figures.bands`). risks: of the clean model by
    score. survival: of the minimal epsilons by model, empty without the strict protocol. certified: of the smoothed
    clean model, None without certificates. acquired: changes of the acquisition by attacked model, empty without them.
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
    bands: Bands
    risks: Risks
    survival: Mapping[str, Survival]
    certified: Certified | None
    acquired: Mapping[str, AcquiredModel]


def protocols_of(datasets: Sequence[PlotData]) -> frozenset[Protocol]:
    """Return the protocols that all data sets hold. Raises InputError where they differ."""
    return attack_protocols({data.key: data.attack for data in datasets})


def intensity_axis(data: PlotData) -> tuple[float, str]:
    """Return epsilon 1 in a unit that readers know, and the unit's name."""
    return readable_unit(data.intensity_range, data.intensity_unit)


def epsilon_axes(axes: Axes, data: PlotData) -> None:
    """Label the lower axis with epsilon and add an upper axis in grey levels or Hounsfield units."""
    scale, name = intensity_axis(data)
    upper = axes.secondary_xaxis(
        "top", functions=(lambda x: np.multiply(x, scale), lambda x: np.divide(np.asarray(x), scale))
    )
    upper.set_xlabel(name, color="0.35", labelpad=4)
    upper.tick_params(colors="0.35", length=2, width=0.6)
    upper.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.set_xlabel("epsilon (pixel range 0 to 1)")
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlim(left=0)


def accuracy_axis(axes: Axes) -> None:
    """Set the vertical axis to accuracy from 0 to 100 %, with light grid lines."""
    axes.set_ylim(-2, 102)
    axes.set_yticks(range(0, 101, 20))
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def panel_title(data: PlotData) -> str:
    """Return the title of a data set's panel, with the number of test images behind it."""
    return f"{data.title} (n = {data.attack['clean']['n_images']})"


def stamp_mark(figure: Figure, mark: str) -> Figure:
    """Write the mark of red checks, NOT VALID and their names, above a settled figure; no mark changes nothing."""
    if mark:
        width, height = figure.get_size_inches()
        lines = textwrap.wrap(mark, width=int(_LETTERS_PER_INCH * width), max_lines=4)
        grown = height + _LINE_INCHES * (len(lines) + 1)
        for axes in figure.axes:
            left, bottom, wide, high = axes.get_position(original=True).bounds
            axes.set_position((left, bottom * height / grown, wide, high * height / grown))
        figure.set_size_inches(width, grown)
        place = {"x": 0.5, "y": 1 - 0.5 * _LINE_INCHES / grown, "ha": "center", "va": "top"}
        figure.text(s="\n".join(lines), color="#A33B00", fontsize=8, fontweight="bold", **place)
    return figure


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
