"""The model under attack: margins, gradients and steps of the l_inf loop, each compiled once.

FGSM, BIM and PGD are settings of this loop, which repeats for each image, with its own radius and step,

    x_adv <- clip(x_adv + eps_step sign(d/dx loss(f(x_adv))), max(x - radius, 0), min(x + radius, 1))

The gradient's forward pass gives the margin of the iterate it starts from, so checking every iterate costs nothing.
Sources: Goodfellow 2015, Kurakin 2017, Madry 2018; composition as in deepmind-research `adversarial_robustness`.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from oncorobust.attacks.goals import Goal, Loss, margin, margin_loss, margins
from oncorobust.attacks.projected_step import ascend, box_around, project
from oncorobust.backend.functions import Network, compile_function
from oncorobust.base.arrays import Images, Logits, PerImage


class Walk(NamedTuple):
    """The outcome of some steps of the loop.

    x_last: the last iterate, not yet checked. x_best: the first adversarial iterate, or else the one of least margin.
    margin: (n,) the margin of x_best.
    """

    x_last: Images
    x_best: Images
    margin: PerImage


class Target:
    """A Keras model (images in [0, 1], channels last, logits out) under attack.

    loss: the function that the attack maximises: the margin loss of the logits, or cross-entropy.
    n_gradients, n_forwards: images passed through each so far, the measure of an attack's cost.
    """

    def __init__(self, model: keras.Model, *, loss: Loss = margin_loss) -> None:
        """Prepare the compiled functions; each is traced at its first call."""
        self.image_shape: tuple[int, ...] = tuple(model.input_shape[1:])
        self.n_classes: int = model.output_shape[-1]
        self.n_gradients = 0
        self.n_forwards = 0
        self._logits = compile_function(model, lambda network, x: network.logits(x))
        self._gradient = compile_function(model, _gradient_of(loss))
        self._walk = compile_function(model, _walk_along(loss))

    def logits(self, x: Images) -> Logits:
        """Return logits (n, classes) of images (n, h, w, c)."""
        self.n_forwards += len(x)
        return self._logits(x)

    def margins(self, x: Images, goal: Goal) -> PerImage:
        """Return (n,) margins over all other classes; below 0 the image is adversarial."""
        return margins(self.logits(x), goal.own.argmax(axis=1))

    def margin_gradient(self, x: Images, goal: Goal) -> tuple[PerImage, Images]:
        """Return (n,) margins and the gradient (n, h, w, c) of the loss with respect to the images."""
        self.n_gradients += len(x)
        return self._gradient(x, goal.own, goal.rivals)

    def walk(
        self, start: Images, x: Images, goal: Goal, *, radius: np.ndarray, eps_step: PerImage, n_steps: int
    ) -> Walk:
        """Take `n_steps` steps from `start` within the ball around x.

        radius: l_inf radius, (n, 1, 1, 1) or, where pixels differ, (n, h, w, 1). eps_step: (n,).
        """
        self.n_gradients += n_steps * len(x)
        steps = eps_step.astype(np.float32).reshape(-1, 1, 1, 1)
        return Walk(*self._walk(start, x, radius.astype(np.float32), steps, goal.own, goal.rivals, np.int32(n_steps)))


def _gradient_of(loss: Loss) -> Any:
    def body(network: Network, x: Any, own: Any, rivals: Any) -> tuple[Any, Any]:
        logits, gradient = network.logits_and_gradient(lambda logits: loss(logits, own, rivals), x)
        return margin(logits, own), gradient

    return body


def _walk_along(loss: Loss) -> Any:
    gradient_of = _gradient_of(loss)

    def body(
        network: Network, start: Any, x: Any, radius: Any, eps_step: Any, own: Any, rivals: Any, n_steps: Any
    ) -> tuple[Any, Any, Any]:
        box = box_around(x, radius)

        def step(_: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            x_adv, x_best, least = state
            found, gradient = gradient_of(network, x_adv, own, rivals)
            better = ops.logical_and(found < least, least >= 0)
            x_best = ops.where(ops.reshape(better, (-1, 1, 1, 1)), x_adv, x_best)
            return ascend(x_adv, gradient, eps_step, box), x_best, ops.where(better, found, least)

        start = project(start, box)
        least = ops.full_like(start[:, 0, 0, 0], np.inf)
        return ops.fori_loop(0, n_steps, step, (start, start, least))

    return body
