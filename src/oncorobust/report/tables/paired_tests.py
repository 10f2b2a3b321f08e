"""Tests of the differences between two models in the tables, adjusted by Holm for all tests of a table.

A cell is such a difference where its rows are those of two models under the same attack. The test is that of
`evaluation.comparisons`: exact, by patient.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from oncorobust.evaluation.comparisons import exchange_test, holm, pair_rows
from oncorobust.report.tables.cell import Cell, PairedTest, RowsSource, Table
from oncorobust.report.tables.row_statistics import ratio_parts, selected


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

    Raises InputError where rows lack a column or there are none, or where the two models have rows of other images.
    """
    first, second = cell.rows
    of_first = selected(rows[first.file], first, columns=("image_id", "patient_id"))
    of_second = selected(rows[second.file], second, columns=("image_id", "patient_id"))
    of_second = pair_rows(of_first, of_second, names=(first.file, second.file))
    differences = first.sign * _flags(of_first, first) + second.sign * _flags(of_second, second)
    by_patient = pd.Series(differences).groupby(of_first["patient_id"].to_numpy())
    method = "exact McNemar" if by_patient.size().max() == 1 else "exact permutation of the models by patient"
    return exchange_test(by_patient.sum().to_numpy()), method


def _flags(frame: pd.DataFrame, source: RowsSource) -> np.ndarray:
    """Return for each row whether it counts in the share, as 0 or 1."""
    parts = ratio_parts(frame, source)
    if parts is None:
        raise ValueError(f"{source.statistic}: expected a share of the images")
    return parts.numerator
