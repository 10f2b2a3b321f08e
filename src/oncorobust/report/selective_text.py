"""Sentences of the page on rules that decide which images are accepted, from Table D."""

from collections.abc import Iterator

from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.tables.cell import Cell, Table, TableColumn
from oncorobust.report.tables.numbers import display, display_estimate

_ROW = "clean:"
_MINIMAL_EPSILONS = {
    "min_epsilon": "minimal epsilon on the paper’s grid",
    "min_epsilon_strict": "minimal epsilon of the strict search",
}
_RULES = {"margin": "the margin", **_MINIMAL_EPSILONS}


def rule_findings(table: Table, column: TableColumn, *, unit: str) -> list[str]:
    """Return what Table D shows of one data set's clean model; empty where it has no row of a minimal epsilon.

    unit: of `page.text.sampled_unit`.
    """
    return [*_added_values(table, column, unit), *_attacks(table, column)]


def _added_values(table: Table, column: TableColumn, unit: str) -> Iterator[str]:
    for score, name in _MINIMAL_EPSILONS.items():
        partial, alone, both = (
            table.find(row=_ROW + score, column=column.key, field=field)
            for field in ("partial_correlation", "auroc_given", "auroc_both")
        )
        if partial and alone and both:
            yield _added_value(name, partial, alone, both, unit)


def _added_value(name: str, partial: Cell, alone: Cell, both: Cell, unit: str) -> str:
    """Return whether a minimal epsilon predicts errors that the margin does not."""
    shown = f"partial rank correlation {display_estimate(partial, 'score')}"
    if partial.interval is None:
        return f"Whether {name} adds anything to the margin cannot be judged: {partial.no_interval}."
    if partial.interval.low is not None and partial.interval.low > 0:
        return f"Given the margin, {name} adds to the prediction of errors: {shown}{_aurocs(alone, both)}."
    if partial.interval.high is not None and partial.interval.high < 0:
        return f"Given the margin, a larger {name} goes with more errors: {shown}."
    return f"Given the margin, no added value of {name} can be shown with {partial.n_patients} {unit}: {shown}."


def _aurocs(alone: Cell, both: Cell) -> str:
    if alone.value is None or both.value is None:
        return ""
    return f"; AUROC {display(alone.value, 'score')} by the margin alone, {display(both.value, 'score')} by both"


def _attacks(table: Table, column: TableColumn) -> Iterator[str]:
    """Yield how often an answer is wrong and accepted, without attack and under both attacks, by rule."""
    for score, name in _RULES.items():
        cells = [
            table.find(row=_ROW + score, column=column.key, field=f"wrong_accepted_{attack}")
            for attack in ("none", "pgd", "adaptive")
        ]
        found = [one for one in cells if one and one.value is not None]
        if len(found) == len(cells):
            clean, pgd, adaptive = map(_percent, found)
            yield (
                f"Where {name} decides which images are accepted, the answer is wrong and accepted for {clean} of the "
                f"test images; at epsilon {epsilon_text(found[0].rows[0].epsilon or 0)}, for {pgd} under PGD and for "
                f"{adaptive} under an adaptive attack that knows the rule."
            )


def _percent(cell: Cell) -> str:
    value, _, interval = display_estimate(cell, "percent").partition(" ")
    return f"{value}\u00a0%{interval and f' {interval}'}"
