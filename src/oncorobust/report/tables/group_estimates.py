"""Estimates from the rows of two groups of images of different patients, such as medical and natural images.

A cell that compares groups names the rows of both, the first group's first. The patients of each group are resampled on
their own, with seeds derived from one (`evaluation.medians.compare_groups`), so that an interval is computed again from
its seed like those within a data set.
"""

from collections.abc import Mapping, Sequence
from typing import get_args

import pandas as pd

from oncorobust.evaluation.measures import empty
from oncorobust.evaluation.medians import compare_groups
from oncorobust.evaluation.resampling import LEVEL, Estimate
from oncorobust.report.tables.cell import Cell, RowsSource, Statistic
from oncorobust.report.tables.row_estimates import NONE_CORRECT, minimal_epsilons_of
from oncorobust.report.tables.statistic_names import GroupStatistic


def compares_groups(cell: Cell) -> bool:
    """Return whether a cell is a statistic of two groups."""
    return any(one.statistic in get_args(GroupStatistic) for one in cell.rows)


def group_estimates(
    sources: Sequence[RowsSource], rows: Mapping[str, pd.DataFrame], *, seed: int, n_draws: int
) -> dict[Statistic, Estimate]:
    """Return the estimate of each statistic of two groups, whose sources are given in order.

    rows: per-image rows by the name of their file. Raises InputError where a file lacks a column or has no rows that
    fit. The estimates are empty, with the reason, if a group has no correctly classified image.
    """
    groups = [minimal_epsilons_of(rows[one.file], one) for one in sources]
    first, second = (None if one is None else one.at_most for one in groups)
    if first is None or second is None:
        return dict.fromkeys(get_args(GroupStatistic), empty(NONE_CORRECT, [], level=LEVEL))
    found = compare_groups(first, second, n_draws=n_draws, seed=seed, level=LEVEL)
    return {"median_difference": found.difference, "probability_smaller": found.smaller}
