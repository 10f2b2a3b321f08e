"""Figure 3 of the paper: accuracy under attack before and after adversarial training, one row per data set.

The columns are predicted labels, true labels, strict. The clean model is dashed and hollow, the adversarially trained
model solid and filled; around each curve stands the band of its 95 % intervals. Panels of a protocol that was not run
are left out, and so are data sets without an adversarially trained model. Without any the figure says so, because the
pipeline names its files before it runs.

Source: Joel et al., doi 10.1101/2021.01.17.21249704, Figure 3.
"""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import ADVERSARIAL, CLEAN
from oncorobust.report.figures.drawn_curve import (
    MODEL_TITLES,
    DrawnCurve,
    LineStyle,
    attacked_curve,
    draw_curve,
    worst_case,
)
from oncorobust.report.figures.house import WIDTH_INCHES, empty_figure, house_style, settle
from oncorobust.report.figures.legends import attack_handles, in_rows, strict_handles
from oncorobust.report.figures.style import (
    PlotData,
    accuracy_axis,
    epsilon_axes,
    panel_title,
    protocols_of,
    stamp_synthetic,
)
from oncorobust.report.measures import Measure, measures_of
from oncorobust.report.shown_attacks import ATTACKS

_ROW_INCHES, _ROW_LETTERS = 1.78, 26
"""Height of a row of panels, and the letters that fit on a line beside it."""

_LOOKS: dict[str, tuple[LineStyle, bool]] = {CLEAN: ("--", True), ADVERSARIAL: ("-", False)}
"""Line style of each model, and whether its markers are hollow."""


def figure_3(datasets: Sequence[PlotData], *, table_epsilon: float) -> Figure:
    """Return Figure 3; table_epsilon: that of Table S5, which is marked.

    Raises InputError where the data sets were not all attacked under the same protocols.
    """
    protocols = protocols_of(datasets)
    datasets = [data for data in datasets if ADVERSARIAL in data.attack]
    if not datasets:
        return empty_figure("Empty, because no data set has an adversarially trained model.")
    shown = measures_of(protocols)
    with house_style():
        figure = Figure(figsize=(WIDTH_INCHES, _ROW_INCHES * len(datasets) + 0.8), layout="constrained")
        panels = figure.subplots(len(datasets), len(shown), squeeze=False, sharey=True)
        for row, data in zip(panels, datasets, strict=True):
            for axes, measure in zip(row, shown, strict=True):
                _panel(axes, data, measure, table_epsilon)
            row[0].set_ylabel(f"{_in_lines(panel_title(data))}\naccuracy (%)")
        for axes, measure in zip(panels[0], shown, strict=True):
            axes.set_title(measure.heading)
        for axes in panels[:-1].flat:
            axes.set_xlabel("")
        meanings = [
            Line2D([], [], color="0.3", linestyle="-", label="adversarially trained model"),
            Line2D([], [], color="0.3", linestyle="--", label="clean model"),
            Line2D([], [], color="0.5", linestyle=":", label=f"Table S5: epsilon {epsilon_text(table_epsilon)}"),
        ]
        handles = in_rows([*attack_handles(), *strict_handles(protocols)], meanings)
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles) // 2, columnspacing=1.2)
        return settle(figure)


def curves_of_figure_3(data: PlotData, measure: Measure) -> list[DrawnCurve]:
    """Return the curves of a data set's panel."""
    found = []
    for model, (line, hollow) in _LOOKS.items():
        for attack in ATTACKS:
            title = f"{attack.title}, {MODEL_TITLES[model]}"
            found.append(
                attacked_curve(data, model=model, attack=attack, measure=measure, title=title, line=line, hollow=hollow)
            )
        if measure.protocol == "strict":
            found.append(worst_case(data, model=model, title=f"strict (all attacks), {MODEL_TITLES[model]}", line=line))
    return found


def _panel(axes: Axes, data: PlotData, measure: Measure, table_epsilon: float) -> None:
    for curve in curves_of_figure_3(data, measure):
        draw_curve(axes, curve)
    accuracy_axis(axes)
    epsilon_axes(axes, data)
    axes.axvline(table_epsilon, color="0.5", linewidth=0.9, linestyle=":")
    stamp_synthetic(axes, data)


def _in_lines(title: str) -> str:
    """Return a title in lines that fit beside a panel."""
    return "\n".join(textwrap.wrap(title, width=_ROW_LETTERS, max_lines=3, placeholder=" …"))
