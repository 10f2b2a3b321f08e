"""Table N: minimal epsilons of medical images against those of natural images, on equal terms.

The paper says that models of medical images fall at smaller epsilons than models of natural images. Image size, number
of classes and number of training images change minimal epsilons too, so a medical and a natural data set are compared
only where the first two are equal and the third agrees within 10 %; otherwise the row says how they differ. Rows are

    natural data set:model    in the block of the medical data set, for each model that both have

Each median is that of first_flipped over the correctly classified images, as in Table M. The difference of the medians
and the probability that a medical image has the smaller minimal epsilon come from the rows of both data sets
(`group_estimates`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from oncorobust.base.layout import results_file, table_file
from oncorobust.report.tables.cell import Cell, Field, RowsSource, Statistic, Table
from oncorobust.report.tables.common import table_columns
from oncorobust.report.tables.protocols import largest_epsilon
from oncorobust.report.tables.sources import Metrics, rows_cell, size_cell
from oncorobust.settings.pipeline import Report

LARGEST_TRAINING_RATIO = 1.1
"""Largest ratio of two numbers of training images at which the data sets are still compared."""

_NAME = "Table N"
_CAPTION = (
    "Medical against natural images by minimal epsilon (first flipped) of the correctly classified images under the "
    "strict protocol. Difference: median of the natural images minus that of the medical ones. Medical is smaller: "
    "probability that a random medical image has the smaller minimal epsilon than a random natural one; 50 % if "
    "neither tends to be smaller; pairs of images whose order is not known count one half. Two data sets are compared "
    "only where image size and number of classes are equal and the numbers of training images agree within 10 %."
)
_NO_STRICT = "Empty, because it needs the strict protocol, which was not run (attacks.protocols in params.yaml)."
_NO_KIND = "Empty, because no data set is marked as {missing} (kind in report.columns of params.yaml)."
_ESTIMATES = (
    Field("median_medical", "median", "medical", "epsilon"),
    Field("median_natural", "median", "natural", "epsilon"),
    Field("median_difference", "", "difference", "epsilon"),
    Field("probability_smaller", "", "medical is smaller", "percent"),
)
_SIZES = (
    Field("size_medical", "image size", "medical", "count"),
    Field("size_natural", "image size", "natural", "count"),
    Field("classes_medical", "classes", "medical", "count"),
    Field("classes_natural", "classes", "natural", "count"),
    Field("training_medical", "training images", "medical", "count"),
    Field("training_natural", "training images", "natural", "count"),
)

Summaries = Mapping[str, Mapping[str, Any]]
"""Content of summary.json by data set."""


def table_n(attack: Metrics, *, report: Report, summaries: Summaries, cascade: Sequence[str]) -> Table:
    """Return Table N, whose estimates are computed from the rows (`intervals.with_intervals`).

    cascade: the attacks of the strict protocol in order, empty without it.
    """
    medical, natural = ([name for name in attack if name in report.of_kind(kind)] for kind in ("medical", "natural"))
    pairs = list(product(medical, natural)) if cascade else []
    cells = [cell for pair in pairs for cell in _cells(attack, *pair, summaries=summaries, last_attack=cascade[-1])]
    missing = " and none as ".join(kind for kind, found in (("medical", medical), ("natural", natural)) if not found)
    return Table(
        name=_NAME,
        file=table_file("medical_against_natural"),
        caption=_caption(missing, strict=bool(cascade)),
        row_heads=("Natural set", "Model"),
        rows=tuple(dict.fromkeys(cell.row for cell in cells)),
        data_sets="blocks",
        columns=table_columns(attack, report),
        fields=(*_ESTIMATES, *_SIZES),
        cells=tuple(cells),
    )


def _caption(missing: str, *, strict: bool) -> str:
    if not strict:
        return _NO_STRICT
    return _NO_KIND.format(missing=missing) if missing else _CAPTION


def why_not_compared(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Return how two data sets differ in what must be equal, from their summary.json; empty where they are compared."""
    pairs = {
        "pixels": (first["size"], second["size"]),
        "classes": (len(first["class_names"]), len(second["class_names"])),
        "training images": (_n_training(first), _n_training(second)),
    }
    *equal, training = pairs
    differing = [name for name in equal if pairs[name][0] != pairs[name][1]]
    fewer, more = sorted(pairs[training])
    if fewer == 0 or more > LARGEST_TRAINING_RATIO * fewer:
        differing.append(training)
    told = "; ".join(f"{pairs[name][0]} against {pairs[name][1]} {name}" for name in differing)
    return f"not compared: {told}" if told else ""


def _n_training(summary: Mapping[str, Any]) -> int:
    return sum(summary["counts"]["train"].values())


def _cells(attack: Metrics, medical: str, natural: str, *, summaries: Summaries, last_attack: str) -> Iterator[Cell]:
    reason = why_not_compared(summaries[medical], summaries[natural])
    for model in (one for one in attack[medical] if one in attack[natural]):
        row = f"{natural}:{model}"
        sources = [_source(attack, name, model, last_attack) for name in (medical, natural)]
        for field, rows in zip(_ESTIMATES, _estimated(*sources), strict=True):
            if reason:
                yield Cell(_NAME, row, medical, field.name, None, None, reason, None, None, (), (), None)
            else:
                yield rows_cell(*rows, table=_NAME, row=row, dataset=medical, field=field.name)
        for field in _SIZES:
            described = medical if field.heading == "medical" else natural
            pointers = _pointers(field.group, summaries[described])
            place = {"table": _NAME, "row": row, "dataset": medical, "field": field.name}
            yield size_cell(summaries, pointers, described=described, **place)


def _source(attack: Metrics, dataset: str, model: str, last_attack: str) -> RowsSource:
    """Return the median of a data set's minimal epsilons."""
    reach = largest_epsilon(attack[dataset][model], attack=last_attack)
    file = results_file(dataset, model, "intervals.csv")
    return RowsSource(file, {"attack": last_attack}, "median_first_flipped", 1, reach)


def _estimated(medical: RowsSource, natural: RowsSource) -> Iterator[tuple[RowsSource, ...]]:
    """Yield the sources of each estimate, in the order of the fields."""
    yield (medical,)
    yield (natural,)
    statistics: tuple[Statistic, ...] = ("median_difference", "probability_smaller")
    for statistic in statistics:
        yield tuple(replace(one, statistic=statistic) for one in (medical, natural))


def _pointers(group: str, summary: Mapping[str, Any]) -> list[str]:
    """Return the JSON pointers to the numbers of summary.json that add up to a size."""
    if group == "training images":
        escaped = (name.replace("~", "~0").replace("/", "~1") for name in summary["counts"]["train"])
        return [f"/counts/train/{name}" for name in escaped]
    return ["/size" if group == "image size" else "/class_names"]
