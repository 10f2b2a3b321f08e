"""Boxes around lesions, in pixels of the slice, of the square cut from it, and of the processed image.

Coordinates are those of pixel edges, not centres: pixel i extends from i to i + 1, so a box of rows 3 to 5 has top 3
and bottom 6. When the centre crop that starts at c and has k pixels is resized to n pixels, an edge at e moves to

    (e - c) n / k        clipped to [0, n].

A reader returns `stored_side`, the side of the square as stored, and the box in pixels of that square in the columns
of LESION_BOX; they are empty (NaN) for images without a lesion. Preprocessing converts them to pixels of the processed
image.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

LESION_BOX = ("lesion_top", "lesion_left", "lesion_bottom", "lesion_right")
STORED_SIDE = "stored_side"


@dataclass(frozen=True)
class Box:
    """The edges of a box on a slice, pixels."""

    top: float
    left: float
    bottom: float
    right: float


def box_of_pixels(rows: np.ndarray, columns: np.ndarray) -> Box:
    """Return the smallest box that holds the pixels with these rows and columns (at least one)."""
    return Box(float(rows.min()), float(columns.min()), float(rows.max() + 1), float(columns.max() + 1))


def box_around(row: float, column: float, *, diameter: float) -> Box:
    """Return the box around a circle; its centre is given in indices, so whole numbers are pixel centres."""
    middle_row, middle_column, radius = row + 0.5, column + 0.5, diameter / 2
    return Box(middle_row - radius, middle_column - radius, middle_row + radius, middle_column + radius)


def box_columns(box: Box | None, *, top: int, left: int, side: int) -> dict[str, float | int]:
    """Return an image's columns: the box in pixels of the given square, clipped to it; NaN where `box` is None."""
    edges = [np.nan] * 4 if box is None else [box.top - top, box.left - left, box.bottom - top, box.right - left]
    return {
        **{name: float(np.clip(edge, 0, side)) for name, edge in zip(LESION_BOX, edges, strict=True)},
        STORED_SIDE: side,
    }


def resize_boxes(index: pd.DataFrame, *, crop_fraction: float, size: int) -> pd.DataFrame:
    """Convert the boxes of an index to pixels of the processed image; return an index without boxes unchanged.

    A lesion outside the crop has no box afterwards. crop_fraction, size: as in `settings.Preprocess`.
    """
    if STORED_SIDE not in index:
        return index
    kept = index[STORED_SIDE].map(lambda side: cropped_side(side, crop_fraction))
    before = (index[STORED_SIDE] - kept) // 2
    boxes = pd.DataFrame({name: ((index[name] - before) * size / kept).clip(0, size) for name in LESION_BOX})
    top, left, bottom, right = (boxes[name] for name in LESION_BOX)
    return index.assign(**boxes.where((top < bottom) & (left < right)))


def cropped_side(shorter_side: int, fraction: float) -> int:
    """Return the side of the centre crop, pixels, at least one."""
    return max(1, round(fraction * shorter_side))
