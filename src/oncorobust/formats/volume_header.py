"""What the header of a volume file says, whichever format it has."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.nifti_forms import Forms

MOST_VOXELS = 2**28


@dataclass(frozen=True)
class VolumeHeader:
    """The voxels along each stored axis (i, j, k), and where they lie, in LPS mm.

    forms: the grid by each statement of the header, in the order of the rule of `nifti_forms`; one in NRRD and
        MetaImage. n_volumes: number of volumes in the file. apart_mm: how far apart its statements place a voxel.
    """

    shape: tuple[int, int, int]
    forms: Forms
    n_volumes: int = 1
    apart_mm: float = 0.0


def check_size(shape: tuple[int, ...], path: Path) -> None:
    """Check that a volume has voxels, and not too many for memory. Raises InputError."""
    if not 0 < np.prod(shape, dtype=float) <= MOST_VOXELS:
        raise InputError(f"expected 1 to {MOST_VOXELS} voxels, got {times(shape)} in {path}")


def times(shape: tuple[int, ...]) -> str:
    """Return a shape as text, e.g. `240 x 240 x 155`."""
    return " x ".join(map(str, shape))
