"""What a training stage leaves: the model, its history, its curves and its metrics, written whole or not at all."""

from typing import Any

import keras
import pandas as pd

from oncorobust.curves import training_curves
from oncorobust.files import whole_outputs, write_csv, write_json
from oncorobust.model import save_model
from oncorobust.training import Trained


def summarise_training(history: pd.DataFrame, best_epoch: int) -> dict[str, Any]:
    """Metrics of the epoch whose weights were kept: accuracies and loss, and how many epochs ran."""
    best = history.set_index("epoch").loc[best_epoch].to_dict()
    summary = {
        "epochs_run": len(history),
        "best_epoch": best_epoch,
        "train_accuracy": float(best["accuracy"]),
        "validation_accuracy": float(best["validation_accuracy"]),
        "validation_loss": float(best["validation_loss"]),
    }
    if "validation_robust_accuracy" in best:
        summary["validation_robust_accuracy"] = float(best["validation_robust_accuracy"])
    return summary


def write_training(model: keras.Model, trained: Trained, *, dataset: str, name: str, record: dict[str, Any]) -> None:
    """Write models/<dataset>/<name>.keras and the training files of reports/<dataset>/<name>/.

    record: what else the metrics file should say (synthetic, backend, weights).
    """
    folder = f"reports/{dataset}/{name}"
    metrics = record | summarise_training(trained.history, trained.best_epoch)
    metrics |= {"dataset": dataset, "model": name, "parameters": model.count_params()}
    outputs = [
        f"models/{dataset}/{name}.keras",
        *(f"{folder}/{one}" for one in ("training.json", "history.csv", "curves.png")),
    ]
    with whole_outputs(*outputs) as (model_draft, metrics_draft, history_draft, curves_draft):
        save_model(model, model_draft)
        write_json(metrics_draft, metrics)
        write_csv(history_draft, trained.history)
        title = f"{dataset}, {name} training{' (SYNTHETIC images)' if record['synthetic'] else ''}"
        curves = training_curves(trained.history, best_epoch=trained.best_epoch, title=title)
        curves.savefig(curves_draft, dpi=120, metadata={"Software": None})
