"""Table M: the minimal epsilons of each model's correctly classified images, as a survival analysis.

The strict search brackets each image's minimal epsilon between last_safe and first_flipped, and images that no attack
flips up to the largest epsilon are right-censored. The median by first_flipped is an upper bound of the median sought,
that by last_safe a lower one; both are upper bounds for an ideal attacker. Where more than half of the images are
censored there is no median, and the mean up to the largest epsilon still is.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from oncorobust.base.layout import results_file, table_file
from oncorobust.report.tables.cell import Cell, Field, RowsSource, Table
from oncorobust.report.tables.common import table_columns
from oncorobust.report.tables.protocols import largest_epsilon
from oncorobust.report.tables.sources import Metrics, rows_cell
from oncorobust.settings.pipeline import Report

_CAPTION = (
    "Minimal epsilons of the correctly classified images under the strict protocol. The search leaves each image an "
    "interval: every attack failed at last safe, and one succeeded at first flipped. The median is given for both "
    "ends. Mean: images that no attack flips count with the largest epsilon searched. Censored: the share of these "
    "images."
)
_MISSING = "Empty, because it needs the strict protocol, which was not run (attacks.protocols in params.yaml)."
_FIELDS = (
    Field("median_first_flipped", "median", "first flipped", "epsilon"),
    Field("median_last_safe", "median", "last safe", "epsilon"),
    Field("restricted_mean", "", "mean up to the largest", "epsilon"),
    Field("share_censored", "", "censored", "percent"),
)


def table_m(attack: Metrics, *, report: Report, cascade: Sequence[str]) -> Table:
    """Return Table M, whose values and intervals are computed from the rows (`intervals.with_intervals`).

    cascade: the attacks of the strict protocol in order, empty without it.
    """
    cells = [cell for dataset in attack for cell in _cells(attack, dataset, cascade[-1])] if cascade else []
    return Table(
        name="Table M",
        file=table_file("minimal_epsilons"),
        caption=_CAPTION if cascade else _MISSING,
        row_heads=("Model",),
        rows=tuple(dict.fromkeys(cell.row for cell in cells)),
        data_sets="blocks",
        columns=table_columns(attack, report),
        fields=_FIELDS,
        cells=tuple(cells),
    )


def _cells(attack: Metrics, dataset: str, last_attack: str) -> Iterator[Cell]:
    for model, metrics in attack[dataset].items():
        for field in _FIELDS:
            statistic: Any = field.name
            file = results_file(dataset, model, "intervals.csv")
            reach = largest_epsilon(metrics, attack=last_attack)
            source = RowsSource(file, {"attack": last_attack}, statistic, 1, reach)
            yield rows_cell(source, table="Table M", row=model, dataset=dataset, field=field.name)
