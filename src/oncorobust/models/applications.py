"""ResNet50, DenseNet121 and EfficientNetB0 of keras.applications: images in [0, 1] in, logits of a new last layer out.

    images - the architecture's own scaling - its layers without the top - average pooling - dropout - predictions

The scaling is what `preprocess_input` does, as layers of the model:

    ResNet50          grey levels minus Caffe's means, channels blue, green, red (the first kernel is turned instead)
    DenseNet121       (x - mean) / standard deviation of ImageNet's red, green and blue
    EfficientNetB0    grey levels; its own first layers scale them

Keras's layers seed their weights and dropout themselves, so the model is cloned with seeds derived from ours.
EfficientNetB0's released file holds ImageNet's standard deviations where Keras's layer expects variances; Keras fixes
that only in its own download (tensorflow issue 49930); this module corrects it in any file that holds them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from oncorobust.base.errors import InputError
from oncorobust.models.pretrained_weights import download_weights, existing_weights
from oncorobust.models.vgg16 import caffe_scaling, layer_seed
from oncorobust.settings.training import Application

IMAGENET_MEAN_RGB = (0.485, 0.456, 0.406)
"""Mean red, green and blue of ImageNet in [0, 1], as PyTorch's networks subtract them."""

IMAGENET_STD_RGB = (0.229, 0.224, 0.225)

SMALLEST_SIZE = 32
"""Smallest height and width in pixels; all three architectures halve the image five times."""

_STORAGE = "https://storage.googleapis.com"


@dataclass(frozen=True)
class Release:
    """One architecture as Keras releases it: its builder, and its ImageNet weights without the top."""

    build: Callable[..., keras.Model]
    url: str
    md5: str


RELEASES = {
    "ResNet50": Release(
        keras.applications.ResNet50,
        f"{_STORAGE}/tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "4d473c1dd8becc155b73f8504c6f6626",
    ),
    "DenseNet121": Release(
        keras.applications.DenseNet121,
        f"{_STORAGE}/tensorflow/keras-applications/densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "30ee3e1110167f948a6b9946edeeb738",
    ),
    "EfficientNetB0": Release(
        keras.applications.EfficientNetB0,
        f"{_STORAGE}/keras-applications/efficientnetb0_notop.h5",
        "50bc09e76180e00e4465e1a485ddc09d",
    ),
}
"""By the architecture's name in keras.applications."""


def build_application(settings: Application, *, size: int, n_classes: int, seed: int) -> keras.Model:
    """Build a network of keras.applications for images (size, size, 3) with `n_classes` logits.

    Raises InputError for images of less than 32 pixels, and for weights that cannot be found or do not fit.
    """
    architecture = settings.architecture
    if size < SMALLEST_SIZE:
        raise InputError(f"expected images of at least {SMALLEST_SIZE} pixels for {architecture}, got {size}")
    released = _released(settings, size)
    inputs = keras.Input((size, size, 3), name="input_1")
    scaled = _scaling(architecture)(inputs)
    features = RELEASES[architecture].build(weights=None, include_top=False, pooling="avg", input_tensor=scaled).output
    kept = layers.Dropout(settings.dropout, name="dropout")(features)
    logits = layers.Dense(n_classes, name="predictions")(kept)
    model = _seeded(keras.Model(inputs, logits, name=architecture.lower()), seed, _fixed_normalization(released))
    if released is not None:
        _fill(model, released, turned="conv1_conv" if architecture == "ResNet50" else "")
    return model


def find_application_weights(settings: Application) -> Path | None:
    """Return the file behind `model.weights`: None for `none`, a download for `imagenet`, otherwise the path itself.

    Raises InputError when a file is missing or a download fails, saying what to do instead.
    """
    release = RELEASES[settings.architecture]
    match settings.weights:
        case "none":
            return None
        case "imagenet":
            return download_weights(release.url, md5=release.md5, network=settings.architecture, instead="none")
    return existing_weights(settings.weights, "imagenet, none")


def _released(settings: Application, size: int) -> keras.Model | None:
    """Return the bare network with the file's weights and only its own scaling; None without a file."""
    path = find_application_weights(settings)
    if path is None:
        return None
    build = RELEASES[settings.architecture].build
    bare = build(weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3))
    try:
        bare.load_weights(str(path))
    except Exception as error:
        # Keras raises ValueError, OSError and more; it names the layer, then prints its values and every other layer.
        reason = " ".join(re.split("Target variable|List of objects", str(error))[0].split())
        raise InputError(
            f"expected weights of {settings.architecture} without its top, got: {reason} In {path}"
        ) from error
    return bare


def _scaling(architecture: str) -> layers.Layer:
    """Return `preprocess_input` as a layer, for images in [0, 1]."""
    match architecture:
        case "ResNet50":
            return caffe_scaling()
        case "DenseNet121":
            variance = [std**2 for std in IMAGENET_STD_RGB]
            return layers.Normalization(mean=list(IMAGENET_MEAN_RGB), variance=variance, name="torch_scaling")
    return layers.Rescaling(255.0, name="grey_levels")


def _fixed_normalization(released: keras.Model | None) -> dict[str, list[float]]:
    """Return mean and variance of EfficientNetB0's own scaling from a file, squaring standard deviations."""
    own = [layer for layer in released.layers if isinstance(layer, layers.Normalization)] if released else []
    if not own:
        return {"mean": [0.0] * 3, "variance": [1.0] * 3}
    mean, variance = (np.asarray(values, np.float64).ravel() for values in own[0].get_weights()[:2])
    deviations = np.allclose(variance, IMAGENET_STD_RGB, rtol=0, atol=1e-4)
    return {"mean": mean.tolist(), "variance": (variance**2 if deviations else variance).tolist()}


def _seeded(model: keras.Model, seed: int, normalization: dict[str, list[float]]) -> keras.Model:
    """Return the same model with new weights, whose seeds and names depend only on `seed`.

    normalization: for a Normalization layer that would keep its constants as weights.
    """
    automatic = [match for layer in model.layers if (match := _AUTOMATIC.fullmatch(layer.name))]
    names = {match[0]: f"{match[1]}_{number}" for number, match in enumerate(automatic)}

    def again(layer: layers.Layer) -> layers.Layer:
        config: dict[str, Any] = layer.get_config()
        config["name"] = names.get(layer.name, layer.name)
        if "seed" in config:
            config["seed"] = layer_seed(seed, config["name"])
        for key, value in config.items():
            if key.endswith("_initializer") and "seed" in value["config"]:
                value["config"]["seed"] = layer_seed(seed, config["name"], key)
        if isinstance(layer, layers.Normalization) and layer.weights:
            config |= normalization
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=again)


_AUTOMATIC = re.compile(r"(rescaling|normalization|zero_padding2d)(?:_\d+)?")
"""Names that keras.applications leaves to a counter of the process."""


def _fill(model: keras.Model, released: keras.Model, *, turned: str) -> None:
    """Copy weights layer by layer; `turned` names the convolution whose input channels are reversed."""
    for layer in released.layers:
        if layer.weights and not isinstance(layer, layers.Normalization):
            values = layer.get_weights()
            if layer.name == turned:
                values[0] = values[0][:, :, ::-1]
            model.get_layer(layer.name).set_weights(values)
