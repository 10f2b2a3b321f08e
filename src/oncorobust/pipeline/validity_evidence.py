"""Reading of what a run stores about one model, as the validity gate takes it."""

import numpy as np

from oncorobust.base import layout
from oncorobust.base.schema.version import read_results
from oncorobust.evaluation.validity import Evidence
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.settings.own_models import Brought
from oncorobust.settings.pipeline import Dataset

_METRICS = ("attack", "training")
_ROWS = ("predictions", "intervals", "threats")


def read_evidence(dataset: str, model: str, *, settings: Dataset) -> Evidence:
    """Read the rows, metrics and recorded answers of a model from the work tree.

    Raises InputError naming a file that is missing or unreadable.
    """
    processed = layout.processed(dataset)
    predictions, intervals, threats = (read_rows(layout.results_file(dataset, model, f"{name}.csv")) for name in _ROWS)
    metrics, training = (read_results(layout.results_file(dataset, model, f"{name}.json")) for name in _METRICS)
    logits = np.asarray(read_results(layout.answers_file(dataset, model))["logits"], dtype=np.float64)
    n_classes = len(read_results(f"{processed}/summary.json")["class_names"])
    return Evidence(
        index=read_rows(f"{processed}/index.csv"),
        predictions=predictions,
        intervals=intervals,
        threats=threats,
        metrics=metrics,
        training=training,
        logits=logits.reshape(-1, n_classes),
        kept_by=kept_by(model, settings),
    )


def kept_by(model: str, settings: Dataset) -> str | None:
    """Return the rule by which training kept the weights of a model, None for a model that was not trained here."""
    if model == layout.ADVERSARIAL:
        return settings.harden.keep if settings.harden else None
    if isinstance(settings.model, Brought) and not settings.model.fine_tune:
        return None
    return settings.train.keep
