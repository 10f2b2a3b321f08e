"""Every change that a scanner, a protocol or an archive makes: what it needs, its severities, and its effect on values.

A change acts on a whole slice of raw values, before crop, window and resize (`formats.records.Scan`). Equal values,
severity and generator give equal bytes; no other image matters.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.records import Scan
from oncorobust.scanner import archives, geometry, kernels, mammography, mri, noise, thickness
from oncorobust.scanner.conditions import (
    Condition,
    first_reason,
    in_hounsfield_units,
    large_enough,
    not_constant,
    not_in_hounsfield_units,
    of_modality,
    of_one_channel,
    with_magnitudes,
    with_neighbours,
    with_spacing,
)
from oncorobust.scanner.levels import LEVELS, Levels
from oncorobust.settings.acquisition import Quantity, quantity

Effect = Callable[[Scan, float, np.random.Generator], np.ndarray]
"""Returns the changed values of an image at a severity."""


@dataclass(frozen=True)
class Change:
    """One change.

    name: as in `datasets.NAME.acquisition.changes`. quantity: unit and physical range of its severity. about: title,
    five increasing severities and their source. conditions: what an image needs. effect: the changed values.
    """

    name: str
    quantity: Quantity
    about: Levels
    conditions: tuple[Condition, ...]
    effect: Effect

    @property
    def title(self) -> str:
        """Return the name for tables and figures."""
        return self.about.title

    @property
    def unit(self) -> str:
        """Return the unit of a severity."""
        return self.quantity.unit

    @property
    def levels(self) -> tuple[float, ...]:
        """Return five increasing severities of the literature."""
        return self.about.severities

    @property
    def source(self) -> str:
        """Return where the severities come from, in words."""
        return self.about.source

    def why_not(self, scan: Scan) -> str | None:
        """Return why the change does not apply to an image, in words; None if it does."""
        return first_reason(scan, self.conditions)

    def apply(self, scan: Scan, severity: float, rng: np.random.Generator) -> np.ndarray:
        """Return the changed values, float32, in the shape of `scan.values` and within `scan.limits`.

        At the neutral severity these are the values themselves. Raises InputError for a severity outside its physical
        range, and for an image to which the change does not apply.
        """
        self.quantity.check(severity, "severity")
        if reason := self.why_not(scan):
            raise InputError(f"{self.name}: {reason}")
        if severity == self.quantity.neutral:
            return scan.values
        changed = self.effect(scan, severity, rng)
        if scan.limits is not None:
            changed = np.clip(changed, *scan.limits)
        return changed.astype(np.float32)


def _shift(scan: Scan, severity: float, _rng: np.random.Generator) -> np.ndarray:
    return scan.values + np.float32(severity)


_CT = (of_modality("CT"), in_hounsfield_units)
_CT_PLANE = (*_CT, of_one_channel, with_spacing)
_MR = (of_modality("MR"), of_one_channel, with_magnitudes)
_MG = (of_modality("MG"), of_one_channel, with_spacing)
_SECTION = of_modality("CT", "MR")
_FILE = (large_enough, not_constant)

_PARTS: tuple[tuple[str, tuple[Condition, ...], Effect], ...] = (
    ("dose_noise", _CT_PLANE, noise.dose_noise),
    ("kernel_sharp", _CT_PLANE, kernels.sharpened),
    ("kernel_smooth", _CT_PLANE, kernels.smoothed),
    ("slice_thickness", (_SECTION, of_one_channel, with_neighbours), thickness.thicker),
    ("hu_shift", _CT, _shift),
    ("resampling", (_SECTION, of_one_channel, with_spacing), geometry.resampled),
    ("bias_field", _MR, mri.biased),
    ("rician_noise", _MR, mri.noisy),
    ("ghosting", _MR, mri.ghosted),
    ("contrast_shift", _MR, mri.longer_echo),
    ("blur", _MG, kernels.smoothed),
    ("quantum_noise", (*_MG, not_constant), mammography.with_less_dose),
    ("rotation", (), geometry.rotated),
    ("jpeg", _FILE, archives.jpeg),
    ("jpeg2000", _FILE, archives.jpeg2000),
    ("window_8bit", _CT, archives.windowed),
    ("grey_levels", (not_in_hounsfield_units, not_constant), archives.fewer_levels),
)

CHANGES = tuple(
    Change(name=name, quantity=quantity(name), about=LEVELS[name], conditions=conditions, effect=effect)
    for name, conditions, effect in _PARTS
)
"""All changes, in the order of tables: CT, MR, mammography, then what applies to all images."""
