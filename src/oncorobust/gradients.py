"""Logits of a Keras 3 model, and gradients of them with respect to the image: the one module that knows the backend.

Each function compiles once and gives back a plain function from NumPy arrays to NumPy arrays:

    logits          x -> f(x)
    loss gradient   x, y -> d/dx CE(f(x), y)        CE: cross-entropy on logits, summed over the batch
    class gradient  x, c -> d/dx f(x)[c]

The sum, not the mean, makes each image's gradient its own, whatever batch it stands in. The model runs in inference
mode (dropout off). Variables are read at each call, so the functions stay valid while the model trains.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from oncorobust.arrays import Images, Logits

Scalar = Callable[[Any, Any], Any]
"""(logits, targets) -> one number, in keras.ops."""

LogitsFunction = Callable[[Images], Logits]
"""Images -> logits."""

GradientFunction = Callable[[Images, np.ndarray], Images]
"""Images and targets (n, classes) -> gradient with respect to the images."""


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
    match keras.backend.backend():
        case "tensorflow":
            return _tensorflow_logits(model)
        case "torch":
            return _torch_logits(model)
        case "jax":
            return _jax_logits(model)
        case other:
            raise ValueError(f"expected backend tensorflow, torch or jax, got {other}")


def compile_gradient(model: keras.Model, scalar: Scalar) -> GradientFunction:
    """The gradient of `scalar(logits, targets)` with respect to images, as a compiled function."""
    match keras.backend.backend():
        case "tensorflow":
            return _tensorflow_gradient(model, scalar)
        case "torch":
            return _torch_gradient(model, scalar)
        case "jax":
            return _jax_gradient(model, scalar)
        case other:
            raise ValueError(f"expected backend tensorflow, torch or jax, got {other}")


def _tensorflow_logits(model: keras.Model) -> LogitsFunction:
    import tensorflow as tf

    images = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)

    @tf.function(input_signature=[images], autograph=False)
    def logits(x: tf.Tensor) -> tf.Tensor:
        return model(x, training=False)

    return lambda x: logits(x).numpy()


def _tensorflow_gradient(model: keras.Model, scalar: Scalar) -> GradientFunction:
    import tensorflow as tf

    images = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    classes = tf.TensorSpec((None, model.output_shape[-1]), tf.float32)

    @tf.function(input_signature=[images, classes], autograph=False)
    def gradient(x: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            value = scalar(model(x, training=False), targets)
        return tape.gradient(value, x)

    return lambda x, targets: gradient(x, targets).numpy()


def _torch_logits(model: keras.Model) -> LogitsFunction:
    import torch

    def logits(x: Images) -> Logits:
        with torch.no_grad():
            return ops.convert_to_numpy(model(ops.convert_to_tensor(x), training=False))

    return logits


def _torch_gradient(model: keras.Model, scalar: Scalar) -> GradientFunction:
    import torch

    def gradient(x: Images, targets: np.ndarray) -> Images:
        images = ops.convert_to_tensor(x).requires_grad_(True)
        value = scalar(model(images, training=False), ops.convert_to_tensor(targets))
        return ops.convert_to_numpy(torch.autograd.grad(value, images)[0])

    return gradient


def _jax_logits(model: keras.Model) -> LogitsFunction:
    import jax

    @jax.jit
    def logits(trainable: list[Any], other: list[Any], x: Any) -> Any:
        return model.stateless_call(trainable, other, x, training=False)[0]

    return lambda x: np.asarray(logits(*_jax_state(model), x))


def _jax_gradient(model: keras.Model, scalar: Scalar) -> GradientFunction:
    import jax

    def value(x: Any, trainable: list[Any], other: list[Any], targets: Any) -> Any:
        return scalar(model.stateless_call(trainable, other, x, training=False)[0], targets)

    gradient = jax.jit(jax.grad(value))
    return lambda x, targets: np.asarray(gradient(x, *_jax_state(model), targets))


def _jax_state(model: keras.Model) -> tuple[list[Any], list[Any]]:
    trainable = [variable.value for variable in model.trainable_variables]
    return trainable, [variable.value for variable in model.non_trainable_variables]
