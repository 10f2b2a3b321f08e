"""Reader of NIfTI volumes and segmentations: values as stored, with checks of the header and the values.

`brain_mets.nifti_forms` says where voxels lie; a header with neither sform nor qform does not define it and is
rejected. x and y change sign from NIfTI's RAS to DICOM's LPS. Further dimensions of length 1 are dropped. InputError,
naming the file, is the only exception that leaves this module, whatever nibabel raises on damaged bytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.brain_mets.labels import round_labels
from oncorobust.formats.brain_mets.nifti_forms import Forms, apart_mm, common_form, contradiction_mm, read_forms
from oncorobust.formats.volumes import check_grid

_MOST_VOXELS = 2**28
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

    with _only_input_errors(path):
        image: Any = nibabel.load(path)
        shape = tuple(int(length) for length in image.shape)
        if len(shape) < 3 or any(length != 1 for length in shape[3:]):
            raise InputError(f"expected a 3-D volume, got {' x '.join(map(str, shape))} voxels in {path}")
        if not 0 < np.prod(shape, dtype=float) <= _MOST_VOXELS:
            raise InputError(f"expected 1 to {_MOST_VOXELS} voxels, got {' x '.join(map(str, shape))} in {path}")
        _check_header(image, path)
        first, second, third = shape[:3]
        forms = read_forms(image.header, (first, second, third), str(path))
        check_grid(next(iter(forms.values())), str(path))
        values = np.asarray(image.dataobj, dtype=dtype).reshape(shape[:3])
        if image.get_data_dtype().kind in "iu":
            values[np.abs(values) < _HALF_STEP * abs(image.dataobj.slope)] = 0
        return Stored(values=values, forms=forms, apart_mm=contradiction_mm(forms, image.header))


def _check_header(image: Any, path: Path) -> None:
    unit = image.header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        raise InputError(f"expected millimetres, got {unit} in {path}")
    if image.get_data_dtype().kind not in "iuf":
        raise InputError(f"expected real numbers, got {image.get_data_dtype()} in {path}")


@contextmanager
def _only_input_errors(path: Path) -> Iterator[None]:
    """Turn any exception of nibabel into an InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected a readable NIfTI volume, got {text} in {path}") from error
