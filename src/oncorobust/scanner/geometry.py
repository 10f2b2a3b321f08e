"""Coarser pixels and a turned patient: another grid, there and back.

Coarser pixels: each new pixel is the mean over its area, and the old grid is read from the new one by linear
interpolation. The new grid covers the same field of view with a whole number of pixels. An image that is coarser
already stays as it is.

A turned patient: cubic splines around the middle of the image, in mm, so that pixels need not be square. Positive
angles turn anticlockwise on the screen. What comes from outside the image repeats its edge.
"""

import numpy as np
from scipy import ndimage, sparse

from oncorobust.formats.records import Scan
from oncorobust.scanner.frequencies import Spacing, spacing_of


def resampled(scan: Scan, spacing_mm: float, _rng: np.random.Generator) -> np.ndarray:
    """Return values (h, w) or (h, w, 3) read from a grid of a coarser in-plane spacing in mm."""
    changed = scan.values.astype(np.float64)
    for axis, own in enumerate(spacing_of(scan)):
        count = changed.shape[axis]
        coarse = max(1, round(count * own / spacing_mm))
        if coarse < count:
            changed = _along(changed, axis, _interpolation(coarse, count) @ _area_means(count, coarse))
    return changed


def _along(values: np.ndarray, axis: int, matrix: sparse.csr_array) -> np.ndarray:
    moved = np.moveaxis(values, axis, 0)
    product = matrix @ moved.reshape(len(moved), -1)
    return np.moveaxis(product.reshape(moved.shape), 0, axis)


def _area_means(count: int, coarse: int) -> sparse.csr_array:
    """Return the matrix (coarse, count) whose rows are means over equal parts of `count` pixels."""
    edges = np.arange(coarse + 1) * (count / coarse)
    pixels = np.arange(count)
    upper = np.minimum(edges[1:, None], pixels + 1)
    lower = np.maximum(edges[:-1, None], pixels)
    return sparse.csr_array(np.maximum(upper - lower, 0) * (coarse / count))


def _interpolation(coarse: int, count: int) -> sparse.csr_array:
    """Return the matrix (count, coarse) that reads `count` pixels from coarse ones linearly; the edges are repeated."""
    places = np.clip((np.arange(count) + 0.5) * (coarse / count) - 0.5, 0, coarse - 1)
    return sparse.csr_array(np.maximum(1 - np.abs(places[:, None] - np.arange(coarse)), 0))


def rotated(scan: Scan, degrees: float, _rng: np.random.Generator) -> np.ndarray:
    """Return values (h, w) or (h, w, 3) of the patient turned by an angle; they stay within the image's range."""
    planes = scan.values if scan.values.ndim == 3 else scan.values[:, :, None]
    turned = [_rotated_plane(planes[:, :, channel], degrees, spacing_of(scan)) for channel in range(planes.shape[2])]
    return np.stack(turned, axis=-1).reshape(scan.values.shape)


def _rotated_plane(values: np.ndarray, degrees: float, spacing_mm: Spacing) -> np.ndarray:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    scale = np.diag(spacing_mm)
    matrix = np.linalg.inv(scale) @ np.array([[cosine, sine], [-sine, cosine]]) @ scale
    middle = (np.array(values.shape) - 1) / 2
    turned = ndimage.affine_transform(
        values.astype(np.float64), matrix, offset=middle - matrix @ middle, order=3, mode="nearest"
    )
    return np.clip(turned, values.min(), values.max())
