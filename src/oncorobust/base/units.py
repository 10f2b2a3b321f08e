"""Epsilon in stored units (such as Hounsfield units) and in grey levels of a bit depth.

Epsilon is the l_inf radius in [0, 1] units. Preprocessing maps the stored values low to high onto [0, 1]. The two
numbers hold for the whole data set, whatever their origin (format, window, training percentiles); summary.json records
them as `intensity_range`, with their `intensity_unit`. So

    epsilon in stored units = epsilon (high - low)        0.004 on [-1000, 400] HU: 5.6 HU
    epsilon in grey levels  = epsilon (2^bits - 1)        0.004 at 8 bits: 1.02 grey levels

For images whose stored values have no physical unit, reports give epsilon in the 256 grey levels of a screen.
"""

from oncorobust.base.errors import InputError


def grey_levels(bits: int) -> int:
    """Return the largest stored value, 2^bits - 1. Raises ValueError if bits are not 1 to 16."""
    if not 1 <= bits <= 16:
        raise ValueError(f"expected 1 to 16 bits, got {bits}")
    return int(2**bits - 1)


def epsilon_in_stored_units(epsilon: float, *, intensity_range: tuple[float, float]) -> float:
    """Return epsilon in units of the stored values that map to 0 and 1. Raises InputError if low is not below high."""
    low, high = intensity_range
    if not low < high:
        raise InputError(f"expected an intensity range from low to high, got {low:g} to {high:g}")
    return epsilon * (high - low)


def epsilon_in_grey_levels(epsilon: float, *, bits: int) -> float:
    """Return epsilon in grey levels of images stored in 1 to 16 bits. Raises ValueError for other bit depths."""
    return epsilon * grey_levels(bits)


def readable_unit(intensity_range: tuple[float, float], intensity_unit: str) -> tuple[float, str]:
    """Return epsilon 1 in a reader's unit and the unit's name: Hounsfield units for CT, otherwise 8-bit grey levels."""
    if intensity_unit == "HU":
        return epsilon_in_stored_units(1.0, intensity_range=intensity_range), "HU"
    return epsilon_in_grey_levels(1.0, bits=8), "8-bit grey levels"
