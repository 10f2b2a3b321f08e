"""Order and grid of slices that lie in the patient as their headers say; rules in `stacks`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from oncorobust.base.errors import InputError
from oncorobust.formats.volumes import Grid, check_grid

_TOLERANCE = 1e-3
_SHARE_OF_STEP = 0.1
_SHARE_OF_PIXEL = 0.1


@dataclass(frozen=True)
class Slice:
    """One slice. where: its file, or frame and file. shape: rows and columns. Lengths in mm, LPS."""

    where: str
    position_mm: Float[np.ndarray, "3"]
    directions: Float[np.ndarray, "6"]
    spacing_mm: Float[np.ndarray, "2"]
    shape: tuple[int, int]
    frame_of_reference: str


def stack_slices(slices: Sequence[Slice], where: str) -> tuple[list[int], Grid]:
    """Return the order of slices along their normal, and the grid of the ordered stack. Raises InputError.

    where: folder or file, for messages.
    """
    if len(slices) < 2:
        raise InputError(f"expected several slices, got one in {where}: name it alone, without slice and plane")
    for one in slices:
        _check_alike(one, slices[0])
    along, down = np.split(slices[0].directions, 2)
    normal = np.cross(along, down)
    order = [int(number) for number in np.argsort([one.position_mm @ normal for one in slices], kind="stable")]
    ordered = [slices[number] for number in order]
    positions = np.stack([one.position_mm for one in ordered])
    _check_steps(ordered, np.diff(positions @ normal))
    affine = np.eye(4)
    affine[:3, 0] = (positions[-1] - positions[0]) / (len(positions) - 1)
    affine[:3, 1], affine[:3, 2] = down * slices[0].spacing_mm[0], along * slices[0].spacing_mm[1]
    affine[:3, 3] = positions[0]
    rows, columns = slices[0].shape
    grid = Grid(affine=affine, shape=(len(slices), rows, columns))
    check_grid(grid, where)
    _check_line(ordered, positions, grid)
    return order, grid


def _check_alike(one: Slice, first: Slice) -> None:
    """Check that a slice has the plane and the pixels of the first one. Raises InputError naming both."""
    directions = one.directions.reshape(2, 3)
    if np.abs(directions @ directions.T - np.eye(2)).max() > _TOLERANCE:
        raise InputError(
            f"expected two unit vectors at right angles as ImageOrientationPatient, got {_shown(one.directions)} in "
            f"{one.where}"
        )
    for name, found, expected in (
        ("ImageOrientationPatient", one.directions, first.directions),
        ("PixelSpacing", one.spacing_mm, first.spacing_mm),
        ("Rows and Columns", np.array(one.shape), np.array(first.shape)),
    ):
        if np.abs(found - expected).max() > _TOLERANCE:
            raise InputError(
                f"expected one {name} in a volume, got {_shown(expected)} in {first.where} and {_shown(found)} in "
                f"{one.where}"
            )
    if one.frame_of_reference != first.frame_of_reference:
        raise InputError(f"expected one FrameOfReferenceUID in a volume, got two in {first.where} and {one.where}")


def _check_steps(ordered: Sequence[Slice], steps_mm: np.ndarray) -> None:
    """Check that slices lie apart, and evenly. Raises InputError naming two neighbours."""
    same = int(np.argmin(steps_mm))
    if steps_mm[same] < _TOLERANCE:
        raise InputError(
            f"expected one slice at each place, got two at the same: {ordered[same].where} and "
            f"{ordered[same + 1].where}; keep one echo, phase or copy"
        )
    median = float(np.median(steps_mm))
    worst = int(np.argmax(np.abs(steps_mm - median)))
    if abs(steps_mm[worst] - median) > _SHARE_OF_STEP * median:
        raise InputError(
            f"expected slices {median:g} mm apart, got {steps_mm[worst]:g} mm between {ordered[worst].where} and "
            f"{ordered[worst + 1].where}: a slice is missing, or the spacings differ"
        )


def _check_line(ordered: Sequence[Slice], positions: np.ndarray, grid: Grid) -> None:
    """Check that no slice is shifted sideways. Raises InputError naming it."""
    away = positions - positions[0]
    step = grid.affine[:3, 0] / grid.spacing_mm[0]
    sideways = np.linalg.norm(away - np.outer(away @ step, step), axis=1)
    if sideways.max() > _SHARE_OF_PIXEL * min(grid.spacing_mm[1:]):
        worst = int(np.argmax(sideways))
        raise InputError(
            f"expected slices in one line, got one {sideways[worst]:g} mm beside it in {ordered[worst].where}"
        )


def _shown(numbers: np.ndarray) -> str:
    return " ".join(f"{number:g}" for number in numbers)
