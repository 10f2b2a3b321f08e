"""Augmentation: flipped and rotated copies of a training image.

A copy is a pure function of the image, its id, the copy's number and a seed, so copies need not be stored and do not
depend on order, batch or process. Copy 0 is the image itself. Each allowed flip has probability 1/2. The angle is
uniform in plus or minus `max_rotation_degrees`; the rotation is about the centre, with linear interpolation, and
repeats the values of the edge outside the image.
"""

import math

import numpy as np
from scipy import ndimage

from oncorobust.base.arrays import Image
from oncorobust.base.seeds import child_rng
from oncorobust.settings.data import Augment


def augment(image: Image, *, settings: Augment, image_id: str, copy: int, seed: int) -> Image:
    """Make copy number `copy` of an image in [0, 1]; the result is float32 in [0, 1] of the same shape."""
    if copy == 0:
        return image.astype(np.float32, copy=False)
    rng = child_rng(seed, "augment", image_id, copy)
    # All three are always drawn, so that allowing a flip does not change the angles.
    across, down = rng.random(2) < 0.5
    degrees = rng.uniform(-1, 1) * settings.max_rotation_degrees
    if across and settings.horizontal_flip:
        image = image[:, ::-1]
    if down and settings.vertical_flip:
        image = image[::-1]
    if degrees:
        image = rotate(image, degrees=degrees)
    return np.ascontiguousarray(image, dtype=np.float32)


def rotate(image: Image, *, degrees: float) -> Image:
    """Rotate an image counter-clockwise about its centre, by linear interpolation; shape and range are kept."""
    # Grey images have three equal channels, of which one is rotated.
    grey = bool((image == image[:, :, :1]).all())
    turned = [_rotate_channel(image[:, :, channel], degrees) for channel in range(1 if grey else image.shape[2])]
    return np.repeat(turned[0][:, :, None], image.shape[2], axis=2) if grey else np.stack(turned, axis=2)


def _rotate_channel(channel: np.ndarray, degrees: float) -> np.ndarray:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # Maps each output pixel to its position in the input; rows count downwards.
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    centre = (np.array(channel.shape) - 1) / 2
    values = np.ascontiguousarray(channel, dtype=np.float32)
    turned = ndimage.affine_transform(values, matrix, offset=centre - matrix @ centre, order=1, mode="nearest")
    return np.clip(turned, values.min(), values.max())
