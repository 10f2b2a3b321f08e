"""Compiled functions of a Keras 3 model, and gradients of its logits, on TensorFlow, PyTorch or JAX.

A body is written once in `keras.ops`, in terms of a `Network`; `compile_function` turns it into a plain function from
NumPy arrays to NumPy arrays, compiled once for the backend:

    logits          x -> f(x)
    loss gradient   x, y -> d/dx CE(f(x), y)        CE: cross-entropy on logits, summed over the batch
    class gradient  x, c -> d/dx f(x)[c]

The loss is summed, not averaged, so that an image's gradient does not depend on its batch. The model runs in inference
mode (dropout off). Variables are read at each call, so the functions stay valid while the model trains.

The number of images may change from call to call without recompiling: TensorFlow leaves that axis open; JAX cannot, so
its batches are padded to one of a few lengths. Gradients of weights are in `oncorobust.backend.updates`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
from keras import ops

from oncorobust.backend.mixed_precision import computing_in
from oncorobust.backend.parts import in_parts
from oncorobust.base.arrays import Images, Logits

Scalar = Callable[[Any, Any], Any]
"""A function (logits, targets) -> one number, in keras.ops."""

LogitsFunction = Callable[[Images], Logits]
"""A function from images to logits."""

GradientFunction = Callable[[Images, np.ndarray], Images]
"""A function from images and targets (n, classes) to the gradient with respect to the images."""


@runtime_checkable
class Network(Protocol):
    """A model inside a compiled function."""

    def logits(self, x: Any) -> Any:
        """Return logits (n, classes) of images."""

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """Return logits of images, and the gradient of `loss(logits)`, one number, with respect to the images."""


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Return the cross-entropy of logits against one-hot targets, summed over the batch."""
    return -ops.sum(log_probability(logits, targets))


def log_probability(logits: Any, targets: Any) -> Any:
    """Return the log-probability of the class that one-hot targets select, (n,).

    Computed as -log(1 + exp(-m)), with m the label's logit minus the log-sum-exp of the others. The gradient of the
    usual form, target - softmax, rounds to zero in float32 once m exceeds 17, which stops an attack on a confident
    answer; this one keeps its direction up to m = 87.
    """
    own = ops.sum(logits * targets, axis=-1)
    others = ops.logsumexp(ops.where(targets > 0, -1e30, logits), axis=-1)
    return -ops.softplus(others - own)


def selected_logits(logits: Any, targets: Any) -> Any:
    """Return the logits that one-hot targets select, summed over the batch."""
    return ops.sum(logits * targets)


def compile_logits(model: keras.Model) -> LogitsFunction:
    """Compile the model's logits as a function of images (n, h, w, c) in [0, 1] that returns (n, classes)."""
    return compile_function(model, logits_of)


def compile_gradient(model: keras.Model, scalar: Scalar) -> GradientFunction:
    """Compile the gradient of `scalar(logits, targets)` with respect to images."""
    return compile_function(model, _gradient_of(scalar))


def logits_of(network: Network, x: Any) -> Any:
    """Return the logits of images: a body for `compile_function`."""
    return network.logits(x)


@cache
def _gradient_of(scalar: Scalar) -> Callable[..., Any]:
    def gradient(network: Network, x: Any, targets: Any) -> Any:
        return network.logits_and_gradient(lambda logits: scalar(logits, targets), x)[1]

    return gradient


def compile_function(model: keras.Model, body: Callable[..., Any], *, precision: str = "float32") -> Callable[..., Any]:
    """Compile `body(network, *tensors)` into a function of arrays.

    Every array has the images along its first axis, unless it is a scalar; the body returns a tensor or a tuple of
    tensors with the images along the first axis. Many large images are taken in parts (`backend.parts`). precision:
    `float32`, or `mixed` for a search whose findings are confirmed in float32 (`backend.mixed_precision`). The function
    is kept with the model: whoever asks for the same body in the same precision again gets it, already compiled. Raises
    ValueError for an unknown backend.
    """
    # Not through Keras, which would track the functions as a part of the model.
    kept = vars(model).setdefault("_oncorobust_functions", {})
    if (body, precision) not in kept:
        kept[body, precision] = in_parts(_compiled(model, body, precision))
    return kept[body, precision]


def _compiled(model: keras.Model, body: Callable[..., Any], precision: str) -> Callable[..., Any]:
    def computed(network: Network, *tensors: Any) -> Any:
        with computing_in(precision, model):
            return body(network, *tensors)

    match keras.backend.backend():
        case "tensorflow":
            network = GraphNetwork(model)
            return compile_graph(lambda *tensors: computed(network, *tensors))
        case "torch":
            return run_eagerly(EagerNetwork(model), computed)
        case "jax":
            return _compile_jax(model, computed)
        case other:
            raise ValueError(f"expected backend tensorflow, torch or jax, got {other}")


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


def run_eagerly(network: EagerNetwork, body: Callable[..., Any]) -> Callable[..., Any]:
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


def _compile_jax(model: keras.Model, body: Callable[..., Any]) -> Callable[..., Any]:
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
