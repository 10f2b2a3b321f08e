"""The order of classes that a raw tree does not state: labels sorted, with numbers as numbers.

Label 2 comes before 10, -1 before 0, and `grade 9` before `grade 10`; other labels are in alphabetical order.
"""

import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import plain_spelling

ClassOrder = Literal["stated", "numbered", "sorted"]
"""Where the order of classes comes from: `stated` by the format or classes.txt; `numbered`, the labels are 0, 1, 2 and
so on, so each label is the number of its class; `sorted` from the labels."""

_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?")
_DIGITS = re.compile(r"([0-9]+)")


_NOT_STATED = {"nan", "<na>", "#n/a", "nat"}
"""What pandas and spreadsheets write for a cell without a value."""


def sort_labels(labels: Collection[str]) -> list[str]:
    """Return distinct labels in order.

    Raises InputError for labels that are one number or one word in two spellings, and for a word that stands for none.
    """
    _check_words(labels)
    if not all(_NUMBER.fullmatch(label) for label in labels):
        return sorted(labels, key=_natural)
    names = sorted(labels, key=lambda label: (Decimal(label), label))
    for one, other in pairwise(names):
        if Decimal(one) == Decimal(other):
            raise InputError(f"expected one spelling of each label, got {one!r} and {other!r}, which are one number")
    return names


def _check_words(labels: Collection[str]) -> None:
    by_spelling: dict[str, str] = {}
    for label in sorted(labels):
        if label.casefold() in _NOT_STATED:
            raise InputError(
                f"expected a label, got {label!r}, which programs write for a missing one: leave the cell empty, or "
                "list the class in classes.txt"
            )
        other = by_spelling.setdefault(plain_spelling(label), label)
        if other != label:
            raise InputError(
                f"expected one spelling of each label, got {other!r} and {label!r}, which differ only in case, white "
                "space or Unicode form: correct one of them, or list both in classes.txt if they are two classes"
            )


def order_of(names: Sequence[str]) -> ClassOrder:
    """Return whether sorted labels number the classes themselves."""
    return "numbered" if list(names) == [str(number) for number in range(len(names))] else "sorted"


def _natural(label: str) -> tuple[list[tuple[str, int, str]], str]:
    """Return a sort key in which a run of digits counts as a number, and labels that differ only in zeros differ."""
    parts = [*_DIGITS.split(label), ""]
    digits = [run.lstrip("0") for run in parts[1::2]]
    return [(text, len(run), run) for text, run in zip(parts[::2], digits, strict=True)], label
