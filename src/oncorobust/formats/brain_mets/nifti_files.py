"""Reader of NIfTI volumes and segmentations: values as stored, with checks of the header and the values.

The affine is the header's sform, or else its qform (nibabel's rule); a header with neither does not define the position
of the voxels and is rejected. x and y change sign from NIfTI's RAS to DICOM's LPS. InputError, naming the file, is the
only exception that leaves this module, whatever nibabel raises on damaged bytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.volumes import Grid, check_grid

LABELS = range(5)

_RAS_TO_LPS = np.diag((-1.0, -1.0, 1.0, 1.0))
_TOLERANCE_MM = 1e-3
_MOST_VOXELS = 2**28


@dataclass(frozen=True)
class Stored:
    """Values as stored (i, j, k), with their grid in LPS mm."""

    values: np.ndarray
    grid: Grid


def read_image(path: Path) -> Stored:
    """Read an image as float32; its values are finite and not all 0. Raises InputError naming the file."""
    stored = _read_stored(path, np.float32)
    if not np.isfinite(stored.values).all():
        bad = int((~np.isfinite(stored.values)).sum())
        raise InputError(f"expected finite values, got {bad} that are NaN or infinite in {path}")
    if not stored.values.any():
        raise InputError(f"expected an image, got a volume in which every voxel is 0 in {path}")
    return stored


def read_segmentation(path: Path, image: Stored, image_path: Path) -> Stored:
    """Read an image's segmentation as uint8: labels 0 to 4 on the image's voxels. Raises InputError naming the file."""
    stored = _read_stored(path, np.float64)
    _check_alike(stored, image, path, image_path)
    _check_labels(stored.values, path)
    return Stored(values=stored.values.astype(np.uint8), grid=stored.grid)


def _read_stored(path: Path, dtype: type[np.floating]) -> Stored:
    """Read a 3-D volume of real numbers whose header defines its position. Raises InputError."""
    import nibabel  # takes half a second, and most trees have no NIfTI

    with _only_input_errors(path):
        image: Any = nibabel.load(path)
        shape = tuple(int(length) for length in image.shape)
        if len(shape) != 3:
            raise InputError(f"expected a 3-D volume, got {' x '.join(map(str, shape))} voxels in {path}")
        if not 0 < np.prod(shape, dtype=float) <= _MOST_VOXELS:
            raise InputError(f"expected 1 to {_MOST_VOXELS} voxels, got {' x '.join(map(str, shape))} in {path}")
        _check_header(image, path)
        grid = Grid(affine=_RAS_TO_LPS @ image.affine, shape=shape)
        check_grid(grid, str(path))
        return Stored(values=np.asarray(image.dataobj, dtype=dtype), grid=grid)


def _check_header(image: Any, path: Path) -> None:
    header = image.header
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise InputError(f"expected an sform or a qform that positions the voxels, got code 0 for both in {path}")
    unit = header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        raise InputError(f"expected millimetres, got {unit} in {path}")
    if image.get_data_dtype().kind not in "iuf":
        raise InputError(f"expected real numbers, got {image.get_data_dtype()} in {path}")


def _check_alike(segmentation: Stored, image: Stored, path: Path, image_path: Path) -> None:
    if segmentation.grid.shape != image.grid.shape:
        sizes = [" x ".join(map(str, stored.grid.shape)) for stored in (image, segmentation)]
        raise InputError(f"expected {sizes[0]} voxels as in {image_path}, got {sizes[1]} in {path}")
    difference = float(np.abs(segmentation.grid.affine - image.grid.affine).max())
    if difference > _TOLERANCE_MM:
        raise InputError(f"expected the affine of {image_path}, got one that differs by {difference:g} in {path}")


def _check_labels(values: np.ndarray, path: Path) -> None:
    fractions = values[values != np.round(values)]
    if fractions.size:
        raise InputError(f"expected whole labels, got {fractions[0]:g} in {path}")
    outside = values[(values < LABELS[0]) | (values > LABELS[-1])]
    if outside.size:
        raise InputError(f"expected labels from {LABELS[0]} to {LABELS[-1]}, got {outside[0]:g} in {path}")


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
