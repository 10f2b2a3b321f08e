"""Measurements of a model that the validity gate judges: gradients, response, repeated answers, unbounded attack.

They need the model and a few test images, and are stored in attack.json, so that the gate itself loads no model.
Each is a few passes over at most 32 images; the attacks take a small part of the images.
"""

from typing import Any

import numpy as np
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.goals import leave
from oncorobust.attacks.linf import Ball, pgd, walk
from oncorobust.attacks.target import Target
from oncorobust.backend.classifier import Model
from oncorobust.backend.precision import check_full_float32
from oncorobust.base.arrays import Flags, Images, Labels, Logits, PerImage
from oncorobust.base.errors import InputError
from oncorobust.base.seeds import child_rng, child_seed
from oncorobust.data.dataset import LabelledImages
from oncorobust.models.probabilities import are_probabilities
from oncorobust.settings.attacks import IterativeAttack

UNBOUNDED = 0.5
"""Epsilon of the unbounded attack: mid-grey is within it of every image."""

WELL_BELOW = 0.8
"""Share of an image's last safe epsilon at which more restarts, and examples of another model, attack it."""

_N_IMAGES = 32
_LEAST_ATTACKED, _ATTACKED_ONE_IN = 4, 8
"""One in so many images is attacked again, but at least so many; with `_N_IMAGES` a small part of the attacks' time."""

_OTHER_BATCH = 8
_STARTS = 2
_RELATIVE_STEP = 0.01
_STEPS = (2e-5, 1e-3)
"""Smallest and largest step along the gradient, in [0, 1] units: float32 resolves it, and curvature hardly matters."""


def examine_model(
    classifier: KerasClassifier,
    data: LabelledImages,
    intervals: pd.DataFrame,
    *,
    settings: IterativeAttack,
    seed: int,
    other: Model | None = None,
) -> dict[str, Any]:
    """Measure a model on some test images; return the content of `validity` in attack.json.

    intervals: rows of `strict.interval_rows` on these images; without rows `restarts` and `transfer` are absent.
    settings: PGD's, whose steps the attacks take. other: another model of the same images, on which examples are made
    for this one; without it `transfer` is absent. Shares are fractions, differences of logits are relative to the
    largest logit.
    """
    few = data.subset(_N_IMAGES, seed=child_seed(seed, "validity"))
    x = few.images()
    logits = classifier.predict(x)
    target = Target(classifier.model)
    attacked = few.subset(max(_LEAST_ATTACKED, len(data) // _ATTACKED_ONE_IN), seed=child_seed(seed, "attacked"))
    unbounded, box = _unbounded(target, attacked, settings=settings, rng=child_rng(seed, "unbounded"))
    found: dict[str, Any] = {
        "n_images": len(few),
        "share_saturated": float((_largest_probability(logits) == 1).mean()),
        "share_nan_gradient": float((~classifier.has_finite_gradient(x, logits.argmax(axis=1))).mean()),
        "probabilities": are_probabilities(logits),
        "precision": _precision(classifier),
        "response": _response(classifier, x, logits),
        **_repeatability(classifier, x, logits),
        "unbounded": unbounded,
        "box": box,
    }
    if len(intervals):
        safe, radius = _well_below(attacked, intervals)
        found["restarts"] = _restarts(target, safe, radius, settings=settings, rng=child_rng(seed, "restarts"))
        if other is not None:
            found["transfer"] = _transfer(target, Target(other), safe, radius, settings=settings)
    return found


def _largest_probability(logits: Logits) -> PerImage:
    """Return the largest softmax probability in float32, as a network's own last layer gives it."""
    scores = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float32)
    return scores.max(axis=1) / scores.sum(axis=1)


def _precision(classifier: KerasClassifier) -> str:
    try:
        check_full_float32(classifier.model)
    except InputError as error:
        return str(error)
    return "float32"


def _repeatability(classifier: KerasClassifier, x: Images, logits: Logits) -> dict[str, float]:
    """Return the largest differences of a logit in a second pass, and in other batches in reversed order."""
    scale = float(np.maximum(np.abs(logits).max(), np.finfo(np.float32).tiny))
    again, batches = classifier.predict(x), classifier.predict(x[::-1], batch_size=_OTHER_BATCH)[::-1]
    return {
        "repeat_difference": float(np.abs(again - logits).max()) / scale,
        "batch_difference": float(np.abs(batches - logits).max()) / scale,
    }


def _response(classifier: KerasClassifier, x: Images, logits: Logits) -> dict[str, float | None]:
    """Compare the change of the log-odds along the gradient with the change that the gradient predicts.

    u = logsumexp of the other logits - own logit has the gradient of the loss log(1 + exp u), divided by its slope
    1 / (1 + exp -u). Each image takes one step of such a size that u should change by a hundredth of the largest logit.
    """
    own = logits.argmax(axis=1)
    gradient = classifier.loss_gradient(x, own).astype(np.float64)
    moves = np.flatnonzero(np.abs(gradient).sum(axis=(1, 2, 3)) > 0)
    if len(moves) == 0:
        return {"median_ratio": None, "share_off": 1.0}
    here, labels, before = x[moves], own[moves], _log_odds(logits[moves], own[moves])
    slopes = gradient[moves] * (1 + np.exp(-before)).reshape(-1, 1, 1, 1)
    wanted = _RELATIVE_STEP * np.maximum(1, np.abs(logits[moves]).max(axis=1))
    step = np.clip(wanted / np.abs(slopes).sum(axis=(1, 2, 3)), *_STEPS).reshape(-1, 1, 1, 1)
    beyond = np.clip(here + step * np.sign(slopes), 0, 1).astype(np.float32)
    predicted = (slopes * (beyond.astype(np.float64) - here)).sum(axis=(1, 2, 3))
    change = _log_odds(classifier.predict(beyond), labels) - before
    ratio = np.divide(change, predicted, out=np.zeros_like(change), where=predicted > 0)
    off = len(x) - len(moves) + int((np.abs(ratio - 1) > 0.5).sum())
    return {"median_ratio": float(np.median(ratio)), "share_off": off / len(x)}


def _log_odds(logits: Logits, own: Labels) -> PerImage:
    """Return (n,) the log of the odds against the own class, in float64."""
    scores = logits.astype(np.float64)
    own_scores = np.take_along_axis(scores, own[:, np.newaxis], axis=1)[:, 0]
    np.put_along_axis(scores, own[:, np.newaxis], -np.inf, axis=1)
    top = scores.max(axis=1)
    return top + np.log(np.exp(scores - top[:, np.newaxis]).sum(axis=1)) - own_scores


def _unbounded(
    target: Target, data: LabelledImages, *, settings: IterativeAttack, rng: np.random.Generator
) -> tuple[dict[str, Any], dict[str, float]]:
    """Attack at an epsilon that allows almost any image; return what stays, and the range of the attack's pixels."""
    ball = _ball(target, data, np.full(len(data), UNBOUNDED))
    found = pgd(
        target,
        ball,
        rel_eps_step=settings.rel_eps_step,
        max_iter=settings.max_iter,
        num_random_init=_STARTS,
        rng=rng,
    )
    box = {"least_pixel": float(found.x_adv.min()), "largest_pixel": float(found.x_adv.max())}
    return {"epsilon": UNBOUNDED, "n_images": len(data), "unchanged": _ids(data, ~found.flipped)}, box


def _well_below(data: LabelledImages, intervals: pd.DataFrame) -> tuple[LabelledImages, PerImage]:
    """Return the images with a last safe epsilon above 0, and (n,) epsilons well below it."""
    last = intervals.groupby("image_id", sort=False).tail(1).set_index("image_id")["last_safe"]
    safe = last.loc[data.image_ids].to_numpy(dtype=float)
    return data.take(np.flatnonzero(safe > 0)), WELL_BELOW * safe[safe > 0]


def _restarts(
    target: Target,
    data: LabelledImages,
    radius: PerImage,
    *,
    settings: IterativeAttack,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Attack from another random point; return the images that change."""
    about = {"n_images": len(data), "share_of_last_safe": WELL_BELOW}
    if len(data) == 0:
        return about | {"changed": []}
    ball = _ball(target, data, radius)
    start = ball.random_points(rng)
    found = walk(target, ball, start, rel_eps_step=settings.rel_eps_step, max_iter=settings.max_iter)
    return about | {"changed": _ids(data, found.flipped)}


def _transfer(
    target: Target, other: Target, data: LabelledImages, radius: PerImage, *, settings: IterativeAttack
) -> dict[str, Any]:
    """Climb the loss of another model through all steps, and show this one where that ends; return what changes."""
    about = {"n_images": len(data), "share_of_last_safe": WELL_BELOW}
    if len(data) == 0:
        return about | {"changed": []}
    ball = _ball(target, data, radius)
    eps_step = settings.rel_eps_step * radius
    made = other.walk(ball.x, ball.x, ball.goal, radius=ball.radius, eps_step=eps_step, n_steps=settings.max_iter)
    return about | {"changed": _ids(data, target.margins(made.x_last, ball.goal) < 0)}


def _ids(data: LabelledImages, chosen: Flags) -> list[str]:
    return [one for one, flag in zip(data.image_ids, chosen, strict=True) if flag]


def _ball(target: Target, data: LabelledImages, epsilon: PerImage) -> Ball:
    x = data.images()
    goal = leave(target.logits(x).argmax(axis=1), n_classes=target.n_classes, names=data.image_ids)
    return Ball(x, epsilon, goal)
