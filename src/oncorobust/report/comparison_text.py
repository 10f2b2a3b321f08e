"""Sentences of the page on medical against natural images, from the cells of Table N."""

from collections.abc import Iterator

from oncorobust.base.layout import CLEAN
from oncorobust.report.page.text import shown_percent
from oncorobust.report.tables.cell import Cell, Table
from oncorobust.report.tables.numbers import display_estimate
from oncorobust.report.tables.render import marked_title

_EVEN = 0.5
"""The probability of being the smaller if neither group tends to be."""


def comparison_sentences(table: Table) -> list[str]:
    """Return a sentence for each pair of data sets and model that are compared, or why none is; empty without pairs.

    table: Table N with its intervals.
    """
    pairs = list(dict.fromkeys((cell.column, cell.row) for cell in table.cells))
    compared = [_sentence(table, *pair) for pair in pairs if _is_compared(table, *pair)]
    return compared or list(_none_compared(table, pairs))


def _is_compared(table: Table, medical: str, row: str) -> bool:
    return bool(_cell(table, medical, row, "probability_smaller").rows)


def _cell(table: Table, medical: str, row: str, field: str) -> Cell:
    return next(one for one in table.cells if (one.column, one.row, one.field) == (medical, row, field))


def _sentence(table: Table, medical: str, row: str) -> str:
    first, second, smaller = (
        _cell(table, medical, row, field) for field in ("median_medical", "median_natural", "probability_smaller")
    )
    titles = _titles(table, medical, row)
    medians = (
        f"Median minimal epsilon of {titles[0]}: {display_estimate(first, 'epsilon')}; of {titles[1]}: "
        f"{display_estimate(second, 'epsilon')}{_of_model(row)}."
    )
    if smaller.interval is None:
        return f"{medians} No difference can be shown: {smaller.no_interval}."
    probability = f"medical image has the smaller one with probability {shown_percent(smaller)}."
    if _holds_even(smaller):
        shown = f"No difference can be shown with {_sample(first)} and {_sample(second)}"
        return f"{medians} {shown}: a {probability}"
    return f"{medians} A {probability}"


def _sample(cell: Cell) -> str:
    """Return the number of patients behind a cell, or of images where each is a patient of its own."""
    return f"{cell.n_patients} {'images' if cell.n_patients == cell.n_images else 'patients'}"


def _of_model(row: str) -> str:
    model = row.rpartition(":")[2]
    return "" if model == CLEAN else " (adversarially trained models)"


def _holds_even(smaller: Cell) -> bool:
    """Return whether the interval of a probability holds one half."""
    if smaller.interval is None:
        return True
    low, high = smaller.interval.low, smaller.interval.high
    return (low is None or low <= _EVEN) and (high is None or high >= _EVEN)


def _titles(table: Table, medical: str, row: str) -> list[str]:
    """Return the titles of the medical and the natural data set."""
    shown = {one.key: marked_title(one) for one in table.columns}
    return [shown[medical], shown[row.partition(":")[0]]]


def _none_compared(table: Table, pairs: list[tuple[str, str]]) -> Iterator[str]:
    """Yield why no pair is compared, by the example of the first one."""
    if pairs:
        first, second = _titles(table, *pairs[0])
        reason = _cell(table, *pairs[0], "probability_smaller").no_interval.partition(": ")[2]
        yield (
            "No medical data set can be compared with a natural one on equal terms; Table N says why. "
            f"For example {first} and {second}: {reason}."
        )
