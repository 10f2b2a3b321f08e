"""Confusion matrices: counts of images by true class and answer."""

import numpy as np

from oncorobust.base.arrays import Flags, Labels
from oncorobust.evaluation.measures import check_classes


def confusion_counts(labels: Labels, answers: Labels, *, n_classes: int) -> np.ndarray:
    """Return the number of images by true class (rows) and answer (columns), (n_classes, n_classes) int64.

    labels, answers: class indices (images,). Raises InputError if one of them is no class index.
    """
    check_classes(labels, answers, n_classes=n_classes, positive=0)
    return np.bincount(labels * n_classes + answers, minlength=n_classes**2).reshape(n_classes, n_classes)


def right_and_wrong_counts(labels: Labels, right: Flags, *, n_classes: int) -> np.ndarray:
    """Return the number of right and of wrong answers by true class, (n_classes, 2) int64.

    labels: class indices (images,). right: whether the answer is the true class. Raises InputError for a label that is
    no class index.
    """
    check_classes(labels, labels, n_classes=n_classes, positive=0)
    return np.bincount(labels * 2 + ~right, minlength=2 * n_classes).reshape(n_classes, 2)
