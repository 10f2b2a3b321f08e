"""Evaluate a model on validation patients after an epoch.

    validation_loss             mean cross-entropy; in adversarial training the loss of the update, on clean images and
                                adversarial examples of them
    validation_accuracy         on clean images
    validation_floor            accuracy of one answer for all, plus a standard error
    collapsed                   whether validation_accuracy is not above that floor
    validation_robust_accuracy  share of images answered right that PGD at the full epsilon cannot change

PGD maximises the margin loss of the logits, and any adversarial iterate counts, as in the strict protocol; the loss is
that of the last iterate, as in the update. It starts at the image, so that epochs compare without randomness; its step
is 2.5 x epsilon / max_iter (Madry's), whatever the step in training: the long step of the fast mode would hide a
collapse.
"""

import math
from collections.abc import Iterator

import keras
import numpy as np

from oncorobust.attacks.goals import leave
from oncorobust.attacks.target import Target, Walk
from oncorobust.base.arrays import Images, Labels, Logits, PerImage
from oncorobust.data.dataset import LabelledImages
from oncorobust.settings.training import Harden, Mixture

Scores = dict[str, int | float | bool]
"""Columns of one row of the history."""

_STEPS_ACROSS = 2.5


class Validation:
    """A model with its validation images, evaluated `batch_size` at a time."""

    def __init__(self, model: keras.Model, data: LabelledImages, *, batch_size: int) -> None:
        """Prepare the compiled functions."""
        self._target = Target(model)
        self._data = data
        self._batch_size = batch_size

    def clean(self) -> Scores:
        """Return loss and accuracy on clean images, and whether they beat one answer for all."""
        return self.score(self.logits())

    def logits(self) -> Logits:
        """Return the logits of the clean images, (n, classes)."""
        return np.concatenate([self._logits(x) for x, _ in self._batches()])

    def score(self, logits: Logits) -> Scores:
        """Return the same as `clean` from the logits of the clean images."""
        return _clean_scores(logits, self._data.labels, cross_entropies(logits, self._data.labels))

    def adversarial(self, settings: Harden) -> Scores:
        """Return the same with the loss of adversarial training, and robust accuracy at `settings.epsilon`."""
        clean, adversarial, safe = [], [], []
        for x, y in self._batches():
            walk = self._attack(x, y, settings)
            clean.append(self._logits(x))
            adversarial.append(self._logits(walk.x_last))
            safe.append((walk.margin >= 0) & (adversarial[-1].argmax(axis=1) == y))
        logits, labels = np.concatenate(clean), self._data.labels
        scores = _clean_scores(logits, labels, _losses(settings, logits, np.concatenate(adversarial), labels))
        return scores | {"validation_robust_accuracy": float(np.mean(np.concatenate(safe)))}

    def _logits(self, x: Images) -> Logits:
        return self._target.logits(x).astype(np.float64)

    def _attack(self, x: Images, y: Labels, settings: Harden) -> Walk:
        eps_step = settings.epsilon * min(_STEPS_ACROSS / settings.validation_max_iter, 1.0)
        return self._target.walk(
            x,
            x,
            leave(y, n_classes=self._target.n_classes),
            radius=np.full((len(x), 1, 1, 1), settings.epsilon),
            eps_step=np.full(len(x), eps_step),
            n_steps=settings.validation_max_iter,
        )

    def _batches(self) -> Iterator[tuple[Images, Labels]]:
        for start in range(0, len(self._data), self._batch_size):
            at = np.arange(start, min(start + self._batch_size, len(self._data)))
            yield self._data.images(at), self._data.labels[at]


def _clean_scores(logits: Logits, labels: Labels, losses: PerImage) -> Scores:
    predicted = logits.argmax(axis=1)
    return {
        "validation_loss": float(np.mean(losses)),
        "validation_accuracy": float(np.mean(predicted == labels)),
        "validation_floor": one_answer_for_all(labels),
        "collapsed": bool(np.mean(predicted == labels) <= one_answer_for_all(labels)),
    }


def one_answer_for_all(labels: Labels) -> float:
    """Return the accuracy of always giving the commonest label, plus a standard error: the baseline to beat."""
    share = float(np.bincount(labels).max()) / len(labels)
    return share + math.sqrt(share * (1 - share) / len(labels))


def _losses(settings: Harden, clean: Logits, adversarial: Logits, labels: Labels) -> PerImage:
    """Return the loss of the update for each image (`training.losses`), in float64."""
    if isinstance(settings.loss, Mixture):
        share = settings.loss.adversarial_share
        return (1 - share) * cross_entropies(clean, labels) + share * cross_entropies(adversarial, labels)
    log_p, log_q = _log_softmax(clean), _log_softmax(adversarial)
    divergences = np.sum(np.exp(log_p) * (log_p - log_q), axis=1)
    return cross_entropies(clean, labels) + settings.loss.beta * divergences


def cross_entropies(logits: Logits, labels: Labels) -> PerImage:
    """Return the cross-entropy of each image, (n,), in the logits' precision."""
    return -_log_softmax(logits)[np.arange(len(labels)), labels]


def _log_softmax(logits: Logits) -> Logits:
    return logits - np.logaddexp.reduce(logits, axis=1)[:, np.newaxis]
