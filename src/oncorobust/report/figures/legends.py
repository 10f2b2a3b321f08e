"""Parts of the figures' legends: the attacks, the strict worst case, and entries in rows."""

from collections.abc import Sequence
from itertools import zip_longest

from matplotlib.lines import Line2D

from oncorobust.report.figures.style import STRICT
from oncorobust.report.shown_attacks import ATTACKS
from oncorobust.settings.attacks import Protocol


def attack_handles() -> list[Line2D]:
    """Return an entry for each of the paper's attacks."""
    return [Line2D([], [], color=one.colour, marker=one.marker, label=one.title) for one in ATTACKS]


def strict_handles(protocols: frozenset[Protocol]) -> list[Line2D]:
    """Return an entry for the strict worst case; none without the strict protocol."""
    return [Line2D([], [], label="strict (all attacks)", **STRICT)] if "strict" in protocols else []


def in_rows(*rows: Sequence[Line2D]) -> list[Line2D]:
    """Order entries for a legend of some rows, which matplotlib fills by columns; blanks fill the shorter rows."""
    blank = Line2D([], [], linestyle="", label=" ")
    return [one for column in zip_longest(*rows, fillvalue=blank) for one in column]
