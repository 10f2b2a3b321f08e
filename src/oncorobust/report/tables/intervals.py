"""Confidence intervals of the tables' cells, from the rows that each cell names, clustered by patient.

All cells of a data set share their samples of patients, so that the difference of two models is taken over the same
patients in every sample. A comparison of two data sets draws the patients of each on their own (`group_estimates`). The
seed and the number of samples stand in each interval: a trace computes it again.

A ratio of sums over images has the method that `evaluation.intervals` chooses from its counts; what is no ratio has
that of `row_estimates`. A threshold (the largest minimal epsilon left out) has the percentile interval of the threshold
that leaves out the same share in each sample. A count and a median size have none. A cell that stands in no metrics
file gets its value here too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.intervals import ratio_intervals
from oncorobust.evaluation.resampling import (
    LEVEL,
    N_DRAWS,
    NO_INTERVAL,
    Draws,
    Estimate,
    draw_patients,
    patient_index,
    patient_sums,
)
from oncorobust.evaluation.share_bounds import Term
from oncorobust.report.tables.acquisition_estimates import DIVIDED, SIZES, size_estimate, times_estimate
from oncorobust.report.tables.cell import Cell, Interval, RowsSource, Statistic, Table
from oncorobust.report.tables.group_estimates import compares_groups, group_estimates
from oncorobust.report.tables.point_estimates import POINT_ESTIMATES
from oncorobust.report.tables.risk_estimates import is_risk, risk_estimates
from oncorobust.report.tables.row_estimates import is_row_estimate, row_estimate
from oncorobust.report.tables.row_statistics import ratio_parts, selected
from oncorobust.report.tables.rule_estimates import (
    ADDED,
    ATTACKED,
    GUARANTEE,
    added_estimates,
    attacked_estimates,
    guarantee_estimates,
)
from oncorobust.report.tables.seed_spread import OF_SEEDS, seed_estimate
from oncorobust.report.tables.selective_estimates import SELECTIVE, selective_estimates

Rows = Mapping[str, pd.DataFrame]
"""Per-image rows by the name of their file."""

_Place = tuple[str, str, str, str]
"""Table, row, column and field of a cell."""

_COUNT = "a count"
_NOTHING_LEFT = "no image in the ratio"
_THRESHOLDS = {"threshold": ("excluded", "min_epsilon"), "threshold_strict": ("excluded_strict", "first_flipped")}


def with_intervals(tables: Iterable[Table], rows: Rows, *, seed: int, n_draws: int = N_DRAWS) -> tuple[Table, ...]:
    """Return the tables with the interval, or the reason for none, and the number of patients of each cell with rows.

    rows: of all files that the cells name. seed: of the run. Raises InputError where rows lack a column.
    """
    tables = tuple(tables)
    estimated = [cell for table in tables for cell in table.cells if cell.rows]
    compared = [cell for cell in estimated if compares_groups(cell)]
    found = {
        **_by_samples([cell for cell in estimated if not compares_groups(cell)], rows, seed=seed, n_draws=n_draws),
        **_by_groups(compared, rows, seed=seed, n_draws=n_draws),
    }
    return tuple(replace(table, cells=tuple(found.get(_place(cell), cell) for cell in table.cells)) for table in tables)


def _by_samples(cells: Iterable[Cell], rows: Rows, *, seed: int, n_draws: int) -> dict[_Place, Cell]:
    """Return the cells with their estimates by place; those of a data set share their samples of patients."""
    shared: dict[tuple[str, tuple[str, ...]], list[Cell]] = {}
    patients_of = patients_by_cell(rows)
    for cell in cells:
        shared.setdefault((cell.column, patients_of(cell)), []).append(cell)
    found: dict[_Place, Cell] = {}
    for (dataset, patients), members in shared.items():
        own_seed = child_seed(seed, "patients", dataset)
        draws = draw_patients(patients, n_draws=n_draws, seed=own_seed)
        for cell, estimate in zip(members, cell_estimates(members, rows, draws), strict=True):
            found[_place(cell)] = with_estimate(cell, estimate, seed=own_seed, n_draws=n_draws)
    return found


def _by_groups(cells: Iterable[Cell], rows: Rows, *, seed: int, n_draws: int) -> dict[_Place, Cell]:
    """Return the comparisons of two groups with their estimates by place; those of the same rows are computed once."""
    shared: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        shared.setdefault(tuple(one.file for one in cell.rows), []).append(cell)
    found: dict[_Place, Cell] = {}
    for files, members in shared.items():
        own_seed = child_seed(seed, "groups", *files)
        estimates = group_estimates(members[0].rows, rows, seed=own_seed, n_draws=n_draws)
        for cell in members:
            estimate = estimates[cell.rows[0].statistic]
            found[_place(cell)] = with_estimate(cell, estimate, seed=own_seed, n_draws=n_draws)
    return found


def row_files(tables: Iterable[Table]) -> list[str]:
    """Return the files of rows that the tables' cells name, each once."""
    return sorted({one.file for table in tables for cell in table.cells for one in cell.rows})


def patients_by_cell(rows: Rows) -> Callable[[Cell], tuple[str, ...]]:
    """Return a function that gives all test patients of the files that a cell names, sorted.

    They include patients whose images are not in the cell. Each file is looked through once.
    """

    @cache
    def of_file(file: str) -> frozenset[str]:
        frame = rows[file]
        tested = frame[frame["split"] == "test"] if "split" in frame else frame
        return frozenset(map(str, tested["patient_id"].unique()))

    @cache
    def of_files(files: frozenset[str]) -> tuple[str, ...]:
        return tuple(sorted(frozenset[str]().union(*map(of_file, files))))

    return lambda cell: of_files(frozenset(one.file for one in cell.rows))


def cell_estimates(cells: Iterable[Cell], rows: Rows, draws: Draws) -> list[Estimate]:
    """Return the estimate of each cell, all from the same samples of patients."""
    cells = list(cells)
    terms = [_terms(cell.rows, rows, draws) for cell in cells]
    ratios = iter(ratio_intervals([one for one in terms if one is not None], draws, level=LEVEL))
    risks = iter(risk_estimates([cell.rows[0] for cell in cells if is_risk(cell.rows[0])], rows, draws))
    judged: dict[tuple[str, str, str], dict[Statistic, Estimate]] = {}
    return [
        next(ratios)
        if one is not None
        else next(risks)
        if is_risk(cell.rows[0])
        else _other_estimate(cell, rows, draws, judged)
        for cell, one in zip(cells, terms, strict=True)
    ]


def _other_estimate(
    cell: Cell, rows: Rows, draws: Draws, judged: dict[tuple[str, str, str], dict[Statistic, Estimate]]
) -> Estimate:
    """Return the estimate of what is no ratio; judged: estimates of scores so far, by function, file, score."""
    source = cell.rows[0]
    if source.statistic in OF_SEEDS:
        return seed_estimate(cell.rows, rows)
    if source.statistic in POINT_ESTIMATES:
        return POINT_ESTIMATES[source.statistic](rows[source.file], source)
    if source.statistic in SIZES:
        return size_estimate(rows[source.file], source)
    if source.statistic in DIVIDED:
        return times_estimate(cell.rows, rows, draws)
    if is_row_estimate(source):
        return row_estimate(rows[source.file], source, draws)
    judge = _OF_SCORES.get(source.statistic)
    if judge is None:
        return _threshold_estimate(cell, rows, draws)
    key = judge.__name__, source.file, str(source.options["score"])
    if key not in judged:
        judged[key] = judge(rows[source.file], source, draws)
    return judged[key][source.statistic]


_OF_SCORES: dict[str, Callable[[pd.DataFrame, RowsSource, Draws], dict[Statistic, Estimate]]] = {
    **dict.fromkeys(SELECTIVE, selective_estimates),
    **dict.fromkeys(GUARANTEE, guarantee_estimates),
    **dict.fromkeys(ADDED, added_estimates),
    **dict.fromkeys(ATTACKED, attacked_estimates),
}
"""The function that gives a statistic of a score, together with others of it."""


def ratio_estimates(sources: Iterable[RowsSource], rows: Rows, draws: Draws) -> list[Estimate]:
    """Return the estimate of each source, all ratios over images, from the same samples of patients."""
    terms = [_terms((source,), rows, draws) for source in sources]
    return ratio_intervals([one for one in terms if one is not None], draws, level=LEVEL)


def _terms(sources: Iterable[RowsSource], rows: Rows, draws: Draws) -> tuple[Term, ...] | None:
    parts = [(source.sign, ratio_parts(rows[source.file], source)) for source in sources]
    if any(one is None for _, one in parts):
        return None
    return tuple(
        Term(
            float(sign), *(patient_sums(values, one.patient_ids, draws) for values in (one.numerator, one.denominator))
        )
        for sign, one in parts
        if one is not None
    )


def _threshold_estimate(cell: Cell, rows: Rows, draws: Draws) -> Estimate:
    source = cell.rows[0]
    frame = rows[source.file]
    n_images, n_patients = len(frame), frame["patient_id"].nunique()
    if source.statistic not in _THRESHOLDS:
        return Estimate(cell.value, None, None, LEVEL, NO_INTERVAL, n_images, n_patients, _COUNT)
    found = _thresholds(frame, source, draws)
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")
    return Estimate(cell.value, float(low), float(high), LEVEL, "percentile bootstrap", n_images, n_patients)


def _thresholds(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> np.ndarray:
    """Return in each sample the value up to which the share left out is nearest to that of the whole; 0 for none."""
    excluded, smallest = _THRESHOLDS[source.statistic]
    chosen = selected(frame, source, columns=(excluded, smallest, "patient_id"))
    values, group = np.unique(chosen[smallest].to_numpy(float), return_inverse=True)
    finite = np.isfinite(values)
    per_patient = np.zeros((len(draws.patients), len(values)), np.float32)
    np.add.at(per_patient, (patient_index(chosen["patient_id"], draws), group), 1)
    weights = draws.counts @ per_patient
    shares = np.cumsum(weights, axis=1)[:, finite] / weights.sum(axis=1, keepdims=True)
    shares = np.hstack([np.zeros((len(shares), 1)), shares])
    nearest = np.abs(shares - chosen[excluded].mean()).argmin(axis=1)
    return np.concatenate([[0.0], values[finite]])[nearest]


def with_estimate(cell: Cell, estimate: Estimate, *, seed: int, n_draws: int) -> Cell:
    """Return a cell with its estimate; seed, n_draws: of the samples of patients behind it."""
    cell = replace(cell, n_patients=estimate.n_patients)
    if not cell.metrics:
        cell = replace(cell, value=estimate.value, n_images=estimate.n_images)
    if estimate.method == NO_INTERVAL:
        return replace(cell, interval=None, no_interval=estimate.reason or _NOTHING_LEFT)
    interval = Interval(estimate.low, estimate.high, estimate.level, estimate.method, seed, n_draws)
    return replace(cell, interval=interval, no_interval="")


def _place(cell: Cell) -> _Place:
    return cell.table, cell.row, cell.column, cell.field
