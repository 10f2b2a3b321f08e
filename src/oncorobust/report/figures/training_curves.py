"""Training curves: loss and accuracy by epoch.

The figure marks the epoch whose weights were kept, the epochs that trained at a smaller epsilon than the full one
(warm-up or first stage), and the epochs after which the model was no better than one answer for all validation images:
an equal accuracy under attack is then no robustness. Hardening starts with epoch 0, the model before, which
has no training loss.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from oncorobust.report.figures.house import WIDTH_INCHES, house_style, settle
from oncorobust.report.palette import BLUE, GREEN, PURPLE, VERMILLION
from oncorobust.training.history import collapsed_epochs

_LINES = {
    "loss": ("training", BLUE, "o", "-"),
    "validation_loss": ("validation", VERMILLION, "s", "--"),
    "accuracy": ("training", BLUE, "o", "-"),
    "validation_accuracy": ("validation", VERMILLION, "s", "--"),
    "validation_robust_accuracy": ("validation, under attack", GREEN, "^", "-"),
    "validation_noise_accuracy": ("validation, under noise", PURPLE, "D", "-."),
}
"""Columns of the history that are drawn, with their names in the legend, colours, markers and line styles."""


def training_curves(history: pd.DataFrame, *, best_epoch: int, title: str) -> Figure:
    """Return a figure of two panels, loss and accuracy.

    history: one row per epoch. best_epoch: the epoch whose weights were kept.
    """
    with house_style():
        figure = Figure(figsize=(WIDTH_INCHES, 2.9), layout="constrained")
        figure.suptitle(title, fontsize=9)
        losses, accuracies = figure.subplots(1, 2)
        _draw_lines(losses, accuracies, history)
        losses.set_ylabel("loss")
        accuracies.set_ylabel("accuracy")
        accuracies.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        _mark_collapse(accuracies, history)
        for panel in (losses, accuracies):
            panel.axvline(best_epoch, color="0.3", linewidth=0.9, linestyle=":", label="epoch kept")
            _shade_smaller_epsilon(panel, history)
            panel.set_xlabel("epoch")
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.spines[["top", "right"]].set_visible(False)
        handles, labels = accuracies.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), columnspacing=1.2)
        return settle(figure)


def _draw_lines(losses: Axes, accuracies: Axes, history: pd.DataFrame) -> None:
    for column in history.columns.intersection(list(_LINES), sort=False):
        panel = losses if column.endswith("loss") else accuracies
        label, colour, marker, line = _LINES[column]
        panel.plot(history["epoch"], history[column], line, color=colour, marker=marker, label=label)


def _mark_collapse(panel: Axes, history: pd.DataFrame) -> None:
    collapsed = history[history["epoch"].isin(collapsed_epochs(history))]
    if not collapsed.empty:
        x, y = collapsed["epoch"], collapsed["validation_accuracy"]
        panel.plot(x, y, linestyle="", marker="X", markersize=9, color="black", zorder=3, label="collapsed")


def _shade_smaller_epsilon(panel: Axes, history: pd.DataFrame) -> None:
    if "epsilon" not in history:
        return
    trained = history[history["epoch"] > 0]
    smaller = trained.loc[trained["epsilon"] < trained["epsilon"].max(), "epoch"]
    if not smaller.empty:
        panel.axvspan(smaller.min() - 0.5, smaller.max() + 0.5, color="0.92", zorder=0, label="smaller epsilon")
