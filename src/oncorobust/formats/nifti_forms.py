"""Positions of the voxels of a NIfTI volume: the forms of its header, and the form on which two volumes agree.

A header states the position up to twice: as sform (an affine matrix) and as qform (a rotation, the voxel size of
`pixdim` and an offset). Where both are there and differ, nibabel takes the sform and ITK, in many cases, the qform, so
that a segmentation written by one tool is off in another. A header with an sform alone states the voxel size twice, in
the sform and in `pixdim`.

The rule: the form of the image is the first of sform and qform that places the voxels as some form of the segmentation
does. The standard prefers neither (nifti1.h, "METHOD 2", "METHOD 3").
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.volumes import Grid

SAME_PLACE_MM = 0.1
"""Largest distance of two positions of a corner that count as equal; qforms are stored in float32."""

Forms = Mapping[str, Grid]

_RAS_TO_LPS = np.diag((-1.0, -1.0, 1.0, 1.0))


def read_forms(header: Any, shape: tuple[int, int, int], where: str) -> Forms:
    """Return the grid of each form that the header states, by name, in the order of the rule.

    A qform that is no rotation is passed over if there is an sform. Raises InputError naming `where` if there is none.
    """
    affines: dict[str, np.ndarray] = {}
    if int(header["sform_code"]) > 0:
        affines["sform"] = header.get_sform()
    if int(header["qform_code"]) > 0:
        _add_qform(affines, header)
    if not affines:
        raise InputError(f"expected an sform or a qform that positions the voxels, got code 0 for both in {where}")
    return {name: Grid(affine=_RAS_TO_LPS @ affine, shape=shape) for name, affine in affines.items()}


def apart_mm(first: Grid, second: Grid) -> float:
    """Return the largest distance between two positions of a corner voxel of the same array, mm."""
    corners = product(*((0.0, float(length - 1)) for length in first.shape))
    return float(max(np.linalg.norm(first.to_mm(*corner) - second.to_mm(*corner)) for corner in corners))


def common_form(image: Forms, segmentation: Forms) -> str | None:
    """Return the first form of the image that places the voxels as a form of the segmentation; None if none does."""
    for name, grid in image.items():
        if any(apart_mm(grid, other) <= SAME_PLACE_MM for other in segmentation.values()):
            return name
    return None


def contradiction_mm(forms: Forms, header: Any) -> float:
    """Return how far apart the statements of one header place a corner voxel, mm."""
    if len(forms) == 2:
        return apart_mm(forms["sform"], forms["qform"])
    if "qform" in forms:
        return 0.0
    (grid,) = forms.values()
    return apart_mm(grid, _with_spacing(grid, np.asarray(header["pixdim"][1:4], dtype=float)))


def _add_qform(affines: dict[str, np.ndarray], header: Any) -> None:
    from nibabel.spatialimages import HeaderDataError

    try:
        affines["qform"] = header.get_qform()
    except (ValueError, HeaderDataError):
        if not affines:
            raise


def _with_spacing(grid: Grid, spacing_mm: np.ndarray) -> Grid:
    """Return a grid with the same directions and other distances between voxels."""
    affine = grid.affine.copy()
    affine[:3, :3] *= np.abs(spacing_mm) / grid.spacing_mm
    return Grid(affine=affine, shape=grid.shape)
