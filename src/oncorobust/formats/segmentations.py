"""Segmentations on the grid of their image, mapped by world coordinates where the two grids differ.

The voxel of the image at a place belongs to the segmentation if the nearest voxel of the segmentation's grid does.
Image and segmentation may come from different tools, in any order of axes, direction and spacing; they must overlap.

Where the sform and the qform of a NIfTI header differ, `place` applies the rule of `nifti_forms`.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from oncorobust.base.errors import InputError
from oncorobust.formats.nifti_forms import SAME_PLACE_MM, common_form
from oncorobust.formats.volume_header import VolumeHeader
from oncorobust.formats.volumes import Grid

_ROUNDING = 6
"""Decimals of a voxel index that count; what is less is rounding error."""

Mask = Bool[np.ndarray, "_ _ _"]


@dataclass(frozen=True)
class Region:
    """The voxels of an image inside its segmentation: a box that begins at voxel `first`, and which of its voxels."""

    first: tuple[int, int, int]
    inside: Mask

    def largest_slice(self) -> int:
        """Return the slice, along the first axis, with the most voxels; the first of several."""
        return self.first[0] + int(np.argmax(self.inside.sum(axis=(1, 2))))

    def centre(self) -> tuple[int, int, int]:
        """Return the voxel nearest to the mean of all voxels inside."""
        first, second, third = (int(np.floor(place.mean() + 0.5)) for place in np.nonzero(self.inside))
        return self.first[0] + first, self.first[1] + second, self.first[2] + third


def place(image: VolumeHeader, segmentation: VolumeHeader, image_path: Path, path: Path) -> tuple[Grid, Grid]:
    """Return the grids of an image and its segmentation, by the rule of `nifti_forms`.

    With the same number of voxels, it is the first form of the image that agrees with one of the segmentation. On
    different grids nothing shows which of two different forms holds. Raises InputError.
    """
    if image.shape == segmentation.shape and (form := common_form(image.forms, segmentation.forms)):
        return image.forms[form], image.forms[form]
    for header, where, other in ((image, image_path, path), (segmentation, path, image_path)):
        if len(header.forms) > 1 and header.apart_mm > SAME_PLACE_MM:
            raise InputError(
                f"expected sform and qform within {SAME_PLACE_MM} mm, got {header.apart_mm:.3g} mm apart in {where}, "
                f"and neither agrees with {other}; correct the header"
            )
    return next(iter(image.forms.values())), next(iter(segmentation.forms.values()))


def find_region(mask: Mask, mask_grid: Grid, grid: Grid, *, image_path: Path, path: Path) -> Region:
    """Return the voxels of `grid` inside a mask, which is not empty, on another grid.

    Raises InputError if there are none.
    """
    to_mask = np.linalg.solve(mask_grid.affine, grid.affine)
    low, high = _box(mask, np.linalg.inv(to_mask))
    if (high < 0).any() or (low >= grid.shape).any():
        raise InputError(f"expected a segmentation that overlaps {image_path}, got one beside it in {path}")
    low, high = np.maximum(low, 0), np.maximum(np.minimum(high + 1, grid.shape), low)
    inside = np.zeros(tuple(high - low), dtype=bool)
    rows, columns = np.arange(low[1], high[1])[:, None], np.arange(low[2], high[2])[None, :]
    for number in range(len(inside)):
        inside[number] = _lookup(mask, to_mask, int(low[0]) + number, rows, columns)
    if not inside.any():
        raise InputError(f"expected a segmentation with voxels of {image_path} inside, got none in {path}")
    return Region((int(low[0]), int(low[1]), int(low[2])), inside)


def _box(mask: Mask, to_image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last voxel of an image, along each axis, that the mask can touch."""
    edges = []
    for axis in range(3):
        found = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        edges.append((found[0] - 0.5, found[-1] + 0.5))
    corners = (np.array(list(product(*edges))) @ to_image[:3, :3].T + to_image[:3, 3]).round(_ROUNDING)
    return np.ceil(corners.min(axis=0)).astype(int), np.floor(corners.max(axis=0)).astype(int)


def _lookup(mask: Mask, to_mask: np.ndarray, slice_: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return which voxels of an image's slice lie in the mask."""
    index, valid = [], np.ones(np.broadcast_shapes(rows.shape, columns.shape), dtype=bool)
    for axis in range(3):
        step = to_mask[axis]
        place_ = np.round(step[0] * slice_ + step[1] * rows + step[2] * columns + step[3], _ROUNDING)
        nearest = np.ceil(place_ - 0.5).astype(int)
        valid &= (nearest >= 0) & (nearest < mask.shape[axis])
        index.append(np.clip(nearest, 0, mask.shape[axis] - 1))
    return valid & mask[index[0], index[1], index[2]]
