"""What `dvc metrics show` and `dvc plots show` read: three numbers a model, and two files of curves of all models.

The numbers are few, because DVC shows each in a column of its own. The files of curves have a row per point with the
data set and the model, which the templates in workflow/plots draw side by side.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.epsilons import epsilon_from_key
from oncorobust.report.exchange.measured import Measured
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.sources import Metrics

_STRICT = "strict protocol"
_PAPER = "PGD, true labels"
_TRAINED = {
    "validation_accuracy": "clean accuracy",
    "validation_robust_accuracy": "robust accuracy",
    "validation_noise_accuracy": "accuracy under noise",
}
_ROBUST = ("Robust accuracy", "Accuracy")


def headline(numbers: Iterable[Measured], tables: Iterable[Table], dataset: str, model: str) -> dict[str, float]:
    """Return a model's clean accuracy, robust accuracy at the epsilon of Table S5 and median minimal epsilon.

    Robust accuracy is that of the strict protocol, or under PGD where the strict protocol was not run. A number that
    the run does not have is left out.
    """
    by_name = {table.name: table for table in tables}
    numbers = [one for one in numbers if one.cell.value is not None]
    of_table_s5 = [one for one in numbers if one.cell.table == "Table S5" and one.epsilon]
    robust = [one for name in _ROBUST for one in of_table_s5 if one.name == name]
    clean = [one for one in numbers if one.name == "Accuracy" and not one.epsilon]
    median = by_name["Table M"].find(row=model, column=dataset, field="median_first_flipped")
    found = {
        "clean_accuracy": clean[0].cell.value if clean else None,
        "robust_accuracy": robust[0].cell.value if robust else None,
        "median_epsilon": median.value if median else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def robust_accuracy_points(attack: Metrics, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return the accuracy of each model over epsilon, from 0. titles: of the data sets."""
    rows = [
        (titles[dataset], model, measure, epsilon, accuracy)
        for dataset, models in attack.items()
        for model, content in models.items()
        for measure, epsilon, accuracy in _robust_accuracies(content)
    ]
    return pd.DataFrame(rows, columns=["data_set", "model", "measure", "epsilon", "accuracy"])


def _robust_accuracies(content: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    measure, by_epsilon = _measure(content)
    yield measure, 0.0, content["clean_accuracy"]
    for epsilon, accuracy in sorted((epsilon_from_key(key), value) for key, value in by_epsilon.items()):
        yield measure, epsilon, accuracy


def _measure(content: Mapping[str, Any]) -> tuple[str, Mapping[str, float]]:
    """Return how accuracy under attack was measured, and its values by the key of the epsilon."""
    strict = content.get("strict")
    if strict:
        return _STRICT, strict["robust_accuracy"][strict["attacks"][-1]]
    return _PAPER, content["robust_accuracy"]["true"]["pgd"]


def training_points(histories: Mapping[tuple[str, str], pd.DataFrame], titles: Mapping[str, str]) -> pd.DataFrame:
    """Return the validation accuracies of each model over the epochs.

    histories: history.csv by data set and model. titles: of the data sets.
    """
    rows = [
        (titles[dataset], model, measure, int(epoch), float(value))
        for (dataset, model), history in histories.items()
        for column, measure in _TRAINED.items()
        if column in history
        for epoch, value in zip(history["epoch"], history[column], strict=True)
        if np.isfinite(value)
    ]
    return pd.DataFrame(rows, columns=["data_set", "model", "measure", "epoch", "accuracy"])
