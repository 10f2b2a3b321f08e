"""A PyTorch module as a layer of a Keras model, so that everything that takes a Keras model takes the module.

Parameters and buffers of the module become variables of the layer and share their memory: optimisers, moving averages
and the state that survives a kill see them, the statistics of batch normalisation among them. In training the module
runs as its authors wrote it, with dropout and batch statistics; PyTorch's random numbers then come from a variable of
the layer, so that a training which resumes drops the same units. In inference it runs as a `TorchClassifier` does.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, no_type_check

import keras

from oncorobust.backend.torch_classifier import ModuleNetwork, TorchClassifier
from oncorobust.base.errors import InputError


class TorchLayer(keras.layers.Layer):
    """A layer that holds a `TorchClassifier`; images (n, h, w, c) to logits (n, classes)."""

    n_classes: int
    seed: int
    _random: keras.random.SeedGenerator
    _drops_by: int | None

    @no_type_check  # Keras reads the signature, which a wrapper that checks types hides
    def __init__(self, *, n_classes: int, seed: int, **settings: Any) -> None:
        """n_classes: number of logits. seed: of the random numbers in training."""
        super().__init__(**settings)
        self.n_classes, self.seed = n_classes, seed
        self._random = keras.random.SeedGenerator(seed)
        self._drops_by = None
        self.built = True

    def hold(self, classifier: TorchClassifier) -> None:
        """Take a classifier, whose weights become variables of this layer; once."""
        self.held = classifier
        self._network = ModuleNetwork(classifier)
        self._tracker.unlock()
        for name, tensor in _tensors(classifier.module):
            self._track_variable(_variable(name, tensor))
        self._tracker.lock()

    @contextmanager
    def computing_in(self, precision: str) -> Iterator[None]:
        """Compute inside the block in a precision (`backend.mixed_precision`)."""
        with self.held.layers.computing_in(precision, device=self.held.device):
            yield

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Return logits; with `training`, the module runs in training mode, and its buffers change.

        Raises InputError for a layer without a module, as a clone is.
        """
        if not hasattr(self, "held"):
            raise _told_plainly(
                f"expected a layer that holds a PyTorch module, got {self.name!r} without one: a clone or a copy from "
                "a configuration has none; save the model and read its file instead"
            )
        if training:
            self.held.module.train()
            words = keras.ops.convert_to_numpy(self._random.next()).astype("uint64")
            drawing: AbstractContextManager[None] = self._seeded(int(words[0]) << 31 ^ int(words[1]))
        else:
            self.held.stay_in_evaluation()
            drawing = nullcontext() if self._drops_by is None else self._dropping(self._drops_by)
        with self.held.layers.logits_alone(), drawing:
            try:
                return self._network.logits_of(images)
            except ValueError as error:  # PyTorch's batch normalisation refuses one number per channel
                if not training or len(images) != 1:
                    raise
                raise _told_plainly(
                    "expected batches of two images or more for batch normalisation in training, got one image, the "
                    f"rest of an epoch: choose another batch_size ({error})"
                ) from error

    @property
    def has_dropout(self) -> bool:
        """Return whether a layer of the module is a dropout layer that drops anything."""
        return bool(self._dropout_layers())

    @contextmanager
    def dropping_units(self, seed: int) -> Iterator[None]:
        """Keep dropout active in inference inside the block; each pass drops the units that `seed` decides."""
        self._drops_by = seed
        try:
            yield
        finally:
            self._drops_by = None

    def compute_output_spec(self, images: Any, **_: Any) -> keras.KerasTensor:
        """Return the shape of the logits without running the module."""
        return keras.KerasTensor((images.shape[0], self.n_classes), dtype="float32")

    @contextmanager
    def _dropping(self, seed: int) -> Iterator[None]:
        layers = self._dropout_layers()
        for layer in layers:
            layer.train()
        with self._seeded(seed):
            yield
        for layer in layers:
            layer.eval()

    def _dropout_layers(self) -> list[Any]:
        from torch.nn.modules.dropout import _DropoutNd

        return [layer for layer in self.held.module.modules() if isinstance(layer, _DropoutNd) and layer.p > 0]

    @contextmanager
    def _seeded(self, seed: int) -> Iterator[None]:
        import torch

        devices = [torch.cuda.current_device()] if torch.device(self.held.device).type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            yield


def _told_plainly(message: str) -> InputError:
    """Return an error to which Keras adds no lines of its own: it takes one with this mark as told already."""
    error = InputError(message)
    error._keras_call_info_injected = True  # type: ignore[attr-defined]
    return error


def _tensors(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and tensors of parameters and buffers, once each where several layers share one."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def _variable(name: str, tensor: Any) -> keras.Variable:
    """Return a variable that shares the tensor's memory."""
    import torch

    same = tensor if isinstance(tensor, torch.nn.Parameter) else torch.nn.Parameter(tensor, requires_grad=False)
    kind = str(tensor.dtype).removeprefix("torch.")
    return keras.Variable(same, dtype=kind, trainable=same.requires_grad, name=name.replace(".", "_"))
