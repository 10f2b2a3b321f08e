"""Sentences of the page on the spread between training seeds, from Table V."""

from oncorobust.base.layout import CLEAN
from oncorobust.report.shown_attacks import ALL, BASELINE, PGD
from oncorobust.report.tables.cell import Table, TableColumn, Unit
from oncorobust.report.tables.numbers import display_estimate
from oncorobust.report.tables.training_seeds import DIFFERENCE

_MEASURES = {BASELINE: "clean accuracy", PGD.title: "accuracy under PGD (true labels)", ALL: "strict robust accuracy"}


def seed_findings(table: Table, column: TableColumn, *, hardening: str) -> list[str]:
    """Return the extremes over training seeds of one data set as sentences; none where no further seed was run.

    hardening: what to call it.
    """
    clean, changes = (_ranges(table, column, *one) for one in ((CLEAN, "percent"), (DIFFERENCE, "points")))
    if not clean:
        return []
    counted = table.find(row=f"{CLEAN}:{BASELINE}", column=column.key, field="n_training_seeds")
    n = "several" if counted is None or counted.value is None else f"{counted.value:.0f}"
    shares = "; ".join(f"{name} {found}\u00a0%" for name, found in clean.items())
    told = [f"Trained with {n} seeds, the clean model has, from the smallest to the largest: {shares}."]
    if changes:
        points = "; ".join(f"the {name} by {found}" for name, found in changes.items())
        told.append(f"Over these seeds, {hardening} changes {points} percentage points.")
    return told


def _ranges(table: Table, column: TableColumn, model: str, unit: Unit) -> dict[str, str]:
    """Return smallest and largest over the seeds, by the measure of each row of a model."""
    found = {}
    for row in (one for one in table.rows if one.partition(":")[0] == model):
        cells = [
            table.find(row=row, column=column.key, field=f"{which}_over_seeds") for which in ("smallest", "largest")
        ]
        _, title, *epsilon = row.split(":")
        at = f" at epsilon {epsilon[0]}" if epsilon else ""
        texts = [display_estimate(cell, unit) for cell in cells if cell is not None]
        if texts:
            found[f"{_MEASURES[title]}{at}"] = " to ".join(dict.fromkeys(texts))
    return found
