"""Search for each image's minimal epsilon, as an interval [last safe, first flipped].

    last safe       largest epsilon at which none of the attacks so far changed the answer
    first flipped   l_inf distance of the nearest image found with another answer; infinite if none lies within the
                    largest epsilon: the image is right-censored

Attacks follow one another in a cascade. The first one starts at the linear estimate, margin / l1 norm of the gradient,
and raises epsilon until it flips the image. Each later attack starts at the last safe epsilon, where all earlier ones
failed. Whenever an image flips, a cheap attack narrows the interval: in growing strides downwards while no safe epsilon
is known, then by the secant method on the margins, each time from a warm start (the example found, projected into the
smaller ball), until the interval is no wider than `relative_width` of its upper end and contains no epsilon of the
grid. The attack then runs again at the new last safe epsilon, until it fails.

One such run gives every curve of accuracy against epsilon: an image counts as flipped at epsilon if its first flipped
is at most epsilon. The curves are exact at the epsilons of the grid, and elsewhere up to the width of the intervals.
They fall with epsilon and from attack to attack by construction. A failed attack proves nothing: last safe is only as
strong as the attacks that failed there. An image may flip at an epsilon below one at which the same attack fails, so
examples that another procedure found count too: after the last stage they lower the bounds, and the cheap attack of
that stage narrows the interval below them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from oncorobust.attacks.finite import checked_result
from oncorobust.attacks.goals import Goal
from oncorobust.attacks.linf import Ball, Found, Seen
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Flags, Images, PerImage
from oncorobust.models.checks import check_epsilons

Attack = Callable[[Target, Ball, Images], Found]
"""An attack with its settings: target, balls, a warm start for each -> what it found."""

_CLIMB = 1.5
_LONGEST_STRIDE = 0.5
_SECANT_TRIES = 2


@dataclass(frozen=True)
class Stage:
    """One attack of a cascade. narrow: the cheap attack that narrows the interval after a success, warm-started."""

    name: str
    attack: Attack
    narrow: Attack


@dataclass(frozen=True)
class Given:
    """Examples that another procedure found.

    nearest: (n,) last_safe -> for the images with an example at most so far away, in groups: their positions, and the
    example nearest to each.
    """

    name: str
    nearest: Callable[[PerImage], Iterable[tuple[np.ndarray, Images]]]


@dataclass(frozen=True)
class Intervals:
    """Minimal epsilon per image. last_safe, first_flipped: (n,). won_by: (n,) the stage that found x_flipped, or "".

    x_flipped: (n, h, w, c), an image at distance first_flipped with another answer; the image itself if none was found.
    """

    last_safe: PerImage
    first_flipped: PerImage
    x_flipped: Images
    won_by: np.ndarray


def search(
    target: Target,
    x: Images,
    goal: Goal,
    *,
    stages: Sequence[Stage],
    epsilons: Sequence[float],
    relative_width: float,
    given: Given | None = None,
) -> Iterator[tuple[str, Intervals]]:
    """Yield each stage's name and the intervals after it, whose bounds fall from stage to stage; `given` comes last.

    x: (n, h, w, c) in [0, 1]. goal: the labels to move away from; an image already answered otherwise flips at 0.
    epsilons: increasing l_inf radii, none of which will lie inside an interval, so that curves at them are exact; the
    search ends at the last. relative_width: largest width of an interval, as a share of first_flipped. Raises
    InputError for epsilons that `check_epsilons` refuses and for logits that are not finite numbers, ValueError for a
    relative_width outside its range.
    """
    check_epsilons(epsilons, where="the search's epsilons")
    if not 0 < relative_width < 1:
        raise ValueError(f"expected relative_width between 0 and 1, got {relative_width}")
    run = _Search(target, x, goal, epsilons=epsilons, relative_width=relative_width)
    first, *others = stages
    run.climb(first)
    yield first.name, run.intervals()
    for stage in others:
        run.challenge(stage)
        yield stage.name, run.intervals()
    if given is not None:
        run.take(given, stages[-1])
        yield given.name, run.intervals()


class _Search:
    """The state of a search: the bounds, the margins at the bounds, and the nearest flipped images."""

    def __init__(
        self, target: Target, x: Images, goal: Goal, *, epsilons: Sequence[float], relative_width: float
    ) -> None:
        self._target, self._x, self._goal = target, x, goal
        self._grid, self._width = np.array([0.0, *epsilons]), relative_width
        self._max_epsilon = epsilons[-1]
        self._margin, gradient = target.margin_gradient(x, goal)
        self._seen = Seen(self._margin, gradient)
        self._slope = np.abs(gradient.astype(np.float64)).sum(axis=(1, 2, 3))
        answered = self._margin > 0
        self._safe, self._safe_margin = np.zeros(len(x)), self._margin.astype(np.float64)
        self._flipped = np.where(answered, np.inf, 0.0)
        self._x_flipped = x.copy()
        self._won_by = np.full(len(x), "", dtype=object)

    def intervals(self) -> Intervals:
        return Intervals(self._safe.copy(), self._flipped.copy(), self._x_flipped.copy(), self._won_by.copy())

    def climb(self, stage: Stage) -> None:
        """Raise epsilon from the linear estimate until the image flips or the largest epsilon is reached."""
        with np.errstate(divide="ignore", invalid="ignore"):
            epsilon = np.minimum(self._margin / self._slope, self._max_epsilon)
        while True:
            at = np.flatnonzero(np.isinf(self._flipped) & (self._safe < self._max_epsilon))
            if len(at) == 0:
                break
            self._try(stage.name, stage.attack, at, epsilon[at])
            epsilon = np.minimum(epsilon * _CLIMB, self._max_epsilon)
        self._narrow(stage)

    def challenge(self, stage: Stage) -> None:
        """Run an attack at the last safe epsilon, and again below wherever it flips the image."""
        self._challenge(stage, np.flatnonzero(self._safe > 0))

    def take(self, given: Given, stage: Stage) -> None:
        """Lower the bounds to given examples within last safe that flip, and attack below them, until none is left."""
        while True:
            before = self._safe.copy()
            for at, x_adv in given.nearest(before):
                flips = self._target.exact().margins(x_adv, self._goal.at(at)) < 0
                at, x_adv = at[flips], x_adv[flips]
                self._lower(at, x_adv, epsilon=np.full(len(at), self._max_epsilon), name=given.name)
            lowered = np.flatnonzero(self._safe < before)
            if len(lowered) == 0:
                return
            self._narrow(stage)
            self._challenge(stage, lowered)

    def _challenge(self, stage: Stage, left: np.ndarray) -> None:
        left = left[self._safe[left] > 0]
        while len(left):
            left = left[self._try(stage.name, stage.attack, left, self._safe[left])]
            self._narrow(stage)
            left = left[self._safe[left] > 0]

    def _narrow(self, stage: Stage) -> None:
        stride = np.full(len(self._x), self._width)
        tries = np.zeros(len(self._x), dtype=np.int64)
        while True:
            # The tolerance counts an interval as closed if a failure leaves it exactly at the relative width.
            wide = (self._flipped - self._safe) > self._width * self._flipped * (1 + 1e-9)
            below = self._grid[np.maximum(np.searchsorted(self._grid, self._flipped) - 1, 0)]
            at = np.flatnonzero(np.isfinite(self._flipped) & (wide | (below > self._safe)))
            if len(at) == 0:
                return
            known = self._safe[at] > 0
            guess = np.where(known, self._between(at, tries[at]), self._flipped[at] * (1 - stride[at]))
            self._try(stage.name, stage.narrow, at, np.where(wide[at], guess, below[at]))
            stride[at] = np.minimum(2 * stride[at], _LONGEST_STRIDE)
            tries[at] += known

    def _between(self, at: np.ndarray, tries: np.ndarray) -> PerImage:
        """Choose an epsilon inside the interval: just above the secant's zero of the margin, later the midpoint."""
        safe, flipped, start = self._safe[at], self._flipped[at], self._margin[at]
        with np.errstate(divide="ignore", invalid="ignore"):
            zero = safe * start / (start - self._safe_margin[at])
            middle = np.sqrt(safe * flipped)
        guess = np.where((tries < _SECANT_TRIES) & (zero > safe) & np.isfinite(zero), zero, middle)
        # Not above the epsilon whose failure closes the interval.
        return np.clip(
            guess * (1 + self._width / 2), np.minimum(middle, safe * (1 + self._width)), flipped * (1 - self._width)
        )

    def _try(self, name: str, attack: Attack, at: np.ndarray, epsilon: PerImage) -> Flags:
        """Attack some images within epsilon and move their bounds; return which of them flipped."""
        with np.errstate(invalid="ignore"):
            share = np.where(np.isfinite(self._flipped[at]), epsilon / self._flipped[at], 0).astype(np.float32)
        x = self._x[at]
        start = x + (self._x_flipped[at] - x) * np.minimum(share, 1).reshape(-1, 1, 1, 1)
        ball = Ball(x, epsilon, self._goal.at(at), seen=self._seen.at(at))
        found = attack(self._target, ball, start)
        checked_result(found.x_adv, x, ball.radius, stage=name, names=ball.goal.names)
        flipped = found.flipped
        self._lower(at[flipped], found.x_adv[flipped], epsilon=epsilon[flipped], name=name)
        failed = at[~flipped]
        self._safe[failed], self._safe_margin[failed] = epsilon[~flipped], found.margin[~flipped]
        return flipped

    def _lower(self, at: np.ndarray, x_adv: Images, *, epsilon: PerImage, name: str) -> None:
        distance = np.abs(x_adv.astype(np.float64) - self._x[at]).max(axis=(1, 2, 3), initial=0)
        # Rounding may carry a pixel 1e-8 out of its ball.
        distance = np.minimum(distance, epsilon)
        nearer = distance < self._flipped[at]
        at, distance = at[nearer], distance[nearer]
        self._flipped[at], self._x_flipped[at], self._won_by[at] = distance, x_adv[nearer], name
        below = at[self._safe[at] >= distance]
        self._safe[below], self._safe_margin[below] = 0.0, self._margin[below]
