"""Numbers as readers see them: in tables, in sentences and on the page. They are rounded here and nowhere else.

A number with an interval has the decimals that the interval carries: `61 (54 to 68)`, one more where the interval is
narrower than 2 points, and two where it is narrower than 0.2 points. A spread between training seeds has the decimals
that tell one image from the next. Others, such as the paper's, are a percentage with
two decimals, signed percentage points with two decimals, or an epsilon with four significant digits without exponent
(three in a unit that readers know). An l2 distance and a ratio of two sizes have three significant digits.
"""

from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.tables.cell import Cell, Unit
from oncorobust.report.tables.sources import NOT_COMPUTED, OF_THE_PAPER, OVER_SEEDS, SIZE_OF_CHANGE

ReadableUnit = tuple[float, str]
"""Epsilon 1 in a unit that readers know, and the unit's name (`base.units.readable_unit`)."""

_NOT_TOLD = (NOT_COMPUTED, OF_THE_PAPER, SIZE_OF_CHANGE)
_SIZES = ("epsilon", "l2", "times")
_BEYOND = "not reached"
_NARROWEST = (0.02, 0.002)
"""The narrowest interval of a share that is shown without decimals, and with one."""


def display_cell(cell: Cell, unit: Unit) -> str:
    """Return a cell's number with its interval and adjusted p value, or with the reason for no interval."""
    return display_estimate(cell, unit) + (f", {p_text(cell.test.p_holm)}" if cell.test else "")


def display_estimate(cell: Cell, unit: Unit) -> str:
    """Return a cell's number with its interval, or with the reason why an estimate of ours has none."""
    if cell.value is not None and cell.no_interval.startswith(OVER_SEEDS):
        return _with_decimals(cell.value, unit, width=1 / max(cell.n_images or 1, 1))
    if cell.interval is None:
        if cell.value is None:
            return f"none: {cell.no_interval}"
        reason = "" if cell.no_interval in _NOT_TOLD or unit == "count" else f" (no interval: {cell.no_interval})"
        return display(cell.value, unit) + reason
    numbers = (cell.value, cell.interval.low, cell.interval.high)
    stated = [one for one in numbers if one is not None]
    if not stated:
        return _BEYOND
    width = max(stated) - min(stated)
    value, low, high = (_BEYOND if one is None else _with_decimals(one, unit, width=width) for one in numbers)
    return f"{value} ({low} to {high})"


def p_text(p_value: float) -> str:
    """Return a p value as tables show it: two decimals, three below 0.1, and never 0."""
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def _with_decimals(value: float, unit: Unit, *, width: float) -> str:
    """Return a number with the decimals that an interval of this width carries."""
    if unit == "count":
        return f"{value:.0f}"
    if unit in _SIZES:
        return epsilon_text(float(f"{value:.3g}"))
    if unit == "score":
        return f"{value:.{2 if width >= _NARROWEST[0] else 3}f}"
    decimals = next((number for number, narrowest in enumerate(_NARROWEST) if width >= narrowest), len(_NARROWEST))
    rounded = round(100 * value, decimals) + 0.0  # a rounded -0.0 becomes 0.0
    return f"{rounded:+.{decimals}f}" if unit == "points" else f"{rounded:.{decimals}f}"


def display(value: float, unit: Unit) -> str:
    """Return a number as tables show it."""
    if unit in _SIZES:
        return epsilon_text(float(f"{value:.{4 if unit == 'epsilon' else 3}g}"))
    if unit == "count":
        return f"{value:.0f}"
    if unit == "score":
        return f"{value:.3f}"
    hundredths = round(100 * value, 2) + 0.0  # a rounded -0.0 becomes 0.0
    return f"{hundredths:+.2f}" if unit == "points" else f"{hundredths:.2f}"


def in_units(epsilon: float, readable: ReadableUnit) -> str:
    """Return an epsilon in a unit that readers know: 5.6 HU."""
    scale, name = readable
    return f"{epsilon * scale:.3g} {name}"
