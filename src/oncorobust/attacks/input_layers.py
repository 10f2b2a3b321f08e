"""Layers in front of a model that restrict an attack to images that an imaging chain can store.

A grey image is stored once and given to the network in three equal channels; a file stores whole grey levels. An attack
that moves the channels apart, or by a fraction of a level, finds images that no scanner produces and no file can hold.
Each function here returns a model with the same logits that takes images before such a step,

    tied_channels       x (n, h, w, 1) -> f(x, x, x)          gradient: the sum over the channels
    stored_bit_depth    x -> f(round(L x) / L), L = 2^bits - 1     gradient: as if nothing were rounded

so that every attack of the engine searches the smaller set without a change, and the layers can be stacked:
`stored_bit_depth(tied_channels(model), bits=8)`. Weights are shared with the model, not copied.

Source of the straight-through gradient: Bengio, Leonard, Courville 2013.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from keras import ops

from oncorobust.backend.classifier import Model, classifier_of
from oncorobust.base.arrays import Images
from oncorobust.base.errors import InputError
from oncorobust.base.units import grey_levels


def tied_channels(model: Model) -> Model:
    """Return the model for images of one channel (h, w, 1), which it receives in all of its own channels."""
    classifier = classifier_of(model)
    height, width, channels = classifier.image_shape
    return classifier.behind(lambda grey: ops.repeat(grey, channels, axis=-1), image_shape=(height, width, 1))


def stored_bit_depth(model: Model, *, bits: int) -> Model:
    """Return the model for images that are rounded to `bits` (1 to 16) on input. Raises ValueError for other bits."""
    classifier, levels = classifier_of(model), grey_levels(bits)

    def stored(images: Any) -> Any:
        rounded = ops.round(images * levels) / levels
        # The difference is exact in float32, so that the sum is the rounded value itself.
        return images + ops.stop_gradient(rounded - images)

    return classifier.behind(stored, image_shape=classifier.image_shape)


def grey_channel(x: Images, image_ids: Sequence[str]) -> Float[np.ndarray, "n h w 1"]:
    """Return the one channel of images whose channels are equal.

    Raises InputError naming the image whose channels differ, and by how much at most.
    """
    difference = (x.max(axis=-1) - x.min(axis=-1)).max(axis=(1, 2))
    coloured = np.flatnonzero(difference > 0)
    if len(coloured):
        first = int(coloured[0])
        found = f"channels that differ by up to {difference[first]:.3g}"
        raise InputError(f"{image_ids[first]}: expected a grey image with equal channels, got {found}")
    return x[..., :1]
