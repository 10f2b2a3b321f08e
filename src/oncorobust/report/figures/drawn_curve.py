"""Curves with their intervals and looks: what the panels of Figures 2 to 5 draw, and the charts of the page again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes

from oncorobust.report.figures.robustness_curves import Curve, accuracy_curve, last_attack
from oncorobust.report.figures.style import BAND, CERTIFIED, STRICT, PlotData
from oncorobust.report.measures import STRICT as STRICTLY
from oncorobust.report.measures import Measure
from oncorobust.report.shown_attacks import ShownAttack

LineStyle = Literal["-", "--", ":", "-."]

_MOST_MARKERS = 8
"""Of a curve of many points."""

MODEL_TITLES = {"clean": "clean model", "adversarial": "adversarially trained model"}


@dataclass(frozen=True)
class DrawnCurve:
    """One curve of a panel.

    x: (points,) epsilon, or coverage in percent. y: (points,) percent. low, high: ends of the 95 % intervals, not a
    number where there is none, and None for a curve that has none. step: on which side of
    its point a step curve changes, None where straight lines join the points. opacity: of the band.
    """

    title: str
    x: Curve
    y: Curve
    low: Curve | None
    high: Curve | None
    colour: str
    line: LineStyle = "-"
    marker: str = ""
    hollow: bool = False
    width: float = 1.3
    step: Literal["pre", "post"] | None = None
    opacity: float = 0.07


def draw_curve(axes: Axes, curve: DrawnCurve) -> None:
    """Draw a curve and its band."""
    axes.plot(
        curve.x,
        curve.y,
        curve.line,
        color=curve.colour,
        marker=curve.marker,
        markevery=max(1, len(curve.x) // _MOST_MARKERS),
        fillstyle="none" if curve.hollow else "full",
        linewidth=curve.width,
        drawstyle="default" if curve.step is None else f"steps-{curve.step}",
    )
    if curve.low is not None and curve.high is not None:
        look = {"color": curve.colour, "alpha": curve.opacity, **BAND}
        axes.fill_between(curve.x, curve.low, curve.high, step=curve.step, **look)


def attacked_curve(
    data: PlotData,
    *,
    model: str,
    attack: ShownAttack,
    measure: Measure,
    title: str,
    line: LineStyle,
    hollow: bool = False,
) -> DrawnCurve:
    """Return the accuracy of a model under an attack, by a measure."""
    x, y = accuracy_curve(data.attack[model], attack=attack.name, measure=measure)
    low, high = data.bands[model, attack.name, measure.ending]
    return DrawnCurve(title, x, y, low, high, attack.colour, line, attack.marker, hollow)


def worst_case(data: PlotData, *, model: str, title: str, line: LineStyle = "-") -> DrawnCurve:
    """Return the strict accuracy of a model under all attacks of the cascade."""
    last = last_attack(data.attack[model])
    x, y = accuracy_curve(data.attack[model], attack=last, measure=STRICTLY)
    low, high = data.bands[model, last, STRICTLY.ending]
    return DrawnCurve(title, x, y, low, high, STRICT["color"], line, width=STRICT["linewidth"])


def certified_curves(data: PlotData) -> Iterator[DrawnCurve]:
    """Yield the certified accuracy, which falls after each certified epsilon, and the attack, which falls at its grid.

    None without certificates.
    """
    found = data.certified
    if found is not None:
        title, colour, width = f"smoothed model, sigma {found.sigma:g}", CERTIFIED["color"], CERTIFIED["linewidth"]
        lower = (found.epsilon, found.certified, found.low, found.high, colour)
        upper = (found.attack_epsilon, found.attacked, None, None, colour)
        yield DrawnCurve(f"certified, {title}", *lower, "-.", width=width, step="pre")
        yield DrawnCurve(f"attack, {title}", *upper, ":", width=width, step="post")
