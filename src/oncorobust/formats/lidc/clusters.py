"""Grouping of the readers' annotations into nodules, exactly as in pylidc 0.2.3.

Two annotations are linked when the smallest distance between their contour points is within a tolerance; linked
annotations form a nodule (connected components). While a nodule has more than four members, the tolerance shrinks by a
factor of 0.9, until it would fall below 0.1. This follows pylidc's code, not its documentation: distances are between
(row, column, slice) indices, and the tolerance starts at the numerical value of SliceThickness in mm. The result is the
published 2,651 nodules; distances in mm give the same number, but six nodules differ.

Source: Hancock and Magnan, J Med Imaging 3, 2016; pylidc 0.2.3, Scan.cluster_annotations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

FACTOR = 0.9
SMALLEST_TOLERANCE = 0.1
MOST_MEMBERS = 4


def cluster_annotations(points: Sequence[Float[np.ndarray, "_ 3"]], *, tolerance: float) -> list[tuple[int, ...]]:
    """Group annotations into nodules: tuples of positions in `points`, ordered by their first members.

    points: the contour points (row, column, slice) of each annotation. tolerance: SliceThickness, mm.
    """
    if not points:
        return []
    distances = smallest_distances(points, within=tolerance)
    _, nodule = connected_components(distances <= tolerance, directed=False)
    while np.bincount(nodule).max() > MOST_MEMBERS:
        tolerance *= FACTOR
        if tolerance < SMALLEST_TOLERANCE:
            break
        _, nodule = connected_components(distances <= tolerance, directed=False)
    groups: dict[int, list[int]] = {}
    for position, number in enumerate(nodule):
        groups.setdefault(int(number), []).append(position)
    return [tuple(group) for group in groups.values()]


def smallest_distances(points: Sequence[Float[np.ndarray, "_ 3"]], *, within: float) -> Float[np.ndarray, "n n"]:
    """Return the smallest distance of each pair of annotations; infinity if their bounding boxes are further apart."""
    low = np.array([p.min(axis=0) for p in points])
    high = np.array([p.max(axis=0) for p in points])
    apart = np.maximum(0, low[:, None] - high[None, :])
    apart = np.linalg.norm(np.maximum(apart, apart.transpose(1, 0, 2)), axis=2)
    trees = [KDTree(p) for p in points]
    distances = np.full((len(points), len(points)), np.inf)
    for first, second in np.argwhere(np.triu(apart <= within + 1)):
        nearest = trees[first].query(points[second])[0].min()
        distances[first, second] = distances[second, first] = nearest
    return distances
