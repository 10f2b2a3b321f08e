"""Goals of an attack (the label to move away from, and its rivals), and the losses that it maximises.

With z the logits, y the answer to leave and R the rivals (all other classes, or one target class):

    margin          z_y - max over other classes of z       below 0: the image is adversarial
    margin loss     max over R of z - z_y
    certainty loss  z_y - max over R of z                   climbs towards y, not away from it
    cross-entropy   log(1 + exp(logsumexp over R of z - z_y))

On two classes R is one class, and each of cross-entropy, the margin of Carlini and Wagner, and the numerator of the
difference of logits ratio (DLR) is an increasing function of z_r - z_y. Their gradients are positive multiples of each
other, and a sign step is the same for all: diversity there comes from starts, step sizes and geometry, not from
losses. (DLR's denominator, the first minus the third largest logit, does not exist with two classes.)
Sources: Carlini and Wagner 2017, Croce and Hein 2020.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from oncorobust.base.arrays import Labels, Logits, PerImage

Loss = Callable[[Any, Any, Any], Any]
"""(logits, own, rivals) -> one number to climb, the sum over images, in keras.ops."""


@dataclass(frozen=True)
class Goal:
    """The labels to move away from, and the classes that may replace them, one row per image.

    own: (n, classes) float32, one-hot, the labels to move away from. rivals: (n, classes) float32, 1 for each rival.
    names: (n,) what messages call the images: their ids, or else their positions in the whole attack.
    """

    own: np.ndarray
    rivals: np.ndarray
    names: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        """Name the images by their positions where no names are given."""
        if len(self.names) != len(self.own):
            object.__setattr__(self, "names", np.arange(len(self.own)))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.own)

    def at(self, positions: np.ndarray) -> "Goal":
        """Return the goals of some images."""
        return Goal(self.own[positions], self.rivals[positions], self.names[positions])


def leave(labels: Labels, *, n_classes: int, names: Sequence[str] = ()) -> Goal:
    """Move away from these labels to any other class. names: the images' ids, for messages; default: positions."""
    own = np.eye(n_classes, dtype=np.float32)[labels]
    return Goal(own, 1 - own, np.array(names, dtype=object))


def leave_for(labels: Labels, targets: Labels, *, n_classes: int) -> Goal:
    """Move away from these labels towards one target class per image."""
    one_hot = np.eye(n_classes, dtype=np.float32)
    return Goal(one_hot[labels], one_hot[targets])


def margin(logits: Any, own: Any) -> Any:
    """Return (n,) the own logit minus the largest other logit, in keras.ops; below 0 the image is adversarial.

    NaN where a logit is not finite: a maximum may skip it.
    """
    others = ops.max(ops.where(own > 0, -1e30, logits), axis=-1)
    found = ops.sum(logits * own, axis=-1) - others
    return ops.where(ops.all(ops.isfinite(logits), axis=-1), found, np.nan)


def margins(logits: Logits, labels: Labels) -> PerImage:
    """Return (n,) the label's logit minus the largest other logit, in NumPy; below 0 another class wins.

    NaN where a logit is not finite.
    """
    others = logits.copy()
    own = others[np.arange(len(labels)), labels].copy()
    others[np.arange(len(labels)), labels] = -np.inf
    with np.errstate(invalid="ignore"):
        found = own - others.max(axis=1)
    return np.where(np.isfinite(logits).all(axis=1), found, np.nan).astype(found.dtype, copy=False)


def margin_loss(logits: Any, own: Any, rivals: Any) -> Any:
    """Return the largest rival logit minus the own logit, summed over the images."""
    best = ops.max(ops.where(rivals > 0, logits, -1e30), axis=-1)
    return ops.sum(best - ops.sum(logits * own, axis=-1))


def certainty_loss(logits: Any, own: Any, rivals: Any) -> Any:
    """Return the own logit minus the largest rival logit, summed over the images: the certainty of the own class."""
    return -margin_loss(logits, own, rivals)


def cross_entropy_loss(logits: Any, own: Any, rivals: Any) -> Any:
    """Return the cross-entropy of the own class against its rivals, summed over the images."""
    others = ops.logsumexp(ops.where(rivals > 0, logits, -1e30), axis=-1)
    return ops.sum(ops.softplus(others - ops.sum(logits * own, axis=-1)))
