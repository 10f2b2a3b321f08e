"""Subgroups of images by the values of a column: categories, or ranges of a number between cuts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.settings.policy import SubgroupColumn

NOT_STATED = "not stated"
"""Value of images whose cell is empty."""

_MOST = 20
"""Largest number of subgroups of one column."""


@dataclass(frozen=True)
class Subgroup:
    """Images with one value of a column; both are empty for the group of all images."""

    column: str
    value: str
    image_ids: frozenset[str]


def subgroups(table: pd.DataFrame, columns: Sequence[SubgroupColumn], *, where: str) -> list[Subgroup]:
    """Return the subgroups of each column, in order, preceded by the group of all images.

    table: one row per image with image_id and the columns, as text or numbers. where: the files of the table, for
    errors. Raises InputError for a column that is missing (listing the columns there are), a value that is no number
    in a column with cuts, and a column with more than 20 values.
    """
    found = [Subgroup("", "", frozenset(table["image_id"]))]
    for one in columns:
        if one.column not in table.columns:
            raise InputError(
                f"{where}: expected the column {one.column} of the policy's subgroups, got no such column "
                f"(columns: {', '.join(map(str, table.columns))})"
            )
        values = _values(table[one.column], one, where=where)
        names = [name for name in _order(values, one) if (values == name).any()]
        if len(names) > _MOST:
            raise InputError(
                f"{where}: expected at most {_MOST} values in the column {one.column}, got {len(names)}: "
                "give cuts for a column of numbers"
            )
        found += [Subgroup(one.column, name, frozenset(table.loc[values == name, "image_id"])) for name in names]
    return found


def _values(cells: pd.Series, column: SubgroupColumn, *, where: str) -> pd.Series:
    """Return the name of the subgroup of each image."""
    text = cells.fillna("").astype(str).str.strip()
    if not column.cuts:
        return text.replace("", NOT_STATED)
    numbers = pd.to_numeric(text, errors="coerce")
    wrong = text[numbers.isna() & (text != "")]
    if len(wrong):
        raise InputError(f"{where}: expected numbers in the column {column.column}, got {wrong.iloc[0]!r}")
    names = _ranges(column.cuts)
    position = np.searchsorted(column.cuts, numbers.to_numpy(dtype=float), side="right")
    return pd.Series(np.array([*names, ""], dtype=object)[position], index=cells.index).where(text != "", NOT_STATED)


def _ranges(cuts: Sequence[float]) -> list[str]:
    between = [f"{low:g} to below {high:g}" for low, high in pairwise(cuts)]
    return [f"below {cuts[0]:g}", *between, f"{cuts[-1]:g} or more"]


def _order(values: pd.Series, column: SubgroupColumn) -> list[str]:
    """Return the names of subgroups: ranges in increasing order, other values sorted; images without a value last."""
    known = _ranges(column.cuts) if column.cuts else sorted(set(values) - {NOT_STATED})
    return [*known, NOT_STATED]
