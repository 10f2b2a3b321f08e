"""Figures 2 and 3 of the paper: accuracy over epsilon, and before and after adversarial training.

    Figure 2  a panel a data set; FGSM, PGD and BIM; predicted labels solid, true labels dashed; the paper's Table 1 as
              hollow diamonds where a column of it is named; for two classes the floor of predicted labels,
              1 - clean accuracy, which an attack cannot pass because it corrects the images that were wrong
    Figure 3  a row a data set; left with predicted labels, right with true labels; clean-trained dashed and hollow,
              adversarially trained solid and filled

Source: Joel et al., doi 10.1101/2021.01.17.21249704, Figures 2 and 3. Every curve starts at epsilon 0 with the clean
accuracy. Figure 1 is in `figure_examples`.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from oncorobust.cells import epsilon_text
from oncorobust.evaluation_keys import epsilon_key
from oncorobust.figure_style import (
    COLOURS,
    MARKERS,
    WIDTH_INCHES,
    PlotData,
    accuracy_axis,
    epsilon_axes,
    house_style,
    panel_title,
    settle,
    stamp_synthetic,
)
from oncorobust.paper_numbers import PaperTable
from oncorobust.tables import ATTACKS

Curve = Float[np.ndarray, " points"]

_PREDICTED, _TRUE = "predicted", "true"


def accuracy_curve(metrics: Mapping[str, Any], *, attack: str, attacked_label: str) -> tuple[Curve, Curve]:
    """Epsilons from 0 and accuracies in percent of one attack, out of attack.json."""
    robust = metrics["robust_accuracy"][attacked_label][attack]
    accuracies = [metrics["clean_accuracy"], *(robust[epsilon_key(epsilon)] for epsilon in metrics["epsilons"])]
    return np.array([0.0, *metrics["epsilons"]]), 100 * np.array(accuracies, dtype=float)


def figure_2(datasets: Sequence[PlotData], *, paper: PaperTable) -> Figure:
    """Accuracy of the clean-trained models over epsilon, a panel a data set; `paper` is the paper's Table 1."""
    n_columns = min(3, len(datasets))
    n_rows = math.ceil(len(datasets) / n_columns)
    with house_style():
        width = {1: 5.2, 2: 6.4}.get(n_columns, WIDTH_INCHES)
        figure = Figure(figsize=(width, 2.75 * n_rows + 0.75), layout="constrained")
        panels = figure.subplots(n_rows, n_columns, squeeze=False)
        for axes, data in zip(panels.flat, datasets, strict=False):
            _figure_2_panel(axes, data, paper)
        for axes in panels.flat[len(datasets) :]:
            axes.remove()
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy (%)")
        handles = _figure_2_legend(datasets)
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles) // 2, columnspacing=1.2)
        return settle(figure)


def _figure_2_panel(axes: Axes, data: PlotData, paper: PaperTable) -> None:
    metrics = data.attack["clean"]
    for attack in ATTACKS:
        for attacked_label, style in ((_TRUE, "--"), (_PREDICTED, "-")):
            x, y = accuracy_curve(metrics, attack=attack, attacked_label=attacked_label)
            axes.plot(x, y, style, color=COLOURS[attack], marker=MARKERS[attack])
    accuracy_axis(axes)
    epsilon_axes(axes, data)
    _mark_paper(axes, data, paper)
    if len(data.class_names) == 2:
        _mark_floor(axes, 100 * (1 - metrics["clean_accuracy"]))
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


def _figure_2_legend(datasets: Sequence[PlotData]) -> list[Line2D]:
    """Attacks in the upper row; in the lower one what the line styles and the other marks mean."""
    meanings = [
        Line2D([], [], color="0.3", linestyle="-", label="predicted labels (paper)"),
        Line2D([], [], color="0.3", linestyle="--", label="true labels"),
    ]
    if any(data.paper for data in datasets):
        meanings.append(
            Line2D([], [], color="0.3", linestyle="", marker="D", fillstyle="none", label="the paper's Table 1")
        )
    if any(len(data.class_names) == 2 for data in datasets):
        meanings.append(Line2D([], [], color="0.35", linestyle=":", label="floor of predicted labels"))
    return _in_two_rows(_attack_handles(), meanings)


def _in_two_rows(upper: Sequence[Line2D], lower: Sequence[Line2D]) -> list[Line2D]:
    """Order for a legend of two rows, which matplotlib fills column by column; a shorter row ends in blanks."""
    blank = Line2D([], [], linestyle="", label=" ")
    return [one for pair in zip_longest(upper, lower, fillvalue=blank) for one in pair]


def _attack_handles() -> list[Line2D]:
    return [Line2D([], [], color=COLOURS[attack], marker=MARKERS[attack], label=attack.upper()) for attack in ATTACKS]


def figure_3(datasets: Sequence[PlotData], *, table_epsilon: float) -> Figure:
    """Accuracy under attack before and after adversarial training; table_epsilon, that of Table S5, is marked."""
    with house_style():
        figure = Figure(figsize=(6.6, 2.5 * len(datasets) + 0.6), layout="constrained")
        panels = figure.subplots(len(datasets), 2, squeeze=False, sharey=True)
        for row, data in zip(panels, datasets, strict=True):
            for axes, attacked_label in zip(row, (_PREDICTED, _TRUE), strict=True):
                _figure_3_panel(axes, data, attacked_label, table_epsilon)
            row[0].set_ylabel("accuracy (%)")
        meanings = [
            Line2D([], [], color="0.3", linestyle="-", label="adversarially trained"),
            Line2D([], [], color="0.3", linestyle="--", label="clean-trained"),
            Line2D([], [], color="0.5", linestyle=":", label=f"Table S5: epsilon {epsilon_text(table_epsilon)}"),
        ]
        figure.legend(handles=_in_two_rows(_attack_handles(), meanings), loc="outside lower center", ncols=3)
        return settle(figure)


def _figure_3_panel(axes: Axes, data: PlotData, attacked_label: str, table_epsilon: float) -> None:
    for attack in ATTACKS:
        for model, style, fill in (("clean", "--", "none"), ("adversarial", "-", "full")):
            x, y = accuracy_curve(data.attack[model], attack=attack, attacked_label=attacked_label)
            axes.plot(x, y, style, color=COLOURS[attack], marker=MARKERS[attack], fillstyle=fill)
    accuracy_axis(axes)
    epsilon_axes(axes, data)
    axes.axvline(table_epsilon, color="0.5", linewidth=0.9, linestyle=":")
    axes.set_title(f"{panel_title(data)}, {attacked_label} labels")
    stamp_synthetic(axes, data)
