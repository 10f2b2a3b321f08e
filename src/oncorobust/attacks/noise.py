"""Random noise of the same l_inf size as an attack: the baseline that an attack must beat.

    uniform    x + epsilon u, u uniform in [-1, 1] for each pixel
    sign       x + epsilon s, s = +1 or -1 for each pixel, the largest noise (in every norm) inside the ball

both clipped to [0, 1]. One draw of u or s serves all epsilons, so that a curve over epsilon shows one noise pattern at
growing amplitude; it need not be monotone. An attack that is not far above this baseline has found nothing.
"""

import numpy as np
from jaxtyping import Float

from oncorobust.attacks.goals import Goal
from oncorobust.attacks.linf import Ball
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images, PerImage
from oncorobust.settings.attacks import NoiseKind


def noise_margins(
    target: Target, x: Images, goal: Goal, *, epsilons: tuple[float, ...], kind: NoiseKind, rng: np.random.Generator
) -> Float[np.ndarray, "epsilons n"]:
    """Return the margins of noisy images at each epsilon, one forward pass each; below 0 the noise flipped the image.

    The share of images that noise flips at each epsilon is `(margins < 0).mean(axis=1)`.
    """
    noise = rng.uniform(-1, 1, x.shape).astype(np.float32)
    if kind == "sign":
        noise = np.where(noise < 0, np.float32(-1), np.float32(1))
    return np.stack([_margins(target, x, goal, noise, epsilon=epsilon) for epsilon in epsilons])


def _margins(target: Target, x: Images, goal: Goal, noise: Images, *, epsilon: float) -> PerImage:
    ball = Ball(x, np.full(len(x), epsilon), goal)
    return target.margins(ball.project(x + np.float32(epsilon) * noise), goal)
