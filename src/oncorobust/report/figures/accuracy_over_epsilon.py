"""Figure 2 of the paper: accuracy of the clean models under attack over epsilon, one panel per data set.

FGSM, PGD and BIM stand with solid lines for predicted labels and dashed lines for true labels, the strict worst case
over all attacks as a heavy black line, each with the band of its 95 % intervals, and the paper's Table 1 as hollow
diamonds where the data set has a column of it. A dotted line marks 1 - clean accuracy for two classes: the accuracy
with predicted labels cannot fall below it, because an attack on a misclassified image corrects it. Curves of a protocol
that was not run are left out. Where a data set has certificates, two light blue lines are of the smoothed clean model:
its certified accuracy, a lower bound, and its accuracy under an attack on itself, an upper bound
(`tables.certificates`).

Source: Joel et al., doi 10.1101/2021.01.17.21249704, Figure 2.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from oncorobust.base.layout import CLEAN
from oncorobust.report.figures.drawn_curve import (
    DrawnCurve,
    LineStyle,
    attacked_curve,
    certified_curves,
    draw_curve,
    worst_case,
)
from oncorobust.report.figures.house import house_style
from oncorobust.report.figures.legends import attack_handles, in_rows, strict_handles
from oncorobust.report.figures.panels import panel_figure
from oncorobust.report.figures.style import (
    CERTIFIED,
    PlotData,
    accuracy_axis,
    epsilon_axes,
    panel_title,
    protocols_of,
    stamp_synthetic,
)
from oncorobust.report.measures import PREDICTED, TRUE, Measure
from oncorobust.report.shown_attacks import ATTACKS, row_place
from oncorobust.report.tables.paper_numbers import PaperTable
from oncorobust.settings.attacks import Protocol

_LINE_STYLES: dict[Measure, LineStyle] = {PREDICTED: "-", TRUE: "--"}


def figure_2(datasets: Sequence[PlotData], *, paper: PaperTable) -> Figure:
    """Return Figure 2, one panel per data set; `paper` is the paper's Table 1.

    Raises InputError where the data sets were not all attacked under the same protocols.
    """
    protocols = protocols_of(datasets)
    with house_style():
        handles, rows = _legend(datasets, protocols), 3 if any(data.certified for data in datasets) else 2
        return panel_figure(
            datasets,
            lambda axes, data: _panel(axes, data, paper, protocols),
            panel_inches=2.75,
            y_label="accuracy (%)",
            handles=handles,
            legend_columns=len(handles) // rows,
        )


def curves_of_figure_2(data: PlotData) -> list[DrawnCurve]:
    """Return the curves of a data set's panel."""
    protocols = protocols_of([data])
    found = []
    if "paper" in protocols:
        for attack in ATTACKS:
            for measure, line in _LINE_STYLES.items():
                title = f"{attack.title}, {measure.heading}"
                found.append(attacked_curve(data, model=CLEAN, attack=attack, measure=measure, title=title, line=line))
    if "strict" in protocols:
        found.append(worst_case(data, model=CLEAN, title="strict (all attacks)"))
    return [*found, *certified_curves(data)]


def _panel(axes: Axes, data: PlotData, paper: PaperTable, protocols: frozenset[Protocol]) -> None:
    for curve in curves_of_figure_2(data):
        draw_curve(axes, curve)
    if "paper" in protocols and len(data.class_names) == 2:
        _mark_floor(axes, 100 * (1 - data.attack[CLEAN]["clean_accuracy"]))
    accuracy_axis(axes)
    epsilon_axes(axes, data)
    _mark_paper(axes, data, paper)
    axes.set_title(panel_title(data))
    stamp_synthetic(axes, data)


def _mark_paper(axes: Axes, data: PlotData, paper: PaperTable) -> None:
    colours = {attack.title: attack.colour for attack in ATTACKS}
    for (row, column), accuracy in paper.items():
        if column == data.paper:
            title, epsilon = row_place(row)
            colour = colours.get(title, "black")  # black without attack
            axes.plot(epsilon, 100 * accuracy, "D", markersize=4.5, color=colour, fillstyle="none", clip_on=False)


def _mark_floor(axes: Axes, floor: float) -> None:
    axes.axhline(floor, color="0.35", linewidth=0.9, linestyle=":")
    # In the upper right corner, which falling curves leave free; next to the line it would cover them.
    axes.annotate(
        f"1 − clean = {floor:.1f} %",
        (0.98, 0.97),
        xycoords="axes fraction",
        ha="right",
        va="top",
        fontsize=6.5,
        color="0.25",
    )


def _legend(datasets: Sequence[PlotData], protocols: frozenset[Protocol]) -> list[Line2D]:
    """Return a row of the attacks and their worst case, one of line styles and marks, one of certificates if any."""
    meanings = []
    if "paper" in protocols:
        meanings += [
            Line2D([], [], color="0.3", linestyle="-", label="predicted labels (paper)"),
            Line2D([], [], color="0.3", linestyle="--", label="true labels"),
        ]
    if any(data.paper for data in datasets):
        meanings.append(
            Line2D([], [], color="0.3", linestyle="", marker="D", fillstyle="none", label="the paper's Table 1")
        )
    if "paper" in protocols and any(len(data.class_names) == 2 for data in datasets):
        meanings.append(Line2D([], [], color="0.35", linestyle=":", label="minimum with predicted labels"))
    coloured = "paper" in protocols or any(data.paper for data in datasets)
    attacks = [*(attack_handles() if coloured else []), *strict_handles(protocols)]
    return in_rows(attacks, meanings, *_certified_handles(datasets))


def _certified_handles(datasets: Sequence[PlotData]) -> list[list[Line2D]]:
    """Return a row with the sigma of each smoothed model; no row without certificates."""
    sigmas = {data.title: data.certified.sigma for data in datasets if data.certified is not None}
    if not sigmas:
        return []
    told = ", ".join(f"{sigma:g}{f' ({title})' if len(sigmas) > 1 else ''}" for title, sigma in sigmas.items())
    return [
        [
            Line2D([], [], linestyle="-.", **CERTIFIED, label="certified (smoothed)"),
            Line2D([], [], linestyle=":", **CERTIFIED, label="attack on smoothed"),
            Line2D([], [], linestyle="", label=f"smoothed model: sigma {told}"),
        ]
    ]
