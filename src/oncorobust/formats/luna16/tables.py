"""LUNA16's tables: `annotations.csv`, the nodules, and `candidates_V2.csv`, places that a program proposed.

Columns seriesuid, coordX, coordY, coordZ (centre, LPS mm), and diameter_mm of nodules or class of candidates: 1 on a
nodule of the first table, 0 elsewhere. `candidates.csv` is the shorter list of the first workshop. Source: Setio et
al., Medical Image Analysis 42, 2017; https://luna16.grand-challenge.org/Data.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.csv_text import check_columns, check_filled, read_table

NODULES = "annotations.csv"
CANDIDATES = ("candidates_V2.csv", "candidates.csv")
"""Names of the second table; the first one that is there is read."""

PLACE = ("coordX", "coordY", "coordZ")


def find_table(folder: Path, names: Sequence[str]) -> Path:
    """Find a table at the top of a tree or one folder below, by the first name that occurs. Raises InputError."""
    for name in names:
        paths = sorted([*folder.glob(name), *folder.glob(f"*/{name}")])
        if len(paths) > 1:
            raise InputError(f"expected one {name}, got {paths[0]} and {paths[1]}")
        if paths:
            return paths[0]
    raise InputError(f"expected {' or '.join(names)} in the folder or one below, got none in {folder}")


def read_nodules(path: Path) -> pd.DataFrame:
    """Read the nodules: seriesuid, PLACE and diameter_mm; the index is the line. Raises InputError naming the line."""
    table = _read(path, "diameter_mm")
    for line in table.index[~(table["diameter_mm"] > 0)]:
        raise InputError(f"expected diameter_mm above 0, got {table['diameter_mm'][line]:g} in {path}, line {line}")
    return table


def read_candidates(path: Path) -> pd.DataFrame:
    """Read the candidates: seriesuid, PLACE and class; the index is the line. Raises InputError naming the line."""
    table = _read(path, "class")
    for line in table.index[~table["class"].isin((0, 1))]:
        raise InputError(f"expected class 0 or 1, got {table['class'][line]:g} in {path}, line {line}")
    return table


def _read(path: Path, last: str) -> pd.DataFrame:
    table = read_table(path)
    check_columns(table, ("seriesuid", *PLACE, last), path)
    check_filled(table, ("seriesuid",), path)
    numbers = {}
    for name in (*PLACE, last):
        numbers[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
        for line in table.index[~np.isfinite(numbers[name])]:
            raise InputError(f"expected a number as {name}, got {table[name][line]!r} in {path}, line {line}")
    return table[["seriesuid"]].assign(**numbers)
