"""Cells computed again from their rows, as a trace does; each file is looked through and each sample drawn once."""

from collections.abc import Sequence
from typing import Any

from oncorobust.evaluation.resampling import draw_patients
from oncorobust.report.tables.cell import Cell
from oncorobust.report.tables.group_estimates import compares_groups, group_estimates
from oncorobust.report.tables.intervals import Rows, cell_estimates, patients_by_cell, with_estimate


def all_computed_again(cells: Sequence[Cell], rows: Rows) -> list[Cell]:
    """Return each cell with its interval, and without metrics its value, computed again from the rows that it names.

    The samples of patients are those of its interval, and cells with the same samples share them; a value without an
    interval does not depend on them.
    """
    patients_of = patients_by_cell(rows)
    shared: dict[tuple[Any, ...], list[int]] = {}
    for position, cell in enumerate(cells):
        samples = (0, 1) if cell.interval is None else (cell.interval.seed, cell.interval.n_draws)
        files = tuple(one.file for one in cell.rows)
        of = files if compares_groups(cell) else (cell.column, patients_of(cell))
        shared.setdefault((compares_groups(cell), samples, of), []).append(position)
    found: dict[int, Cell] = {}
    for (in_groups, (seed, n_draws), of), positions in shared.items():
        members = [cells[one] for one in positions]
        if in_groups:
            by_statistic = group_estimates(members[0].rows, rows, seed=seed, n_draws=n_draws)
            estimates = [by_statistic[one.rows[0].statistic] for one in members]
        else:
            estimates = cell_estimates(members, rows, draw_patients(of[1], n_draws=n_draws, seed=seed))
        for position, cell, estimate in zip(positions, members, estimates, strict=True):
            found[position] = with_estimate(cell, estimate, seed=seed, n_draws=n_draws)
    return [found[position] for position in range(len(cells))]
