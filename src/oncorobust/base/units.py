"""Epsilon in units that a reader of images knows: stored units (Hounsfield), or grey levels of a bit depth.

Epsilon is the l_inf radius in [0, 1] units. Preprocessing maps stored values from low to high onto [0, 1], two numbers
for the whole data set whatever their origin (format, window, training percentiles), which summary.json records as
`intensity_range` with their `intensity_unit`; so

    epsilon in stored units = epsilon (high - low)        0.004 on [-1000, 400] HU: 5.6 HU
    epsilon in grey levels  = epsilon (2^bits - 1)        0.004 at 8 bits: 1.02 grey levels

Images whose stored values carry no physical unit are shown on screens of 256 grey levels, so that is what a reader is
told of their epsilon.
"""

from oncorobust.base.errors import InputError


def grey_levels(bits: int) -> int:
    """The largest stored value, 2^bits - 1. Raises ValueError where bits are not 1 to 16."""
    if not 1 <= bits <= 16:
        raise ValueError(f"expected 1 to 16 bits, got {bits}")
    return int(2**bits - 1)


def epsilon_in_stored_units(epsilon: float, *, intensity_range: tuple[float, float]) -> float:
    """Epsilon in the unit of the stored values that become 0 and 1. Raises InputError where low is not below high."""
    low, high = intensity_range
    if not low < high:
        raise InputError(f"expected an intensity range from low to high, got {low:g} to {high:g}")
    return epsilon * (high - low)


def epsilon_in_grey_levels(epsilon: float, *, bits: int) -> float:
    """Epsilon in grey levels of images stored in 1 to 16 bits. Raises ValueError for other bits."""
    return epsilon * grey_levels(bits)


def readable_unit(intensity_range: tuple[float, float], intensity_unit: str) -> tuple[float, str]:
    """What epsilon 1 is in the unit a reader knows, and its name: Hounsfield units for CT, else 8-bit grey levels."""
    if intensity_unit == "HU":
        return epsilon_in_stored_units(1.0, intensity_range=intensity_range), "HU"
    return epsilon_in_grey_levels(1.0, bits=8), "8-bit grey levels"
