"""Regions of a brain volume: metastases from a segmentation, and negatives matched to them in position.

A metastasis is a 26-connected component of the labels that make up metastases (`brain_mets.labels`); its slice is the
one on which it is largest, its centre the centroid on that slice.

A negative is centred on a voxel of one of these slices, at least `min_distance_mm` (in 3-D) from every segmented voxel,
oedema too, with at least 90 % brain in the middle of its crop (a square of half the crop's side). Each metastasis gets
the voxel nearest to its mirror image across the midline, which is the mean column of the brain on its slice. The
negatives thus match the metastases in depth, distance from the midline and distance from the front, so that none of
these predicts the label. Positions whose crops show no segmented voxel are preferred. Two negatives are at least half a
crop apart along some axis of the grid, so their squares share at most half of their area.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int
from scipy import ndimage

from oncorobust.formats.lesion_boxes import Box, box_of_pixels
from oncorobust.formats.volumes import Volume

MIN_BRAIN_SHARE = 0.9

Mask = Bool[np.ndarray, "slices rows columns"]


@dataclass(frozen=True)
class Regions:
    """The regions found by the reader of a layout.

    index: columns of RawImages, and volume, lesion_id, x_mm, y_mm, z_mm (LPS), diameter_mm, slice, row, column (voxels
        in display order), the metastasis's box (`lesion_boxes`); rows of one volume are adjacent.
    load: reads a volume by its name in `volume`. Raises InputError.
    flags: whether each file is marked as synthetic, None where it does not say.
    notes: sentences for the user that say what was left out or decided.
    """

    index: pd.DataFrame
    load: Callable[[str], Volume]
    flags: tuple[bool | None, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Lesion:
    """One metastasis: centre in voxels, diameter of a sphere of equal volume, and share of its voxels in the brain.

    box: of the component on that slice, edges of voxels.
    """

    slice: int
    row: float
    column: float
    diameter_mm: float
    brain_share: float
    box: Box


@dataclass(frozen=True)
class Negative:
    """A region without metastasis: centre in voxels, number of its lesion, and whether its crop shows segmentation."""

    slice: int
    row: int
    column: int
    lesion: int
    shows_mask: bool


def find_lesions(tumour: Mask, brain: Mask, *, spacing_mm: tuple[float, float, float]) -> tuple[Lesion, ...]:
    """Find the 26-connected components of metastatic tissue, in the order of their first voxels."""
    components, _ = ndimage.label(tumour, structure=np.ones((3, 3, 3)))
    voxel_mm3 = float(np.prod(spacing_mm))
    lesions = []
    for number, box in enumerate(ndimage.find_objects(components), start=1):
        inside = components[box] == number
        place = int(np.argmax(inside.sum(axis=(1, 2))))  # the lowest of several slices with equal area
        rows, columns = (axis.start + places for axis, places in zip(box[1:], np.nonzero(inside[place]), strict=True))
        lesions.append(
            Lesion(
                slice=box[0].start + place,
                row=float(rows.mean()),
                column=float(columns.mean()),
                diameter_mm=float(np.cbrt(6 * inside.sum() * voxel_mm3 / np.pi)),
                brain_share=float(brain[box][inside].mean()),
                box=box_of_pixels(rows, columns),
            )
        )
    return tuple(lesions)


def find_negatives(
    lesions: tuple[Lesion, ...],
    segmented: Mask,
    brain: Mask,
    *,
    spacing_mm: tuple[float, float, float],
    side: int,
    min_distance_mm: float,
    rng: np.random.Generator,
) -> tuple[Negative, ...]:
    """Find at most one negative per lesion, in the order of the lesions; lesions choose in random order.

    segmented: voxels of any label. side: of the crop, voxels. A lesion has no negative if no position is left for it.
    """
    slices = sorted({lesion.slice for lesion in lesions})
    allowed = _allowed(slices, segmented, brain, spacing_mm=spacing_mm, side=side, min_distance_mm=min_distance_mm)
    places = np.argwhere(allowed)
    places[:, 0] = np.array(slices, dtype=int)[places[:, 0]]
    shows_mask = _near_mask(segmented[slices], side=side)[allowed]
    found = []
    for number in rng.permutation(len(lesions)):
        if not len(places):
            break
        target = _mirror(lesions[number], brain)
        choice = _nearest(places, shows_mask, target, spacing_mm=spacing_mm)
        place = places[choice]
        slice_, row, column = (int(index) for index in place)
        found.append(Negative(slice_, row, column, lesion=int(number), shows_mask=bool(shows_mask[choice])))
        apart = _apart(places, place, spacing_mm=spacing_mm, distance_mm=side * spacing_mm[1] / 2)
        places, shows_mask = places[apart], shows_mask[apart]
    return tuple(sorted(found, key=lambda negative: negative.lesion))


def mask_distance_mm(mask: Mask, slices: list[int], *, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Return each voxel's 3-D distance to the mask, mm, on the given slices; infinite if the mask is empty."""
    if not mask.any():
        return np.full((len(slices), *mask.shape[1:]), np.inf)
    distance: np.ndarray = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    return distance[slices]


def _allowed(
    slices: list[int],
    segmented: Mask,
    brain: Mask,
    *,
    spacing_mm: tuple[float, float, float],
    side: int,
    min_distance_mm: float,
) -> Bool[np.ndarray, "chosen rows columns"]:
    """Return which voxels of the slices can be the centre of a negative."""
    far = mask_distance_mm(segmented, slices, spacing_mm=spacing_mm) >= min_distance_mm
    middle = max(1, side // 2)
    share = ndimage.uniform_filter(brain[slices].astype(float), size=(1, middle, middle), mode="constant")
    return far & (share >= MIN_BRAIN_SHARE - 1e-9)


def _near_mask(mask: Mask, *, side: int) -> Mask:
    """Return which voxels have a crop that shows a voxel of the mask."""
    near: np.ndarray = ndimage.maximum_filter(mask, size=(1, side, side), mode="constant")
    return near


def _mirror(lesion: Lesion, brain: Mask) -> np.ndarray:
    """Mirror the lesion's centre across the midline of the brain on its slice; voxels."""
    columns = np.nonzero(brain[lesion.slice])[1]
    midline = float(columns.mean()) if len(columns) else lesion.column
    return np.array((lesion.slice, lesion.row, 2 * midline - lesion.column))


def _nearest(
    places: Int[np.ndarray, "n 3"],
    shows_mask: Bool[np.ndarray, " n"],
    target: np.ndarray,
    *,
    spacing_mm: tuple[float, float, float],
) -> int:
    """Return the position nearest to the target, preferring those whose crops show no mask."""
    distance = (((places - target) * spacing_mm) ** 2).sum(axis=1)
    return int(np.argmin(np.where(shows_mask & ~shows_mask.all(), np.inf, distance)))


def _apart(
    places: Int[np.ndarray, "n 3"],
    place: Int[np.ndarray, "3"],
    *,
    spacing_mm: tuple[float, float, float],
    distance_mm: float,
) -> Bool[np.ndarray, " n"]:
    apart: np.ndarray = (np.abs(places - place) * spacing_mm).max(axis=1) >= distance_mm
    return apart
