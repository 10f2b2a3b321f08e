"""Tests of the differences between two models in the tables, adjusted by Holm for all tests of a table.

A cell is such a difference where its rows are those of two models under the same attack. The test is that of
`evaluation.comparisons`: exact, by patient.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from oncorobust.evaluation.comparisons import exchange_test, holm
from oncorobust.report.tables.cell import Cell, PairedTest, Table
from oncorobust.report.tables.row_statistics import ratio_parts


def with_tests(tables: Iterable[Table], rows: Mapping[str, pd.DataFrame]) -> tuple[Table, ...]:
    """Return the tables with the test of each cell that is a difference between two models.

    rows: per-image rows by the name of their file, of all files that the cells name.
    """
    return tuple(_with_tests(table, rows) for table in tables)


def _with_tests(table: Table, rows: Mapping[str, pd.DataFrame]) -> Table:
    found = [(cell, *difference_test(cell, rows)) for cell in table.cells if compares_models(cell)]
    adjusted = holm([p_value for _, p_value, _ in found]) if found else []
    tests = {
        (cell.row, cell.column, cell.field): PairedTest(p_value, p_holm, method)
        for (cell, p_value, method), p_holm in zip(found, adjusted, strict=True)
    }
    cells = (replace(one, test=tests.get((one.row, one.column, one.field))) for one in table.cells)
    return replace(table, cells=tuple(cells))


def compares_models(cell: Cell) -> bool:
    """Return whether a cell is one statistic of one model minus the same statistic of another."""
    if len(cell.rows) != 2:
        return False
    first, second = cell.rows
    same = replace(second, file=first.file, sign=first.sign) == first and first.sign == -second.sign
    paths = [PurePosixPath(one.file) for one in cell.rows]
    return same and first.file != second.file and paths[0].name == paths[1].name


def difference_test(cell: Cell, rows: Mapping[str, pd.DataFrame]) -> tuple[float, str]:
    """Return the p value of a difference between two models, before adjustment, and the name of the test.

    Raises InputError where rows lack a column or there are none.
    """
    total: pd.Series | float = 0.0
    most_images = 0
    for source in cell.rows:
        parts = ratio_parts(rows[source.file], source)
        if parts is None:
            raise ValueError(f"{source.statistic}: expected a share of the images")
        by_patient = pd.Series(source.sign * parts.numerator).groupby(parts.patient_ids).sum()
        total = by_patient + total
        most_images = max(most_images, int(pd.Series(parts.patient_ids).value_counts().max()))
    method = "exact McNemar" if most_images == 1 else "exact permutation of the models by patient"
    return exchange_test(np.asarray(total)), method
