"""FGSM, BIM and PGD as settings of one l_inf loop that keeps any adversarial iterate and stops at decided images.

    FGSM    max_iter 1, eps_step = epsilon, from the image
    BIM     max_iter 10, eps_step = epsilon / 10, from the image        (Table S1)
    PGD     max_iter 10, eps_step = epsilon / 4, from random points of the ball

An image leaves the batch at its first adversarial iterate, so a batch costs only its undecided images. Each image has
its own epsilon.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from oncorobust.attacks.goals import Goal
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Flags, Images, PerImage


@dataclass(frozen=True)
class Seen:
    """Margin (n,) and gradient of the loss (n, h, w, c) at images."""

    margin: PerImage
    gradient: Images

    def at(self, positions: np.ndarray) -> "Seen":
        """Return those of some images."""
        return Seen(self.margin[positions], self.gradient[positions])


@dataclass(frozen=True)
class Ball:
    """The l_inf balls in which images may move, and the goals of the attack.

    x: (n, h, w, c) in [0, 1]. epsilon: (n,) l_inf radius. goal: of the n images. reach: (n, h, w, 1) in [0, 1], the
    share of epsilon that each pixel may move: 1 inside the region under attack, 0 outside; None is 1 everywhere.
    seen: what a gradient at the images told already; None if nothing.
    """

    x: Images
    epsilon: PerImage
    goal: Goal
    reach: np.ndarray | None = None
    seen: Seen | None = None

    @property
    def radius(self) -> np.ndarray:
        """Return the l_inf radius of each pixel, (n, 1, 1, 1) or (n, h, w, 1) float32."""
        radius = self.epsilon.astype(np.float32).reshape(-1, 1, 1, 1)
        return radius if self.reach is None else radius * self.reach.astype(np.float32)

    def at(self, positions: np.ndarray) -> "Ball":
        """Return the balls of some images."""
        reach = None if self.reach is None else self.reach[positions]
        seen = None if self.seen is None else self.seen.at(positions)
        return Ball(self.x[positions], self.epsilon[positions], self.goal.at(positions), reach, seen)

    def project(self, x: Images) -> Images:
        """Return the nearest points (in l_inf) inside the balls and the box [0, 1]."""
        radius = self.radius
        return np.clip(x, np.maximum(self.x - radius, 0), np.minimum(self.x + radius, 1))

    def random_points(self, rng: np.random.Generator) -> Images:
        """Draw a uniform point of each ball, clipped to the box."""
        return self.project(self.x + (self.radius * rng.uniform(-1, 1, self.x.shape)).astype(np.float32))


@dataclass(frozen=True)
class Found:
    """The outcome of an attack: x_adv (n, h, w, c), adversarial where margin (n,) < 0, else the closest attempt."""

    x_adv: Images
    margin: PerImage

    @property
    def flipped(self) -> Flags:
        """Return (n,) whether the attack found an adversarial example."""
        return self.margin < 0

    def put(self, positions: np.ndarray, other: "Found") -> None:
        """Replace the outcome of some images by the other one where its margin is smaller."""
        better = other.margin < self.margin[positions]
        self.x_adv[positions[better]] = other.x_adv[better]
        self.margin[positions[better]] = other.margin[better]


GivesUp = Callable[[PerImage, PerImage, int], Flags]
"""When a walk ends without success: reachable margin (n,), that of the step before, steps left -> images to give up."""


def never(reachable: PerImage, _before: PerImage, _n_left: int) -> Flags:
    """Take all steps."""
    return np.zeros(len(reachable), dtype=bool)


def out_of_reach(reachable: PerImage, before: PerImage, n_left: int) -> Flags:
    """Give up where the margin, were it linear, would stay above 0 in the whole ball, even if it goes on changing.

    reachable: of `Walk`. On a linear model it is the same at each step, and the walk ends at the second one. Elsewhere
    the walk goes on as long as reachable could become 0 by changing in each step left as much as in the last one. For
    targets that climb the margin.
    """
    with np.errstate(invalid="ignore"):
        return reachable > n_left * np.abs(reachable - before)


def walk(
    target: Target, ball: Ball, start: Images, *, rel_eps_step: float, max_iter: int, gives_up: GivesUp = never
) -> Found:
    """Take up to `max_iter` steps of `rel_eps_step` x epsilon from a point of each ball, until an image is adversarial.

    Every iterate is checked, including the starting point and the last one.
    """
    ball = replace(ball, seen=None)  # not needed below, where balls are taken apart at every step
    nothing = np.full(len(start), np.inf, dtype=np.float32)
    best = Found(ball.project(start), nothing.copy())
    left, current, reachable = np.arange(len(start)), best.x_adv.copy(), nothing
    for n_left in reversed(range(max_iter)):
        here = ball.at(left)
        step = target.walk(
            current, here.x, here.goal, radius=here.radius, eps_step=rel_eps_step * here.epsilon, n_steps=1
        )
        best.put(left, Found(step.x_best, step.margin))
        undecided = (step.margin >= 0) & ~gives_up(step.reachable, reachable, n_left)
        left, current, reachable = left[undecided], step.x_last[undecided], step.reachable[undecided]
        if len(left) == 0:
            return best
    best.put(left, Found(current, target.margins(current, ball.goal.at(left))))
    return best


def walk_from_image(
    target: Target, ball: Ball, *, rel_eps_step: float, max_iter: int, gives_up: GivesUp = never
) -> Found:
    """Walk from the images as `walk` does; where the ball has seen their gradient, the first step costs none."""
    if ball.seen is None:
        return walk(target, ball, ball.x, rel_eps_step=rel_eps_step, max_iter=max_iter, gives_up=gives_up)
    best = Found(ball.x.copy(), ball.seen.margin.copy())
    left = np.flatnonzero(~best.flipped)
    if len(left):
        here, direction = ball.at(left), np.sign(ball.seen.gradient[left])
        first = here.x + np.float32(rel_eps_step) * here.radius * direction
        best.put(left, walk(target, here, first, rel_eps_step=rel_eps_step, max_iter=max_iter - 1, gives_up=gives_up))
    return best


def pgd(
    target: Target,
    ball: Ball,
    *,
    rel_eps_step: float,
    max_iter: int,
    num_random_init: int,
    rng: np.random.Generator,
    gives_up: GivesUp = never,
) -> Found:
    """Walk from the image and, for images still undecided, from `num_random_init` random points of the ball."""
    best = walk_from_image(target, ball, rel_eps_step=rel_eps_step, max_iter=max_iter, gives_up=gives_up)
    for _ in range(num_random_init):
        # Drawn for all images, so that an image's starts do not depend on which others are decided.
        starts = ball.random_points(rng)
        left = np.flatnonzero(~best.flipped)
        if len(left) == 0:
            break
        found = walk(
            target, ball.at(left), starts[left], rel_eps_step=rel_eps_step, max_iter=max_iter, gives_up=gives_up
        )
        best.put(left, found)
    return best
