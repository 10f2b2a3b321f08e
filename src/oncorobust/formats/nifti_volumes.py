"""NIfTI volumes as stored: header, place of the voxels (`nifti_forms`), and values.

A file with four dimensions holds several volumes, one after the other along the fourth; a row of a manifest names one.
Further dimensions must have length 1. InputError, naming the file, is the only exception that leaves this module.
"""

from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.nifti_forms import contradiction_mm, read_forms
from oncorobust.formats.outside import only_input_errors
from oncorobust.formats.volume_header import VolumeHeader, check_size, times
from oncorobust.formats.volumes import check_grid


def describe_nifti(path: Path) -> VolumeHeader:
    """Read the header of a volume of real numbers whose position is defined. Raises InputError."""
    with only_input_errors(path, "a readable NIfTI volume"):
        image = _load(path)
        shape = tuple(int(length) for length in image.shape)
        if len(shape) < 3 or any(length != 1 for length in shape[4:]):
            raise InputError(f"expected a 3-D volume, got {times(shape)} voxels in {path}")
        first, second, third = shape[:3]
        check_size((first, second, third), path)
        check_nifti(image, path)
        forms = read_forms(image.header, (first, second, third), str(path))
        check_grid(next(iter(forms.values())), str(path))
        n_volumes = shape[3] if len(shape) > 3 else 1
        return VolumeHeader((first, second, third), forms, n_volumes, contradiction_mm(forms, image.header))


def read_nifti(path: Path, *, index: int) -> np.ndarray:
    """Read one volume, values (i, j, k) after scl_slope and scl_inter: as stored without them, float32 with them."""
    with only_input_errors(path, "a readable NIfTI volume"):
        image = _load(path)
        shape, stored = tuple(image.shape), image.dataobj
        if len(shape) > 3:
            values = stored[(..., index, *(0,) * (len(shape) - 4))]
        else:
            is_scaled = (stored.slope, stored.inter) != (1, 0)
            values = np.asarray(stored, dtype=np.float32) if is_scaled else stored.get_unscaled()
        return values.astype(np.float32) if values.dtype == np.float64 else np.asarray(values)


def check_nifti(image: Any, path: Path) -> None:
    """Check the unit of length and the type of a loaded image. Raises InputError."""
    unit = image.header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        raise InputError(f"expected millimetres, got {unit} in {path}")
    if image.get_data_dtype().kind not in "iuf":
        raise InputError(f"expected real numbers, got {image.get_data_dtype()} in {path}")


def _load(path: Path) -> Any:
    import nibabel  # takes half a second, and most trees have no NIfTI

    return nibabel.load(path)
