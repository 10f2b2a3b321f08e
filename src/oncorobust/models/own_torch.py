"""A person's PyTorch network as a model that takes our images and returns logits.

    images (size, size, 3) in [0, 1] - as it takes them (`models.fitting`) - network (`models.torch_network`) - logits

The network's own mean, standard deviation and order of channels are part of it, and a softmax or sigmoid at its end is
taken off.
"""

from typing import Any

import keras
import numpy as np

from oncorobust.backend.functions import compile_logits
from oncorobust.backend.precision import check_model_is_float32
from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.models.checks import check_logits
from oncorobust.models.fitting import fit_images
from oncorobust.models.torch_network import TorchNetwork
from oncorobust.models.torch_sources import described, monai_name, program_of, weights_of
from oncorobust.models.vgg16 import layer_seed
from oncorobust.settings.base import tag
from oncorobust.settings.model_rules import NO_WEIGHTS
from oncorobust.settings.own_models import Monai, Onnx, Timm, TorchExport, TorchModel


def build_own_torch(
    settings: TorchModel, *, size: int, n_classes: int, seed: int, intensity_range: tuple[float, float]
) -> keras.Model:
    """Read the network of the settings for images (size, size, 3) in [0, 1], with `n_classes` logits.

    intensity_range: values that stand for 0 and 1. seed: of random weights and of random numbers in training. Raises
    InputError naming the network if it cannot be had, or does not classify single images into these classes.
    """
    try:
        return _fitted(settings, size, n_classes, seed, intensity_range)
    except InputError as error:
        named = settings.named in str(error)
        raise error if named else InputError(f"{settings.named}: {error}") from error


def torch_record(settings: TorchModel) -> dict[str, Any]:
    """Describe the network for training.json, as `models.build.model_record` does."""
    match settings:
        case TorchExport() | Onnx():
            architecture, file = None, settings.path
        case Timm():
            architecture, file = settings.architecture, settings.weights
        case Monai():
            architecture, file = monai_name(settings)[0], settings.weights
        case _:
            raise ValueError(f"expected a network of PyTorch, got {type(settings).__name__}")
    sha256 = None if file == NO_WEIGHTS else file_sha256(file)
    return {"source": tag(settings), "architecture": architecture, "weights": file, "weights_sha256": sha256}


def _fitted(
    settings: TorchModel, size: int, n_classes: int, seed: int, intensity_range: tuple[float, float]
) -> keras.Model:
    network = described(settings, size=size, n_classes=n_classes)
    layer = TorchNetwork(network=network, seed=layer_seed(seed, "training"), name="network")
    keras.utils.set_random_seed(layer_seed(seed, "weights"))  # for the weights of a network without a file
    layer.open(program_of(settings), where=settings.named, weights=weights_of(settings))
    height, width, channels = network["image_shape"]
    inputs = keras.Input((size, size, 3), name="images")
    window = _in_unit_range(settings.preprocessing.window, intensity_range)
    images = fit_images(inputs, height=height, width=width, channels=channels, window=window)
    model = keras.Model(inputs, layer(images), name="own_model")
    check_model_is_float32(model)
    noise = np.random.default_rng(0).random((4, size, size, 3), dtype=np.float32)
    logits = compile_logits(model)(noise)
    check_logits(logits, image_ids=[f"{number} of noise" for number in range(4)], where=settings.named)
    return model


def _in_unit_range(window: tuple[float, float] | None, limits: tuple[float, float]) -> tuple[float, float]:
    if window is None:
        return (0.0, 1.0)
    low, high = limits
    return (window[0] - low) / (high - low), (window[1] - low) / (high - low)
