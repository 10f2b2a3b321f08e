"""Outlines as drawn by LIDC-IDRI's readers: the first pixels outside a region, closed by repeating the first point.

The region's outer neighbours are the border of the region grown by one pixel up, down, left and right. They are
followed clockwise from pixel to touching pixel (Moore neighbour tracing), until the path would repeat its first step
(Jacob's criterion), so a polygon through them contains the whole region strictly inside.
"""

import numpy as np
from jaxtyping import Bool
from scipy.ndimage import binary_dilation, binary_fill_holes, label

Outline = tuple[tuple[int, int], ...]
"""Points (x, y) = (column, row), from 0."""

_AROUND = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""The eight neighbours (row, column) in clockwise order, with rows counted downwards."""


def largest_region(mask: Bool[np.ndarray, "rows cols"]) -> Bool[np.ndarray, "rows cols"]:
    """Return the largest connected region with its holes filled, as a reader would outline it."""
    parts, count = label(mask, structure=np.ones((3, 3)))
    if count == 0:
        return np.zeros_like(mask)
    return np.asarray(binary_fill_holes(parts == 1 + np.bincount(parts.ravel())[1:].argmax()))


def trace_outline(region: Bool[np.ndarray, "rows cols"]) -> Outline:
    """Trace the closed outline of one region that does not touch the image's edge."""
    rows, columns = np.nonzero(binary_dilation(region))
    grown = set(zip(rows.tolist(), columns.tolist(), strict=True))
    start = place = min(grown)  # the leftmost pixel of the topmost row: nothing lies above it or to its left
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
        # The neighbour before this direction was found to be background in the last step.
        search_from = step + (6 if step % 2 else 7)


def _neighbour(place: tuple[int, int], step: int) -> tuple[int, int]:
    return place[0] + _AROUND[step][0], place[1] + _AROUND[step][1]
