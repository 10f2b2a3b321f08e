"""Checks of a model, its logits and an epsilon grid before an evaluation starts.

Attacks need logits. After a softmax, float32 rounds a confident probability to 1, its gradient is 0, and the image
looks robust. A model that gives probabilities is therefore refused, by its last activation or by its answers: rows in
[0, 1] that sum to 1. A gradient that is zero for the logits too is not refused, because gradient-free attacks still
work there; `oncorobust.evaluation.paper` reports the share of such images.

Images are checked when a data set is read, epsilons when params.yaml is read; `check_epsilons` serves callers of the
engine who bring their own grid. Source: the flags of AutoAttack (Croce and Hein 2020).
"""

from collections.abc import Sequence

import keras
import numpy as np

from oncorobust.base.arrays import Logits
from oncorobust.base.errors import InputError
from oncorobust.models.probabilities import are_probabilities

PROBABILITIES = ("softmax", "sigmoid")
"""Last activations whose output is no longer logits."""


def check_model(model: keras.Model, *, image_shape: tuple[int, ...], n_classes: int, where: str) -> None:
    """Refuse a model for other images or classes, or one that ends in a softmax or sigmoid.

    image_shape: (h, w, c). where: the model's file or name, for the message. Raises InputError.
    """
    found = (tuple(model.input_shape[1:]), model.output_shape[-1])
    if found != (image_shape, n_classes):
        raise InputError(
            f"expected a model for images {image_shape} and {n_classes} classes, "
            f"got {found[0]} and {found[1]} in {where}"
        )
    last = model.layers[-1]
    activation = getattr(last, "activation", type(last)).__name__.lower()
    if activation in PROBABILITIES:
        raise InputError(f"expected logits, got layer {last.name!r} that ends in {activation}: cut it off in {where}")


def check_logits(logits: Logits, *, image_ids: Sequence[str], where: str) -> None:
    """Refuse logits that are not finite, and logits of several images that are all probabilities.

    logits: (n, classes). image_ids: n. where: the model's file or name, for the message. Raises InputError.
    """
    broken = ~np.isfinite(logits).all(axis=1)
    if broken.any():
        first = int(broken.argmax())
        raise InputError(
            f"expected finite logits, got {logits[first].tolist()} for image {image_ids[first]} in {where}"
        )
    if are_probabilities(logits):
        raise InputError(f"expected logits, got probabilities (rows sum to 1): cut the softmax off in {where}")


def check_epsilons(epsilons: Sequence[float], *, where: str) -> None:
    """Refuse a grid that is empty, leaves (0, 1] or does not increase. Raises InputError naming position and value."""
    if not epsilons:
        raise InputError(f"expected at least one epsilon, got none in {where}")
    for position, epsilon in enumerate(epsilons):
        # NaN fails both comparisons.
        if not 0 < epsilon <= 1:
            raise InputError(
                f"expected epsilons above 0 and at most 1, got {epsilon} at position {position} in {where}"
            )
        if position and epsilon <= epsilons[position - 1]:
            raise InputError(
                f"expected strictly increasing epsilons, got {epsilon} at position {position} after "
                f"{epsilons[position - 1]} in {where}"
            )
