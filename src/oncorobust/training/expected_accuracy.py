"""Comparison of a brought model's accuracy with the one that its owner knows: a wrong normalisation shows here."""

import keras

from oncorobust.attacks.finite import check_finite_logits
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages
from oncorobust.settings.own_models import Brought
from oncorobust.training.validation import Validation


def accuracy_as_brought(
    model: keras.Model, validation: LabelledImages | None, *, settings: Brought, batch_size: int
) -> float:
    """Return the accuracy on the validation images before any training.

    settings: with an expected accuracy. Raises InputError where the accuracy differs from it by more than its
    tolerance, and where there are no validation images.
    """
    expected = settings.expected_accuracy
    if expected is None or validation is None:
        raise InputError(
            "model.expected_accuracy: expected validation images to compare it on, got a data set without: set it to "
            "null, or mark validation images"
        )
    logits = Validation(model, validation, batch_size=batch_size).logits()
    check_finite_logits(logits, stage="validation", names=validation.image_ids)
    found = float((logits.argmax(axis=1) == validation.labels).mean())
    if abs(found - expected.value) <= expected.tolerance:
        return found
    raise InputError(
        f"expected {settings.named} to be right on {expected.value:.1%} (within {expected.tolerance:.1%}) of the "
        f"{len(validation)} validation images of {validation.name} as it is brought, got {found:.1%}. Likely causes: "
        f"{settings.input_named}, its outputs are not in the order {', '.join(validation.class_names)}, or the images "
        "are preprocessed in another way than those it was trained on"
    )
