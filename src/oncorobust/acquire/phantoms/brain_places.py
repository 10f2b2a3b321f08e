"""Positions of metastases and negatives in a brain phantom, exchangeable so that position does not predict the class.

Two positions are drawn for each metastasis, in one slice if it has room, and one of them is chosen at random as the
lesion. The shape of the brain therefore affects both classes alike. Every position is at least 10 mm from the furthest
voxel that a lesion at any other position could have.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from oncorobust.acquire.phantoms.texture import axes_about, norm
from oncorobust.base.errors import InputError

MEDIAN_DIAMETER_MM, DIAMETER_LIMITS_MM = 8.0, (4.0, 22.0)
MIN_DISTANCE_MM, USUAL_DISTANCE_MM = 10.0, 20.0
"""Least distance of a negative from any segmented voxel, and from its own metastasis if there is room. The latter is
half a crop, so that a negative's crop seldom shows a metastasis beside its centre."""

OEDEMA_FROM_MM = 9.0
"""Diameter above which a metastasis has oedema."""

MOST_BUMPY, WIDEST_OEDEMA = 1.2, 0.9
"""Largest radius of an outline and largest width of the oedema around it, as fractions of the metastasis's radius."""

_ATTEMPTS = 20

Place = tuple[float, float, float]
"""Slice, row and column of a voxel."""


class Pair(NamedTuple):
    """A metastasis's diameter in mm, its centre, and the centre of its negative."""

    diameter_mm: float
    lesion: Place
    negative: Place


def draw_pairs(
    n: int, places: Bool[np.ndarray, "slices rows cols"], *, spacing: tuple[float, ...], rng: np.random.Generator
) -> list[Pair]:
    """Draw n metastases with their negatives at allowed positions, the largest first.

    spacing: mm between slices, rows and columns. Raises InputError when there is not enough room.
    """
    for _ in range(_ATTEMPTS):
        pairs = _try_pairs(n, places, spacing, rng)
        if len(pairs) == n:
            return pairs
    raise InputError(f"no room for {n} metastases and negatives in the brain after {_ATTEMPTS} attempts")


def _try_pairs(
    n: int, places: Bool[np.ndarray, "slices rows cols"], spacing: tuple[float, ...], rng: np.random.Generator
) -> list[Pair]:
    """Draw up to n pairs; fewer if there is not enough room."""
    clearance = np.where(places, np.float32(np.inf), np.float32(-np.inf))
    pairs: list[Pair] = []
    for diameter_mm in np.sort(np.clip(rng.lognormal(np.log(MEDIAN_DIAMETER_MM), 0.5, n), *DIAMETER_LIMITS_MM))[::-1]:
        reach = _reach_mm(float(diameter_mm))
        free = clearance > reach + MIN_DISTANCE_MM
        if not free.any():
            break
        first = _draw_place(free, rng)
        away = norm(axes_about(places.shape, spacing=spacing, centre=first))
        same_slice = (np.arange(len(places)) == int(first[0]))[:, None, None]
        apart = free & (away > reach + MIN_DISTANCE_MM)
        choices = (apart & same_slice & (away > reach + USUAL_DISTANCE_MM), apart & same_slice, apart)
        chosen = next((choice for choice in choices if choice.any()), None)
        if chosen is None:
            break
        second = _draw_place(chosen, rng)
        for place in (first, second):
            distance = norm(axes_about(places.shape, spacing=spacing, centre=place))
            clearance = np.minimum(clearance, distance - np.float32(reach))
        lesion, negative = (first, second) if rng.random() < 0.5 else (second, first)
        pairs.append(Pair(float(diameter_mm), lesion, negative))
    return pairs


def _reach_mm(diameter_mm: float) -> float:
    """Return the largest distance of a metastasis's voxels, including oedema, from its centre, mm."""
    return diameter_mm / 2 * (MOST_BUMPY + (WIDEST_OEDEMA if diameter_mm > OEDEMA_FROM_MM else 0))


def _draw_place(allowed: Bool[np.ndarray, "slices rows cols"], rng: np.random.Generator) -> Place:
    place = np.unravel_index(rng.choice(np.flatnonzero(allowed)), allowed.shape)
    return float(place[0]), float(place[1]), float(place[2])
