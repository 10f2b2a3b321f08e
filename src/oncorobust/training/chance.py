"""Refusal of a finished model that does no better than chance, with its confusion matrix.

Such a model usually has its outputs in another order than the data set has its classes, or takes another range of
pixel values than stated; all results for it would be wrong.
"""

import math

import numpy as np

from oncorobust.base.arrays import Labels
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages
from oncorobust.settings.own_models import Brought

_SHOWN = 3
"""Predicted classes that the message shows for each class, the most frequent first."""


def check_above_chance(predicted: Labels, data: LabelledImages, settings: Brought) -> None:
    """Refuse predictions whose mean recall over the classes is at most chance plus one standard error of guessing.

    predicted: (n,) classes of the images of `data`. Mean recall is 1 / classes for one answer for all images, whatever
    the shares of the classes. Raises InputError with the confusion matrix and the likely causes.
    """
    confusion = confusion_matrix(predicted, data.labels, n_classes=len(data.class_names))
    counts = confusion.sum(axis=1)
    confusion, counts = confusion[counts > 0], counts[counts > 0]
    present = np.flatnonzero(np.bincount(data.labels, minlength=len(data.class_names)))
    recall = float(np.mean(confusion[np.arange(len(present)), present] / counts))
    chance = 1 / len(data.class_names)
    error = math.sqrt(chance * (1 - chance) * float(np.sum(1 / counts))) / len(counts)
    if recall > chance + error:
        return
    rows = [
        f"of {sum(row)} {data.class_names[k]}: {_row(row, data)}" for k, row in zip(present, confusion, strict=True)
    ]
    names = ", ".join(data.class_names)
    raise InputError(
        f"expected {settings.named} to do better than chance on the {len(data)} validation images of {data.name}, got "
        f"a mean recall of {recall:.1%} over the classes (chance {chance:.1%}, standard error {error:.1%}). Predicted "
        f"{'; '.join(rows)}. Likely causes: the outputs of the model are not in the order {names}, or "
        f"{settings.input_named}. To measure it all the same, set model.allow_chance: true"
    )


def confusion_matrix(predicted: Labels, labels: Labels, *, n_classes: int) -> np.ndarray:
    """Return the number of images (classes, classes) by true class (rows) and predicted class (columns)."""
    pairs = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return pairs.reshape(n_classes, n_classes)


def _row(row: np.ndarray, data: LabelledImages) -> str:
    order = [label for label in np.argsort(-row, kind="stable") if row[label]]
    shown = [f"{row[label]} {data.class_names[label]}" for label in order[:_SHOWN]]
    rest = int(row[order[_SHOWN:]].sum())
    return ", ".join([*shown, f"{rest} others"] if rest else shown)
