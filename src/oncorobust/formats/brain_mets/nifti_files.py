"""Reader of NIfTI volumes and segmentations: values as stored, with checks of the header and the values.

`nifti_forms` says where voxels lie; a header with neither sform nor qform does not define it and is
rejected. x and y change sign from NIfTI's RAS to DICOM's LPS. Further dimensions of length 1 are dropped. InputError,
naming the file, is the only exception that leaves this module, whatever nibabel raises on damaged bytes.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.brain_mets.labels import round_labels
from oncorobust.formats.nifti_forms import Forms, apart_mm, common_form
from oncorobust.formats.nifti_volumes import describe_nifti
from oncorobust.formats.outside import only_input_errors
from oncorobust.formats.volume_header import times
from oncorobust.formats.volumes import check_grid

_HALF_STEP = 0.501
"""A little more than half the distance of two stored values, for rounding errors."""


@dataclass(frozen=True)
class Stored:
    """Values as stored (i, j, k), with their grid in LPS mm by each form of the header.

    apart_mm: how far apart the statements of the header place a voxel.
    """

    values: np.ndarray
    forms: Forms
    apart_mm: float


def read_image(path: Path) -> Stored:
    """Read an image as float32: finite, not all 0, background 0. Raises InputError naming the file.

    A value nearer to 0 than to the next stored value becomes 0, because a scale (scl_slope, scl_inter) can leave a
    background of 1e-5 in place of 0.
    """
    stored = _read_stored(path, np.float32)
    if not np.isfinite(stored.values).all():
        bad = int((~np.isfinite(stored.values)).sum())
        raise InputError(f"expected finite values, got {bad} that are NaN or infinite in {path}")
    if not stored.values.any():
        raise InputError(f"expected an image, got a volume in which every voxel is 0 in {path}")
    corners = stored.values[np.ix_(*((0, length - 1) for length in stored.values.shape))]
    if corners[0, 0, 0] and (corners == corners[0, 0, 0]).all():
        raise InputError(f"expected a background of 0, got {corners[0, 0, 0]:g} in all corners of {path}")
    return stored


def read_segmentation(path: Path) -> Stored:
    """Read a segmentation as whole numbers (float64). Raises InputError naming the file."""
    stored = _read_stored(path, np.float64)
    return replace(stored, values=round_labels(stored.values, path))


def shared_form(image: Stored, segmentation: Stored, image_path: Path, path: Path) -> str:
    """Return the form of the image on which its segmentation lies. Raises InputError naming both files."""
    if segmentation.values.shape != image.values.shape:
        sizes = [" x ".join(map(str, stored.values.shape)) for stored in (image, segmentation)]
        raise InputError(f"expected {sizes[0]} voxels as in {image_path}, got {sizes[1]} in {path}")
    form = common_form(image.forms, segmentation.forms)
    if form is None:
        least = min(apart_mm(one, other) for one in image.forms.values() for other in segmentation.forms.values())
        raise InputError(f"expected the affine of {image_path}, got one that differs by {least:.3g} mm in {path}")
    check_grid(image.forms[form], str(image_path))
    return form


def _read_stored(path: Path, dtype: type[np.floating]) -> Stored:
    """Read a 3-D volume of real numbers whose header defines its position. Raises InputError."""
    import nibabel  # takes half a second, and most trees have no NIfTI

    header = describe_nifti(path)
    with only_input_errors(path, "a readable NIfTI volume"):
        image: Any = nibabel.load(path)
        if header.n_volumes != 1:
            raise InputError(f"expected a 3-D volume, got {times(image.shape)} voxels in {path}")
        values = np.asarray(image.dataobj, dtype=dtype).reshape(header.shape)
        if image.get_data_dtype().kind in "iu":
            values[np.abs(values) < _HALF_STEP * abs(image.dataobj.slope)] = 0
        return Stored(values=values, forms=header.forms, apart_mm=header.apart_mm)
