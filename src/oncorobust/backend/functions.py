"""Compiled functions of a classifier, and gradients of its logits, on TensorFlow, PyTorch or JAX.

A body is written once in `keras.ops`, in terms of a `Network`; `compile_function` turns it into a plain function from
NumPy arrays to NumPy arrays, compiled once for the backend:

    logits          x -> f(x)
    loss gradient   x, y -> d/dx CE(f(x), y)        CE: cross-entropy on logits, summed over the batch
    class gradient  x, c -> d/dx f(x)[c]

The loss is summed, not averaged, so that an image's gradient does not depend on its batch. The model runs in inference
mode (dropout off). Variables are read at each call, so the functions stay valid while the model trains.

The number of images may change from call to call without recompiling. The model inside a function is in
`oncorobust.backend.networks`; gradients of weights are in `oncorobust.backend.updates`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from keras import ops

from oncorobust.backend.classifier import Model, classifier_of
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


def compile_logits(model: Model) -> LogitsFunction:
    """Compile the model's logits as a function of images (n, h, w, c) in [0, 1] that returns (n, classes)."""
    return compile_function(model, logits_of)


def compile_gradient(model: Model, scalar: Scalar) -> GradientFunction:
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


def compile_function(model: Model, body: Callable[..., Any], *, precision: str = "float32") -> Callable[..., Any]:
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
        kept[body, precision] = in_parts(classifier_of(model).compile(body, precision=precision))
    return kept[body, precision]
