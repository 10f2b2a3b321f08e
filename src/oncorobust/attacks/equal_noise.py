"""Random noise of the size of a given change: the chance that an image flips by size alone. Imports no framework.

    sign        x + l_inf s, s = +1 or -1 for each value
    Gaussian    x + t g, g standard normal for each value, with t such that the l2 norm is that of the change

both clipped to [0, 1]. Clipping takes away the part of sign noise that leaves the box: values at 0 and 1 stay where
they are for one of the two signs, and the l_inf norm is still reached wherever a single value has room. Gaussian noise
is scaled up until its l2 norm after clipping is that of the change; where the whole way to the box along g is
shorter, as for changes of half of the grey scale, it ends in that corner. Grey images are given with one channel.
"""

import numpy as np

from oncorobust.attacks.box_l2 import factor_of_size, move
from oncorobust.base.arrays import Image


def sign_noise(image: Image, l_inf: float, rng: np.random.Generator) -> Image:
    """Return an image (h, w, c) with sign noise of this l_inf size."""
    signs = np.where(rng.random(image.shape) < 0.5, np.float32(-1), np.float32(1))
    return np.clip(image + np.float32(l_inf) * signs, 0, 1)


def gaussian_noise(image: Image, l2: float, rng: np.random.Generator) -> Image:
    """Return an image (h, w, c) with Gaussian noise of this l2 size, after clipping."""
    x, direction = image[np.newaxis], rng.standard_normal((1, *image.shape)).astype(np.float32)
    return move(x, direction, factor_of_size(x, direction, np.array([l2])))[0]
