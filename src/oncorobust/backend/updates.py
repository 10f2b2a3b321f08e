"""Compiled updates of a Keras 3 model's weights, on TensorFlow, PyTorch or JAX.

A body is written once in `keras.ops`, in terms of a `Learner`; `compile_update` turns it into a function from NumPy
arrays to NumPy numbers that attacks a batch, computes the gradient of the weights and applies it, all in one graph:
TensorFlow traces it once for batches of any length, JAX once per length, PyTorch runs it eagerly. Nothing returns to
NumPy between the steps of an attack.

`logits` and `logits_and_gradient` run the model as evaluation does, without dropout and with the stored statistics of
batch normalisation (Pang 2020: attacks run in that mode); only `weight_gradients` runs it in training mode.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import keras
from keras import ops

from oncorobust.backend.functions import Network
from oncorobust.backend.mixed_precision import computing_in
from oncorobust.backend.networks import EagerNetwork, GraphNetwork, TracedNetwork, compile_graph, run_eagerly

Forward = Callable[[Any], Any]
"""A function from images to logits, in training mode."""

TrainingLoss = Callable[[Forward], tuple[Any, Any]]
"""The loss that an update minimises (one number), and logits for its accuracy."""


@runtime_checkable
class Learner(Network, Protocol):
    """A model inside a compiled update."""

    def weight_gradients(self, loss: TrainingLoss, *, shift: Sequence[Any] | None = None) -> tuple[Any, Any, list[Any]]:
        """Return loss, logits, and the loss's gradient by each trainable weight, taken at weights + shift."""


def compile_update(
    model: keras.Model,
    body: Callable[..., tuple[Any, ...]],
    *,
    changed: Sequence[keras.Variable],
    precision: str,
) -> Callable[..., tuple[Any, ...]]:
    """Compile `body(learner, *tensors)`, which may assign to variables, into a function of arrays.

    body returns numbers. changed: variables other than the model's own that it assigns to (the optimiser's, averages).
    precision: `float32`, or `mixed`: all gradients, by images and by weights, are computed with the inner layers in
    bfloat16 (`backend.mixed_precision`). Raises ValueError for an unknown backend.
    """
    match keras.backend.backend():
        case "tensorflow":
            learner = _GraphLearner(model, precision)
            return compile_graph(lambda *tensors: body(learner, *tensors))
        case "torch":
            return run_eagerly(_EagerLearner(model, precision), body)
        case "jax":
            return _compile_jax(_TracedLearner(model, precision), body, [*model.variables, *changed])
        case other:
            raise ValueError(f"expected backend tensorflow, torch or jax, got {other}")


class _GraphLearner(GraphNetwork):
    def __init__(self, model: keras.Model, precision: str) -> None:
        super().__init__(model)
        self._precision = precision

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        with computing_in(self._precision, self._model):
            return super().logits_and_gradient(loss, x)

    def weight_gradients(self, loss: TrainingLoss, *, shift: Sequence[Any] | None = None) -> tuple[Any, Any, list[Any]]:
        import tensorflow as tf

        weights = [variable.value for variable in self._model.trainable_variables]
        with _moved(self._model, shift):
            with tf.GradientTape() as tape, computing_in(self._precision, self._model):
                value, logits = loss(lambda x: ops.cast(self._model(x, training=True), "float32"))
            gradients = tape.gradient(value, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return value, logits, gradients


class _EagerLearner(EagerNetwork):
    def __init__(self, model: keras.Model, precision: str) -> None:
        super().__init__(model)
        self._precision = precision

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        with computing_in(self._precision, self._model):
            return super().logits_and_gradient(loss, x)

    def weight_gradients(self, loss: TrainingLoss, *, shift: Sequence[Any] | None = None) -> tuple[Any, Any, list[Any]]:
        import torch

        weights = [variable.value for variable in self._model.trainable_variables]
        with _moved(self._model, shift), torch.enable_grad(), computing_in(self._precision, self._model):
            value, logits = loss(lambda x: ops.cast(self._model(x, training=True), "float32"))
            gradients = torch.autograd.grad(value, weights, allow_unused=True)
        filled = [
            torch.zeros_like(weight) if gradient is None else gradient
            for weight, gradient in zip(weights, gradients, strict=True)
        ]
        return value.detach(), logits.detach(), filled


class _TracedLearner(TracedNetwork):
    def __init__(self, model: keras.Model, precision: str) -> None:
        super().__init__(model)
        self._precision = precision

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        with computing_in(self._precision, self._model):
            return super().logits_and_gradient(loss, x)

    def weight_gradients(self, loss: TrainingLoss, *, shift: Sequence[Any] | None = None) -> tuple[Any, Any, list[Any]]:
        import jax

        def value_of(trainable: list[Any]) -> tuple[Any, tuple[Any, list[Any]]]:
            other = [variable.value for variable in self._model.non_trainable_variables]

            def forward(x: Any) -> Any:
                nonlocal other
                logits, other = self._model.stateless_call(trainable, other, x, training=True)
                return ops.cast(logits, "float32")

            value, logits = loss(forward)
            return value, (logits, other)

        with _moved(self._model, shift), computing_in(self._precision, self._model):
            weights = [variable.value for variable in self._model.trainable_variables]
            (value, (logits, other)), gradients = jax.value_and_grad(value_of, has_aux=True)(weights)
        for variable, found in zip(self._model.non_trainable_variables, other, strict=True):
            variable.assign(found)
        return value, logits, gradients


def _compile_jax(
    learner: _TracedLearner, body: Callable[..., tuple[Any, ...]], variables: list[keras.Variable]
) -> Callable[..., tuple[Any, ...]]:
    import jax

    @jax.jit
    def function(values: list[Any], *tensors: Any) -> tuple[Any, list[Any]]:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
            told = body(learner, *tensors)
        return told, [scope.get_current_value(variable) for variable in variables]

    def call(*arrays: Any) -> tuple[Any, ...]:
        told, values = function([variable.value for variable in variables], *arrays)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return tuple(jax.device_get(told))

    return call


@contextmanager
def _moved(model: keras.Model, shift: Sequence[Any] | None) -> Iterator[None]:
    """Move the trainable weights by shift inside the block; restore their exact values afterwards."""
    if shift is None:
        yield
        return
    kept = [ops.copy(variable.value) for variable in model.trainable_variables]
    for variable, change in zip(model.trainable_variables, shift, strict=True):
        variable.assign_add(change)
    yield
    for variable, before in zip(model.trainable_variables, kept, strict=True):
        variable.assign(before)
