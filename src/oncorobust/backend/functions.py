"""Compiled functions of a Keras 3 model, and gradients of its logits, on whichever backend.

With `oncorobust.backend.updates`, which adds the gradients of the weights, the only code that knows a backend.

A body is written once in `keras.ops`, in terms of a `Network`; `compile_function` makes of it a plain function from
NumPy arrays to NumPy arrays, compiled once for TensorFlow, PyTorch or JAX:

    logits          x -> f(x)
    loss gradient   x, y -> d/dx CE(f(x), y)        CE: cross-entropy on logits, summed over the batch
    class gradient  x, c -> d/dx f(x)[c]

The sum, not the mean, makes each image's gradient its own, whatever batch it stands in. The model runs in inference
mode (dropout off). Variables are read at each call, so the functions stay valid while the model trains.

The number of images may change from call to call without compiling anew: TensorFlow leaves that axis open, and for
JAX, which cannot, images are padded to one of few lengths.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
from keras import ops

from oncorobust.base.arrays import Images, Logits

Scalar = Callable[[Any, Any], Any]
"""(logits, targets) -> one number, in keras.ops."""

LogitsFunction = Callable[[Images], Logits]
"""Images -> logits."""

GradientFunction = Callable[[Images, np.ndarray], Images]
"""Images and targets (n, classes) -> gradient with respect to the images."""


@runtime_checkable
class Network(Protocol):
    """A model inside a compiled function."""

    def logits(self, x: Any) -> Any:
        """Logits (n, classes) of images."""

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """Logits of images, and the gradient of `loss(logits)`, one number, with respect to the images."""


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Cross-entropy of logits against one-hot targets, summed over the batch.

    Written as log(1 + exp(-m)), with m the label's logit minus the log-sum-exp of the others. The usual gradient,
    softmax - target, rounds to nothing in float32 once m passes 17, and an attack on a confident answer stands still;
    this one keeps its direction up to m = 87.
    """
    own = ops.sum(logits * targets, axis=-1)
    others = ops.logsumexp(ops.where(targets > 0, -1e30, logits), axis=-1)
    return ops.sum(ops.softplus(others - own))


def selected_logits(logits: Any, targets: Any) -> Any:
    """The logits that one-hot targets select, summed over the batch."""
    return ops.sum(logits * targets)


def compile_logits(model: keras.Model) -> LogitsFunction:
    """The model's logits as a compiled function of images (n, h, w, c) in [0, 1]; gives (n, classes)."""
    return compile_function(model, lambda network, x: network.logits(x))


def compile_gradient(model: keras.Model, scalar: Scalar) -> GradientFunction:
    """The gradient of `scalar(logits, targets)` with respect to images, as a compiled function."""

    def gradient(network: Network, x: Any, targets: Any) -> Any:
        return network.logits_and_gradient(lambda logits: scalar(logits, targets), x)[1]

    return compile_function(model, gradient)


def compile_function(model: keras.Model, body: Callable[..., Any]) -> Callable[..., Any]:
    """Make `body(network, *tensors)` a compiled function of arrays.

    All arrays have the images along their first axis, but for those without an axis, which are numbers; the body
    returns a tensor or a tuple of them, images along the first axis. Raises ValueError for an unknown backend.
    """
    match keras.backend.backend():
        case "tensorflow":
            network = GraphNetwork(model)
            return compile_graph(lambda *tensors: body(network, *tensors))
        case "torch":
            return run_eagerly(EagerNetwork(model), body)
        case "jax":
            return _compile_jax(model, body)
        case other:
            raise ValueError(f"expected backend tensorflow, torch or jax, got {other}")


class GraphNetwork:
    """A model inside a TensorFlow graph."""

    def __init__(self, model: keras.Model) -> None:
        """The model in inference mode."""
        self._model = model

    def logits(self, x: Any) -> Any:
        """Logits (n, classes) of images."""
        return self._model(x, training=False)

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """Logits of images, and the gradient of `loss(logits)` with respect to the images."""
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            logits = self.logits(x)
            value = loss(logits)
        return logits, tape.gradient(value, x)


def compile_graph(body: Callable[..., Any]) -> Callable[..., Any]:
    """Make `body(*tensors)` a function of arrays that TensorFlow traces once, with an open first axis."""
    import tensorflow as tf

    def open_length(array: np.ndarray) -> tf.TensorSpec:
        return tf.TensorSpec((None, *array.shape[1:]) if array.ndim else (), array.dtype)

    # Traced by hand for arrays of open length: left to itself, tf.function traces anew for a second number of images.
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
        """Logits (n, classes) of images."""
        import torch

        with torch.no_grad():
            return self._model(x, training=False)

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """Logits of images, and the gradient of `loss(logits)` with respect to the images."""
        import torch

        with torch.enable_grad():
            images = x.detach().requires_grad_(True)
            logits = self._model(images, training=False)
            gradient = torch.autograd.grad(loss(logits), images)[0]
        return logits.detach(), gradient


def run_eagerly(network: EagerNetwork, body: Callable[..., Any]) -> Callable[..., Any]:
    """Make `body(network, *tensors)` a function of arrays that PyTorch runs as it stands."""
    import torch

    def call(*arrays: Any) -> Any:
        with torch.no_grad():
            return to_numpy(body(network, *map(ops.convert_to_tensor, arrays)))

    return call


class TracedNetwork:
    """A model under JAX's tracing, its variables' values those of the stateless scope around it."""

    def __init__(self, model: keras.Model) -> None:
        """The model in inference mode."""
        self._model = model

    def logits(self, x: Any) -> Any:
        """Logits (n, classes) of images."""
        return self._call(x, training=False)[0]

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """Logits of images, and the gradient of `loss(logits)` with respect to the images."""
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
    """The least of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, ... that is at least n: few lengths, a quarter of padding at most.

    Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"expected at least one image, got {n}")
    power = 1 << (n - 1).bit_length()
    return 3 * power // 4 if n <= 3 * power // 4 and power >= 4 else power


def to_numpy(outputs: Any) -> Any:
    """A tensor, or a tuple of them, as arrays."""
    if isinstance(outputs, tuple | list):
        return tuple(map(ops.convert_to_numpy, outputs))
    return ops.convert_to_numpy(outputs)
