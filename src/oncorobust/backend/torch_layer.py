"""A PyTorch module as a layer of a Keras model, so that everything that takes a Keras model takes the module.

Parameters and buffers of the module become variables of the layer and share their memory: optimisers, moving averages
and the state that survives a kill see them, the statistics of batch normalisation among them. In training the module
runs as its authors wrote it, with dropout and batch statistics; PyTorch's random numbers then come from a variable of
the layer, so that a training which resumes drops the same units. In inference it runs as a `TorchClassifier` does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, no_type_check

import keras

from oncorobust.backend.torch_classifier import ModuleNetwork, TorchClassifier


class TorchLayer(keras.layers.Layer):
    """A layer that holds a `TorchClassifier`; images (n, h, w, c) to logits (n, classes)."""

    @no_type_check  # Keras reads the signature, which a wrapper that checks types hides
    def __init__(self, *, n_classes: int, seed: int, **settings: Any) -> None:
        """n_classes: number of logits. seed: of the random numbers in training."""
        super().__init__(**settings)
        self.n_classes, self.seed = n_classes, seed
        self._random = keras.random.SeedGenerator(seed)
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
        """Return logits; with `training`, the module runs in training mode, and its buffers change."""
        if not training:
            self.held.stay_in_evaluation()
            with self.held.layers.logits_alone():
                return self._network.logits_of(images)
        self.held.module.train()
        with self.held.layers.logits_alone(), self._seeded():
            return self._network.logits_of(images)

    def compute_output_spec(self, images: Any, **_: Any) -> keras.KerasTensor:
        """Return the shape of the logits without running the module."""
        return keras.KerasTensor((images.shape[0], self.n_classes), dtype="float32")

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        import torch

        words = keras.ops.convert_to_numpy(self._random.next()).astype("uint64")
        devices = [torch.cuda.current_device()] if torch.device(self.held.device).type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(words[0]) << 31 ^ int(words[1]))
            yield


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
