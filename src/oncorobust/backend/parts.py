"""Call a function of images with a few of them at a time, so that its memory does not grow with their number.

A gradient holds the activations of all its images: 100 MB for one image of 224 pixels in VGG16. Images do not depend on
each other in inference mode, so that parts give what the whole would, up to rounding. A GPU takes larger parts, because
small ones leave it idle.
"""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import keras
import numpy as np

PIXEL_VALUES = {"cpu": 2_500_000, "gpu": 40_000_000}
"""Most pixel values of a part, by device: 16 images of 224 x 224 x 3 on a processor, and at least one image."""


def in_parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of arrays take its images in parts of nearly equal length, and join what it returns.

    function: every array has the images along its first axis, unless it is a scalar; it returns an array or a tuple of
    arrays with the images along the first axis.
    """

    def call(*arrays: Any) -> Any:
        kept = [np.asarray(array) for array in arrays]
        n, most = len(kept[0]), max(PIXEL_VALUES[_device()] // max(kept[0][:1].size, 1), 1)
        if n <= most:
            return function(*kept)
        bounds = np.linspace(0, n, -(-n // most) + 1).astype(int)
        parts = [
            function(*(array[start:end] if array.ndim else array for array in kept)) for start, end in pairwise(bounds)
        ]
        if isinstance(parts[0], tuple):
            return tuple(map(np.concatenate, zip(*parts, strict=True)))
        return np.concatenate(parts)

    return call


@cache
def _device() -> str:
    """Return `gpu` where the backend computes on one, else `cpu`."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            found = bool(tf.config.list_physical_devices("GPU"))
        case "torch":
            import torch

            found = torch.cuda.is_available()
        case _:
            import jax

            found = jax.default_backend() == "gpu"
    return "gpu" if found else "cpu"
