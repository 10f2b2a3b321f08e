"""Outlines as LIDC-IDRI's readers drew them: the first pixels outside of a region, once around, the first repeated.

The region's outer neighbours are the border of the region grown by one pixel up, down, left and right. They are
followed clockwise from pixel to touching pixel (Moore's neighbour tracing), until the walk would repeat its first step
(Jacob's criterion), so a polygon through them holds the whole region strictly inside.
"""

import numpy as np
from jaxtyping import Bool
from scipy.ndimage import binary_dilation, binary_fill_holes, label

Outline = tuple[tuple[int, int], ...]
"""Points (x, y) = (column, row), from 0."""

_AROUND = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""The eight neighbours (row, column) in the clockwise order of an image whose rows go down."""


def largest_region(mask: Bool[np.ndarray, "rows cols"]) -> Bool[np.ndarray, "rows cols"]:
    """The largest part of touching pixels, its holes filled: what a reader would go around in one line."""
    parts, count = label(mask, structure=np.ones((3, 3)))
    if count == 0:
        return np.zeros_like(mask)
    return np.asarray(binary_fill_holes(parts == 1 + np.bincount(parts.ravel())[1:].argmax()))


def trace_outline(region: Bool[np.ndarray, "rows cols"]) -> Outline:
    """The closed outline of one region that does not touch the image's edge."""
    rows, columns = np.nonzero(binary_dilation(region))
    grown = set(zip(rows.tolist(), columns.tolist(), strict=True))
    start = place = min(grown)  # the topmost row's leftmost pixel: nothing lies above or left of it
    search_from = 0
    points = [start]
    first_step = None
    while True:
        around = ((turn % 8, _neighbour(place, turn % 8)) for turn in range(search_from, search_from + 8))
        step, following = next((turn, pixel) for turn, pixel in around if pixel in grown)
        if place == start and step == first_step:
            return tuple((column, row) for row, column in points)
        first_step = step if first_step is None else first_step
        place = following
        points.append(place)
        search_from = step + (6 if step % 2 else 7)  # the pixel before was passed over as background on the last step


def _neighbour(place: tuple[int, int], step: int) -> tuple[int, int]:
    return place[0] + _AROUND[step][0], place[1] + _AROUND[step][1]
