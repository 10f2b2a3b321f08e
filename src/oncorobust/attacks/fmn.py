"""Fast minimum-norm attack in l_inf: search for the smallest epsilon instead of attacking at a given one.

Each image has its own ball, of radius epsilon_k, which shrinks while its iterates are adversarial and grows while they
are not. With P_k the projection into that ball and the box,

    x_{k+1} = P_k(x_k + alpha_k epsilon_k sign(gradient))         alpha_k: 2 -> 0.01, cosine

    adversarial        epsilon_{k+1} = the estimate, within [1/2, 1 - gamma_k] of the least distance so far
    not adversarial    epsilon_{k+1} = the estimate, or (1 + gamma_k) epsilon_k where that is larger than the estimate,
                       and at most the least distance so far (before the first adversarial: the epsilon allowed)

gamma_k falls from 0.02 to 0.0005. The estimate is the epsilon at which the margin, linearised at x_k, is 0. Where no
pixel meets 0 or 1 it is margin / l1 norm of the gradient for x_k = x, the published rule; here pixels that meet the
box count up to there only, which matters on images with a black background, and a linear classifier is solved in one
step. It needs the gradient of the margin; under another loss it is a guess that the rules above correct.
Source: Pintor, Roli, Brendel and Biggio 2021; the sign step in place of their l2-normalised one.
"""

import math
from dataclasses import replace

import numpy as np

from oncorobust.attacks.linf import Ball, Found
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images, PerImage

_REL_EPS_STEP = (2.0, 0.01)
_GAMMA = (0.02, 0.0005)

BEYOND = (5e-6, 2.0**-23)
"""Step past the estimate, as a share and in pixel units (float32's spacing below 1), which exceeds rounding errors."""

_MAX_NEWTON_STEPS = 20


def fmn(target: Target, ball: Ball, start: Images, *, max_iter: int) -> Found:
    """Return the adversarial image of least l_inf distance found in each ball, else the image of least margin.

    start: (n, h, w, c), projected into the ball. Distance is the epsilon that allows the change: under a reach, a
    pixel's change is divided by the pixel's share. Every image costs `max_iter` gradients and one forward pass.
    """
    x = ball.project(start)
    epsilon, least = _distance(ball, x), ball.epsilon.astype(np.float64)
    found = Found(x.copy(), np.full(len(x), np.inf, dtype=np.float32))
    for iteration in range(max_iter):
        margin, gradient = target.margin_gradient(x, ball.goal)
        least = _keep(found, least, ball, x, margin)
        estimate = _linear_epsilon(ball, x, margin, gradient) * (1 + BEYOND[0]) + BEYOND[1]
        gamma = annealed(*_GAMMA, iteration / max_iter)
        epsilon = np.where(
            margin < 0,
            np.clip(estimate, least / 2, least * (1 - gamma)),
            np.minimum(np.where(estimate > epsilon, estimate, epsilon * (1 + gamma)), least),
        )
        smaller = replace(ball, epsilon=epsilon)
        step = np.float32(annealed(*_REL_EPS_STEP, iteration / max_iter)) * smaller.radius
        x = smaller.project(x + step * np.sign(gradient))
    _keep(found, least, ball, x, target.margins(x, ball.goal))
    return found


def annealed(first: float, last: float, share: float) -> float:
    """Anneal from first to last along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _keep(found: Found, least: np.ndarray, ball: Ball, x: Images, margin: PerImage) -> np.ndarray:
    """Keep the closest adversarial images or, before the first, the least margins; return the least distances."""
    distance = _distance(ball, x)
    won, first = margin < 0, ~found.flipped
    kept = np.where(won, first | (distance < least), first & (margin < found.margin))
    found.x_adv[kept], found.margin[kept] = x[kept], margin[kept]
    return np.where(won & kept, np.minimum(distance, least), least)


def _distance(ball: Ball, x: Images) -> np.ndarray:
    """Return (n,) the smallest epsilon whose ball holds x."""
    change = np.abs(x - ball.x)
    if ball.reach is not None:
        change = np.divide(change, ball.reach, out=np.zeros_like(change), where=ball.reach > 0)
    return change.max(axis=(1, 2, 3)).astype(np.float64)


def _linear_epsilon(ball: Ball, x: Images, margin: PerImage, gradient: Images) -> np.ndarray:
    """Return (n,) the epsilon at which the margin, linearised at x, can reach 0; at most the ball's.

    gradient: of the loss to climb, minus that of the margin. Within epsilon the linear margin falls by the sum over
    pixels of |gradient| min(epsilon reach, room), room being the way to the box; that is concave and piecewise linear
    in epsilon, so Newton's steps from 0 come up to the answer from below and reach it.
    """
    slopes, room = np.abs(gradient), np.where(gradient > 0, 1 - ball.x, ball.x)
    reach = np.ones((1, 1, 1, 1), dtype=np.float32) if ball.reach is None else ball.reach.astype(np.float32)
    needed = margin + _sums(gradient * (x - ball.x))
    epsilon = np.zeros(len(x))
    for _ in range(_MAX_NEWTON_STEPS):
        moved = epsilon.astype(np.float32).reshape(-1, 1, 1, 1) * reach
        gap = np.maximum(needed - _sums(slopes * np.minimum(moved, room)), 0)
        slope = _sums(slopes * reach * (moved < room))
        newton = epsilon + np.divide(gap, slope, out=np.where(gap > 0, np.inf, 0.0), where=slope > 0)
        before, epsilon = epsilon, np.minimum(newton, ball.epsilon)
        if np.allclose(before, epsilon, rtol=1e-7, atol=0):
            break
    return epsilon


def _sums(pixels: Images) -> np.ndarray:
    return pixels.sum(axis=(1, 2, 3), dtype=np.float64)
