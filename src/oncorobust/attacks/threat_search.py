"""The search under several threat models at several epsilons, warm-started from the threats that each one contains.

Epsilon grows in the outer loop. A threat starts from the attempt of least margin among its own at smaller epsilons and
those of its parts at this one: an example of a part is an example of the whole, at the cost of one gradient. An image
flipped at one epsilon is flipped at all larger ones, because the balls are nested, and is not attacked again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from oncorobust.attacks.finite import checked_result
from oncorobust.attacks.goals import Goal
from oncorobust.attacks.linf import Ball, Found, pgd, walk
from oncorobust.attacks.stored import survives_rounding
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Flags, Images
from oncorobust.settings.attacks import IterativeAttack

FlippedAt = Bool[np.ndarray, "epsilons n"]
"""Whether each image was flipped at each epsilon or a smaller one."""


@dataclass(frozen=True)
class Stored:
    """A file of `bits` in which an image must stay adversarial, and the unrounded model that judges it."""

    bits: int
    plain: Target


@dataclass(frozen=True)
class Threat:
    """One threat model for some images.

    x: (n, h, w, c) as the target takes them. applies: which images it applies to. reach: as in Ball. parts: names of
    threats searched before it, from whose attempts it starts. stored: None if images need not survive rounding.
    """

    name: str
    target: Target
    x: Images
    applies: Flags
    reach: np.ndarray | None = None
    parts: tuple[str, ...] = ()
    stored: Stored | None = None


def search_threats(
    threats: Sequence[Threat],
    goal: Goal,
    *,
    epsilons: tuple[float, ...],
    settings: IterativeAttack,
    rng: np.random.Generator,
) -> dict[str, FlippedAt]:
    """Attack the images under each threat, in the given order, at each epsilon, from small to large."""
    tries = {threat.name: Found(threat.x.copy(), np.full(len(goal), np.inf, dtype=np.float32)) for threat in threats}
    flipped = {threat.name: np.zeros((len(epsilons), len(goal)), dtype=bool) for threat in threats}
    for place, epsilon in enumerate(epsilons):
        for threat in threats:
            found_before = flipped[threat.name][:place].any(axis=0)
            flipped[threat.name][place] = found_before
            left = np.flatnonzero(threat.applies & ~found_before)
            if len(left):
                ball = Ball(threat.x, np.full(len(goal), epsilon), goal, threat.reach).at(left)
                found = _search(threat.target, ball, _closest(threat, tries, left), settings, rng=rng)
                checked_result(found.x_adv, ball.x, ball.radius, stage=threat.name, names=ball.goal.names)
                tries[threat.name].put(left, found)
                flipped[threat.name][place, left] = _outlives(threat.stored, found, ball.goal)
    return flipped


def _outlives(stored: Stored | None, found: Found, goal: Goal) -> Flags:
    return found.flipped if stored is None else survives_rounding(stored.plain, found, goal, bits=stored.bits)


def _closest(threat: Threat, tries: dict[str, Found], positions: np.ndarray) -> Found:
    """Return the attempts of least margin so far, of the threat itself and its parts; margin inf if there are none."""
    own = tries[threat.name]
    closest = Found(own.x_adv[positions], own.margin[positions])
    for part in threat.parts:
        if part in tries:
            other = Found(tries[part].x_adv[positions], tries[part].margin[positions])
            closest.put(np.arange(len(positions)), other)
    return closest


def _search(target: Target, ball: Ball, start: Found, settings: IterativeAttack, *, rng: np.random.Generator) -> Found:
    """Walk from the closest attempt, if there is one, then run PGD for images still undecided."""
    best = Found(ball.x.copy(), np.full(len(ball.x), np.inf, dtype=np.float32))
    warm = np.flatnonzero(np.isfinite(start.margin))
    if len(warm):
        found = walk(
            target,
            ball.at(warm),
            start.x_adv[warm],
            rel_eps_step=settings.rel_eps_step,
            max_iter=settings.max_iter,
        )
        best.put(warm, found)
    left = np.flatnonzero(~best.flipped)
    if len(left):
        found = pgd(
            target,
            ball.at(left),
            rel_eps_step=settings.rel_eps_step,
            max_iter=settings.max_iter,
            num_random_init=settings.num_random_init,
            rng=rng,
        )
        best.put(left, found)
    return best
