"""Mixed precision of one computation: the inner layers of a model in bfloat16, the others and all weights in float32.

The first layer stays float32 because bfloat16 (8 bits) would round an adversarial perturbation away; the last one so
that logits of nearly equal classes keep their difference.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import keras


@contextmanager
def computing_in(precision: str, model: keras.Model) -> Iterator[None]:
    """With `mixed`, compute the layers between the first and the last one with a kernel in bfloat16 inside the block.

    precision: `float32` changes nothing. A model with fewer than three such layers has no inner one. A layer that holds
    a whole network does the same inside it (`backend.torch_layer`).
    """
    layers = _leaves(model)
    weighted = [position for position, layer in enumerate(layers) if _has_kernel(layer)]
    inner = layers[weighted[0] + 1 : weighted[-1]] if precision == "mixed" and weighted else []
    before = [layer.dtype_policy for layer in inner]
    for layer in inner:
        layer.dtype_policy = "mixed_bfloat16"
    try:
        with ExitStack() as own:
            for layer in layers:
                if hasattr(layer, "computing_in"):
                    own.enter_context(layer.computing_in(precision))
            yield
    finally:
        for layer, policy in zip(inner, before, strict=True):
            layer.dtype_policy = policy


def _has_kernel(layer: keras.Layer) -> bool:
    """Return whether a layer multiplies by a matrix; the weights of normalisations are vectors."""
    return any(len(weight.shape) > 1 for weight in layer.weights)


def _leaves(layer: keras.Layer) -> list[keras.Layer]:
    """Return the layers of a model in order, those of nested models in place."""
    if not isinstance(layer, keras.Model):
        return [layer]
    return [leaf for inner in layer.layers for leaf in _leaves(inner)]
