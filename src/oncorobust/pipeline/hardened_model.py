"""The hardened model of a data set, made from its settings: one way for all stages that harden."""

from functools import partial
from typing import Any

from oncorobust.base.files import file_sha256
from oncorobust.models.vgg16 import load_classifier
from oncorobust.pipeline.model_training import ModelTraining, TrainedModel
from oncorobust.settings.base import tag
from oncorobust.settings.training import Harden, Noise, NoiseAdversarial
from oncorobust.training.recipes import harden


def hardened_model(opened: ModelTraining, settings: Harden, *, clean: str) -> TrainedModel:
    """Train the clean model in the file `clean` further on PGD adversarial images of itself, under noise or both.

    The loss `unlabelled` also uses the training images without a label.

    Raises InputError when the file or the recipe does not fit the data set.
    """
    shape, classes = opened.data.image_shape, len(opened.data.class_names)
    network = load_classifier(clean, image_shape=shape, n_classes=classes)
    record: dict[str, Any] = {"weights": clean, "weights_sha256": file_sha256(clean), "loss": tag(settings.loss)}
    if isinstance(settings.loss, Noise | NoiseAdversarial):
        record |= {"sigma": settings.loss.sigma, "noise": settings.loss.noise}
    recipe = partial(harden, unlabelled=opened.unlabelled)
    return opened.fit(recipe, network, settings, record=record, starts_from=[clean])
