"""PGD on the smoothed model in expectation over the noise: the upper bound of the model that certificates bound below.

Each step climbs the margin loss averaged over fresh draws of the noise,

    x_adv <- clip(x_adv + eps_step sign(mean over noise of d/dx loss(f(x_adv + noise))), ball and box)

within the changes that the certificate covers: tied noise moves the channels together, a mask keeps to the region. The
smoothed model judges the result with draws of its own, so that no noise is used twice. An image counts as flipped only
where another class wins its binomial test; where the smoothed model abstains, it is not flipped.
Sources: Madry 2018; Salman 2019, "Provably robust deep learning via adversarially trained smoothed classifiers".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oncorobust.attacks.goals import Goal, leave
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images, Labels, PerImage
from oncorobust.base.errors import InputError
from oncorobust.base.progress import Listener
from oncorobust.certificates.noise import Masks, SmoothingNoise
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.smoothed import ABSTAINED, Smoothed
from oncorobust.models.checks import check_epsilons


@dataclass(frozen=True)
class SmoothedPgd:
    """Settings of the attack. n_draws: noisy images of each gradient. rel_eps_step: step, as a share of epsilon."""

    max_iter: int = 10
    rel_eps_step: float = 0.25
    n_draws: int = 16

    def __post_init__(self) -> None:
        """Check the values. Raises InputError."""
        for name in ("max_iter", "n_draws"):
            if getattr(self, name) < 1:
                raise InputError(f"attack on the smoothed model: expected {name} of at least 1, got {self}")
        if not 0 < self.rel_eps_step <= 2:
            raise InputError(f"attack on the smoothed model: expected rel_eps_step in (0, 2], got {self.rel_eps_step}")


def smoothed_first_flipped(
    target: Target,
    x: Images,
    labels: Labels,
    *,
    noise: SmoothingNoise,
    plan: SamplingPlan,
    attack: SmoothedPgd,
    epsilons: Sequence[float],
    seeds: Sequence[int],
    masks: Masks | None = None,
    listener: Listener | None = None,
) -> PerImage:
    """Return (n,) the smallest epsilon at which the smoothed prediction leaves the label; inf where none was found.

    x: (n, h, w, c) in [0, 1]. labels: (n,). 0 where the smoothed model gives another class without an attack. plan:
    of the judge, whose verdict on one attacked image is wrong with probability at most `plan.alpha`. epsilons:
    increasing l_inf radii. seeds: one per image. masks: as for the certificate. Raises InputError for epsilons that
    `check_epsilons` refuses, and for logits and gradients that are not finite.
    """
    check_epsilons(epsilons, where="the attack on the smoothed model")
    judge = Smoothed(target.logits, noise, plan)
    walker = _Walker(target, x, labels, noise, attack, seeds, masks)
    found = np.where(_flipped(judge, x, labels, masks), 0.0, np.inf)
    for place, epsilon in enumerate(epsilons):
        left = np.flatnonzero(np.isinf(found))
        if len(left):
            walker.walk(left, epsilon)
            part = None if masks is None else masks[left]
            found[left[_flipped(judge, walker.x_adv[left], labels[left], part)]] = epsilon
        if listener is not None:
            listener.update(place + 1, len(epsilons), "epsilons of the attack on the smoothed model")
    return found


def _flipped(judge: Smoothed, x: Images, labels: Labels, masks: Masks | None) -> np.ndarray:
    answers = judge.predict(x, masks=masks)
    return (answers != labels) & (answers != ABSTAINED)


class _Walker:
    """The attacked images, each with its own stream of noise; a larger epsilon starts where a smaller one ended."""

    def __init__(
        self,
        target: Target,
        x: Images,
        labels: Labels,
        noise: SmoothingNoise,
        attack: SmoothedPgd,
        seeds: Sequence[int],
        masks: Masks | None,
    ) -> None:
        self.x_adv = x.copy()
        self._target, self._x, self._noise, self._attack, self._masks = target, x, noise, attack, masks
        self._goal = leave(labels, n_classes=target.n_classes)
        self._streams = [np.random.default_rng(seed) for seed in seeds]

    def walk(self, positions: np.ndarray, epsilon: float) -> None:
        """Take the steps of some images within epsilon."""
        at_once = max(1, 256 // self._attack.n_draws)
        for start in range(0, len(positions), at_once):
            part = positions[start : start + at_once]
            for _ in range(self._attack.max_iter):
                self._step(part, np.float32(epsilon))

    def _step(self, part: np.ndarray, epsilon: np.float32) -> None:
        x, gradient = self._x[part], self._mean_gradient(part)
        if self._noise.kind == "tied":
            gradient = gradient.sum(axis=-1, keepdims=True)
        step = np.float32(self._attack.rel_eps_step) * epsilon * np.sign(gradient)
        reach = epsilon if self._masks is None else epsilon * self._masks[part][..., None].astype(np.float32)
        lower, upper = np.maximum(x - reach, 0), np.minimum(x + reach, 1)
        self.x_adv[part] = np.clip(self.x_adv[part] + step, lower, upper)

    def _mean_gradient(self, part: np.ndarray) -> Images:
        n_draws, shape = self._attack.n_draws, self._x.shape[1:]
        noisy = [self.x_adv[place] + self._draw(place, n_draws) for place in part.tolist()]
        own, rivals = (np.repeat(one[part], n_draws, axis=0) for one in (self._goal.own, self._goal.rivals))
        names = np.repeat(part, n_draws)
        _, gradient = self._target.margin_gradient(np.concatenate(noisy), Goal(own, rivals, names))
        return np.asarray(gradient.reshape(len(part), n_draws, *shape).mean(axis=1))

    def _draw(self, place: int, n: int) -> Images:
        mask = None if self._masks is None else self._masks[place]
        return self._noise.draw(self._streams[place], n, shape=self._x.shape[1:], mask=mask)
