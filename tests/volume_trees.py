"""A small volume with one marked voxel, written in every order of axes by nibabel and by SimpleITK, and manifests."""

import itertools
from pathlib import Path
from typing import Any

import nibabel
import nibabel.orientations as orientations
import numpy as np
import pytest

SHAPE = (4, 6, 8)  # slices from the feet, rows from the front, columns from the right
SPACING_MM = (3.0, 2.0, 2.0)
FIRST_MM = (-7.0, -5.0, 10.0)  # x, y, z of voxel (0, 0, 0), LPS
MARK = (1, 4, 6)
MARK_MM = (-7.0 + 6 * 2.0, -5.0 + 4 * 2.0, 10.0 + 1 * 3.0)
ORDERS = tuple(
    "".join(sides[axis] for axis in axes)
    for axes in itertools.permutations(range(3))
    for sides in itertools.product("LR", "PA", "SI")
)
"""All 48 orders of axes and directions, by nibabel's codes."""


def marked(value: float = 100.0) -> np.ndarray:
    """Values 0 to 191 in display order, the marked voxel apart."""
    values = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    values[MARK] = value * 10
    return values


def affine_lps(spacing_mm: tuple[float, float, float] = SPACING_MM) -> np.ndarray:
    """From (slice, row, column, 1) to LPS mm."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = spacing_mm
    affine[:, 3] = (*FIRST_MM, 1.0)
    return affine


def write_nifti(path: Path, values: np.ndarray, *, axes: str = "LPS", affine: np.ndarray | None = None) -> Path:
    """Write values in display order as NIfTI with the voxels along these axes."""
    lps = affine_lps() if affine is None else affine
    ras = np.diag((-1.0, -1.0, 1.0, 1.0)) @ lps[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), ras)
    wanted = orientations.axcodes2ornt(tuple(axes))
    turned = image.as_reoriented(orientations.ornt_transform(orientations.io_orientation(ras), wanted))
    turned.set_qform(turned.affine, 1)
    turned.set_sform(turned.affine, 1)
    nibabel.save(turned, path)
    return path


def write_itk(path: Path, values: np.ndarray, *, axes: str = "LPS", affine: np.ndarray | None = None) -> Path:
    """Write values in display order with SimpleITK, the voxels moved to these axes by SimpleITK itself."""
    sitk: Any = pytest.importorskip("SimpleITK")
    lps = affine_lps() if affine is None else affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    image.SetSpacing([float(mm) for mm in spacing[::-1]])
    image.SetOrigin([float(mm) for mm in lps[:3, 3]])
    image.SetDirection([float(cosine) for cosine in (lps[:3, :3] / spacing)[:, ::-1].ravel()])
    sitk.WriteImage(sitk.DICOMOrient(image, axes), str(path))
    return path


def write_manifest(folder: Path, columns: str, *rows: str) -> Path:
    """Write a manifest with these columns after the label and the patient; rows alternate between two classes."""
    lines = [f"i{number},{'ab'[number % 2]},p{number},{row}" for number, row in enumerate(rows)]
    text = "\n".join((f"image_id,label,patient_id,{columns}", *lines)) + "\n"
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    return folder
