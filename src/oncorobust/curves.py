"""Training curves: loss and accuracy by epoch, with the epoch whose weights were kept."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

_LABELS = {
    "loss": "training",
    "validation_loss": "validation",
    "accuracy": "training",
    "validation_accuracy": "validation",
    "validation_robust_accuracy": "validation, adversarial",
}


def training_curves(history: pd.DataFrame, *, best_epoch: int, title: str) -> Figure:
    """Two panels, loss and accuracy, from a row an epoch; the kept epoch is marked."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    figure.suptitle(title)
    losses, accuracies = figure.subplots(1, 2)
    for column in history.columns.intersection(list(_LABELS), sort=False):
        panel = losses if column.endswith("loss") else accuracies
        panel.plot(history["epoch"], history[column], marker="o", markersize=3, label=_LABELS[column])
    losses.set_ylabel("cross-entropy")
    accuracies.set_ylabel("accuracy")
    accuracies.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    for panel in (losses, accuracies):
        panel.axvline(best_epoch, color="grey", linewidth=0.8, linestyle=":", label="epoch kept")
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend(fontsize="small", frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
    return figure
