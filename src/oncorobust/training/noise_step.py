"""Training under Gaussian noise for randomized smoothing, as one compiled update like those of `training.step`.

    noise   x_i = x' + sigma g_i, i = 1 ... copies, not clipped: the certificate's noise is not either
    attack  max_iter times  x' <- clip(x' + eps_step sign(d/dx' -log q(x')[y])), q the mean softmax of the x_i
            (`noise_adversarial`; with `noise`, x' = x)
    update  the loss `losses.noise_loss` of the x_i; AWP, optimiser and average as in `training.step`

The Gaussian numbers g_i are an argument, so that every backend trains on the same images and a resumed run draws them
again. Sources: Cohen 2019; Salman 2019 (the same g_i throughout an attack and its update); Jeong and Shin 2020.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from keras import ops

from oncorobust.backend.updates import Forward, Learner
from oncorobust.base.arrays import Images
from oncorobust.settings.training import Harden, Noise, NoiseAdversarial
from oncorobust.training.losses import noise_loss, smoothed_attack_loss, with_noise
from oncorobust.training.step import Trainee, climb, compile_step, descend, n_right


def compile_noise_step(trainee: Trainee, settings: Harden, loss: Noise) -> Callable[..., tuple[Any, ...]]:
    """Compile (x, one_hot, gaussian) -> mean loss and right answers before the update, averaged over the copies.

    gaussian: as `standard_noise` draws it.
    """

    def body(learner: Learner, x: Any, one_hot: Any, gaussian: Any) -> tuple[Any, Any]:
        return _descend_under_noise(trainee, settings, learner, loss, with_noise(x, gaussian, loss.sigma), one_hot)

    return compile_step(trainee, body, settings.precision)


def compile_noise_adversarial_step(
    trainee: Trainee, settings: Harden, loss: NoiseAdversarial
) -> Callable[..., tuple[Any, ...]]:
    """Compile (x, one_hot, gaussian, start, epsilon, eps_step, max_iter) -> the same as `compile_noise_step`.

    gaussian: as `standard_noise` draws it. The others are those of `compile_adversarial_step`, for all images.
    """

    def body(
        learner: Learner,
        x: Any,
        one_hot: Any,
        gaussian: Any,
        start: Any,
        epsilon: Any,
        eps_step: Any,
        max_iter: Any,
    ) -> tuple[Any, Any]:
        climbed = smoothed_attack_loss(loss.copies, one_hot)

        def gradient(x_adv: Any) -> Any:
            _, of_copies = learner.logits_and_gradient(climbed, with_noise(x_adv, gaussian, loss.sigma))
            return ops.sum(ops.reshape(of_copies, (-1, loss.copies, *x.shape[1:])), axis=1)

        x_adv = climb(gradient, x, start * epsilon, epsilon, eps_step, max_iter)
        return _descend_under_noise(trainee, settings, learner, loss, with_noise(x_adv, gaussian, loss.sigma), one_hot)

    return compile_step(trainee, body, settings.precision)


def standard_noise(
    x: Images, loss: Noise | NoiseAdversarial, rng: np.random.Generator, *, copies: int
) -> Float[np.ndarray, "n copies h w channels"]:
    """Draw Gaussian noise of standard deviation 1 for copies of images (n, h, w, c); tied noise has one channel."""
    n, h, w, c = x.shape
    return rng.standard_normal((n, copies, h, w, 1 if loss.noise == "tied" else c), dtype=np.float32)


def _descend_under_noise(
    trainee: Trainee, settings: Harden, learner: Learner, loss: Noise | NoiseAdversarial, noisy: Any, one_hot: Any
) -> tuple[Any, Any]:
    """Update the weights on noisy copies; return the loss and the right answers, averaged over the copies, before."""

    def on_copies(forward: Forward) -> tuple[Any, Any]:
        logits = forward(noisy)
        return noise_loss(loss, logits, one_hot), logits

    value, logits = descend(trainee, settings, learner, on_copies)
    return value, n_right(logits, ops.repeat(one_hot, loss.copies, axis=0)) / loss.copies
