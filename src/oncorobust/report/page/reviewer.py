"""What a reviewer asks of the page: how the attacked images were drawn, and which intervals and tests were computed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from oncorobust.base.layout import CELLS, CLEAN
from oncorobust.report.described import Described
from oncorobust.report.page.text import sampled_unit
from oncorobust.report.tables.cell import Cell, Table


@dataclass(frozen=True)
class TableMethods:
    """Intervals and tests of one table, counted by method. tests: empty for a table without tests."""

    name: str
    n_cells: int
    intervals: str
    tests: str


@dataclass(frozen=True)
class Sample:
    """The attacked images of a data set.

    n_patients: None where no patients are known. split: what is in one split as a whole.
    """

    n_images: int
    n_test_images: int
    n_patients: int | None
    by_class: str
    split: str

    @property
    def is_all(self) -> bool:
        """Return whether all test images were attacked."""
        return self.n_images == self.n_test_images


def sample_of(part: Described, predictions: pd.DataFrame) -> Sample:
    """Return the attacked images of a data set. predictions: rows of predictions.csv of the clean model."""
    clean = predictions[predictions["attack"] == "none"]
    counts, names = clean["label"].value_counts(), part.summary["class_names"]
    has_patients = sampled_unit(part.summary) == "patients"
    return Sample(
        n_images=len(clean),
        n_test_images=part.attack[CLEAN]["n_test_images"],
        n_patients=clean["patient_id"].nunique() if has_patients else None,
        by_class=", ".join(f"{name}: {counts.get(label, 0)}" for label, name in enumerate(names)),
        split=f"by {part.summary['split_unit'] if has_patients else 'image'}",
    )


def drawing_sentence(samples: Iterable[Sample], *, seed: int) -> str:
    """Return how the attacked images were drawn from the test images. seed: of the run."""
    if all(one.is_all for one in samples):
        return "All test images were attacked. All models of a data set were attacked on the same images."
    return (
        "Where fewer than all test images were attacked, they were drawn at random with the seed of the run "
        f"({seed}), as many as attack.max_images of the data set in params.yaml says, in the proportions of the "
        "classes and without regard to any answer of a model. All models of a data set were attacked on the same "
        "images."
    )


def table_methods(tables: Iterable[Table]) -> tuple[TableMethods, ...]:
    """Return the methods of the intervals and tests of each table that has an interval."""
    return tuple(_methods(one) for one in tables if any(cell.interval for cell in one.cells))


def _methods(table: Table) -> TableMethods:
    intervals = Counter(one.interval.method for one in table.cells if one.interval)
    return TableMethods(table.name, len(table.cells), _counted(intervals), _tests(table.cells))


def _tests(cells: Iterable[Cell]) -> str:
    methods = Counter(one.test.method for one in cells if one.test)
    if not methods:
        return ""
    return f"{_counted(methods)}; p adjusted by Holm for all {methods.total()} tests of the table"


def _counted(methods: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(methods.items(), key=lambda one: (-one[1], one[0])))


def interval_sentence(tables: Iterable[Table]) -> str:
    """Return what holds for all intervals of the tables: their level and number, and the bootstrap samples."""
    found = [cell.interval for table in tables for cell in table.cells if cell.interval]
    if not found:
        return "No interval was computed."
    levels, draws = ({f"{100 * one.level:.3g}" for one in found}, {f"{one.n_draws:,}" for one in found})
    return (
        f"{len(found):,} intervals of {' and '.join(sorted(levels))} %, each for itself and not adjusted for their "
        f"number. Resampling draws patients with all their images, {' or '.join(sorted(draws))} times; its seeds "
        f"follow from the seed of the run and stand in {CELLS}."
    )
