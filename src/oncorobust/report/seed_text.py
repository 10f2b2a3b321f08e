"""Sentences of the page on the spread between training seeds, from Table V: one for each measure and epsilon."""

from collections.abc import Iterator

from oncorobust.base.layout import CLEAN
from oncorobust.report.shown_attacks import ALL, BASELINE, PGD
from oncorobust.report.tables.cell import Cell, Table, TableColumn
from oncorobust.report.tables.numbers import display_estimate
from oncorobust.report.tables.training_seeds import DIFFERENCE

_MEASURES = {BASELINE: "clean accuracy", PGD.title: "accuracy under PGD (true labels)", ALL: "strict robust accuracy"}


def seed_findings(table: Table, column: TableColumn, *, hardening: str) -> list[str]:
    """Return the extremes over training seeds of one data set as sentences; none where no further seed was run.

    hardening: what to call it.
    """
    counted = table.find(row=f"{CLEAN}:{BASELINE}", column=column.key, field="n_training_seeds")
    n_seeds = "several" if counted is None or counted.value is None else f"{counted.value:.0f}"
    told = []
    for name, low, high in _extremes(table, column, CLEAN):
        shares = " to ".join(dict.fromkeys(display_estimate(one, "percent") for one in (low, high)))
        told.append(f"With {n_seeds} training seeds, the {name} of the clean model is {shares}\u00a0%.")
    for name, low, high in _extremes(table, column, DIFFERENCE):
        told.append(f"{hardening.capitalize()} {_effect(name, low, high)}, over {n_seeds} training seeds.")
    return told


def _effect(name: str, low: Cell, high: Cell) -> str:
    """Return what hardening did to a measure: gain or loss with each seed, or neither with all of them."""
    first, last = (display_estimate(one, "points") for one in (low, high))
    points = f"{first} to {last} percentage points" if first != last else f"{first} percentage points"
    if low.value is not None and low.value > 0:
        return f"raises the {name} with each seed, by {points}"
    if high.value is not None and high.value < 0:
        return f"lowers the {name} with each seed, by {points}"
    return f"neither raises nor lowers the {name} with all seeds: {points}"


def _extremes(table: Table, column: TableColumn, model: str) -> Iterator[tuple[str, Cell, Cell]]:
    """Yield each measure of a model, with its epsilon, and the cells of its smallest and largest value."""
    for row in (one for one in table.rows if one.partition(":")[0] == model):
        low, high = (
            table.find(row=row, column=column.key, field=f"{which}_over_seeds") for which in ("smallest", "largest")
        )
        _, title, *epsilon = row.split(":")
        if low and high:
            yield f"{_MEASURES[title]}{f' at epsilon {epsilon[0]}' if epsilon else ''}", low, high
