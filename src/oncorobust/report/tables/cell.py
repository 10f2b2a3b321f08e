"""Tables and their cells, each with its value and its sources; reading and writing them as cells.json.

Every number in a table is one `Cell`: its place (table, row, column, field), its value, its interval, the images and
patients behind it, and its two sources: the metrics files (file and JSON pointer) and the per-image rows (file, filter,
statistic). With s = +1 or -1 before a term,

    value = sum of s x metric = sum of s x statistic(rows where ...)

so that a trace can compute the number again from the rows and compare it with the table and with the metrics file. A
comparison of two groups of images is no such sum: both its sources name its statistic, the first group's rows first. A
size of a data set stands in a metrics file alone, and a number of the paper in the transcribed tables.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import msgspec

from oncorobust.base.errors import InputError
from oncorobust.report.tables.statistic_names import (
    AcquisitionStatistic,
    AddedStatistic,
    CertificateStatistic,
    GroupStatistic,
    GuaranteeStatistic,
    PointStatistic,
    RuleAttackStatistic,
    SeedStatistic,
    SelectiveStatistic,
)

Statistic = Literal[
    "accuracy",
    "robust_accuracy",
    "accuracy_kept",
    "coverage",
    "threshold",
    "accuracy_kept_strict",
    "coverage_strict",
    "threshold_strict",
    "robust_accuracy_threat",
    "n_images",
    "sensitivity",
    "specificity",
    "balanced_accuracy",
    "auc",
    "calibration_error",
    "brier_score",
    "missed",
    "false_alarms",
    "share_censored",
    "median_first_flipped",
    "median_last_safe",
    "restricted_mean",
    CertificateStatistic,
    AcquisitionStatistic,
    SelectiveStatistic,
    GroupStatistic,
    GuaranteeStatistic,
    AddedStatistic,
    RuleAttackStatistic,
    SeedStatistic,
    PointStatistic,
]
"""Statistics over per-image rows (`row_statistics`, `row_estimates`).

    accuracy                share of the images predicted as labelled
    robust_accuracy         share predicted as labelled that no attack changes within an epsilon
    accuracy_kept, coverage over, and share of, the images that are not excluded; threshold: largest epsilon excluded
    ..._strict              the same three, with sensitivity measured by the strict search
    robust_accuracy_threat  share predicted as labelled that is not flipped under a threat model
    n_images                number of images
    sensitivity ...         of the answers; with an epsilon, of the worst answers within it in the strict search
    auc ... brier_score     of the margins
    certified_accuracy ...  of the smoothed model (`statistic_names`)
    changed_accuracy ...    under changes of the acquisition (`statistic_names`)
    missed, false_alarms    share of the positive (negative) images that are right without attack and flipped by it
    share_censored ...      of the minimal epsilons of the correctly classified images, up to an epsilon
    median_difference       median minimal epsilon of the second group minus that of the first
    probability_smaller     probability that an image of the first group has the smaller minimal epsilon
    aurc ...                of a score of certainty (`statistic_names`)
    mean_over_seeds ...     over training seeds, of a share (option `of`) or a difference of shares: the terms of one
                            training seed (option `training_seed`) are added first
"""

Unit = Literal["percent", "points", "epsilon", "l2", "times", "count", "score"]
"""How a field is shown: a share as percent, a difference of shares as signed percentage points, others unchanged."""

RowHead = Literal["Model", "Attack", "Epsilon", "Threat", "Change", "Severity", "Score", "Natural set"]
"""What a part of a row's key is; a part under `Natural set` is the key of a data set."""


@dataclass(frozen=True)
class MetricSource:
    """A number in a metrics file, or the length of a list: JSON pointer, and the sign with which it enters the cell."""

    file: str
    pointer: str
    sign: int


@dataclass(frozen=True)
class RowsSource:
    """A statistic over the rows of a file whose columns equal `where`, and the sign with which it enters the cell.

    epsilon: l_inf radius in [0, 1] units at which the statistic is taken, where no column of the rows holds it; else
        null.
    options: what the statistic needs besides the rows, such as the index of the positive class.
    """

    file: str
    where: dict[str, str | float]
    statistic: Statistic
    sign: int
    epsilon: float | None = None
    options: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class PaperSource:
    """A number of the paper: file, row and column of the transcribed table."""

    file: str
    row: str
    column: str


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a cell's value: its ends, its level (0.95) and the method that gave it.

    low, high: null where it is beyond the largest epsilon searched; low is so only for a difference of medians.
    seed, n_draws: of the bootstrap samples of patients behind it, so that the interval can be computed again.
    """

    low: float | None
    high: float | None
    level: float
    method: str
    seed: int
    n_draws: int


@dataclass(frozen=True)
class PairedTest:
    """A two-sided test of two models on the same patients; small p values speak against the two being alike.

    p_holm: adjusted by Holm for all tests of the cell's table. method: name of the test.
    """

    p_value: float
    p_holm: float
    method: str


@dataclass(frozen=True)
class Cell:
    """One number: its place, its value, what the value rests on, and its sources.

    column: key of the data set. field: which of the data set's numbers. value: a fraction, a number of images, or an
    epsilon in [0, 1] units; null where the rows give none. interval: null where there is none. no_interval: why there
    is no interval, or no value; empty where there is one. n_images, n_patients: images and patients behind the value,
    null where they are not known. metrics: empty for a number that comes from the rows alone. rows: empty for the size
    of a data set, and where two data sets are not compared. paper: null for our own
    numbers. test: of a difference between two models; null for other numbers.
    """

    table: str
    row: str
    column: str
    field: str
    value: float | None
    interval: Interval | None
    no_interval: str
    n_images: int | None
    n_patients: int | None
    metrics: tuple[MetricSource, ...]
    rows: tuple[RowsSource, ...]
    paper: PaperSource | None
    test: PairedTest | None = None


@dataclass(frozen=True)
class TableColumn:
    """A data set as the tables show it; paper: the column of the paper's tables beside it, null for none."""

    key: str
    title: str
    paper: str | None
    n_images: int
    synthetic: bool


@dataclass(frozen=True)
class Field:
    """One of the numbers that a table gives for a row and a data set; its heading stands below its group's heading.

    paper: whether the numbers are the paper's.
    """

    name: str
    group: str
    heading: str
    unit: Unit
    paper: bool = False


@dataclass(frozen=True)
class Table:
    """A table: layout and cells.

    row_heads: the parts of a row's key, which colons separate: Attack and Epsilon for `PGD:0.002`. labels: what readers
        see in place of the last part of the beginning of a key, such as `20 HU` for `dose:20`.
    data_sets: how the reader sees them: across, as rows (a cell's row and column are then both the data set's key), or
        as blocks of rows.
    """

    name: str
    file: str
    caption: str
    row_heads: tuple[RowHead, ...]
    rows: tuple[str, ...]
    data_sets: Literal["across", "rows", "blocks"]
    columns: tuple[TableColumn, ...]
    fields: tuple[Field, ...]
    cells: tuple[Cell, ...]
    labels: dict[str, str] = field(default_factory=dict)

    def find(self, *, row: str, column: str, field: str) -> Cell | None:
        """Return the cell at a place, or None where the table has none."""
        return next((one for one in self.cells if (one.row, one.column, one.field) == (row, column, field)), None)


def tables_to_json(tables: Iterable[Table]) -> dict[str, Any]:
    """Return the content of cells.json: `tables` with the layouts in order, `cells` with all numbers of all tables."""
    contents = [asdict(table) for table in tables]
    cells = [cell for content in contents for cell in content.pop("cells")]
    return {"tables": contents, "cells": cells}


def tables_from_json(content: Mapping[str, Any]) -> tuple[Table, ...]:
    """Return the tables that cells.json holds. Raises InputError where a key is missing or has another type."""
    try:
        cells = msgspec.convert(content["cells"], tuple[Cell, ...])
        layouts = [msgspec.convert({**layout, "cells": ()}, Table) for layout in content["tables"]]
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise InputError(f"cells.json: {error!r} (expected the tables and their cells)") from error
    return tuple(replace(one, cells=tuple(cell for cell in cells if cell.table == one.name)) for one in layouts)
