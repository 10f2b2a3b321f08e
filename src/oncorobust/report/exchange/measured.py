"""The numbers of one model, chosen from the tables for its model card: without attack, under attack, under noise.

A number belongs to a model when its rows are that model's alone. Of the attacks, a card shows PGD of the paper's
protocol and the worst case of the strict protocol; of certificates, the numbers of Table C. Random noise of the same
size is the control, which tells how much of a loss is due to the attack's choice of the change instead of its size.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import results
from oncorobust.report.shown_attacks import ALL, PGD
from oncorobust.report.tables.cell import Cell, RowsSource, Statistic, Table, Unit
from oncorobust.report.tables.render import unit_of

_TABLES = ("Table S5", "Table 1", "Table T", "Table E", "Table C")
_NAMES: dict[Statistic, str] = {
    "accuracy": "Accuracy",
    "robust_accuracy": "Robust accuracy",
    "robust_accuracy_threat": "Accuracy under changes of the same size",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "auc": "AUC",
    "base_accuracy": "Accuracy",
    "smoothed_accuracy": "Accuracy of the smoothed model",
    "abstained_share": "Share on which the smoothed model abstains",
    "commonest_label_share": "Accuracy of one answer for all images",
    "certified_accuracy": "Certified accuracy of the smoothed model",
    "smoothed_robust_accuracy": "Robust accuracy of the smoothed model",
}
_OF_TABLE_C: dict[Statistic, str] = {
    "base_accuracy": "no attack",
    "smoothed_accuracy": "no attack",
    "abstained_share": "no attack",
    "commonest_label_share": "no attack",
    "certified_accuracy": "any change within epsilon",
    "smoothed_robust_accuracy": "PGD on the smoothed model",
}
"""Conditions of the numbers of Table C."""

_NOISE, _SAME_SIZE = "noise", ("tied", "full")
"""Threat model of the control, and those to compare it with at the same epsilon."""


@dataclass(frozen=True)
class Measured:
    """A number of a model; conditions: the attack and what it moves away from; epsilon: 0 without attack."""

    name: str
    conditions: str
    epsilon: float
    cell: Cell
    unit: Unit

    @property
    def is_control(self) -> bool:
        """Return whether the number is of the noise control."""
        return self.cell.rows[0].where.get("threat") == _NOISE

    @property
    def title(self) -> str:
        """Return name and conditions on one line."""
        at = f", epsilon {epsilon_text(self.epsilon)}" if self.epsilon else ""
        return f"{self.name}, {self.conditions}{at}"


def measured_of(tables: Iterable[Table], dataset: str, model: str) -> tuple[Measured, ...]:
    """Return the numbers of a model of a data set, each once, by name and then by epsilon."""
    by_name = {table.name: table for table in tables}
    held = (by_name[name] for name in _TABLES if name in by_name)
    found: dict[tuple[str, str, float], Measured] = {}
    for one in (one for table in held for one in _of_table(table, dataset, model)):
        found.setdefault((one.name, one.conditions, one.epsilon), one)
    order = list(dict.fromkeys(_NAMES.values()))
    return tuple(sorted(found.values(), key=lambda one: (order.index(one.name), one.epsilon, one.conditions)))


def _of_table(table: Table, dataset: str, model: str) -> Iterator[Measured]:
    folder = f"{results(dataset, model)}/"
    for cell in table.cells:
        if cell.column == dataset and len(cell.rows) == 1 and cell.rows[0].file.startswith(folder):
            place = _place(cell, cell.rows[0])
            if place is not None:
                conditions, epsilon = place
                yield Measured(_NAMES[cell.rows[0].statistic], conditions, epsilon, cell, unit_of(table, cell))


def _place(cell: Cell, source: RowsSource) -> tuple[str, float] | None:
    """Return the conditions and the epsilon of a number that cards show; None for any other."""
    attack, threat = source.where.get("attack"), source.where.get("threat")
    epsilon = source.epsilon or float(source.where.get("epsilon", 0.0))
    if source.statistic == "robust_accuracy_threat":
        if threat == _NOISE:
            return "random noise (control)", epsilon
        return (f"{PGD.title} alone, threat model {threat}", epsilon) if threat in _SAME_SIZE else None
    if source.statistic not in _NAMES or threat is not None:
        return None
    if table_c := _OF_TABLE_C.get(source.statistic):
        return table_c, epsilon
    if source.epsilon is not None:
        return ("strict protocol, worst case over all attacks", epsilon) if ALL in cell.row.split(":") else None
    if attack == PGD.name and "attacked_label" in source.where:
        return f"{PGD.title} away from the {source.where['attacked_label']} label, paper's protocol", epsilon
    return ("no attack", 0.0) if attack in ("none", PGD.name) else None
