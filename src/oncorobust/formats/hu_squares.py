"""Squares cut out of CT slices in Hounsfield units, with air outside of the image."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

AIR_HU = -1024.0


@dataclass(frozen=True)
class Square:
    """A square of pixels on a slice; it may extend beyond the edges of the slice."""

    top: int
    left: int
    side: int


def square_around(row: float, col: float, *, side: int) -> Square:
    """Return the square whose middle is nearest to a point; ties go up and left."""
    return Square(top=math.ceil(row - side / 2), left=math.ceil(col - side / 2), side=side)


def cut_square(values: np.ndarray, square: Square) -> Float32[np.ndarray, "{square.side} {square.side}"]:
    """Cut a square out of a slice in HU; pixels outside the image and values below air become air (-1024 HU)."""
    top, left = max(0, square.top), max(0, square.left)
    inside = values[top : max(0, square.top + square.side), left : max(0, square.left + square.side)]
    cut = np.full((square.side, square.side), AIR_HU, dtype=np.float32)
    above, before = top - square.top, left - square.left
    cut[above : above + inside.shape[0], before : before + inside.shape[1]] = np.maximum(inside, AIR_HU)
    return cut
