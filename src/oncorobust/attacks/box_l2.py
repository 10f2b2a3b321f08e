"""Moves of a given l2 size inside the box [0, 1], exact where pixels meet the box. Imports no framework.

A move follows a direction d with a factor t, and each value stops where it meets the box; room is the way to the box:

    x(t) = clip(x + t d, 0, 1)        size   |x(t) - x| = sqrt(sum of min(t |d|, room)^2)
                                      gain   d . (x(t) - x) = sum of |d| min(t |d|, room)

Of all images in the box that are at most as far from x, x(t) gains most along d. Size and gain grow with t. Each
equation for t is solved first without the box, and then again with the values that have met the box, until no further
value meets it: t comes up to the answer from below and reaches it after a few rounds.
"""

import numpy as np

from oncorobust.base.arrays import Images, PerImage

_MOST_ROUNDS = 50


def l2_distance(x: Images, y: Images) -> PerImage:
    """Return the l2 distance of each pair of images over all their values, (n,) float64."""
    return np.sqrt(_sums((x.astype(np.float64) - y) ** 2))


def farthest(x: Images) -> PerImage:
    """Return the l2 distance of each image from the farthest corner of the box, (n,) float64."""
    return np.sqrt(_sums(np.maximum(x, 1 - x.astype(np.float64)) ** 2))


def move(x: Images, direction: Images, factor: PerImage) -> Images:
    """Move images along directions, each by its own factor (n,), and stop at the box. inf: as far as the box."""
    step = np.zeros(x.shape)
    np.multiply(factor.reshape(-1, 1, 1, 1), direction, out=step, where=direction != 0)
    return np.clip(x + step, 0, 1).astype(np.float32)


def factor_of_size(x: Images, direction: Images, size: PerImage) -> PerImage:
    """Return the factor (n,) at which a move has this size (n,); inf where the whole way to the box is shorter."""
    slope, room = _slope_and_room(x, direction)
    return _factor(slope, room, met=room**2, wanted=size**2, power=2)


def factor_of_gain(x: Images, direction: Images, gain: PerImage) -> PerImage:
    """Return the factor (n,) at which a move has this gain (n,), 0 for none; inf where the box allows less."""
    slope, room = _slope_and_room(x, direction)
    return _factor(slope, room, met=slope * room, wanted=gain, power=1)


def _slope_and_room(x: Images, direction: Images) -> tuple[Images, Images]:
    room = np.where(direction > 0, 1 - x.astype(np.float64), x)
    return np.abs(direction.astype(np.float64)), np.where(direction == 0, 0.0, room)


def _factor(slope: Images, room: Images, *, met: Images, wanted: PerImage, power: int) -> PerImage:
    """Solve for t: the sum of `met` over values at the box, and of t^power slope^2 over the others, is `wanted`."""
    factor, squares = np.zeros(len(slope)), slope**2
    for _ in range(_MOST_ROUNDS):
        # Where the slope is 0, room is 0 too: such values are never free.
        free = room > np.multiply(factor.reshape(-1, 1, 1, 1), slope, out=np.zeros_like(slope), where=slope > 0)
        left = np.maximum(wanted - _sums(np.where(free, 0, met)), 0)
        rate = _sums(np.where(free, squares, 0))
        solved = np.divide(left, rate, out=np.where(left > 0, np.inf, 0.0), where=rate > 0)
        before, factor = factor, np.maximum(factor, solved ** (1 / power))
        if np.array_equal(before, factor):
            break
    return factor


def _sums(values: np.ndarray) -> PerImage:
    return values.sum(axis=(1, 2, 3), dtype=np.float64)
