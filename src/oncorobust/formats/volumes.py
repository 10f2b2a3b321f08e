"""Volumes of slices and the position of their voxels in the patient.

A grid maps voxel (slice, row, column) to millimetres in DICOM's patient coordinates (LPS: x to the patient's left, y to
the back, z to the head; PS3.3 C.7.6.2.1.1):

    (x, y, z, 1) = affine @ (slice, row, column, 1)

Files store voxels along any axes and in any direction. `display_order` returns how to reorder a stored array so that
all volumes are displayed in the same orientation: slices from feet to head, rows from front to back, columns from right
to left. If the slices are not axial, rows run from head to feet (sagittal: columns from front to back). Voxels are only
reordered, never interpolated. A crop is a square of whole voxels on one slice, so pixels have to be square.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from oncorobust.base.errors import InputError

PERCENTILES = (0.5, 99.5)
_TOLERANCE = 1e-3
_HEAD = 2


@dataclass(frozen=True)
class Grid:
    """Positions of voxels: affine (4, 4) from voxel indices to LPS mm, and the number of voxels along each axis."""

    affine: Float[np.ndarray, "4 4"]
    shape: tuple[int, int, int]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along each axis, mm."""
        first, second, third = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(first), float(second), float(third)

    def to_voxel(self, x_mm: float, y_mm: float, z_mm: float) -> Float[np.ndarray, "3"]:
        """Return the fractional voxel indices of a point; voxel centres are whole numbers."""
        voxel: np.ndarray = np.linalg.solve(self.affine[:3, :3], np.array((x_mm, y_mm, z_mm)) - self.affine[:3, 3])
        return voxel

    def to_mm(self, first: float, second: float, third: float) -> Float[np.ndarray, "3"]:
        """Return the LPS position of a voxel, mm."""
        position: np.ndarray = self.affine[:3, :3] @ np.array((first, second, third)) + self.affine[:3, 3]
        return position

    def holds(self, voxel: Float[np.ndarray, "3"]) -> bool:
        """Return whether a point lies in one of the voxels, which extend half a voxel around their centres."""
        return bool(np.all((voxel >= -0.5) & (voxel < np.array(self.shape) - 0.5)))


@dataclass(frozen=True)
class Order:
    """How stored axes become (slice, row, column): the stored axis of each, and whether it is reversed."""

    axes: tuple[int, int, int]
    reverse: tuple[bool, bool, bool]


@dataclass(frozen=True)
class Volume:
    """Stored values (slices, rows, columns) in display order, and their grid.

    percentiles: those of PERCENTILES of all voxels other than 0, by which `share` scales. padded: voxels outside the
    image; None if the format states no padding. lossy: whether any slice was compressed with loss.
    """

    values: Float[np.ndarray, "slices rows columns"]
    grid: Grid
    percentiles: tuple[np.float32, np.float32]
    padded: Bool[np.ndarray, "slices rows columns"] | None = None
    lossy: bool = False

    def share(self, values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
        """Scale stored values to (v - p0.5) / (p99.5 - p0.5), without clipping."""
        low, high = self.percentiles
        return (values - low) / (high - low)


def check_grid(grid: Grid, where: str) -> None:
    """Check that voxels have a finite size above 0 and axes at right angles. Raises InputError naming `where`."""
    spacing = np.array(grid.spacing_mm)
    if not np.isfinite(grid.affine).all() or (spacing < _TOLERANCE).any():
        raise InputError(f"expected voxels of a positive finite size, got {_millimetres(spacing)} in {where}")
    directions = grid.affine[:3, :3] / spacing
    cosine = float(np.abs(directions.T @ directions - np.eye(3)).max())
    if cosine > _TOLERANCE:
        angle = math.degrees(math.acos(min(cosine, 1.0)))
        raise InputError(f"expected axes at right angles, got an angle of {angle:.2f} degrees in {where}")


def check_square_pixels(grid: Grid, where: str) -> None:
    """Check that rows and columns (second and third axis) have the same spacing. Raises InputError naming `where`."""
    row, column = grid.spacing_mm[1:]
    if abs(row - column) > _TOLERANCE * max(row, column):
        raise InputError(f"expected square pixels on the slices, got {row:g} x {column:g} mm in {where}")


def display_order(grid: Grid, *, slice_axis: int | None) -> Order:
    """Return the display order; `slice_axis` is the axis across slices (None: the axis nearest to feet-head)."""
    from nibabel.orientations import io_orientation  # takes half a second, and most trees have no volumes

    nearest = io_orientation(grid.affine)
    patient = [int(axis) for axis in nearest[:, 0]]
    slices = patient.index(_HEAD) if slice_axis is None else slice_axis
    rows, columns = sorted({0, 1, 2} - {slices}, key=lambda axis: -patient[axis])
    axes = (slices, rows, columns)
    forward = [bool(nearest[axis, 1] > 0) for axis in axes]
    head_to_feet = [patient[axis] == _HEAD and axis != slices for axis in axes]
    first, second, third = (up == down for up, down in zip(forward, head_to_feet, strict=True))
    return Order(axes=axes, reverse=(first, second, third))


def reorder(values: Shaped[np.ndarray, "_ _ _"], order: Order) -> Shaped[np.ndarray, "_ _ _"]:
    """Return a stored array in display order."""
    turned = values.transpose(order.axes)
    return np.ascontiguousarray(np.flip(turned, tuple(axis for axis in range(3) if order.reverse[axis])))


def reorder_grid(grid: Grid, order: Order) -> Grid:
    """Return the grid of an array that `reorder` returned."""
    affine = grid.affine.copy()
    for place, (axis, reverse) in enumerate(zip(order.axes, order.reverse, strict=True)):
        step = grid.affine[:3, axis]
        affine[:3, place] = -step if reverse else step
        if reverse:
            affine[:3, 3] += step * (grid.shape[axis] - 1)
    first, second, third = (grid.shape[axis] for axis in order.axes)
    return Grid(affine=affine, shape=(first, second, third))


def percentiles_inside(values: Float[np.ndarray, "slices rows columns"], where: str) -> tuple[np.float32, np.float32]:
    """Return the PERCENTILES of the voxels other than 0. Raises InputError naming `where` if they are equal."""
    inside = values[values != 0]
    if not inside.size:
        raise InputError(f"expected an image, got a volume in which every voxel is 0 in {where}")
    low, high = (np.float32(value) for value in np.percentile(inside, PERCENTILES))
    if not low < high:
        raise InputError(
            f"expected an image of more than one value, got {low:g} at percentiles 0.5 and 99.5 in {where}"
        )
    return low, high


def crop_side(grid: Grid, *, crop_mm: float, where: str) -> int:
    """Return the side of the crop on a slice, voxels. Raises InputError naming `where` if it is below two voxels."""
    side = round(crop_mm / grid.spacing_mm[1])
    if side < 2:
        raise InputError(f"expected crop_mm of at least two pixels, got {crop_mm:g} mm for {where}")
    return side


def square_corner(row: float, column: float, *, side: int) -> tuple[int, int]:
    """Return the first row and column of the square whose middle is nearest to (row, column).

    Ties go up and left. Differences below a thousandth of a pixel count as rounding error, so that a centre converted
    to millimetres and back gives the same square.
    """
    top, left = (math.floor(round(centre - (side - 1) / 2, 3)) for centre in (row, column))
    return top, left


def crop_square(
    values: Shaped[np.ndarray, "rows columns"], *, row: float, column: float, side: int
) -> Shaped[np.ndarray, "{side} {side}"]:
    """Cut out the square of `square_corner`, with 0, or False, where it extends beyond the slice."""
    top, left = square_corner(row, column, side=side)
    square = np.zeros((side, side), dtype=values.dtype)
    inside = values[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    height, width = inside.shape
    square[max(-top, 0) : max(-top, 0) + height, max(-left, 0) : max(-left, 0) + width] = inside
    return square


def _millimetres(numbers: np.ndarray) -> str:
    return " x ".join(f"{number:g}" for number in numbers) + " mm"
