"""Auto-PGD in l_inf: PGD with momentum and a step size that halves when an image stops making progress.

Per image, with eta = 2 epsilon at first, P the projection into ball and box, and f = -margin, which APGD maximises:

    z       = P(x_k + eta sign(gradient))
    x_{k+1} = P(x_k + 0.75 (z - x_k) + 0.25 (x_k - x_{k-1}))

At the checkpoints w_j = ceil(p_j max_iter), with p_0 = 0, p_1 = 0.22, p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06),
eta is halved and x goes back to the best point so far, if since the last checkpoint

    1. f rose in fewer than 0.75 of the steps, or
    2. neither was eta halved at that checkpoint nor has a better point been found since.

The gradient is that of the target's loss. Progress is always measured on the margin, which decides whether an image is
adversarial; with the margin as loss the two functions are the same.
Source: Croce and Hein 2020, Algorithm 1. (ART 1.20.1 counts new best points in condition 1, not steps that rise.)
"""

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from oncorobust.attacks.goals import leave_for
from oncorobust.attacks.linf import Ball, Found
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Flags, Images, PerImage

_MOMENTUM = 0.75
_SHARE_THAT_RISES = 0.75


def apgd(
    target: Target, ball: Ball, start: Images, *, max_iter: int, num_random_init: int, rng: np.random.Generator
) -> Found:
    """Run APGD from `start` and, for images still undecided, from `num_random_init` random points of the ball.

    start: (n, h, w, c), projected into the ball. A run costs `max_iter` gradients and one forward pass per undecided
    image.
    """
    best = _climb(target, ball, start, max_iter=max_iter)
    for _ in range(num_random_init):
        # Drawn for all images, so that an image's starts do not depend on which others are decided.
        _climb_undecided(target, ball, ball.random_points(rng), best, max_iter=max_iter)
    return best


def apgd_targeted(
    target: Target, ball: Ball, start: Images, *, max_iter: int, n_targets: int, rng: np.random.Generator
) -> Found:
    """Run APGD towards each of the `n_targets` likeliest other classes while an image is undecided.

    The first run begins at `start`, the others at random points of the ball. An iterate of any wrong class counts as
    adversarial. Raises ValueError for two classes, where `apgd` already covers this, and for too many targets.
    """
    if not 1 <= n_targets < target.n_classes or target.n_classes == 2:
        raise ValueError(
            f"expected more than two classes and 1 to classes - 1 targets, got {target.n_classes} classes and "
            f"{n_targets} targets"
        )
    labels = ball.goal.own.argmax(axis=1)
    likeliest = np.argsort(np.where(ball.goal.own > 0, np.inf, -target.logits(ball.x)), axis=1, kind="stable")
    best = Found(ball.project(start), np.full(len(start), np.inf, dtype=np.float32))
    for rank in range(n_targets):
        rivals = leave_for(labels, likeliest[:, rank], n_classes=target.n_classes).rivals
        towards = replace(ball, goal=replace(ball.goal, rivals=rivals))
        _climb_undecided(target, towards, start, best, max_iter=max_iter)
        start = ball.random_points(rng)
    return best


def _climb_undecided(target: Target, ball: Ball, start: Images, best: Found, *, max_iter: int) -> None:
    left = np.flatnonzero(~best.flipped)
    if len(left):
        best.put(left, _climb(target, ball.at(left), start[left], max_iter=max_iter))


@dataclass(frozen=True)
class _Climb:
    """The state of the runs of the undecided images, one row per image.

    x, direction, margin: the iterate, the sign of its gradient, its margin. x_before: the iterate before. *_best: the
    iterate of least margin. n_rises: steps since the last checkpoint that lowered the margin. rel_eps_step: eta in
    units of epsilon. *_checked: the step and the least margin at the last checkpoint.
    """

    x: Images
    direction: Images
    margin: PerImage
    x_before: Images
    x_best: Images
    direction_best: Images
    margin_best: PerImage
    n_rises: np.ndarray
    rel_eps_step: PerImage
    rel_eps_step_checked: PerImage
    margin_checked: PerImage

    def at(self, positions: Flags) -> "_Climb":
        """Return the runs of some images."""
        return _Climb(**{field.name: getattr(self, field.name)[positions] for field in fields(self)})


def _climb(target: Target, ball: Ball, start: Images, *, max_iter: int) -> Found:
    """Do one run: check every iterate, and drop an image at its first adversarial one."""
    climb = _begin(target, ball, ball.project(start))
    found = Found(climb.x.copy(), climb.margin.copy())
    left = np.arange(len(start))
    checkpoints, last_checkpoint = _checkpoints(max_iter), 0
    for iteration in range(1, max_iter):
        undecided = climb.margin >= 0
        if not undecided.all():
            left, ball, climb = left[undecided], ball.at(undecided), climb.at(undecided)
        if len(left) == 0:
            return found
        climb = _look(target, ball, climb, _next_point(ball, climb))
        found.put(left, Found(climb.x, climb.margin))
        if iteration in checkpoints:
            climb, last_checkpoint = _halve(climb, n_steps=iteration - last_checkpoint), iteration
    undecided = climb.margin >= 0
    left, ball = left[undecided], ball.at(undecided)
    if len(left):
        last = _next_point(ball, climb.at(undecided))
        found.put(left, Found(last, target.margins(last, ball.goal)))
    return found


def _checkpoints(max_iter: int) -> set[int]:
    shares = [0.0, 0.22]
    while shares[-1] <= 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    # Rounded first: 0.57 x 100 is 56.99999999999999 in binary, and 0.07 x 100 is 7.000000000000001.
    return {math.ceil(round(share * max_iter, 9)) for share in shares[1:-1]}


def _begin(target: Target, ball: Ball, x: Images) -> _Climb:
    margin, gradient = target.margin_gradient(x, ball.goal)
    direction, first_step = np.sign(gradient), np.full(len(x), 2.0, dtype=np.float32)
    return _Climb(
        *(x, direction, margin, x, x, direction, margin),
        n_rises=np.zeros(len(x), dtype=np.int64),
        rel_eps_step=first_step,
        rel_eps_step_checked=first_step,
        margin_checked=margin,
    )


def _next_point(ball: Ball, climb: _Climb) -> Images:
    step = climb.rel_eps_step.reshape(-1, 1, 1, 1) * ball.radius
    ahead = ball.project(climb.x + step * climb.direction)
    momentum = np.float32(1 - _MOMENTUM) * (climb.x - climb.x_before)
    return ball.project(climb.x + np.float32(_MOMENTUM) * (ahead - climb.x) + momentum)


def _look(target: Target, ball: Ball, climb: _Climb, x: Images) -> _Climb:
    margin, gradient = target.margin_gradient(x, ball.goal)
    direction = np.sign(gradient)
    better = margin < climb.margin_best
    pixels = better.reshape(-1, 1, 1, 1)
    return replace(
        climb,
        x=x,
        direction=direction,
        margin=margin,
        x_before=climb.x,
        x_best=np.where(pixels, x, climb.x_best),
        direction_best=np.where(pixels, direction, climb.direction_best),
        margin_best=np.where(better, margin, climb.margin_best),
        n_rises=climb.n_rises + (margin < climb.margin),
    )


def _halve(climb: _Climb, *, n_steps: int) -> _Climb:
    """Halve the step and return to the best point where condition 1 or 2 holds; x_before stays, as in the source."""
    few_rises = climb.n_rises < _SHARE_THAT_RISES * n_steps
    no_news = (climb.rel_eps_step == climb.rel_eps_step_checked) & (climb.margin_best == climb.margin_checked)
    halved = few_rises | no_news
    pixels = halved.reshape(-1, 1, 1, 1)
    return replace(
        climb,
        x=np.where(pixels, climb.x_best, climb.x),
        direction=np.where(pixels, climb.direction_best, climb.direction),
        margin=np.where(halved, climb.margin_best, climb.margin),
        n_rises=np.zeros_like(climb.n_rises),
        rel_eps_step=np.where(halved, climb.rel_eps_step / 2, climb.rel_eps_step),
        rel_eps_step_checked=climb.rel_eps_step,
        margin_checked=climb.margin_best,
    )
