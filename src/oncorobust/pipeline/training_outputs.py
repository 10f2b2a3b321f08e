"""Output files of a training stage: model, its answers, history, curves and metrics, all written or none.

The metrics file training.json reports two checkpoints, the best and the last one. The difference between them shows
what selection on validation patients gained:

    best, last         epoch, train_accuracy, validation_loss, validation_accuracy, validation_robust_accuracy,
                       validation_noise_accuracy
    start              the same without epoch, for the model that hardening started from
    epochs_run, ended  number of epochs, and why training ended: all epochs, patience, collapse, not trained
    collapsed_epochs   epochs after which the model was no better than one answer for all images
    collapsed          whether the kept weights are no better than that

A checkpoint has only the values that exist: the starting model has no training accuracy, training on clean images has
no accuracy under attack, only losses with noise have one under noise, and a data set of test images alone has none.
"""

from typing import Any

import keras
import pandas as pd

from oncorobust.base import layout
from oncorobust.base.files import file_md5, file_sha256, whole_outputs, write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.models.answers import record_answers
from oncorobust.models.vgg16 import save_model
from oncorobust.report.figures.house import to_png
from oncorobust.report.figures.training_curves import training_curves
from oncorobust.training.history import collapsed_epochs
from oncorobust.training.loop import Trained

_REPORTED = {
    "accuracy": "train_accuracy",
    "validation_loss": "validation_loss",
    "validation_accuracy": "validation_accuracy",
    "validation_robust_accuracy": "validation_robust_accuracy",
    "validation_noise_accuracy": "validation_noise_accuracy",
}
"""Names in training.json by column of the history."""


def summarise_training(trained: Trained) -> dict[str, Any]:
    """Return the best, last and (for hardening) starting checkpoint, how training ended, and collapsed epochs."""
    history = trained.history.set_index("epoch")
    summary = {
        "epochs_run": int((history.index > 0).sum()),
        "ended": trained.ended,
        "best": {"epoch": trained.best_epoch} | _checkpoint(history, trained.best_epoch),
        "last": {"epoch": int(history.index[-1])} | _checkpoint(history, int(history.index[-1])),
        "collapsed_epochs": collapsed_epochs(trained.history),
        "collapsed": bool(history.loc[trained.best_epoch, "collapsed"]),
    }
    if 0 in history.index and (start := _checkpoint(history, 0)):
        summary["start"] = start
    return summary


def _checkpoint(history: pd.DataFrame, epoch: int) -> dict[str, float]:
    row = history.loc[epoch].dropna().to_dict()
    return {name: float(row[column]) for column, name in _REPORTED.items() if column in row}


def write_training(model: keras.Model, trained: Trained, *, dataset: str, name: str, record: dict[str, Any]) -> None:
    """Write models/<dataset>/<name>.keras, its answers, and the training files of reports/<dataset>/<name>/.

    record: further entries of the metrics file (synthetic, backend, weights).
    """
    metrics = record | summarise_training(trained)
    metrics |= {"dataset": dataset, "model": name, "parameters": model.count_params()}
    files = (layout.results_file(dataset, name, one) for one in ("training.json", "history.csv", "curves.png"))
    outputs = [layout.model_file(dataset, name), layout.answers_file(dataset, name), *files]
    with whole_outputs(*outputs) as (model_draft, answers_draft, metrics_draft, history_draft, curves_draft):
        save_model(model, model_draft)
        metrics |= {"model_md5": file_md5(model_draft), "model_sha256": file_sha256(model_draft)}
        write_results(answers_draft, record_answers(model))
        write_results(metrics_draft, metrics)
        write_csv(history_draft, trained.history)
        title = f"{dataset}, {name} training{' (SYNTHETIC images)' if record['synthetic'] else ''}"
        curves = training_curves(trained.history, best_epoch=trained.best_epoch, title=title)
        curves_draft.write_bytes(to_png(curves))
