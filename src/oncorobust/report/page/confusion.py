"""Confusion matrices of the page, one for each row of Table E, with that row's measures beside it.

A matrix counts the rows that the cells of Table E name, so that its diagonal gives their sensitivity and specificity.
The strict search states whether an answer stays right, not which wrong class it becomes: with more than two classes its
matrix has one column for all wrong answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.base.epsilons import epsilon_text
from oncorobust.evaluation.confusion import confusion_counts, right_and_wrong_counts
from oncorobust.report.page.text import shown_percent
from oncorobust.report.shown_attacks import ALL, BASELINE
from oncorobust.report.tables.cell import Cell, RowsSource, Table
from oncorobust.report.tables.numbers import ReadableUnit, display_estimate, in_units
from oncorobust.report.tables.row_estimates import answers_of
from oncorobust.report.tables.row_statistics import selected

OTHER_CLASS = "another class"


@dataclass(frozen=True)
class Count:
    """A cell of a confusion matrix. share: of the images of the true class, as text; empty where there is no image."""

    n_images: int
    share: str
    right: bool


@dataclass(frozen=True)
class ConfusionLine:
    """The answers to the images of one true class."""

    name: str
    n_images: int
    counts: tuple[Count, ...]


@dataclass(frozen=True)
class Measured:
    """A number of Table E with its interval, as text."""

    field: str
    name: str
    text: str


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix. answers: headings of its columns. rows: file and filter of the rows that it counts.

    row, measures: its row of Table E, and that row's numbers. trace: the command that traces them.
    """

    row: str
    heading: str
    answers: tuple[str, ...]
    lines: tuple[ConfusionLine, ...]
    rows: str
    measures: tuple[Measured, ...]
    trace: str


def confusions(
    table: Table,
    rows: Mapping[str, pd.DataFrame],
    *,
    dataset: str,
    model: str,
    class_names: Sequence[str],
    readable: ReadableUnit,
) -> tuple[Confusion, ...]:
    """Return the confusion matrix of each row of Table E of one model.

    table: Table E. rows: per-image rows by the name of their file. class_names: in the order of their labels. readable:
    epsilon 1 in a unit that readers know. Raises InputError where the rows do not fit.
    """
    found: dict[str, list[Cell]] = {}
    for cell in table.cells:
        if cell.column == dataset and cell.row.partition(":")[0] == model:
            found.setdefault(cell.row, []).append(cell)
    return tuple(_confusion(table, cells, rows, class_names, readable) for cells in found.values())


def _confusion(
    table: Table,
    cells: Sequence[Cell],
    rows: Mapping[str, pd.DataFrame],
    class_names: Sequence[str],
    readable: ReadableUnit,
) -> Confusion:
    source, row = cells[0].rows[0], cells[0].row
    matrix = _matrix(rows[source.file], source, class_names)
    return Confusion(
        row=row,
        heading=_heading(row, readable),
        answers=matrix.answers,
        lines=tuple(map(_line, class_names, matrix.counts, matrix.right)),
        rows=_told(source),
        measures=tuple(_measures(table, cells)),
        trace=f'oncorobust trace "{table.name}" --row {row} --column {cells[0].column}',
    )


@dataclass(frozen=True)
class _Matrix:
    """Counts by true class and column, the names of the columns, and the column of the right answer by class."""

    counts: np.ndarray
    answers: tuple[str, ...]
    right: Sequence[int]


def _matrix(frame: pd.DataFrame, source: RowsSource, class_names: Sequence[str]) -> _Matrix:
    n_classes = len(class_names)
    chosen = selected(frame, source, columns=() if source.epsilon is None else ("first_flipped",))
    labels, answers = chosen["label"].to_numpy(), answers_of(chosen, source, n_classes=n_classes)
    if source.epsilon is None or n_classes == 2:
        counts = confusion_counts(labels, answers, n_classes=n_classes)
        return _Matrix(counts, tuple(class_names), range(n_classes))
    counts = right_and_wrong_counts(labels, labels == answers, n_classes=n_classes)
    return _Matrix(counts, ("the true class", OTHER_CLASS), [0] * n_classes)


def _line(name: str, counts: np.ndarray, right: int) -> ConfusionLine:
    total = int(counts.sum())
    shares = [f"{100 * one / total:.0f}\u00a0%" if one else "" for one in counts]
    columns = zip(counts, shares, strict=True)
    return ConfusionLine(name, total, tuple(Count(int(n), share, i == right) for i, (n, share) in enumerate(columns)))


def _heading(row: str, readable: ReadableUnit) -> str:
    """Return what was done to the images of a row such as `clean:PGD:0.002`."""
    _, title, *epsilon = row.split(":")
    if title == BASELINE:
        return "Without attack"
    what = "Worst case of all attacks" if title == ALL else f"Under {title} away from the true label"
    return f"{what}, epsilon {epsilon_text(float(epsilon[0]))} ({in_units(float(epsilon[0]), readable)})"


def _told(source: RowsSource) -> str:
    where = ", ".join(f"{column} = {value}" for column, value in source.where.items())
    if source.epsilon is None:
        return f"{source.file}: {where}"
    return f"{source.file}: {where}; flipped where first_flipped is at most {epsilon_text(source.epsilon)}"


def _measures(table: Table, cells: Sequence[Cell]) -> Iterator[Measured]:
    by_field = {one.field: one for one in cells}
    for field in table.fields:
        if field.name in by_field:
            cell = by_field[field.name]
            name = f"flipped, {field.heading}" if field.group.startswith("flipped") else field.heading
            yield Measured(
                field.name, name, shown_percent(cell) if field.unit == "percent" else display_estimate(cell, field.unit)
            )
