"""Levels of folders that each hold the same few names: patients, or hospitals, above a folder per class."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.recognition import USABLE

_FEW_CLASSES = 20
_SHOWN = 6


def levels_above_classes(
    catalogue: Catalogue, levels: Sequence[Counter[str]], *, known: Mapping[int, bool], numbered: Sequence[bool]
) -> frozenset[int]:
    """Return the levels of numbered folders, as of patients, that most hold the same few names, as of classes.

    levels: images below each name, from the top. known: for each level that is no split, whether its names are words
    for classes. numbered: whether nearly all names of a level have a digit. Raises InputError where folders without
    numbers hold the same names, as of hospitals: either level could be the classes.
    """
    found = set()
    for outer, inner in pairwise(sorted(known)):
        if known[outer] or not _repeats(catalogue, levels, outer, inner):
            continue
        if not (numbered[outer] or known[inner]):
            raise InputError(_two_levels(catalogue, levels, outer, inner))
        found.add(outer)
    return frozenset(found)


def _repeats(catalogue: Catalogue, levels: Sequence[Counter[str]], outer: int, inner: int) -> bool:
    """Return whether few names, all without a digit, each lie in most of the folders of a level."""
    names, holders = levels[inner], len(levels[outer])
    if not 2 <= len(names) <= _FEW_CLASSES or holders < 2 or any(re.search(r"\d", name) for name in names):
        return False
    if sum(names.values()) < 0.9 * sum(levels[outer].values()):
        return False
    held: dict[str, set[str]] = {name: set() for name in names}
    for path in catalogue.query(f"select path from files where {USABLE}"):
        folders = path.split("/")[:-1]
        if len(folders) > inner:
            held[folders[inner]].add(folders[outer])
    return all(len(one) > holders / 2 for one in held.values())


def _two_levels(catalogue: Catalogue, levels: Sequence[Counter[str]], outer: int, inner: int) -> str:
    stars = ["*"] * len(catalogue.one(f"select path from files where {USABLE} order by path").split("/"))
    first, other = ("/".join([*stars[:level], "{label}", *stars[level + 1 :]]) for level in (outer, inner))
    return (
        f"expected one level of folders that are classes, got {_some(levels[outer])}, which each hold "
        f"{_some(levels[inner])}; state which are the classes with --pattern '{first}' or --pattern '{other}'"
    )


def _some(names: Counter[str]) -> str:
    return ", ".join(sorted(names)[:_SHOWN]) + (f", ... ({len(names):,})" if len(names) > _SHOWN else "")
