"""A plain PyTorch module as a classifier of images (n, h, w, c) in [0, 1].

Bodies are written in keras.ops, which compute on PyTorch's tensors if Keras runs on PyTorch; with another backend of
Keras a `TorchClassifier` is refused. Bodies see images with channels last; the module gets

    (n, h, w, c) -> fronts -> (x - mean) / std -> (n, c, h, w), in memory with channels last where it can take that

and one unit z becomes the logits (0, z). The module stays in evaluation mode. Hooks that take its last activation off,
or compute its inner layers in bfloat16, are on the module only while the engine calls it. `models.torch_module` builds
and checks a `TorchClassifier`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras

from oncorobust.backend.classifier import Front
from oncorobust.backend.networks import run_eagerly
from oncorobust.backend.torch_layers import Layers
from oncorobust.base.errors import InputError


def need_torch_backend() -> None:
    """Raise InputError where Keras does not run on PyTorch."""
    if (found := keras.backend.backend()) != "torch":
        raise InputError(
            f"a PyTorch module needs Keras on PyTorch, got Keras on {found}: "
            "set KERAS_BACKEND=torch before Keras is first imported"
        )


@dataclass(frozen=True)
class TorchClassifier:
    """A torch.nn.Module, its own preprocessing, and what was found out about its layers.

    module: in evaluation mode, on the device. image_shape: (h, w, c) of what the engine gives. mean, std: one number
    per channel of the module. device: a name of PyTorch. one_unit: whether the module gives one unit, two classes.
    fronts: functions in keras.ops that images pass first.
    """

    module: Any
    image_shape: tuple[int, ...]
    n_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: str
    layers: Layers
    one_unit: bool = False
    fronts: tuple[Front, ...] = ()

    def compile(self, body: Callable[..., Any], *, precision: str) -> Callable[..., Any]:
        """Wrap `body(network, *tensors)`, which runs eagerly. Raises InputError for another backend of Keras."""
        need_torch_backend()
        run = run_eagerly(ModuleNetwork(self), body)

        def call(*arrays: Any) -> Any:
            self.stay_in_evaluation()
            with self.on_device(), self.layers.logits_alone(), self.layers.computing_in(precision, device=self.device):
                return run(*arrays)

        return call

    def behind(self, front: Front, *, image_shape: tuple[int, ...]) -> "TorchClassifier":
        """Return the same module behind a front."""
        return replace(self, image_shape=image_shape, fronts=(front, *self.fronts))

    def check_is_float32(self) -> None:
        """Refuse a parameter or buffer of another floating-point type. Raises InputError naming the first."""
        import torch

        for name, tensor in [*self.module.named_parameters(), *self.module.named_buffers()]:
            if tensor.is_floating_point() and tensor.dtype != torch.float32:
                raise InputError(f"expected a float32 model, got {tensor.dtype} in {name!r}")

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Create Keras's tensors, inside the block, on the device of the module."""
        with keras.device(self.device):
            yield

    def stay_in_evaluation(self) -> None:
        """Put the module back into evaluation mode where something took it out."""
        if any(layer.training for layer in self.module.modules()):
            self.module.eval()


class ModuleNetwork:
    """A module inside a compiled function: the `Network` of a TorchClassifier."""

    def __init__(self, classifier: TorchClassifier) -> None:
        """The classifier's module behind its fronts and its preprocessing."""
        import torch

        self._classifier = classifier
        # Of the images' full size: arithmetic with three numbers per pixel is many times slower.
        size = (*classifier.image_shape[:2], len(classifier.mean))
        self._mean, self._std = (
            torch.tensor(values, dtype=torch.float32, device=classifier.device).expand(size).contiguous()
            for values in (classifier.mean, classifier.std)
        )
        self._normalised = any(classifier.mean) or any(one != 1 for one in classifier.std)

    def logits(self, x: Any) -> Any:
        """Return logits (n, classes) of images."""
        import torch

        with torch.no_grad():
            return self.logits_of(x)

    def logits_and_gradient(self, loss: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """Return logits of images, and the gradient of `loss(logits)` with respect to the images.

        The gradient of a module that cuts it, by detach or no_grad, is zero, as it is in other backends.
        """
        import torch

        with torch.enable_grad():
            images = x.detach().requires_grad_(True)
            logits = self.logits_of(images)
            value = loss(logits)
            if not value.requires_grad:
                return logits.detach(), torch.zeros_like(images)
            gradient = torch.autograd.grad(value, images, allow_unused=True, materialize_grads=True)[0]
        return logits.detach(), gradient

    def logits_of(self, x: Any) -> Any:
        """Return logits of images, with gradients where PyTorch records them."""
        for front in self._classifier.fronts:
            x = front(x)
        if self._normalised:
            x = (x - self._mean) / self._std
        x = x.permute(0, 3, 1, 2)
        if not self._classifier.layers.channels_last:
            x = x.contiguous()
        outputs = self._classifier.module(x).float()
        return _two_logits(outputs.reshape(-1, 1)) if self._classifier.one_unit else outputs


def _two_logits(unit: Any) -> Any:
    import torch

    return torch.cat([torch.zeros_like(unit), unit], dim=1)
