"""Fast minimum-norm attack in l2: search for the least l2 distance at which each image flips.

Each image has its own ball, of radius epsilon_k, which shrinks while its iterates are adversarial and grows while they
are not. With P_k the projection into that ball and the box,

    x_{k+1} = P_k(x_k + alpha_k epsilon_k gradient / |gradient|)         alpha_k: 1 -> 0.01, cosine

    adversarial        epsilon_{k+1} = the estimate, within [1/2, 1 - gamma_k] of the least distance so far
    not adversarial    epsilon_{k+1} = the estimate, or (1 + gamma_k) epsilon_k where that is larger than the estimate,
                       and at most the least distance so far; before the first adversarial, 1.3 epsilon_k in place of
                       (1 + gamma_k) epsilon_k, and at most the farthest corner

gamma_k falls from 0.02 to 0.0005. The estimate is the least distance within the box at which the margin, linearised at
x_k, is 0; where no pixel meets 0 or 1 it is margin / |gradient| for x_k = x, the published rule. The first adversarial
iterate is drawn in by bisection of the way to x, with forward passes alone. P_k is exact for ball and box together
(`box_l2`), so a linear classifier is solved in a few steps with and without the box. The published step is alpha_k in
pixel units; here it is relative to the ball, so that it fits images of any number of pixels.

From 30 iterations on, half of them start from the point across the image from the best example of the other half: the
nearest boundary may lie on the other side. On small nets of random weights that reduced the largest excess over the
best of 32 variants from 1.24 to below 1.03.

The margin has to be the loss that the target climbs. A target that searches in a coarse precision reports margins
below 0 only where full float32 confirms them, and only these count.
Source: Pintor, Roli, Brendel and Biggio 2021, "Fast minimum-norm adversarial attacks through adaptive norm
constraints".
"""

from dataclasses import dataclass

import numpy as np

from oncorobust.attacks.box_l2 import factor_of_gain, factor_of_size, farthest, l2_distance, move
from oncorobust.attacks.fmn import BEYOND, annealed
from oncorobust.attacks.goals import Goal
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images, PerImage

_REL_EPS_STEP = (1.0, 0.01)
_GAMMA = (0.02, 0.0005)

_CLIMB = 1.3
_BISECTIONS = 5
_FEWEST_STEPS = 15
"""Of a descent; with fewer than twice as many there is one alone."""


@dataclass(frozen=True)
class Nearest:
    """The nearest adversarial images found. x_adv: (n, h, w, c), the image itself where none was found.

    distance: (n,) float64, l2 over all values of an image; inf where none was found.
    """

    x_adv: Images
    distance: PerImage


def fmn_l2(target: Target, x: Images, goal: Goal, *, max_iter: int) -> Nearest:
    """Return the adversarial image of least l2 distance found for each image (n, h, w, c).

    An image that is adversarial itself has the distance 0. Every image costs `max_iter` gradients and at most 12
    forward passes. Raises InputError as `Target.margin_gradient` does.
    """
    found = Nearest(x.copy(), np.full(len(x), np.inf))
    first = max_iter if max_iter < 2 * _FEWEST_STEPS else (max_iter + 1) // 2
    _descend(target, x, goal, x, n_steps=first, found=found)
    if first < max_iter:
        across = _project(x, 2 * x - found.x_adv, np.minimum(found.distance, farthest(x)))
        _descend(target, x, goal, across, n_steps=max_iter - first, found=found)
    return found


def _descend(target: Target, x: Images, goal: Goal, point: Images, *, n_steps: int, found: Nearest) -> None:
    """Search from a point, and keep what is closer than the examples found so far."""
    every = np.arange(len(x))
    epsilon, corner, seen = l2_distance(x, point), farthest(x), np.zeros(len(x), dtype=bool)
    for step in range(n_steps):
        margin, gradient = target.margin_gradient(point, goal)
        _keep(found, every, x, point, margin)
        _draw_in(target, x, goal, point, at=np.flatnonzero((margin < 0) & ~seen), found=found)
        seen |= margin < 0
        least = np.minimum(found.distance, corner)
        estimate = _linear_distance(x, point, margin, gradient) * (1 + BEYOND[0]) + BEYOND[1]
        gamma = annealed(*_GAMMA, step / n_steps)
        growth = np.where(np.isfinite(found.distance), 1 + gamma, _CLIMB)
        epsilon = np.where(
            margin < 0,
            np.clip(estimate, least / 2, least * (1 - gamma)),
            np.minimum(np.where(estimate > epsilon, estimate, epsilon * growth), least),
        )
        length = annealed(*_REL_EPS_STEP, step / n_steps) * epsilon
        point = _project(x, point + _of_size(gradient, length), epsilon)
    _keep(found, every, x, point, target.margins(point, goal))


def _draw_in(target: Target, x: Images, goal: Goal, point: Images, *, at: np.ndarray, found: Nearest) -> None:
    """Bisect the ways from adversarial points of the images `at` to the images, and keep what is adversarial."""
    low, high = np.zeros(len(at)), np.ones(len(at))
    for _ in range(_BISECTIONS if len(at) else 0):
        middle = (low + high) / 2
        between = x[at] + (middle.reshape(-1, 1, 1, 1) * (point[at] - x[at])).astype(np.float32)
        margin = target.margins(between, goal.at(at))
        _keep(found, at, x[at], between, margin)
        low, high = np.where(margin < 0, low, middle), np.where(margin < 0, middle, high)


def _keep(found: Nearest, at: np.ndarray, x: Images, point: Images, margin: PerImage) -> None:
    """Keep adversarial points of the images x, which are those `at` places, where they are closer than those so far."""
    distance = np.where(margin < 0, l2_distance(x, point), np.inf)
    closer = distance < found.distance[at]
    found.x_adv[at[closer]], found.distance[at[closer]] = point[closer], distance[closer]


def _of_size(gradient: Images, size: PerImage) -> Images:
    norm = l2_distance(gradient, np.zeros_like(gradient))
    scale = np.divide(size, norm, out=np.zeros(len(norm)), where=norm > 0)
    return (scale.reshape(-1, 1, 1, 1) * gradient).astype(np.float32)


def _project(x: Images, point: Images, epsilon: PerImage) -> Images:
    """Return the nearest points within epsilon of x and in the box."""
    direction = point - x
    return move(x, direction, np.minimum(factor_of_size(x, direction, epsilon), 1))


def _linear_distance(x: Images, point: Images, margin: PerImage, gradient: Images) -> PerImage:
    """Return the least distance in the box at which the margin, linearised at the point, is 0; at most the farthest.

    gradient: of the loss to climb, minus that of the margin.
    """
    wanted = margin + (gradient.astype(np.float64) * (point - x)).sum(axis=(1, 2, 3))
    return l2_distance(x, move(x, gradient, factor_of_gain(x, gradient, np.maximum(wanted, 0))))
