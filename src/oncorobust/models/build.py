"""Build the model that `model.source` names: the paper's VGG16, a network of keras.applications, or a person's own.

All take images (size, size, 3) float32 in [0, 1] and return logits (n, n_classes); any scaling is part of the model.
"""

from typing import Any

import keras

from oncorobust.base.files import file_sha256
from oncorobust.models.applications import build_application, find_application_weights
from oncorobust.models.own import build_own_model
from oncorobust.models.own_torch import build_own_torch, torch_record
from oncorobust.models.pretrained_weights import weights_sha256
from oncorobust.models.vgg16 import build_vgg16
from oncorobust.settings.own_models import OwnModel, TorchModel
from oncorobust.settings.training import Application, Model, Vgg16


def build_model(
    settings: Model, *, size: int, n_classes: int, seed: int, intensity_range: tuple[float, float] = (0.0, 1.0)
) -> keras.Model:
    """Build the model to train, for images (size, size, 3); new weights are drawn from `seed`.

    intensity_range: values that stand for 0 and 1 of the images, for the window of a person's network. Raises
    InputError when weights or the model's file cannot be found or do not fit.
    """
    match settings:
        case Vgg16():
            return build_vgg16(settings, size=size, n_classes=n_classes, seed=seed)
        case Application():
            return build_application(settings, size=size, n_classes=n_classes, seed=seed)
        case OwnModel():
            return build_own_model(settings, size=size, n_classes=n_classes)
        case TorchModel():
            return build_own_torch(settings, size=size, n_classes=n_classes, seed=seed, intensity_range=intensity_range)


def model_record(settings: Model) -> dict[str, Any]:
    """Describe the model for training.json: source, architecture (null for the user's own file), weights, SHA-256.

    weights: as in params.yaml, or the path of the own model; weights_sha256: of the file behind it, null for `none`.
    """
    match settings:
        case Vgg16():
            about: dict[str, Any] = {"source": "vgg16", "architecture": "VGG16", "weights": settings.weights}
            return about | {"weights_sha256": weights_sha256(settings.weights)}
        case Application():
            path = find_application_weights(settings)
            about = {"source": "application", "architecture": settings.architecture, "weights": settings.weights}
            return about | {"weights_sha256": None if path is None else file_sha256(path)}
        case OwnModel():
            about = {"source": "path", "architecture": None, "weights": settings.path}
            return about | {"weights_sha256": file_sha256(settings.path)}
        case TorchModel():
            return torch_record(settings)
