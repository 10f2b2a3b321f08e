"""Figure 4: risk over coverage of each score of certainty, one panel per data set, for the clean models.

The images with the largest scores are accepted: coverage is their share, risk the share of errors among them. Images of
equal score enter together. A score that tells right from wrong answers lies below that of random numbers, whose risk is
the same at every coverage but for chance. The bands are 95 % intervals over patients.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from oncorobust.report.figures.drawn_curve import DrawnCurve, LineStyle, draw_curve
from oncorobust.report.figures.house import house_style
from oncorobust.report.figures.panels import panel_figure
from oncorobust.report.figures.style import PlotData, panel_title, stamp_synthetic
from oncorobust.report.palette import BLACK, BLUE, GREEN, GREY, PURPLE, SKY, VERMILLION

SCORES: dict[str, tuple[str, str, LineStyle, str]] = {
    "min_epsilon": ("minimal epsilon (paper)", VERMILLION, "-", "o"),
    "min_epsilon_strict": ("minimal epsilon (strict)", BLACK, "-", "s"),
    "confidence": ("softmax maximum", BLUE, "-", "^"),
    "margin": ("margin", BLUE, ":", "v"),
    "entropy": ("entropy", SKY, "--", "D"),
    "mc_dropout": ("MC dropout", GREEN, "-", "P"),
    "augmentation": ("augmentation", GREEN, "--", "X"),
    "noise_flips": ("noise", PURPLE, "-.", "<"),
    "random": ("random", GREY, "--", ""),
}
"""Title, colour, line style and marker of each score."""

_OPACITY = 0.03
"""Of each band; up to nine lie above each other."""


def figure_4(datasets: Sequence[PlotData]) -> Figure:
    """Return Figure 4."""
    held = [name for name in SCORES if any(name in data.risks for data in datasets)]
    with house_style():
        return panel_figure(
            datasets,
            _panel,
            panel_inches=2.6,
            y_label="risk: errors among accepted (%)",
            handles=[_handle(name) for name in held],
            legend_columns=5,
        )


def curves_of_figure_4(data: PlotData) -> list[DrawnCurve]:
    """Return the curves of a data set's panel."""
    found = []
    for name in (one for one in SCORES if one in data.risks):
        title, colour, line, marker = SCORES[name]
        x, y, low, high = 100 * data.risks[name].band().to_numpy().T
        found.append(DrawnCurve(title, x, y, low, high, colour, line, marker, opacity=_OPACITY))
    return found


def _panel(axes: Axes, data: PlotData) -> None:
    for curve in curves_of_figure_4(data):
        draw_curve(axes, curve)
    axes.set_xlim(0, 100)
    axes.set_ylim(-2, 102)
    axes.set_yticks(range(0, 101, 20))
    axes.spines["top"].set_visible(False)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("coverage (%)")
    axes.set_title(panel_title(data))
    stamp_synthetic(axes, data)


def _handle(name: str) -> Line2D:
    title, colour, line, marker = SCORES[name]
    return Line2D([], [], label=title, color=colour, linestyle=line, marker=marker)
