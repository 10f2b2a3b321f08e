"""Position, box and diameter of a nodule from the contours of all readers who marked it.

A reader's area on a slice is the inside of the included contours without the inside of the excluded ones (cavities).
Contours run along the first pixels outside, so the contour pixels themselves do not count. The consensus consists of
all pixels that are in the areas of at least half of the readers. The nodule's slice is the one with the largest
consensus; its position and box are the centroid and box of the consensus there. Its diameter is the mean over readers
of the largest distance between two points of a contour.

Source: Armato et al., Medical Physics 38, 2011 (contours); pylidc's `consensus` and `diameter`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation, label
from scipy.spatial.distance import pdist

from oncorobust.base.errors import InputError
from oncorobust.formats.lesion_boxes import Box, box_of_pixels
from oncorobust.formats.lidc.geometry import PlacedContour

Reader = Sequence[PlacedContour]
"""The contours of one annotation."""

Areas = Mapping[int, Int[np.ndarray, "height width"]]
"""One reader's area on each slice, 1 inside; the arrays of all readers show the same part of the slices."""


@dataclass(frozen=True)
class Place:
    """A nodule's slice in the series, with the centroid (pixel indices) and box (pixel edges) of the consensus."""

    slice: int
    row: float
    col: float
    box: Box


def find_place(readers: Sequence[Reader], *, where: str) -> Place:
    """Find the slice with the largest consensus, the lowest of several equal ones.

    Raises InputError naming `where` if cavities leave nothing.
    """
    corners = np.vstack([contour.points for reader in readers for contour in reader])
    first = corners.min(axis=0)
    height, width = (int(length) for length in corners.max(axis=0) - first + 1)
    areas: list[Areas] = []
    for reader in readers:
        outlines = [replace(one, points=one.points - first) for one in reader]
        areas.append(
            {
                number: _area([one for one in outlines if one.slice == number], height=height, width=width)
                for number in {contour.slice for contour in reader}
            }
        )
    if not any(pixels.any() for reader in areas for pixels in reader.values()):
        raise InputError(f"expected contours that enclose a nodule, got only cavities in {where}")
    return find_consensus(areas, first=first)


def find_consensus(readers: Sequence[Areas], *, first: Int[np.ndarray, "2"]) -> Place:
    """Find the slice with the largest consensus of the readers' areas, at least one of which is not empty.

    If no pixel is in the areas of half of the readers, the pixels with the most readers are the consensus. first: row
    and column, on the slice, of the areas' first pixel.
    """
    votes: dict[int, np.ndarray] = {}
    for reader in readers:
        for number, pixels in reader.items():
            votes[number] = votes.get(number, np.int64(0)) + pixels
    most = max(int(count.max()) for count in votes.values())
    needed = min(-(-len(readers) // 2), most)
    best = max(sorted(votes), key=lambda number: int((votes[number] >= needed).sum()))
    rows, cols = (start + places for start, places in zip(first, np.nonzero(votes[best] >= needed), strict=True))
    return Place(slice=best, row=float(rows.mean()), col=float(cols.mean()), box=box_of_pixels(rows, cols))


def mean_diameter(readers: Sequence[Reader], *, spacing_mm: float) -> float:
    """Return the mean over readers of the largest in-plane diameter of their contours, mm."""
    return float(np.mean([max(_diameter(contour.points) for contour in reader) for reader in readers])) * spacing_mm


def _area(contours: Sequence[PlacedContour], *, height: int, width: int) -> Int[np.ndarray, "{height} {width}"]:
    """Return one reader's area on one slice, 1 inside; if contours enclose no pixel, their own pixels are the area."""
    area = np.zeros((height, width), dtype=np.int64)
    for contour in contours:
        if contour.included:
            area[_inside(contour.points, height=height, width=width)] = 1
    if not area.any():
        for contour in contours:
            if contour.included:
                area[tuple(contour.points.T)] = 1
    for contour in contours:
        if not contour.included:
            area[_inside(contour.points, height=height, width=width)] = 0
    return area


def _inside(points: Int[np.ndarray, "n 2"], *, height: int, width: int) -> Bool[np.ndarray, "{height} {width}"]:
    picture = Image.new("L", (width, height))
    if len(points) > 2:
        ImageDraw.Draw(picture).polygon([(int(col), int(row)) for row, col in points], fill=1, outline=0)
    return np.asarray(picture) == 1


def area_diameter(area: Bool[np.ndarray, "height width"]) -> float:
    """Return the largest in-plane diameter of an area's outlines, pixels: those of `mean_diameter`, one per region.

    An outline runs along the first pixels outside; regions that touch at a corner are one.
    """
    regions, count = label(np.pad(area, 1), structure=np.ones((3, 3)))
    outlines = (np.argwhere(binary_dilation(regions == number)) for number in range(1, count + 1))
    return max(_diameter(points) for points in outlines)


def _diameter(points: Int[np.ndarray, "n 2"]) -> float:
    """Return the largest distance between two points, pixels; its ends are first or last points of a row."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    changes = np.flatnonzero(np.diff(ordered[:, 0]))
    ends = ordered[np.concatenate([[0], changes, changes + 1, [len(ordered) - 1]])]
    return float(pdist(ends).max())
