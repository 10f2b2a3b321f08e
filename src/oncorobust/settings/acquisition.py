"""Settings of the stage `rescan`, and the unit and physical range of each change that a scanner or archive makes.

A severity is a number in a physicist's unit. One outside the range of its unit is refused, because the formula of the
change (scanner room) holds nowhere near it or no scanner works there.
"""

import difflib
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.base.errors import InputError
from oncorobust.settings.base import Count, Settings


@dataclass(frozen=True)
class Quantity:
    """Unit and physical range of the severity of one change.

    unit: as tables and messages write it. lowest, highest: the range, with its ends. neutral: the severity that changes
    nothing; None where every severity changes something.
    """

    change: str
    unit: str
    lowest: float
    highest: float
    neutral: float | None = 0.0

    def check(self, severity: float, where: str) -> None:
        """Raise InputError with `where` if a severity lies outside the range."""
        if not self.lowest <= severity <= self.highest:
            raise InputError(
                f"{where}: expected {self.change} from {self.lowest:g} to {self.highest:g} {self.unit}, "
                f"got {severity:g}"
            )


QUANTITIES = (
    Quantity("dose_noise", "HU", 0.0, 200.0),
    Quantity("kernel_sharp", "x the 50 % MTF frequency", 1.0, 2.0, neutral=1.0),
    Quantity("kernel_smooth", "mm FWHM", 0.0, 5.0),
    Quantity("slice_thickness", "mm", 0.0, 12.0),
    Quantity("hu_shift", "HU", -100.0, 100.0),
    Quantity("resampling", "mm", 0.0, 5.0),
    Quantity("bias_field", "% non-uniformity", 0.0, 100.0),
    Quantity("rician_noise", "% of the signal", 0.0, 50.0),
    Quantity("ghosting", "% of the signal", 0.0, 50.0),
    Quantity("contrast_shift", "% of the echo time", -50.0, 100.0),
    Quantity("blur", "mm FWHM", 0.0, 5.0),
    Quantity("quantum_noise", "% of the dose removed", 0.0, 95.0),
    Quantity("rotation", "degrees", -180.0, 180.0),
    Quantity("jpeg", ": 1", 1.0, 60.0, neutral=1.0),
    Quantity("jpeg2000", ": 1", 1.0, 100.0, neutral=1.0),
    Quantity("window_8bit", "HU of window width", 1024.0, 16384.0, neutral=None),
    Quantity("grey_levels", "% of the range per grey level", 0.0015, 50.0, neutral=None),
)
"""Every change, in the order of tables: CT, MR, mammography, then what applies to all images."""

_NAMES = tuple(one.change for one in QUANTITIES)

Severities = Annotated[tuple[float, ...], Meta(min_length=1, max_length=9)]


class Acquisition(Settings, frozen=True, kw_only=True):
    """Changes of raw values that a scanner, a protocol or an archive makes, without any attacker."""

    modality: Literal["auto", "CT", "MR", "MG", "other"] = "auto"
    """What made the images, where the files do not say it: `auto` takes what they say."""
    changes: Literal["possible"] | dict[str, Literal["literature"] | Severities] = "possible"
    """`possible`: every change that applies to the images, at five severities from the literature. Or a mapping from
    the name of a change to increasing severities (1 to 9) in the unit of the change, or to `literature`. Source:
    docs/explanation/acquisition.md states the unit, the range, the severities and their source for each change."""
    max_images: Count | None = None
    """Change at most this many of the attacked test images, drawn with the seed; null takes all. Unit: images."""
    max_iter: Count = 100
    """Number of steps of the search for the nearest adversarial image in l2, with which the size of the changes is
    compared. With few steps it finds images several times as far away. Source: Pintor et al. 2021 (at most 1,000)."""


def quantity(change: str) -> Quantity:
    """Return unit and range of a change, by its name. Raises KeyError for an unknown name."""
    return QUANTITIES[{name: position for position, name in enumerate(_NAMES)}[change]]


def check_acquisition(acquisition: Acquisition, where: str) -> None:
    """Check names and severities of `changes`. Raises InputError with the path of the key below `where`."""
    if isinstance(acquisition.changes, str):
        return
    if not acquisition.changes:
        raise InputError(f"{where}.changes: expected at least one change or `possible`, got none")
    for name, severities in acquisition.changes.items():
        key = f"{where}.changes.{name}"
        if name not in _NAMES:
            raise InputError(f"{key}: expected a known change, got {name!r}{_suggest(name)}")
        if not isinstance(severities, str):
            _check_severities(quantity(name), severities, key)


def _check_severities(found: Quantity, severities: tuple[float, ...], key: str) -> None:
    for position, severity in enumerate(severities):
        found.check(severity, f"{key}[{position}]")
    for before, after in pairwise(severities):
        if before >= after:
            raise InputError(f"{key}: expected strictly increasing severities, got {before:g} before {after:g}")


def _suggest(name: str) -> str:
    near = difflib.get_close_matches(name, _NAMES, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(_NAMES)})"
