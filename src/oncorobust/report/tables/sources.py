"""How a cell is made: its value out of the metrics, and the rows and the paper's number that belong to it.

A cell's value is read by the same pointers that it states as its source, so that the two cannot differ:

    value = sum of sign x metric at pointer

The names of the files stand here once: `reports/<data set>/<model>/` holds attack.json beside the rows it counts,
predictions.csv under the paper's protocol, intervals.csv and threats.csv under the strict one, and rank.json beside
sensitivity.csv.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oncorobust.base.epsilons import epsilon_key
from oncorobust.report.tables.cell import (
    Cell,
    MetricSource,
    PaperSource,
    RowsSource,
    Statistic,
    epsilon_text,
    metric_value,
)
from oncorobust.report.tables.paper_numbers import PAPER_FOLDER, load_paper_table

Metrics = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Contents of metrics files by data set and model (`clean`, `adversarial`)."""

BASELINE = "baseline"
"""The row of a table that is not attacked."""


@dataclass(frozen=True)
class Source:
    """Where a cell's value comes from: the metrics and, independently, the rows."""

    metrics: tuple[MetricSource, ...]
    rows: tuple[RowsSource, ...]

    def minus(self, other: "Source") -> "Source":
        """This value less another's."""
        return Source(
            self.metrics + tuple(replace(one, sign=-one.sign) for one in other.metrics),
            self.rows + tuple(replace(one, sign=-one.sign) for one in other.rows),
        )


def results_file(dataset: str, model: str, name: str) -> str:
    """Where a file of a data set's model lies in the repository, such as attack.json."""
    return f"reports/{dataset}/{model}/{name}"


def row_key(attack: str, epsilon: float) -> str:
    """A table's row of an attack at an epsilon: `PGD:0.002`; `Baseline` without attack."""
    return "Baseline" if attack == BASELINE else f"{attack.upper()}:{epsilon_text(epsilon)}"


def accuracy_source(dataset: str, model: str, *, attack: str, epsilon: float, attacked_label: str) -> Source:
    """Accuracy of a model under an attack at an epsilon; without attack, the clean accuracy."""
    if attack == BASELINE:
        pointer = "/clean_accuracy"
        where: dict[str, str | float] = {"attack": "none", "epsilon": 0.0, "attacked_label": "none"}
    else:
        pointer = f"/robust_accuracy/{attacked_label}/{attack}/{epsilon_key(epsilon)}"
        where = {"attack": attack, "epsilon": epsilon, "attacked_label": attacked_label}
    return Source(
        (MetricSource(results_file(dataset, model, "attack.json"), pointer, 1),),
        (RowsSource(results_file(dataset, model, "predictions.csv"), where, "accuracy", 1),),
    )


def strict_source(dataset: str, model: str, *, attack: str, epsilon: float) -> Source:
    """Strict robust accuracy of a model at an epsilon after an attack of the cascade and all before it.

    Without attack, the clean accuracy.
    """
    metrics, rows = (results_file(dataset, model, name) for name in ("attack.json", "intervals.csv"))
    if attack == BASELINE:
        return Source(
            (MetricSource(metrics, "/clean_accuracy", 1),), (RowsSource(rows, {"attack": "pgd"}, "accuracy", 1),)
        )
    return Source(
        (MetricSource(metrics, f"/strict/robust_accuracy/{attack}/{epsilon_key(epsilon)}", 1),),
        (RowsSource(rows, {"attack": attack}, "robust_accuracy", 1, epsilon),),
    )


def threat_source(
    dataset: str, model: str, *, threat: str, epsilon: float, metric: str, statistic: Statistic
) -> Source:
    """A number of a model under a threat model: metric, its path below the threat, and what it is of the rows."""
    metrics, rows = (results_file(dataset, model, name) for name in ("attack.json", "threats.csv"))
    return Source(
        (MetricSource(metrics, f"/threats/{threat}/{metric}", 1),),
        (RowsSource(rows, {"threat": threat, "epsilon": epsilon}, statistic, 1),),
    )


def sensitivity_source(dataset: str, model: str, *, metric: str, statistics: Sequence[tuple[Statistic, int]]) -> Source:
    """A number of rank.json, by its path there, and the signed statistics of sensitivity.csv that make it up."""
    rows = results_file(dataset, model, "sensitivity.csv")
    return Source(
        (MetricSource(results_file(dataset, model, "rank.json"), f"/{metric}", 1),),
        tuple(RowsSource(rows, {}, statistic, sign) for statistic, sign in statistics),
    )


def sourced_cell(metrics: Metrics, source: Source, *, table: str, row: str, dataset: str, field: str) -> Cell:
    """A cell whose value is read from the metrics that its source names.

    Raises InputError where a metrics file lacks the number.
    """
    empty = Cell(table, row, dataset, field, 0.0, source.metrics, source.rows, None)
    contents = {
        one.file: metrics[dataset][model]
        for one in source.metrics
        for model in metrics[dataset]
        if one.file.startswith(results_file(dataset, model, ""))
    }
    return replace(empty, value=metric_value(empty, contents))


def paper_cells(name: str, places: Mapping[str, tuple[str, str]], *, table: str, row: str, dataset: str) -> list[Cell]:
    """The paper's numbers for a row and a data set, as far as the paper has them.

    name: the transcribed table; places: (row, column) in it by the field of our table.
    """
    printed, file = load_paper_table(name), f"{PAPER_FOLDER}/{name}.csv"
    return [
        Cell(table, row, dataset, field, printed[place], (), (), PaperSource(file, *place))
        for field, place in places.items()
        if place in printed
    ]
