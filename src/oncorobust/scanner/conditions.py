"""Why a change does not apply to an image, in words: units, spacing, slices or size that its physics needs."""

from collections.abc import Callable

from oncorobust.formats.records import Modality, Scan

Condition = Callable[[Scan], str | None]
"""Returns the reason why a change does not apply to an image; None if it does."""

SMALLEST_FILE = 128
"""Shorter side below which the headers of a compressed file weigh as much as the image, pixels."""


def first_reason(scan: Scan, conditions: tuple[Condition, ...]) -> str | None:
    """Return the first reason why a change does not apply, or None."""
    return next((reason for one in conditions if (reason := one(scan)) is not None), None)


def of_modality(*wanted: Modality) -> Condition:
    """Return the condition that the image was made by one of these scanners."""
    expected = " or ".join(wanted)

    def condition(scan: Scan) -> str | None:
        return None if scan.modality in wanted else f"needs {expected}, found {_modality(scan)}"

    return condition


def _modality(scan: Scan) -> str:
    return "an image of another or unknown modality" if scan.modality == "other" else scan.modality


def in_hounsfield_units(scan: Scan) -> str | None:
    """Return why an image has no values in HU, or None."""
    return None if scan.unit == "HU" else f"needs values in HU, found {scan.unit}"


def not_in_hounsfield_units(scan: Scan) -> str | None:
    """Return why grey levels, without a unit, do not describe an image, or None."""
    return None if scan.unit != "HU" else "needs values without a physical unit, found HU (see window_8bit)"


def of_one_channel(scan: Scan) -> str | None:
    """Return why an image is not one plane of values, or None."""
    return None if scan.values.ndim == 2 else "needs one plane of values, found three (colours or planes)"


def with_spacing(scan: Scan) -> str | None:
    """Return why lengths in mm are unknown, or None."""
    return None if scan.spacing_mm is not None else "needs the pixel spacing in mm, found none"


def with_neighbours(scan: Scan) -> str | None:
    """Return why no thicker slice can be made, or None."""
    if scan.stack is not None and len(scan.stack.positions_mm) > 1:
        return None
    return "needs neighbouring slices, found none"


def with_magnitudes(scan: Scan) -> str | None:
    """Return why values are no magnitudes of an MR signal, or None."""
    lowest, highest = float(scan.values.min()), float(scan.values.max())
    if lowest < 0:
        return f"needs magnitudes of at least 0, found {lowest:g}"
    return None if highest > 0 else "needs a signal, found 0 everywhere"


def large_enough(scan: Scan) -> str | None:
    """Return why a compression ratio says nothing about an image, or None."""
    height, width = scan.values.shape[:2]
    if min(height, width) >= SMALLEST_FILE:
        return None
    return f"needs at least {SMALLEST_FILE} x {SMALLEST_FILE} pixels, found {height} x {width}"


def not_constant(scan: Scan) -> str | None:
    """Return why an image has no range of values, or None."""
    return None if scan.values.min() < scan.values.max() else "needs at least two different values, found one"
