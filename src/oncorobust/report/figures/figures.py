"""Figures 2 and 3 of the paper: accuracy over epsilon, and before and after adversarial training.

    Figure 2  a panel a data set; FGSM, PGD and BIM; predicted labels solid, true labels dashed; the strict worst case
              over all attacks as a heavy black line; the paper's Table 1 as hollow diamonds where a column of it is
              named; for two classes the floor of predicted labels, 1 - clean accuracy, which an attack cannot pass
              because it corrects the images that were wrong
    Figure 3  a row a data set; from left to right predicted labels, true labels and strict; clean-trained dashed and
              hollow, adversarially trained solid and filled

What a protocol would have drawn is left out where it was not run. Source: Joel et al., doi 10.1101/2021.01.17.21249704,
Figures 2 and 3. Every curve starts at epsilon 0 with the clean accuracy; `curves_over_epsilon` reads them. Figure 1 is
in `figure_examples`.
"""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from oncorobust.report.figures.robustness_curves import accuracy_curve, strict_curve
from oncorobust.report.figures.style import (
    COLOURS,
    MARKERS,
    STRICT,
    WIDTH_INCHES,
    PlotData,
    accuracy_axis,
    epsilon_axes,
    house_style,
    panel_title,
    settle,
    stamp_synthetic,
)
from oncorobust.report.tables.cell import epsilon_text
from oncorobust.report.tables.common import ATTACKS
from oncorobust.report.tables.paper_numbers import PaperTable
from oncorobust.report.tables.protocols import attack_protocols
from oncorobust.settings.attacks import Protocol

_PANELS: dict[str, Protocol] = {"predicted labels": "paper", "true labels": "paper", "strict": "strict"}
"""What a column of panels in Figure 3 shows, and the protocol that measures it."""

_MODELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("clean", {"linestyle": "--", "fillstyle": "none"}),
    ("adversarial", {"linestyle": "-", "fillstyle": "full"}),
)


def _protocols(datasets: Sequence[PlotData]) -> frozenset[Protocol]:
    """The protocols of all data sets; raises InputError where they differ."""
    return attack_protocols({data.key: data.attack for data in datasets})


def figure_2(datasets: Sequence[PlotData], *, paper: PaperTable) -> Figure:
    """Accuracy of the clean-trained models over epsilon, a panel a data set; `paper` is the paper's Table 1.

    Raises InputError where the data sets were not all attacked under the same protocols.
    """
    protocols = _protocols(datasets)
    n_columns = min(3, len(datasets))
    n_rows = math.ceil(len(datasets) / n_columns)
    with house_style():
        width = 6.4 if n_columns < 3 else WIDTH_INCHES  # the legend needs as much under a single panel
        figure = Figure(figsize=(width, 2.75 * n_rows + 0.75), layout="constrained")
        panels = figure.subplots(n_rows, n_columns, squeeze=False)
        for axes, data in zip(panels.flat, datasets, strict=False):
            _figure_2_panel(axes, data, paper, protocols)
        for axes in panels.flat[len(datasets) :]:
            axes.remove()
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy (%)")
        handles = _figure_2_legend(datasets, protocols)
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles) // 2, columnspacing=1.2)
        return settle(figure)


def _figure_2_panel(axes: Axes, data: PlotData, paper: PaperTable, protocols: frozenset[Protocol]) -> None:
    metrics = data.attack["clean"]
    if "paper" in protocols:
        for attack in ATTACKS:
            for attacked_label, style in (("true", "--"), ("predicted", "-")):
                x, y = accuracy_curve(metrics, attack=attack, attacked_label=attacked_label)
                axes.plot(x, y, style, color=COLOURS[attack], marker=MARKERS[attack])
        if len(data.class_names) == 2:
            _mark_floor(axes, 100 * (1 - metrics["clean_accuracy"]))
    if "strict" in protocols:
        axes.plot(*strict_curve(metrics, attack=metrics["strict"]["attacks"][-1]), **STRICT)
    accuracy_axis(axes)
    epsilon_axes(axes, data)
    _mark_paper(axes, data, paper)
    axes.set_title(panel_title(data))
    stamp_synthetic(axes, data)


def _mark_paper(axes: Axes, data: PlotData, paper: PaperTable) -> None:
    for (row, column), accuracy in paper.items():
        if column == data.paper:
            attack, _, epsilon = row.lower().partition(":")
            colour = COLOURS.get(attack, "black")
            axes.plot(
                float(epsilon or 0), 100 * accuracy, "D", markersize=4.5, color=colour, fillstyle="none", clip_on=False
            )


def _mark_floor(axes: Axes, floor: float) -> None:
    axes.axhline(floor, color="0.35", linewidth=0.9, linestyle=":")
    # In the upper right corner, which falling curves leave free; beside the line it would cover them.
    axes.annotate(
        f"1 − clean = {floor:.1f} %",
        (0.98, 0.97),
        xycoords="axes fraction",
        ha="right",
        va="top",
        fontsize=6.5,
        color="0.25",
    )


def _figure_2_legend(datasets: Sequence[PlotData], protocols: frozenset[Protocol]) -> list[Line2D]:
    """Attacks and the worst case over them in the upper row; in the lower one what line styles and other marks mean."""
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
        meanings.append(Line2D([], [], color="0.35", linestyle=":", label="floor of predicted labels"))
    coloured = "paper" in protocols or any(data.paper for data in datasets)
    return _in_two_rows([*(_attack_handles() if coloured else []), *_strict_handle(protocols)], meanings)


def _in_two_rows(upper: Sequence[Line2D], lower: Sequence[Line2D]) -> list[Line2D]:
    """Order for a legend of two rows, which matplotlib fills column by column; a shorter row ends in blanks."""
    blank = Line2D([], [], linestyle="", label=" ")
    return [one for pair in zip_longest(upper, lower, fillvalue=blank) for one in pair]


def _attack_handles() -> list[Line2D]:
    return [Line2D([], [], color=COLOURS[attack], marker=MARKERS[attack], label=attack.upper()) for attack in ATTACKS]


def _strict_handle(protocols: frozenset[Protocol]) -> list[Line2D]:
    return [Line2D([], [], label="strict (all attacks)", **STRICT)] if "strict" in protocols else []


def figure_3(datasets: Sequence[PlotData], *, table_epsilon: float) -> Figure:
    """Accuracy under attack before and after adversarial training; table_epsilon, that of Table S5, is marked.

    Raises InputError where the data sets were not all attacked under the same protocols.
    """
    protocols = _protocols(datasets)
    shown = [name for name, protocol in _PANELS.items() if protocol in protocols]
    with house_style():
        size = (6.6 if len(shown) < 3 else WIDTH_INCHES, 2.5 * len(datasets) + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(len(datasets), len(shown), squeeze=False, sharey=True)
        for row, data in zip(panels, datasets, strict=True):
            for axes, name in zip(row, shown, strict=True):
                _figure_3_panel(axes, data, name, table_epsilon)
            row[0].set_ylabel("accuracy (%)")
        meanings = [
            Line2D([], [], color="0.3", linestyle="-", label="adversarially trained"),
            Line2D([], [], color="0.3", linestyle="--", label="clean-trained"),
            Line2D([], [], color="0.5", linestyle=":", label=f"Table S5: epsilon {epsilon_text(table_epsilon)}"),
        ]
        handles = _in_two_rows([*_attack_handles(), *_strict_handle(protocols)], meanings)
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles) // 2, columnspacing=1.2)
        return settle(figure)


def _figure_3_panel(axes: Axes, data: PlotData, name: str, table_epsilon: float) -> None:
    for model, style in _MODELS:
        metrics = data.attack[model]
        for attack in ATTACKS:
            curve = (
                strict_curve(metrics, attack=attack)
                if name == "strict"
                else accuracy_curve(metrics, attack=attack, attacked_label=name.removesuffix(" labels"))
            )
            axes.plot(*curve, color=COLOURS[attack], marker=MARKERS[attack], **style)
        if name == "strict":
            worst = strict_curve(metrics, attack=metrics["strict"]["attacks"][-1])
            axes.plot(*worst, **STRICT, linestyle=style["linestyle"])
    accuracy_axis(axes)
    epsilon_axes(axes, data)
    axes.axvline(table_epsilon, color="0.5", linewidth=0.9, linestyle=":")
    axes.set_title(f"{panel_title(data)}\n{name}")
    stamp_synthetic(axes, data)
