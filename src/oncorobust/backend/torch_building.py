"""Make a `TorchClassifier` of a module: its mode, weights and device, and what a pass of noise tells about it."""

import warnings
from typing import Any

from oncorobust.backend.torch_classifier import TorchClassifier, need_torch_backend
from oncorobust.backend.torch_layers import Layers, calls_of, last_activation, outer_kernels
from oncorobust.base.arrays import Images
from oncorobust.base.errors import InputError


def build_torch_classifier(
    module: Any,
    noise: Images,
    *,
    n_classes: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: str,
) -> TorchClassifier:
    """Return a module as a classifier of images like `noise`.

    The module itself is changed: to evaluation mode, to float32 (with a warning) and to the device. noise: several
    images (n, h, w, c). mean, std: one number per channel. Raises InputError for another backend of Keras, and for a
    module that does not give `n_classes` logits of such images, nor one unit for two classes.
    """
    need_torch_backend()
    _make_ready(module, device)
    classifier = TorchClassifier(module, noise.shape[1:], n_classes, mean, std, device, Layers())
    given = _as_the_module_gets_it(noise, classifier)
    calls, outputs, channels_last = _pass(module, given)
    units = _units(outputs, n_images=len(noise), n_classes=n_classes)
    layers = Layers(last_activation(calls, outputs), outer_kernels(calls), channels_last)
    if units == 1 and type(layers.activation).__name__ in ("Softmax", "LogSoftmax"):
        raise InputError(f"expected a single unit with a sigmoid or none, got a {type(layers.activation).__name__}")
    return TorchClassifier(module, noise.shape[1:], n_classes, mean, std, device, layers, one_unit=units == 1)


def _make_ready(module: Any, device: str) -> None:
    import torch

    if not isinstance(module, torch.nn.Module):
        raise InputError(f"expected a torch.nn.Module, got {type(module).__name__}")
    if any(layer.training for layer in module.modules()):
        module.eval()
    kinds = {str(one.dtype) for one in [*module.parameters(), *module.buffers()] if one.is_floating_point()}
    if other := sorted(kinds - {"torch.float32"}):
        warnings.warn(f"the module's weights are converted from {', '.join(other)} to float32", stacklevel=4)
        module.float()
    try:
        module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"the module cannot be moved to device {device!r}: {_first_line(error)}") from error


def _as_the_module_gets_it(noise: Images, classifier: TorchClassifier) -> Any:
    import torch

    mean, std = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (classifier.mean, classifier.std))
    images = torch.from_numpy(noise).permute(0, 3, 1, 2)
    return ((images - mean) / std).to(classifier.device).requires_grad_(True)


def _pass(module: Any, images: Any) -> tuple[Any, Any, bool]:
    """Return the calls of one pass, its output, and whether the images had channels last in memory."""
    try:
        return *calls_of(module, images), True
    except Exception:
        pass  # `view` refuses images with channels last: try the other way round, whose error is the one to tell
    try:
        return *calls_of(module, images.contiguous()), False
    except Exception as error:
        raise not_taken(images.shape, error) from error


def not_taken(shape: tuple[int, ...], error: Exception) -> InputError:
    """Return the error of a module that failed on images (n, c, h, w)."""
    found = f"{type(error).__name__}: {_first_line(error)}"
    return InputError(f"expected a module that takes images (n, c, h, w) of shape {tuple(shape)}, got {found}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


def _units(outputs: Any, *, n_images: int, n_classes: int) -> int:
    """Return the number of outputs per image."""
    import torch

    if not isinstance(outputs, torch.Tensor):
        raise InputError(
            f"expected a module that returns one tensor of logits (n, {n_classes}), got {type(outputs).__name__}: "
            "wrap it in a module that returns the logits alone"
        )
    found = tuple(outputs.shape)
    if n_classes == 2 and found in ((n_images,), (n_images, 1)):
        return 1
    if found != (n_images, n_classes):
        raise InputError(f"expected logits of shape ({n_images}, {n_classes}), got {found}")
    return n_classes
