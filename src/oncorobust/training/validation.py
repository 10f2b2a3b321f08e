"""Evaluate a model on validation patients after an epoch.

    validation_loss             mean cross-entropy; in hardening the loss of the update, on clean images and adversarial
                                examples of them; with the loss `unlabelled` that on labelled images
    validation_accuracy         on clean images
    validation_floor            accuracy of one answer for all, plus a standard error
    collapsed                   whether validation_accuracy is not above that floor
    validation_robust_accuracy  share of images answered right that PGD at the full epsilon cannot change
    validation_noise_accuracy   with a loss that has noise: share of right answers to clean images under that noise

PGD maximises the margin loss of the logits, and any adversarial iterate counts, as in the strict protocol; the loss is
that of the last iterate, as in the update. It starts at the image, so that epochs compare without randomness; its step
is 2.5 x epsilon / max_iter (Madry's), whatever the step in training: the long step of the fast mode would hide a
collapse. The attack is on the model itself, without noise, so that models trained by any loss compare.

The noise of an image is 8 draws that depend only on the seed and the image's position, the same after every epoch. The
loss of training under noise is that of the update on these draws; `noise_adversarial` adds them to the adversarial
examples of the model without noise.
"""

import math
from collections.abc import Iterator

import keras
import numpy as np
from jaxtyping import Float

from oncorobust.attacks.goals import leave
from oncorobust.attacks.target import Target, Walk
from oncorobust.base.arrays import Flags, Images, Labels, Logits, PerImage
from oncorobust.base.seeds import child_rng
from oncorobust.data.dataset import LabelledImages
from oncorobust.settings.training import Harden, Mixture, Noise, NoiseAdversarial, Trades, Unlabelled
from oncorobust.training.noise_step import standard_noise

Scores = dict[str, int | float | bool]
"""Columns of one row of the history."""

_Noise = Float[np.ndarray, "n draws h w channels"]
_NoisyLogits = Float[np.ndarray, "n draws classes"]

_STEPS_ACROSS = 2.5
_DRAWS = 8


class Validation:
    """A model with its validation images, evaluated `batch_size` at a time."""

    def __init__(self, model: keras.Model, data: LabelledImages, *, batch_size: int) -> None:
        """Prepare the compiled functions; `target` is the model that they evaluate."""
        self.target = Target(model)
        self._data = data
        self._batch_size = batch_size

    def clean(self) -> Scores:
        """Return loss and accuracy on clean images, and whether they beat one answer for all."""
        return self.score(self.logits())

    def logits(self) -> Logits:
        """Return the logits of the clean images, (n, classes)."""
        return np.concatenate([self._logits(x) for _, x, _ in self._batches()])

    def score(self, logits: Logits) -> Scores:
        """Return the same as `clean` from the logits of the clean images."""
        return _clean_scores(logits, self._data.labels, cross_entropies(logits, self._data.labels))

    def hardened(self, settings: Harden, *, seed: int) -> Scores:
        """Return the same with the loss of hardening, robust accuracy at `settings.epsilon` and accuracy under noise.

        seed: of the noise; without noise in the loss nothing is drawn, and there is no accuracy under noise.
        """
        match settings.loss:
            case Noise() | NoiseAdversarial() as loss:
                return self._under_noise(settings, loss, seed)
            case Unlabelled() as loss:
                return self._under_attack(settings, loss.supervised)
            case loss:
                return self._under_attack(settings, loss)

    def _under_attack(self, settings: Harden, loss: Mixture | Trades) -> Scores:
        clean, adversarial, safe = [], [], []
        for _, x, y in self._batches():
            walk = self._attack(x, y, settings)
            clean.append(self._logits(x))
            adversarial.append(self._logits(walk.x_last))
            safe.append(_is_safe(walk, adversarial[-1], y))
        logits, labels = np.concatenate(clean), self._data.labels
        scores = _clean_scores(logits, labels, _losses(loss, logits, np.concatenate(adversarial), labels))
        return scores | {"validation_robust_accuracy": float(np.mean(np.concatenate(safe)))}

    def _under_noise(self, settings: Harden, loss: Noise | NoiseAdversarial, seed: int) -> Scores:
        clean, safe, losses, right = [], [], [], []
        for at, x, y in self._batches():
            walk, noise = self._attack(x, y, settings), _fixed_noise(x, loss, seed, at)
            clean.append(self._logits(x))
            safe.append(_is_safe(walk, self._logits(walk.x_last), y))
            noisy = self._noisy_logits(x, noise)
            right.append((noisy.argmax(axis=2) == y[:, np.newaxis]).mean(axis=1))
            trained = self._noisy_logits(walk.x_last, noise) if isinstance(loss, NoiseAdversarial) else noisy
            losses.append(_noise_losses(loss, trained, y))
        return _clean_scores(np.concatenate(clean), self._data.labels, np.concatenate(losses)) | {
            "validation_robust_accuracy": float(np.mean(np.concatenate(safe))),
            "validation_noise_accuracy": float(np.mean(np.concatenate(right))),
        }

    def _noisy_logits(self, x: Images, noise: _Noise) -> _NoisyLogits:
        """Return the logits of each image under each of its draws, one draw of all images at a time."""
        return np.stack([self._logits(x + draw) for draw in noise.swapaxes(0, 1)], axis=1)

    def _logits(self, x: Images) -> Logits:
        return self.target.logits(x).astype(np.float64)

    def _attack(self, x: Images, y: Labels, settings: Harden) -> Walk:
        eps_step = settings.epsilon * min(_STEPS_ACROSS / settings.validation_max_iter, 1.0)
        return self.target.walk(
            x,
            x,
            leave(y, n_classes=self.target.n_classes),
            radius=np.full((len(x), 1, 1, 1), settings.epsilon),
            eps_step=np.full(len(x), eps_step),
            n_steps=settings.validation_max_iter,
        )

    def _batches(self) -> Iterator[tuple[np.ndarray, Images, Labels]]:
        """Yield positions, images and labels."""
        for start in range(0, len(self._data), self._batch_size):
            at = np.arange(start, min(start + self._batch_size, len(self._data)))
            yield at, self._data.images(at), self._data.labels[at]


def _is_safe(walk: Walk, last: Logits, labels: Labels) -> Flags:
    """Return which images no iterate of the attack has flipped. last: logits of the last iterate."""
    return (walk.margin >= 0) & (last.argmax(axis=1) == labels)


def _fixed_noise(x: Images, loss: Noise | NoiseAdversarial, seed: int, positions: np.ndarray) -> _Noise:
    """Return the noise of images, which depends on the seed and their positions in the split alone."""
    draws = [
        standard_noise(x[[i]], loss, child_rng(seed, "validation noise", int(position)), copies=_DRAWS)
        for i, position in enumerate(positions)
    ]
    return np.float32(loss.sigma) * np.concatenate(draws)


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


def _losses(loss: Mixture | Trades, clean: Logits, adversarial: Logits, labels: Labels) -> PerImage:
    """Return the loss of the update for each image (`training.losses`), in float64."""
    if isinstance(loss, Mixture):
        share = loss.adversarial_share
        return (1 - share) * cross_entropies(clean, labels) + share * cross_entropies(adversarial, labels)
    log_p, log_q = _log_softmax(clean), _log_softmax(adversarial)
    divergences = np.sum(np.exp(log_p) * (log_p - log_q), axis=1)
    return cross_entropies(clean, labels) + loss.beta * divergences


def _noise_losses(loss: Noise | NoiseAdversarial, noisy: _NoisyLogits, labels: Labels) -> PerImage:
    """Return the loss of the update under noise for each image, in float64. noisy: (n, draws, classes)."""
    log_p = _log_softmax(noisy)
    log_mean = np.logaddexp.reduce(log_p, axis=1) - math.log(noisy.shape[1])
    mean = np.exp(log_mean)
    divergences = np.sum(mean[:, np.newaxis] * (log_mean[:, np.newaxis] - log_p), axis=2).mean(axis=1)
    entropies = -np.sum(mean * log_mean, axis=1)
    found = -log_p[np.arange(len(labels)), :, labels].mean(axis=1)
    return found + loss.consistency * divergences + loss.entropy * entropies


def cross_entropies(logits: Logits, labels: Labels) -> PerImage:
    """Return the cross-entropy of each image, (n,), in the logits' precision."""
    return -_log_softmax(logits)[np.arange(len(labels)), labels]


def _log_softmax(logits: Float[np.ndarray, "... classes"]) -> Float[np.ndarray, "... classes"]:
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
