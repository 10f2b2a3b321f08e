"""A model whose dropout stays active in inference, for Monte Carlo dropout.

All other layers run as in inference: batch normalisation, for example, keeps its statistics.
Source: Gal and Ghahramani 2016, "Dropout as a Bayesian approximation".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from oncorobust.backend.functions import compile_logits
from oncorobust.backend.torch_layer import TorchLayer
from oncorobust.base.arrays import Images, Logits

_DROPOUT = (
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)


@dataclass(frozen=True)
class DropoutModel:
    """A copy of a model whose dropout is active; `states` are the states of its random generators."""

    model: keras.Model
    states: tuple[Any, ...]

    def reseed(self, seed: int) -> None:
        """Decide which units the next pass drops."""
        words = np.random.SeedSequence(seed).generate_state(2 * len(self.states)) % 2**31
        for state, start in zip(self.states, words.reshape(-1, 2), strict=True):
            state.assign(start.astype(state.dtype))


def dropout_logits(model: keras.Model) -> Callable[[Images, int], Logits] | None:
    """Compile a function (images, seed) -> logits under dropout; None for a model without dropout layers.

    A Keras model is copied for it. The seed decides which units are dropped.
    """
    for layer in _layers(model):
        if isinstance(layer, TorchLayer):
            return _torch_logits(model, layer) if layer.has_dropout else None
    copy = dropout_model(model)
    if copy is None:
        return None
    logits = compile_logits(copy.model)

    def call(x: Images, seed: int) -> Logits:
        copy.reseed(seed)
        return logits(x)

    return call


def _torch_logits(model: keras.Model, layer: TorchLayer) -> Callable[[Images, int], Logits]:
    """Return the same for a PyTorch network, whose dropout layers are switched on for a pass."""
    logits = compile_logits(model)

    def call(x: Images, seed: int) -> Logits:
        with layer.dropping_units(seed):
            return logits(x)

    return call


def dropout_model(model: keras.Model) -> DropoutModel | None:
    """Copy a model with its dropout active; return None if it has no dropout.

    A model that Keras cannot copy, because it is a class of its own, counts as one without dropout.
    """
    if not any(map(_drops, _layers(model))):
        return None
    try:
        copy = keras.models.clone_model(model, clone_function=_active_copy, recursive=True)
    except ValueError:
        return None
    copy.set_weights(model.get_weights())
    return DropoutModel(copy, tuple(layer.seed_generator.state for layer in _layers(copy) if _drops(layer)))


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield the layers of a model, and of the models inside it."""
    for layer in model.layers:
        yield from _layers(layer) if isinstance(layer, keras.Model) else [layer]


def _drops(layer: keras.Layer) -> bool:
    return isinstance(layer, _DROPOUT) and layer.rate > 0


def _active_copy(layer: keras.Layer) -> keras.Layer:
    """Copy a layer; a dropout layer into one that is always active."""
    kind = type(layer)
    if not _drops(layer):
        return kind.from_config(layer.get_config())

    def call(self: Any, inputs: Any) -> Any:
        return kind.call(self, inputs, training=True)

    active: Any = type(f"Active{kind.__name__}", (kind,), {"call": call})
    # With a seed, because Keras on PyTorch drops units by PyTorch's own generator where a layer has none.
    return active.from_config(layer.get_config() | {"seed": 0})
