"""A Keras model as a `Network` inside a compiled function, on TensorFlow, PyTorch or JAX.

The number of images may change from call to call without recompiling: TensorFlow leaves that axis open; JAX cannot, so
its batches are padded to one of a few lengths.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


class GraphNetwork:
    """A model inside a TensorFlow graph."""

    def __init__(self, model: keras.Model) -> None:
        """The model in inference mode."""
        self._model = model

    def logits(self, x: Any) -> Any:
        """Return logits (n, classes) of images."""
        return self._model(x, training=False)

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """Return logits of images, and the gradient of `loss(logits)` with respect to the images."""
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            logits = self.logits(x)
            value = loss(logits)
        # A layer such as rounding has no gradient in TensorFlow, and a gradient of zero in PyTorch and JAX.
        return logits, tape.gradient(value, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def compile_graph(body: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `body(*tensors)` into a function of arrays that TensorFlow traces once, with an open first axis."""
    import tensorflow as tf

    def open_length(array: np.ndarray) -> tf.TensorSpec:
        return tf.TensorSpec((None, *array.shape[1:]) if array.ndim else (), array.dtype)

    # Traced explicitly with an open length, because tf.function would otherwise retrace for another number of images.
    function = tf.function(body, autograph=False)
    traced: dict[tuple[Any, ...], Any] = {}

    def call(*arrays: Any) -> Any:
        kept = [np.asarray(array) for array in arrays]
        kinds = tuple((array.shape[1:], array.ndim, array.dtype) for array in kept)
        if kinds not in traced:
            traced[kinds] = function.get_concrete_function(*map(open_length, kept))
        return to_numpy(traced[kinds](*map(tf.constant, kept)))

    return call


class EagerNetwork:
    """A model in PyTorch, which compiles nothing."""

    def __init__(self, model: keras.Model) -> None:
        """The model in inference mode."""
        self._model = model

    def logits(self, x: Any) -> Any:
        """Return logits (n, classes) of images."""
        import torch

        with torch.no_grad():
            return self._model(x, training=False)

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """Return logits of images, and the gradient of `loss(logits)` with respect to the images."""
        import torch

        with torch.enable_grad():
            images = x.detach().requires_grad_(True)
            logits = self._model(images, training=False)
            gradient = torch.autograd.grad(loss(logits), images)[0]
        return logits.detach(), gradient


def run_eagerly(network: Any, body: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `body(network, *tensors)` into a function of arrays that PyTorch runs eagerly."""
    import torch

    def call(*arrays: Any) -> Any:
        with torch.no_grad():
            return to_numpy(body(network, *map(ops.convert_to_tensor, arrays)))

    return call


class TracedNetwork:
    """A model under JAX's tracing; its variables take their values from the surrounding stateless scope."""

    def __init__(self, model: keras.Model) -> None:
        """The model in inference mode."""
        self._model = model

    def logits(self, x: Any) -> Any:
        """Return logits (n, classes) of images."""
        return self._call(x, training=False)[0]

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """Return logits of images, and the gradient of `loss(logits)` with respect to the images."""
        import jax

        def value(images: Any) -> tuple[Any, Any]:
            logits = self.logits(images)
            return loss(logits), logits

        gradient, logits = jax.grad(value, has_aux=True)(x)
        return logits, gradient

    def _call(self, x: Any, *, training: bool) -> tuple[Any, list[Any]]:
        trainable = [variable.value for variable in self._model.trainable_variables]
        other = [variable.value for variable in self._model.non_trainable_variables]
        return self._model.stateless_call(trainable, other, x, training=training)


def compile_jax(model: keras.Model, body: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `body(network, *tensors)` into a function of arrays that JAX traces once for each padded length."""
    import jax

    network = TracedNetwork(model)

    @jax.jit
    def function(values: list[Any], *tensors: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(model.variables, values, strict=True))):
            return body(network, *tensors)

    def call(*arrays: Any) -> Any:
        kept = [np.asarray(array) for array in arrays]
        n = len(kept[0])
        rows = np.minimum(np.arange(padded_length(n)), n - 1)
        values = [variable.value for variable in model.variables]
        outputs = function(values, *(array[rows] if array.ndim else array for array in kept))
        return jax.tree.map(lambda output: np.asarray(output)[:n], outputs)

    return call


def padded_length(n: int) -> int:
    """Return the smallest of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, ... that is at least n, to limit padding and compiles.

    Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"expected at least one image, got {n}")
    power = 1 << (n - 1).bit_length()
    return 3 * power // 4 if n <= 3 * power // 4 and power >= 4 else power


def to_numpy(outputs: Any) -> Any:
    """Convert a tensor, or a tuple of tensors, to arrays."""
    if isinstance(outputs, tuple | list):
        return tuple(map(ops.convert_to_numpy, outputs))
    return ops.convert_to_numpy(outputs)
