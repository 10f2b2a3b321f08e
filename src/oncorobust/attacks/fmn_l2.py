"""Fast minimum-norm attack in l2: search for the least l2 distance at which each image flips.

Each image has its own ball, of radius epsilon_k, which shrinks while its iterates are adversarial and grows while they
are not. With P_k the projection into that ball and the box,

    x_{k+1} = P_k(x_k + alpha_k epsilon_k gradient / |gradient|)         alpha_k: 2 -> 0.01, cosine

    adversarial        epsilon_{k+1} = the estimate, within [1/2, 1 - gamma_k] of the least distance so far
    not adversarial    epsilon_{k+1} = the estimate, or (1 + gamma_k) epsilon_k where that is larger than the estimate,
                       and at most the least distance so far (before the first adversarial: the farthest corner)

gamma_k falls from 0.02 to 0.0005. The estimate is the least distance within the box at which the margin, linearised at
x_k, is 0; where no pixel meets 0 or 1 it is margin / |gradient| for x_k = x, the published rule. P_k is exact for ball
and box together (`box_l2`), so a linear classifier is solved in a few steps with and without the box. The published
step is alpha_k from 1 in pixel units; here it is relative to the ball, so that it fits images of any number of pixels.

The margin has to be the loss that the target climbs. A target that searches in a coarse precision reports margins
below 0 only where full float32 confirms them, and only these count.
Source: Pintor, Roli, Brendel and Biggio 2021, "Fast minimum-norm adversarial attacks through adaptive norm
constraints".
"""

import math
from dataclasses import dataclass

import numpy as np

from oncorobust.attacks.box_l2 import factor_of_gain, factor_of_size, farthest, l2_distance, move
from oncorobust.attacks.goals import Goal
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images, PerImage

_REL_EPS_STEP = (2.0, 0.01)
_GAMMA = (0.02, 0.0005)

_BEYOND = (5e-6, 2.0**-23)
"""Step past the estimate, as a share and in pixel units, which exceeds rounding errors."""


@dataclass(frozen=True)
class Nearest:
    """The nearest adversarial images found. x_adv: (n, h, w, c), the image itself where none was found.

    distance: (n,) float64, l2 over all values of an image; inf where none was found.
    """

    x_adv: Images
    distance: PerImage


def fmn_l2(target: Target, x: Images, goal: Goal, *, max_iter: int) -> Nearest:
    """Return the adversarial image of least l2 distance found for each image (n, h, w, c).

    An image that is adversarial itself has the distance 0. Every image costs `max_iter` gradients and one forward pass.
    Raises InputError as `Target.margin_gradient` does.
    """
    found = Nearest(x.copy(), np.full(len(x), np.inf))
    point, epsilon, least = x, np.zeros(len(x)), farthest(x)
    for iteration in range(max_iter):
        margin, gradient = target.margin_gradient(point, goal)
        least = np.minimum(least, _keep(found, x, point, margin))
        estimate = _linear_distance(x, point, margin, gradient) * (1 + _BEYOND[0]) + _BEYOND[1]
        gamma = _annealed(*_GAMMA, iteration / max_iter)
        epsilon = np.where(
            margin < 0,
            np.clip(estimate, least / 2, least * (1 - gamma)),
            np.minimum(np.where(estimate > epsilon, estimate, epsilon * (1 + gamma)), least),
        )
        step = _annealed(*_REL_EPS_STEP, iteration / max_iter) * epsilon
        point = _project(x, point + _of_size(gradient, step), epsilon)
    _keep(found, x, point, target.margins(point, goal))
    return found


def _annealed(first: float, last: float, share: float) -> float:
    """Anneal from first to last along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _keep(found: Nearest, x: Images, point: Images, margin: PerImage) -> PerImage:
    """Keep adversarial points that are closer than those so far; return the least distances, inf where none."""
    distance = np.where(margin < 0, l2_distance(x, point), np.inf)
    closer = distance < found.distance
    found.x_adv[closer], found.distance[closer] = point[closer], distance[closer]
    return found.distance


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
