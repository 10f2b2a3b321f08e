"""Planes of a volume as images: one slice, or the three orthogonal planes through a voxel as three channels.

A plane is that of the patient's axes which is nearest to a stored axis, whatever order and direction the file has
(`volumes.display_order`): axial slices count from the feet, coronal ones from the front, sagittal ones from the
patient's right. The position of a slice is that of its middle along the patient's axis.

Pixels become square: where the two spacings of a plane differ, it is resampled bilinearly to the smaller one. The three
orthogonal planes are resampled to the smallest spacing of the volume, in a square around the voxel whose side is the
volume's shortest extent; beyond the volume they hold the lowest of their values.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from jaxtyping import Float, Shaped

from oncorobust.base.errors import InputError
from oncorobust.formats.parts import Plane
from oncorobust.formats.volumes import Grid, Order, display_order, reorder_grid

_PATIENT_AXIS = {"sagittal": 0, "coronal": 1, "axial": 2}
_SAME_SPACING = 1e-3
_ROUNDING = 6
"""Decimals of a slice number that count; what is less is rounding error."""


def order_for(grid: Grid, plane: Plane | None) -> Order:
    """Return the display order of the slices of a plane; axial for None, and for the three orthogonal planes."""
    from nibabel.orientations import io_orientation

    wanted = _PATIENT_AXIS.get(plane or "axial", _PATIENT_AXIS["axial"])
    nearest = [int(axis) for axis in io_orientation(grid.affine)[:, 0]]
    return display_order(grid, slice_axis=nearest.index(wanted))


def turn(values: Shaped[np.ndarray, "_ _ _"], order: Order) -> Shaped[np.ndarray, "_ _ _"]:
    """Return a view of a stored array in display order."""
    return values.transpose(order.axes)[tuple(slice(None, None, -1 if back else 1) for back in order.reverse)]


def slice_at(grid: Grid, position_mm: float, plane: Plane | None, where: Path) -> int:
    """Return the slice nearest to a position along the patient's axis, the lower of two. Raises InputError.

    grid: in the display order of the plane.
    """
    axis = _PATIENT_AXIS[plane or "axial"]
    n_slices, rows, columns = grid.shape
    first, last = (float(grid.to_mm(float(at), (rows - 1) / 2, (columns - 1) / 2)[axis]) for at in (0, n_slices - 1))
    number = round((position_mm - first) / float(grid.affine[axis, 0]), _ROUNDING)
    if not -0.5 <= number <= n_slices - 0.5:
        raise InputError(
            f"expected a position from {first:g} to {last:g} mm along {'xyz'[axis]} (LPS) for {plane or 'axial'} "
            f"slices, got {position_mm:g} mm for {where}"
        )
    return min(max(0, math.ceil(number - 0.5)), n_slices - 1)


def square_pixels(plane: Shaped[np.ndarray, "_ _"], spacing_mm: tuple[float, float]) -> Shaped[np.ndarray, "_ _"]:
    """Return a plane with pixels as wide as high, at the smaller of the spacings of rows and columns."""
    if is_square(spacing_mm):
        return plane
    finest = min(spacing_mm)
    height, width = (round(n * mm / finest) for n, mm in zip(plane.shape, spacing_mm, strict=True))
    image = PIL.Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize((max(width, 1), max(height, 1)), PIL.Image.Resampling.BILINEAR))


def is_square(spacing_mm: tuple[float, float]) -> bool:
    """Return whether pixels are as wide as high, within a thousandth."""
    return abs(spacing_mm[0] - spacing_mm[1]) <= _SAME_SPACING * max(spacing_mm)


def nearest_voxel(grid: Grid, point_mm: tuple[float, float, float], where: Path) -> tuple[int, int, int]:
    """Return the voxel that holds a point. Raises InputError if none does."""
    voxel = grid.to_voxel(*point_mm).round(_ROUNDING)
    if not grid.holds(voxel):
        shown = " ".join(f"{number:g}" for number in point_mm)
        raise InputError(f"expected a point_mm between {_corners(grid)} (LPS), got {shown} for {where}")
    first, second, third = (int(index) for index in np.floor(voxel + 0.5))
    return first, second, third


def orthogonal_planes(
    values: Shaped[np.ndarray, "_ _ _"], grid: Grid, voxel: tuple[int, int, int]
) -> Float[np.ndarray, "side side 3"]:
    """Return the axial, coronal and sagittal plane through a voxel as channels.

    values, grid: in axial display order. Rows of the last two run from head to feet.
    """
    number, row, column = voxel
    slices_mm, rows_mm, columns_mm = grid.spacing_mm
    from_head = values.shape[0] - 1 - number
    cuts = (
        (values[number], (row, column), (rows_mm, columns_mm)),
        (values[::-1, row], (from_head, column), (slices_mm, columns_mm)),
        (values[::-1, :, column], (from_head, row), (slices_mm, rows_mm)),
    )
    finest = min(grid.spacing_mm)
    side = round(min(n * mm for n, mm in zip(grid.shape, grid.spacing_mm, strict=True)) / finest)
    side -= 1 - side % 2  # odd, so that the voxel is the pixel in the middle
    lowest = min(float(plane.min()) for plane, _, _ in cuts)
    return np.stack([_around(*cut, side=side, step_mm=finest, beyond=lowest) for cut in cuts], axis=-1)


def spacing_in_plane(grid: Grid, order: Order) -> tuple[float, float]:
    """Return the spacing of the rows and the columns of a grid turned to this order, mm."""
    _, rows, columns = reorder_grid(grid, order).spacing_mm
    return rows, columns


def _around(
    plane: np.ndarray,
    centre: tuple[int, int],
    spacing_mm: tuple[float, float],
    *,
    side: int,
    step_mm: float,
    beyond: float,
) -> Any:
    """Return a square of this many pixels, `step_mm` apart, around a pixel of a plane."""
    from scipy.ndimage import map_coordinates  # takes a tenth of a second, and few trees need it

    steps = (np.arange(side) - side // 2) * step_mm
    rows, columns = (at + steps / mm for at, mm in zip(centre, spacing_mm, strict=True))
    places = np.meshgrid(rows.round(_ROUNDING), columns.round(_ROUNDING), indexing="ij")
    return map_coordinates(plane.astype(np.float32), places, order=1, mode="constant", cval=beyond)


def _corners(grid: Grid) -> str:
    ends = np.array(
        [grid.to_mm(*(float(n - 1) * (bits >> axis & 1) for axis, n in enumerate(grid.shape))) for bits in range(8)]
    )
    low, high = ends.min(axis=0), ends.max(axis=0)
    return " and ".join(" ".join(f"{number:g}" for number in corner) for corner in (low, high))
