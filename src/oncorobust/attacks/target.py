"""The model under attack: margins, gradients and steps of the l_inf loop, each compiled once.

FGSM, BIM and PGD are settings of this loop, which repeats for each image, with its own radius and step,

    x_adv <- clip(x_adv + eps_step sign(d/dx loss(f(x_adv))), max(x - radius, 0), min(x + radius, 1))

The gradient's forward pass gives the margin of the iterate it starts from, so checking every iterate costs nothing.
Sources: Goodfellow 2015, Kurakin 2017, Madry 2018; composition as in deepmind-research `adversarial_robustness`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from oncorobust.attacks.finite import check_finite_images, check_finite_margins, finite_gradient
from oncorobust.attacks.goals import Goal, Loss, margin, margin_loss, margins
from oncorobust.attacks.projected_step import ascend, box_around, project, room
from oncorobust.backend.classifier import Model, classifier_of
from oncorobust.backend.functions import Network, compile_function, logits_of
from oncorobust.base.arrays import Images, Logits, PerImage


class Walk(NamedTuple):
    """The outcome of some steps of the loop.

    x_last: the last iterate, not yet checked. x_best: the first adversarial iterate, or else the one of least margin.
    margin: (n,) the margin of x_best. reachable: (n,) the least margin in the ball if the margin were linear, with the
    gradient of the last checked iterate; of no meaning under another loss than the margin.
    """

    x_last: Images
    x_best: Images
    margin: PerImage
    reachable: PerImage


@dataclass
class Cost:
    """What attacks have spent: images passed through gradients, and through forward passes alone."""

    n_gradients: int = 0
    n_forwards: int = 0


class Target:
    """A model (images in [0, 1], channels last, logits out) under attack: of Keras, or another `Classifier`.

    loss: the function that the attack maximises: the margin loss of the logits, or cross-entropy. precision: of the
    gradients (`backend.functions.compile_function`); logits are float32. cost: counts that another target adds to, too.
    """

    def __init__(
        self, model: Model, *, loss: Loss = margin_loss, precision: str = "float32", cost: Cost | None = None
    ) -> None:
        """Prepare the compiled functions, which all targets of the model share; each is traced at its first call."""
        self.cost = Cost() if cost is None else cost
        classifier = classifier_of(model)
        self.image_shape, self.n_classes = classifier.image_shape, classifier.n_classes
        self._logits = compile_function(model, logits_of)
        self._gradient = compile_function(model, _gradient_of(loss), precision=precision)
        self._walk = compile_function(model, _walk_along(loss), precision=precision)

    def exact(self) -> "Target":
        """Return the same model computed in full float32: this one."""
        return self

    def logits(self, x: Images) -> Logits:
        """Return logits (n, classes) of images (n, h, w, c). Raises InputError for images that are not finite."""
        check_finite_images(x, stage="logits")
        self.cost.n_forwards += len(x)
        return self._logits(x)

    def margins(self, x: Images, goal: Goal) -> PerImage:
        """Return (n,) margins over all other classes; below 0 the image is adversarial.

        Raises InputError naming an image whose pixels or logits are not finite.
        """
        check_finite_images(x, stage="margins", names=goal.names)
        self.cost.n_forwards += len(x)
        found = margins(self._logits(x), goal.own.argmax(axis=1))
        check_finite_margins(found, stage="margins", names=goal.names)
        return found

    def margin_gradient(self, x: Images, goal: Goal) -> tuple[PerImage, Images]:
        """Return (n,) margins and the gradient (n, h, w, c) of the loss with respect to the images.

        Where the gradient is not finite it is that of a point beside the image (`attacks.finite`). Raises InputError
        naming an image whose pixels or logits are not finite, or whose gradient is not finite there either.
        """
        check_finite_images(x, stage="gradients", names=goal.names)
        self.cost.n_gradients += len(x)
        margin, gradient = self._gradient(x, goal.own, goal.rivals)
        check_finite_margins(margin, stage="gradients", names=goal.names)

        def at(positions: np.ndarray, points: Images) -> Images:
            self.cost.n_gradients += len(points)
            return self._gradient(points, goal.own[positions], goal.rivals[positions])[1]

        return margin, finite_gradient(gradient, x, at=at, stage="gradients", names=goal.names)

    def walk(
        self, start: Images, x: Images, goal: Goal, *, radius: np.ndarray, eps_step: PerImage, n_steps: int
    ) -> Walk:
        """Take `n_steps` steps from `start` within the ball around x.

        radius: l_inf radius, (n, 1, 1, 1) or, where pixels differ, (n, h, w, 1). eps_step: (n,). Where a gradient is
        not finite, the walk starts again with gradients from beside each such point. Raises InputError as
        `margin_gradient` does.
        """
        check_finite_images(start, stage="steps", names=goal.names)
        self.cost.n_gradients += n_steps * len(x)
        radius, steps = radius.astype(np.float32), eps_step.astype(np.float32).reshape(-1, 1, 1, 1)
        *outcome, finite = self._walk(start, x, radius, steps, goal.own, goal.rivals, np.int32(n_steps))
        found = Walk(*outcome)
        check_finite_margins(found.margin, stage="steps", names=goal.names)
        again = np.flatnonzero(~finite)
        if len(again) == 0:
            return found
        box = np.maximum(x[again] - radius[again], 0), np.minimum(x[again] + radius[again], 1)
        other = self._walk_beside(start[again], goal.at(again), box, steps[again], n_steps)
        found = Walk(*map(np.array, found))
        for whole, part in zip(found, other, strict=True):
            whole[again] = part
        return found

    def _walk_beside(
        self, start: Images, goal: Goal, box: tuple[Images, Images], steps: np.ndarray, n_steps: int
    ) -> Walk:
        """Walk as `walk` does, step by step, through points whose gradient is not finite."""
        x_adv = np.clip(start, *box)
        x_best, least = x_adv.copy(), np.full(len(start), np.inf, dtype=np.float32)
        reachable = least.copy()
        for _ in range(n_steps):
            found, gradient = Target.margin_gradient(self, x_adv, goal)
            room = np.where(gradient > 0, box[1] - x_adv, x_adv - box[0])
            reachable = found - (np.abs(gradient) * room).sum(axis=(1, 2, 3))
            better = (found < least) & (least >= 0)
            x_best[better], least[better] = x_adv[better], found[better]
            x_adv = np.clip(x_adv + steps * np.sign(gradient), *box)
        return Walk(x_adv, x_best, least, reachable)


@cache
def _gradient_of(loss: Loss) -> Any:
    def body(network: Network, x: Any, own: Any, rivals: Any) -> tuple[Any, Any]:
        logits, gradient = network.logits_and_gradient(lambda logits: loss(logits, own, rivals), x)
        return margin(logits, own), gradient

    return body


@cache
def _walk_along(loss: Loss) -> Any:
    gradient_of = _gradient_of(loss)

    def body(
        network: Network, start: Any, x: Any, radius: Any, eps_step: Any, own: Any, rivals: Any, n_steps: Any
    ) -> tuple[Any, ...]:
        box = box_around(x, radius)

        def step(_: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
            x_adv, x_best, least, _, finite = state
            found, gradient = gradient_of(network, x_adv, own, rivals)
            finite = ops.logical_and(finite, ops.all(ops.isfinite(gradient), axis=(1, 2, 3)))
            better = ops.logical_and(found < least, least >= 0)
            x_best = ops.where(ops.reshape(better, (-1, 1, 1, 1)), x_adv, x_best)
            # Comparisons skip NaN, and TensorFlow turns `not a >= b` into `a < b`: carry it over, to be refused.
            least = ops.where(ops.isfinite(found), ops.where(better, found, least), np.nan)
            reachable = found - ops.sum(ops.abs(gradient) * room(x_adv, gradient, box), axis=(1, 2, 3))
            return ascend(x_adv, gradient, eps_step, box), x_best, least, reachable, finite

        start = project(start, box)
        least = ops.full_like(start[:, 0, 0, 0], np.inf)
        return ops.fori_loop(0, n_steps, step, (start, start, least, least, least > 0))

    return body
