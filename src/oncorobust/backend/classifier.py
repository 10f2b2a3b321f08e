"""What the engine attacks: a `Classifier`, which is a Keras model on three backends or a module of PyTorch.

Everything above this room takes a Keras model or a classifier, and asks `classifier_of` for what it needs to know. A
classifier compiles bodies (`backend.functions.compile_function`), so an attack is written once.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import keras
from keras import layers

from oncorobust.backend.mixed_precision import computing_in
from oncorobust.backend.networks import EagerNetwork, GraphNetwork, compile_graph, compile_jax, run_eagerly
from oncorobust.base.errors import InputError

Front = Callable[[Any], Any]
"""A function from images to images, in keras.ops, that a model is put behind."""


@runtime_checkable
class Classifier(Protocol):
    """A differentiable model: images (n, h, w, c) in [0, 1] to logits (n, classes)."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one image, (h, w, c)."""

    @property
    def n_classes(self) -> int:
        """Return the number of logits."""

    def compile(self, body: Callable[..., Any], *, precision: str) -> Callable[..., Any]:
        """Compile `body(network, *tensors)`; use `backend.functions.compile_function`, which keeps the result."""

    def behind(self, front: Front, *, image_shape: tuple[int, ...]) -> "Model":
        """Return this model behind a front that takes images of another shape (h, w, c); weights are shared."""

    def check_is_float32(self) -> None:
        """Refuse a layer or a weight of another type. Raises InputError naming the first."""

    def on_device(self) -> AbstractContextManager[Any]:
        """Create Keras's tensors, inside the block, on the device of this model."""


Model: TypeAlias = keras.Model | Classifier
"""What the engine accepts; a Keras model takes images (n, h, w, c) in [0, 1] and gives logits."""


def classifier_of(model: Model) -> Classifier:
    """Return a model as the engine sees it."""
    return KerasModel(model) if isinstance(model, keras.Model) else model


@dataclass(frozen=True)
class KerasModel:
    """A Keras model as a classifier, in inference mode, on the present backend of Keras."""

    model: keras.Model

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one image, (h, w, c)."""
        return tuple(self.model.input_shape[1:])

    @property
    def n_classes(self) -> int:
        """Return the number of logits."""
        return int(self.model.output_shape[-1])

    def compile(self, body: Callable[..., Any], *, precision: str) -> Callable[..., Any]:
        """Compile `body(network, *tensors)`. Raises ValueError for an unknown backend."""
        model = self.model

        def computed(network: Any, *tensors: Any) -> Any:
            with computing_in(precision, model):
                return body(network, *tensors)

        match keras.backend.backend():
            case "tensorflow":
                network = GraphNetwork(model)
                return compile_graph(lambda *tensors: computed(network, *tensors))
            case "torch":
                return run_eagerly(EagerNetwork(model), computed)
            case "jax":
                return compile_jax(model, computed)
            case other:
                raise ValueError(f"expected backend tensorflow, torch or jax, got {other}")

    def behind(self, front: Front, *, image_shape: tuple[int, ...]) -> keras.Model:
        """Return a Keras model of the front and this model."""
        images = keras.Input(image_shape)
        return keras.Model(images, self.model(front(images)))

    def check_is_float32(self) -> None:
        """Refuse a layer or a variable of another type. Raises InputError naming the first.

        Integer variables, such as counters, are accepted; quantised layers are not.
        """
        for layer in [*self.model._flatten_layers(include_self=False), self.model]:
            # An input layer computes nothing, but casts the images to its type.
            found = layer.dtype if isinstance(layer, layers.InputLayer) else layer.dtype_policy.name
            if found != "float32":
                raise InputError(f"expected a float32 model, got dtype policy {found} in layer {layer.name!r}")
        for variable in self.model.weights:
            if keras.backend.is_float_dtype(variable.dtype) and variable.dtype != "float32":
                raise InputError(f"expected a float32 model, got {variable.dtype} in variable {variable.path!r}")

    def on_device(self) -> AbstractContextManager[Any]:
        """Leave the choice of the device to Keras."""
        return nullcontext()
