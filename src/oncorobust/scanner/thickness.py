"""A thicker slice, made from the slices beside it: the mean weighted by a rectangular slice sensitivity profile.

Each slice stands for the space halfway to its neighbours; the outermost slices stand for all that lies beyond them. The
weight of a slice is the part of the wanted thickness that its space covers. A thickness inside the space of the own
slice changes nothing. The thickness that the slices themselves have comes on top of it where they overlap.
"""

import numpy as np

from oncorobust.formats.records import Scan


def slice_weights(positions_mm: np.ndarray, thickness_mm: float) -> np.ndarray:
    """Return the weight of each slice, at increasing positions (k,), in a slice around 0; their sum is 1."""
    middles = (positions_mm[1:] + positions_mm[:-1]) / 2
    edges = np.clip(np.concatenate([[-np.inf], middles, [np.inf]]), -thickness_mm / 2, thickness_mm / 2)
    return np.diff(edges) / thickness_mm


def thicker(scan: Scan, thickness_mm: float, _rng: np.random.Generator) -> np.ndarray:
    """Return the slice (h, w) of a thickness in mm around an image that has neighbouring slices."""
    if scan.stack is None:
        raise ValueError("expected an image with neighbouring slices")
    weights = slice_weights(scan.stack.positions_mm.astype(np.float64), thickness_mm)
    return sum(weight * values.astype(np.float64) for weight, values in zip(weights, scan.stack.values, strict=True))
