"""Your own PyTorch module as a model that the engine attacks, checked before anything is measured.

The module takes images (n, c, h, w), after its own mean and standard deviation, and gives logits. A softmax,
log-softmax or sigmoid layer at its end is skipped, because attacks need logits (`oncorobust.models.checks`): that is
exact. One unit z becomes (0, z): a single unit is the second class.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from oncorobust.backend.functions import compile_gradient, compile_logits, selected_logits
from oncorobust.backend.torch_building import build_torch_classifier, not_taken
from oncorobust.backend.torch_classifier import TorchClassifier
from oncorobust.backend.torch_layers import batch_layers, random_layer
from oncorobust.base.arrays import Images, Logits
from oncorobust.base.errors import InputError
from oncorobust.models.checks import check_logits

_N_IMAGES = 4
_LARGEST_REPEAT = 1e-5
"""Of an image's logits between two passes of one batch, relative to the largest logit."""

_LARGEST_DIFFERENCE = 1e-3
"""Of an image's logits between two batches, relative to the largest logit: rounding in float32 stays below a tenth."""


def torch_classifier(
    module: Any,
    *,
    image_shape: tuple[int, ...],
    n_classes: int,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
    device: str = "cpu",
) -> TorchClassifier:
    """Return a torch.nn.Module as a model for `Target`, `KerasClassifier`, `search` and the evaluation.

    image_shape: (h, w, c) of images in [0, 1], as data sets hold them. n_classes: at least 2. mean, std: subtracted
    from and divided into the images for the module, one number or one per channel, in [0, 1] units. device: a name of
    PyTorch. The module is put into evaluation mode, which it keeps while it is attacked, and moved to the device; half
    precision becomes float32, with a warning. Its weights are read at each call. Raises InputError unless Keras runs on
    PyTorch, and for a module that fails on such images, gives other outputs than logits, differs from one pass to the
    next or with the other images of a batch, or ignores its input.
    """
    if len(image_shape) != 3 or min(image_shape) < 1 or n_classes < 2:
        raise InputError(
            f"expected image_shape (h, w, c) and at least 2 classes, got {tuple(image_shape)} and {n_classes}"
        )
    noise = np.random.default_rng(0).random((_N_IMAGES, *image_shape), dtype=np.float32)
    classifier = build_torch_classifier(
        module,
        noise,
        n_classes=n_classes,
        mean=_per_channel("mean", mean, image_shape[-1]),
        std=_per_channel("std", std, image_shape[-1]),
        device=device,
    )
    logits = _logits(classifier, noise)
    check_logits(logits, image_ids=[f"{number} of noise" for number in range(_N_IMAGES)], where="the module")
    _check_repeats(classifier, noise, logits)
    _check_response(classifier, noise, logits)
    return classifier


def _per_channel(name: str, values: float | Sequence[float], channels: int) -> tuple[float, ...]:
    found = np.ravel(np.asarray(values, dtype=np.float64))
    if len(found) not in (1, channels) or not np.isfinite(found).all():
        raise InputError(f"expected {name} to be one number, or one for each of {channels} channels, got {values}")
    if name == "std" and (found <= 0).any():
        raise InputError(f"expected std above 0, got {values}")
    return tuple(float(one) for one in np.broadcast_to(found, channels))


def _logits(classifier: TorchClassifier, x: Images) -> Logits:
    logits = compile_logits(classifier)
    try:
        return logits(x)
    except Exception as error:
        height, width, channels = classifier.image_shape
        raise not_taken((len(x), channels, height, width), error) from error


def _check_repeats(classifier: TorchClassifier, x: Images, logits: Logits) -> None:
    """Refuse a module whose logits of an image differ in a second pass, or alone."""
    again, alone, largest = _logits(classifier, x), _logits(classifier, x[:1]), np.abs(logits).max()
    if (difference := np.abs(again - logits).max()) > _LARGEST_REPEAT * largest:
        found = _random_in(classifier, x) or "a layer that could not be found"
        raise InputError(
            f"expected the same logits in every pass, got differences up to {difference:.2g} from {found}: "
            "look for torch.nn.functional.dropout without training=self.training, or other random numbers"
        )
    if np.abs(alone - logits[:1]).max() > _LARGEST_DIFFERENCE * largest:
        found = ", ".join(batch_layers(classifier.module)) or "one that could not be found"
        raise InputError(
            f"expected logits that do not depend on the other images of a batch, got a layer that uses the statistics "
            f"of the batch: {found}; give it running statistics, as batch normalisation has by default"
        )


def _random_in(classifier: TorchClassifier, x: Images) -> str:
    """Name the layer of a classifier whose output is random; "" if it is not found."""
    with classifier.on_device():
        return random_layer(classifier.module, ops.convert_to_tensor(x.transpose(0, 3, 1, 2).copy()))


def _check_response(classifier: TorchClassifier, x: Images, logits: Logits) -> None:
    """Refuse a module whose logits are constant; warn of one that gives no gradient."""
    # Any weights of the logits: a single unit's first logit is constant, and the logits may sum to one.
    weights = np.random.default_rng(1).normal(size=(len(x), classifier.n_classes)).astype(np.float32)
    if compile_gradient(classifier, selected_logits)(x, weights).any():
        return
    extremes = np.stack([np.zeros_like(x[0]), np.ones_like(x[0])])
    every = np.concatenate([logits, _logits(classifier, extremes)])
    if (every == every[0]).all():
        raise InputError(f"expected a module that responds to images, got the same logits for all: {every[0].tolist()}")
    warnings.warn(
        "the module gives no gradient, only Square attacks it: look for detach, torch.no_grad or rounding in its "
        "forward",
        stacklevel=3,
    )
