"""Cells made from metrics: each value with the rows and the images that belong to it, and the paper's numbers.

A cell's value is read by the same pointers that it states as its source, so that the two cannot differ:

    value = sum of sign x metric at pointer

`reports/<data set>/<model>/` holds attack.json beside the rows it counts, predictions.csv under the paper's protocol,
intervals.csv and threats.csv under the strict one, and rank.json beside sensitivity.csv.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oncorobust.base.epsilons import epsilon_key
from oncorobust.base.errors import InputError
from oncorobust.base.layout import results_file, summary_file
from oncorobust.base.schema.version import read_results
from oncorobust.report.tables.cell import Cell, MetricSource, PaperSource, RowsSource, Statistic, Table
from oncorobust.report.tables.paper_numbers import PAPER_FOLDER, load_paper_table
from oncorobust.settings.attacks import Protocol

Metrics = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Contents of metrics files by data set and model (`clean`, `adversarial`)."""

NOT_COMPUTED = "not computed"
OF_THE_PAPER = "the paper states none"
NO_ESTIMATE = "a size of the data set"
OVER_SEEDS = "a spread over"
SIZE_OF_CHANGE = "a size of the change"
"""Why a cell has no interval: its rows have not been read yet (`intervals.with_intervals`), it is the paper's, it is no
estimate, it is a spread over some number of training seeds, which follows, or a median size of a change."""

CLEAN_ROWS: dict[Protocol, tuple[str, dict[str, str | float]]] = {
    "paper": ("predictions.csv", {"attack": "none", "epsilon": 0.0, "attacked_label": "none"}),
    "strict": ("intervals.csv", {"attack": "pgd"}),
}
"""A file and a filter that give the clean prediction of each image once."""


def read_metrics(models: Mapping[str, Sequence[str]], file: str) -> Metrics:
    """Read a metrics file of each model; models: by data set. Raises InputError where one is missing."""
    return {name: {model: read_results(results_file(name, model, file)) for model in of} for name, of in models.items()}


def metric_files(tables: Iterable[Table]) -> set[str]:
    """Return the metrics files that the tables' cells name."""
    return {one.file for table in tables for cell in table.cells for one in cell.metrics}


def read_summaries(datasets: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Read summary.json of each processed data set."""
    return {name: read_results(summary_file(name)) for name in datasets}


@dataclass(frozen=True)
class Source:
    """Where a cell's value comes from: the metrics and, independently, the rows.

    images, patients: the metrics that add up to how many are behind the value; patients is empty if no file has them.
    """

    metrics: tuple[MetricSource, ...]
    rows: tuple[RowsSource, ...]
    images: tuple[MetricSource, ...]
    patients: tuple[MetricSource, ...] = ()

    def minus(self, other: "Source") -> "Source":
        """Return the source of this value minus another value of the same images."""
        return Source(
            self.metrics + tuple(replace(one, sign=-one.sign) for one in other.metrics),
            self.rows + tuple(replace(one, sign=-one.sign) for one in other.rows),
            self.images,
            self.patients,
        )


def clean_source(dataset: str, model: str, *, protocol: Protocol) -> Source:
    """Return the source of the accuracy without attack; protocol: whose rows to compute it from."""
    rows, where = CLEAN_ROWS[protocol]
    return Source(
        (MetricSource(results_file(dataset, model, "attack.json"), "/clean_accuracy", 1),),
        (RowsSource(results_file(dataset, model, rows), where, "accuracy", 1),),
        _attacked(dataset, model, "n_images"),
        _attacked(dataset, model, "n_patients"),
    )


def accuracy_source(dataset: str, model: str, *, attack: str, epsilon: float, attacked_label: str) -> Source:
    """Return the source of a model's accuracy under one of the paper's attacks at an epsilon."""
    pointer = f"/robust_accuracy/{attacked_label}/{attack}/{epsilon_key(epsilon)}"
    where: dict[str, str | float] = {"attack": attack, "epsilon": epsilon, "attacked_label": attacked_label}
    return Source(
        (MetricSource(results_file(dataset, model, "attack.json"), pointer, 1),),
        (RowsSource(results_file(dataset, model, "predictions.csv"), where, "accuracy", 1),),
        _attacked(dataset, model, "n_images"),
        _attacked(dataset, model, "n_patients"),
    )


def strict_source(dataset: str, model: str, *, attack: str, epsilon: float) -> Source:
    """Return the source of the strict robust accuracy at an epsilon after an attack and all before it."""
    pointer = f"/strict/robust_accuracy/{attack}/{epsilon_key(epsilon)}"
    rows = results_file(dataset, model, "intervals.csv")
    return Source(
        (MetricSource(results_file(dataset, model, "attack.json"), pointer, 1),),
        (RowsSource(rows, {"attack": attack}, "robust_accuracy", 1, epsilon),),
        _attacked(dataset, model, "n_images"),
        _attacked(dataset, model, "n_patients"),
    )


def _attacked(dataset: str, model: str, count: str) -> tuple[MetricSource, ...]:
    return (MetricSource(results_file(dataset, model, "attack.json"), f"/{count}", 1),)


def threat_source(
    dataset: str, model: str, *, threat: str, epsilon: float, metric: str, statistic: Statistic
) -> Source:
    """Return the source of a number under a threat model; metric: its path below the threat in attack.json."""
    metrics, rows = (results_file(dataset, model, name) for name in ("attack.json", "threats.csv"))
    return Source(
        (MetricSource(metrics, f"/threats/{threat}/{metric}", 1),),
        (RowsSource(rows, {"threat": threat, "epsilon": epsilon}, statistic, 1),),
        (MetricSource(metrics, f"/threats/{threat}/n_images", 1),),
    )


def sensitivity_source(
    dataset: str, *, metric: str, statistics: Iterable[tuple[Statistic, int]], images: Iterable[tuple[str, int]]
) -> Source:
    """Return the source of a number of the clean model's rank.json.

    metric: its path there. statistics: those of sensitivity.csv that add up to it, each with its sign. images: paths of
    the numbers that add up to the number of images behind it, each with its sign.
    """
    metrics, rows = (results_file(dataset, "clean", name) for name in ("rank.json", "sensitivity.csv"))
    return Source(
        (MetricSource(metrics, f"/{metric}", 1),),
        tuple(RowsSource(rows, {}, statistic, sign) for statistic, sign in statistics),
        tuple(MetricSource(metrics, f"/{path}", sign) for path, sign in images),
    )


def sourced_cell(metrics: Metrics, source: Source, *, table: str, row: str, dataset: str, field: str) -> Cell:
    """Return a cell whose value and numbers of images and patients are read from the metrics that its source names.

    Raises InputError where a metrics file lacks the number.
    """
    contents = {
        one.file: metrics[dataset][model]
        for one in (*source.metrics, *source.images, *source.patients)
        for model in metrics[dataset]
        if one.file.startswith(results_file(dataset, model, ""))
    }
    return Cell(
        table=table,
        row=row,
        column=dataset,
        field=field,
        value=sum_of_metrics(source.metrics, contents),
        interval=None,
        no_interval=NOT_COMPUTED,
        n_images=round(sum_of_metrics(source.images, contents)),
        n_patients=round(sum_of_metrics(source.patients, contents)) if source.patients else None,
        metrics=source.metrics,
        rows=source.rows,
        paper=None,
    )


def rows_cell(*sources: RowsSource, table: str, row: str, dataset: str, field: str) -> Cell:
    """Return a cell that stands in no metrics file; `intervals.with_intervals` computes its value from the rows."""
    return Cell(table, row, dataset, field, None, None, NOT_COMPUTED, None, None, (), sources, None)


def size_cell(
    summaries: Mapping[str, Mapping[str, Any]],
    pointers: Iterable[str],
    *,
    described: str,
    table: str,
    row: str,
    dataset: str,
    field: str,
) -> Cell:
    """Return a cell with a size of the processed data set `described`: the sum of numbers of its summary.json."""
    file = summary_file(described)
    sources = tuple(MetricSource(file, pointer, 1) for pointer in pointers)
    value = sum_of_metrics(sources, {file: summaries[described]})
    return Cell(table, row, dataset, field, value, None, NO_ESTIMATE, None, None, sources, (), None)


def sum_of_metrics(sources: Iterable[MetricSource], metrics: Mapping[str, Mapping[str, Any]]) -> float:
    """Return the signed sum of some metrics; `metrics` maps a file's name to its content.

    Raises InputError where a file lacks a number.
    """
    return sum(source.sign * _follow(metrics[source.file], source) for source in sources)


def _follow(content: Any, source: MetricSource) -> float:
    for escaped in source.pointer.removeprefix("/").split("/"):
        step = escaped.replace("~1", "/").replace("~0", "~")
        if not isinstance(content, Mapping) or step not in content:
            raise InputError(f"{source.file}: no {step!r} (expected a number at {source.pointer})")
        content = content[step]
    if isinstance(content, list):
        return float(len(content))
    if isinstance(content, bool) or not isinstance(content, int | float):
        raise InputError(f"{source.file}: {content!r} at {source.pointer} (expected a number)")
    return float(content)


def paper_cells(name: str, places: Mapping[str, tuple[str, str]], *, table: str, row: str, dataset: str) -> list[Cell]:
    """Return the paper's numbers for a row and a data set, as far as the paper has them.

    name: the transcribed table. places: (row, column) in it by the field of our table.
    """
    printed, file = load_paper_table(name), f"{PAPER_FOLDER}/{name}.csv"
    return [
        Cell(
            table,
            row,
            dataset,
            field,
            printed[place],
            None,
            OF_THE_PAPER,
            None,
            None,
            (),
            (),
            PaperSource(file, *place),
        )
        for field, place in places.items()
        if place in printed
    ]
