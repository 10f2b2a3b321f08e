"""Examples of a few images at every epsilon, from which the page shows how a prediction changes.

The images are chosen by a fixed rule: the most sensitive ones, the least sensitive ones, and correctly classified ones
that flip within the epsilons, from the middle of their order (`choose_images`).

The attacks run in float32, away from the model's own prediction, each within an epsilon of the list. FGSM makes the
first example at every epsilon, from one gradient per image. Where the example of a smaller epsilon, which lies in the
larger ball too, has the smaller margin, it takes the place of the other: so margins do not rise with epsilon. Where an
image has not flipped although its minimal epsilon says that it does, the attack that found this epsilon goes on from
there (PGD for FGSM, BIM and PGD), and then PGD.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.finite import check_finite_logits, checked_result
from oncorobust.attacks.goals import leave, margins
from oncorobust.attacks.linf import Ball, Found, walk
from oncorobust.attacks.minimal_epsilon import Stage
from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images, Logits, PerImage
from oncorobust.base.progress import Notify
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.image_epsilons import minimal_epsilons
from oncorobust.evaluation.shards import Tables
from oncorobust.settings.attacks import Attacks

MOST_SENSITIVE, FLIPS, LEAST_SENSITIVE = "most sensitive", "flips", "least sensitive"
"""Why an image was chosen."""

MOST_BYTES = 2**25
"""Largest size of the pixels that are stored for one model, before compression; one image is stored in any case."""

_OF_EACH = 2
_LEAST, _ONE_IN = 3, 3
"""At most one in so many images is shown, but at least so many: a small part of the time of all attacks."""


@dataclass(frozen=True)
class Chosen:
    """An image of the gallery: its position among the evaluated images, and why it was chosen."""

    position: int
    reason: str


def choose_images(first_flipped: PerImage, margin: PerImage, *, largest: float, at_most: int) -> list[Chosen]:
    """Choose the images to show, most sensitive first.

    first_flipped: (n,) minimal epsilon, inf if right-censored. margin: (n,) clean margin of the true label; below 0 the
    image is misclassified. Images are ordered by first_flipped, then by the size of the margin, then by position. Two
    come from the start, two from the end, and two from the middle of the correctly classified ones that flip within
    `largest`; an image is chosen once. If at_most is less than all of them, one of each kind goes first.
    """
    order = np.lexsort((np.arange(len(margin)), np.abs(margin), first_flipped))
    flips = [int(one) for one in order if margin[one] > 0 and first_flipped[one] <= largest]
    middle = sorted(range(len(flips)), key=lambda place: (abs(place - (len(flips) - 1) / 2), place))
    kinds = {
        MOST_SENSITIVE: [int(one) for one in order],
        FLIPS: [flips[place] for place in middle],
        LEAST_SENSITIVE: [int(one) for one in order[::-1]],
    }
    chosen: dict[int, str] = {}
    for _ in range(_OF_EACH):
        for reason, candidates in kinds.items():
            new = next((one for one in candidates if one not in chosen), None)
            if new is not None and len(chosen) < at_most:
                chosen[new] = reason
    return [Chosen(int(one), chosen[int(one)]) for one in order if int(one) in chosen]


def gallery_arrays(
    classifier: KerasClassifier,
    data: LabelledImages,
    tables: Tables,
    *,
    epsilons: Sequence[float],
    settings: Attacks,
    seed: int,
    notify: Notify,
) -> dict[str, np.ndarray]:
    """Attack the chosen images at each epsilon; return arrays of k images and e increasing epsilons by name.

    Names begin with `gallery_`: epsilons (e,), image_ids, reasons and labels (k,), images (k, h, w, c), adversarial
    (e, k, h, w, c), logits_clean (k, classes), logits (e, k, classes), attacks (e, k), the attack that made each
    example. tables: all rows of stage attack on these images. notify: called after each epsilon. Raises InputError for
    pixels or logits that are not finite.
    """
    chosen = _choose(data, tables, epsilons)
    at = np.array([one.position for one in chosen], dtype=np.int64)
    ids = data.rows["image_id"].to_numpy(dtype=str)[at]
    images = _Attacked(classifier, data.images(at), ids.tolist(), epsilons)
    made = images.first_examples()
    flips = minimal_epsilons(tables)["first_flipped"].reindex(ids).fillna(np.inf).to_numpy()
    images.search(
        made, flips, _won_by(tables, ids), _stages(classifier, tables, settings, child_seed(seed, "gallery")), notify
    )
    return {
        "gallery_epsilons": np.array(epsilons, dtype=np.float64),
        "gallery_image_ids": ids,
        "gallery_reasons": np.array([one.reason for one in chosen], dtype=str),
        "gallery_labels": data.labels[at],
        "gallery_images": images.x,
        "gallery_adversarial": np.stack([one.x_adv for one in made]),
        "gallery_logits_clean": images.clean,
        "gallery_logits": np.stack([one.logits for one in made]),
        "gallery_attacks": np.stack([one.made_by for one in made]).astype(str),
    }


def _stages(classifier: KerasClassifier, tables: Tables, settings: Attacks, seed: int) -> list[Stage]:
    """Return PGD from a given start and, under the strict protocol, the attacks of the cascade after it."""

    def pgd(target: Target, ball: Ball, start: Images) -> Found:
        return walk(target, ball, start, rel_eps_step=settings.pgd.rel_eps_step, max_iter=settings.pgd.max_iter)

    later = [one for one in cascade(classifier, settings=settings, seed=seed) if one.name not in PAPER_ATTACKS]
    return [Stage("pgd", pgd, pgd), *(later if len(tables["intervals"]) else [])]


def _won_by(tables: Tables, image_ids: np.ndarray) -> np.ndarray:
    """Return the attack of `_stages` that found the minimal epsilon of each image, (k,); "" where none did."""
    found = pd.Series("pgd", index=image_ids)
    if len(tables["intervals"]):
        rows = tables["intervals"].groupby("image_id", sort=False).tail(1).set_index("image_id")
        found = rows["won_by"].reindex(image_ids).replace(dict.fromkeys(PAPER_ATTACKS, "pgd"))
    return found.to_numpy(dtype=object)


def _choose(data: LabelledImages, tables: Tables, epsilons: Sequence[float]) -> list[Chosen]:
    rows = tables["predictions"]
    ids = data.rows["image_id"]
    margin = rows[rows["attack"] == "none"].set_index("image_id")["margin"].reindex(ids).to_numpy(dtype=float)
    first = minimal_epsilons(tables)["first_flipped"].reindex(ids).fillna(np.inf).to_numpy(dtype=float)
    n_bytes = int(np.prod(data.image_shape)) * np.dtype(np.float32).itemsize * (1 + len(epsilons))
    at_most = max(1, min(MOST_BYTES // n_bytes, max(_LEAST, len(data) // _ONE_IN)))
    return choose_images(first, margin, largest=max(epsilons), at_most=at_most)


@dataclass(frozen=True)
class _Made:
    """Examples of k images at one epsilon: x_adv (k, h, w, c), logits (k, classes), margin and made_by (k,)."""

    x_adv: Images
    logits: Logits
    margin: PerImage
    made_by: np.ndarray

    def keep(self, at: np.ndarray, other: "_Made") -> None:
        """Replace the examples at some positions by the other ones where their margin is smaller."""
        better = other.margin < self.margin[at]
        for mine, new in zip(vars(self).values(), vars(other).values(), strict=True):
            mine[at[better]] = new[better]

    def at(self, positions: np.ndarray) -> "_Made":
        return _Made(*(one[positions] for one in vars(self).values()))


class _Attacked:
    """The chosen images x (k, h, w, c) with their clean logits, and the attacks on them."""

    def __init__(self, classifier: KerasClassifier, x: Images, names: Sequence[str], epsilons: Sequence[float]) -> None:
        self.x, self.clean = x, classifier.predict(x)
        self._classifier, self._target, self._epsilons = classifier, Target(classifier.model), epsilons
        self._own = self.clean.argmax(axis=1)
        self._goal = leave(self._own, n_classes=classifier.nb_classes, names=names)

    def first_examples(self) -> list[_Made]:
        """Take one step of epsilon along the sign of the gradient; return the examples by epsilon."""
        direction = np.sign(self._classifier.loss_gradient(self.x, self._own))
        balls = [self._ball(np.arange(len(self.x)), epsilon) for epsilon in self._epsilons]
        x_adv = np.concatenate([ball.project(ball.x + ball.radius * direction) for ball in balls])
        made = self._made(x_adv, np.tile(np.arange(len(self.x)), len(balls)), "fgsm")
        return [made.at(np.arange(place, place + len(self.x))) for place in range(0, len(x_adv), len(self.x))]

    def search(
        self, made: Sequence[_Made], flips: PerImage, won_by: np.ndarray, stages: Sequence[Stage], notify: Notify
    ) -> None:
        """Attack further where an image should have flipped, by its minimal epsilon; won_by (k,) goes first."""
        turns = [(stage, won_by == stage.name) for stage in stages] + [(stages[0], won_by != stages[0].name)]
        for place, (epsilon, one) in enumerate(zip(self._epsilons, made, strict=True)):
            if place:
                one.keep(np.arange(len(self.x)), made[place - 1])
            for stage, takes in turns:
                left = np.flatnonzero((flips <= epsilon) & (one.margin >= 0) & takes)
                if len(left) == 0:
                    continue
                found = stage.attack(self._target, self._ball(left, epsilon), one.x_adv[left])
                one.keep(left, self._made(found.x_adv, left, stage.name))
            checked_result(one.x_adv, self.x, epsilon, stage="gallery", names=self._goal.names)
            notify(place + 1, len(made), "epsilons of the gallery")

    def _ball(self, at: np.ndarray, epsilon: float) -> Ball:
        return Ball(self.x[at], np.full(len(at), epsilon), self._goal.at(at))

    def _made(self, x_adv: Images, at: np.ndarray, attack: str) -> _Made:
        logits = self._classifier.predict(x_adv)
        check_finite_logits(logits, stage="gallery", names=self._goal.names[at].tolist())
        return _Made(x_adv, logits, margins(logits, self._own[at]), np.full(len(at), attack, dtype=object))
