"""Fine-tune a classifier on clean images, or harden it on half adversarial ones.

One loop serves both. In each epoch every training image, and each of its augmented copies, is seen once, in an order
drawn from the seed; after it the validation patients are scored, and the weights of the epoch with the smallest
validation loss are kept. Hardening replaces a share of each batch by PGD examples made from the model as it then is
(Madry 2018; 50 % in the paper), and its validation loss is the same mixture. Nothing here sees a test image.

Loss: cross-entropy on logits. Keras's `binary_crossentropy` on a two-way softmax would train another loss than the
paper's; on logits the two-class and the ten-class case are one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd

from oncorobust.arrays import Images, Labels
from oncorobust.attacks import linf_pgd
from oncorobust.augment import augment
from oncorobust.dataset import LabelledImages
from oncorobust.errors import InputError
from oncorobust.gradients import LogitsFunction, compile_gradient, compile_logits, cross_entropy
from oncorobust.progress import Notify
from oncorobust.seeds import child_rng
from oncorobust.settings.data import Augment
from oncorobust.settings.training import SGD, Adam, Harden, Train

BatchChange = Callable[[Images, Labels, np.random.Generator], Images]
"""What a recipe does to a batch before the update: nothing, or adversarial examples in place of some images."""


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the model's weights: a row an epoch, and the epoch whose weights were kept."""

    history: pd.DataFrame
    best_epoch: int


def make_optimizer(settings: SGD | Adam) -> keras.optimizers.Optimizer:
    """The Keras optimiser of the settings; SGD's decay is old Keras's, learning_rate / (1 + decay x updates)."""
    if isinstance(settings, Adam):
        return keras.optimizers.Adam(settings.learning_rate)
    rate = settings.learning_rate
    if settings.decay > 0:
        rate = keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=settings.decay)
    return keras.optimizers.SGD(rate, momentum=settings.momentum, nesterov=settings.nesterov)


def train(
    model: keras.Model,
    training: LabelledImages,
    validation: LabelledImages,
    *,
    settings: Train,
    augment_settings: Augment,
    seed: int,
    notify: Notify,
) -> Trained:
    """Fine-tune `model` in place on clean images; it ends with the weights of the best epoch."""
    logits = compile_logits(model)
    return _fit(
        model,
        training,
        settings=settings,
        augment_settings=augment_settings,
        seed=seed,
        change=lambda x, _, __: x,
        score=lambda: _score(logits, validation, settings.batch_size),
        notify=notify,
    )


def harden(
    model: keras.Model,
    training: LabelledImages,
    validation: LabelledImages,
    *,
    settings: Harden,
    augment_settings: Augment,
    seed: int,
    notify: Notify,
) -> Trained:
    """Train `model` in place on batches of which `adversarial_share` are PGD examples of themselves."""
    loss_gradient = compile_gradient(model, cross_entropy)
    logits = compile_logits(model)
    classes = np.eye(len(training.class_names), dtype=np.float32)

    def attack(x: Images, y: Labels, rng: np.random.Generator) -> Images:
        return linf_pgd(
            x,
            classes[y],
            loss_gradient=loss_gradient,
            epsilon=settings.epsilon,
            eps_step=settings.eps_step,
            max_iter=settings.max_iter,
            random_start=settings.num_random_init > 0,
            rng=rng,
        )

    def change(x: Images, y: Labels, rng: np.random.Generator) -> Images:
        chosen = adversarial_positions(len(x), settings.adversarial_share)
        changed = x.copy()
        changed[chosen] = attack(x[chosen], y[chosen], rng)
        return changed

    def score() -> dict[str, float]:
        clean = _score(logits, validation, settings.batch_size)
        robust = _score(logits, validation, settings.batch_size, attack, child_rng(seed, "harden", "validation"))
        share = settings.adversarial_share
        loss = (1 - share) * clean["validation_loss"] + share * robust["validation_loss"]
        return clean | {"validation_loss": loss, "validation_robust_accuracy": robust["validation_accuracy"]}

    return _fit(
        model,
        training,
        settings=settings,
        augment_settings=augment_settings,
        seed=seed,
        change=change,
        score=score,
        notify=notify,
    )


def adversarial_positions(batch: int, share: float) -> slice:
    """The positions of a shuffled batch that become adversarial: the first `share` of them, rounded."""
    return slice(0, round(batch * share))


def _fit(
    model: keras.Model,
    training: LabelledImages,
    *,
    settings: Train | Harden,
    augment_settings: Augment,
    seed: int,
    change: BatchChange,
    score: Callable[[], dict[str, float]],
    notify: Notify,
) -> Trained:
    # A twin that shares the layers carries the optimiser, so that the saved model holds weights alone.
    trainer = keras.Model(model.inputs, model.outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer.compile(make_optimizer(settings.optimizer), loss, metrics=["accuracy"])
    rows: list[dict[str, float]] = []
    best, best_weights = 0, model.get_weights()
    batches = -(-len(training.index) * (1 + augment_settings.copies) // settings.batch_size)
    for epoch in range(1, settings.epochs + 1):
        rng = child_rng(seed, "epoch", epoch)
        told = _EpochMean()
        for number, (x, y) in enumerate(_batches(training, augment_settings, settings.batch_size, seed, rng), 1):
            told.add(trainer.train_on_batch(change(x, y, rng), y, return_dict=True), len(y))
            notify((epoch - 1) * batches + number, settings.epochs * batches, f"batches, epoch {epoch}: {told}")
        rows.append({"epoch": epoch} | told.values() | score())
        if not np.isfinite(rows[-1]["loss"] + rows[-1]["validation_loss"]):
            raise InputError(f"expected a finite loss, got {_text(rows[-1])} in epoch {epoch}: lower learning_rate")
        notify(epoch * batches, settings.epochs * batches, f"batches, epoch {epoch}: {_text(rows[-1])}")
        if rows[-1]["validation_loss"] < min((row["validation_loss"] for row in rows[:-1]), default=np.inf):
            best, best_weights = epoch, model.get_weights()
        # As Keras's EarlyStopping: patience 0 and 1 both stop at the first epoch that is no better.
        if settings.patience is not None and epoch - best >= max(settings.patience, 1):
            break
    model.set_weights(best_weights)
    return Trained(pd.DataFrame(rows).astype({"epoch": int}), best)


def _batches(
    data: LabelledImages, settings: Augment, batch_size: int, seed: int, rng: np.random.Generator
) -> Iterator[tuple[Images, Labels]]:
    """Every image and every augmented copy once, in an order drawn from `rng`."""
    ids = data.index["image_id"].tolist()
    copies, positions = np.divmod(rng.permutation(len(ids) * (1 + settings.copies)), len(ids))
    for start in range(0, len(positions), batch_size):
        at, copy = positions[start : start + batch_size], copies[start : start + batch_size]
        images = [
            augment(image, settings=settings, image_id=ids[position], copy=int(number), seed=seed)
            for image, position, number in zip(data.images(at), at, copy, strict=True)
        ]
        yield np.stack(images), data.labels[at]


def _score(
    logits: LogitsFunction,
    data: LabelledImages,
    batch_size: int,
    attack: BatchChange | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, float]:
    """Loss and accuracy on the validation images, or on adversarial examples of them where there is an attack."""
    loss = correct = 0.0
    for start in range(0, len(data.index), batch_size):
        at = np.arange(start, min(start + batch_size, len(data.index)))
        x, y = data.images(at), data.labels[at]
        scores = logits(x if attack is None or rng is None else attack(x, y, rng)).astype(np.float64)
        loss += float(np.sum(np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), y]))
        correct += float(np.sum(scores.argmax(axis=1) == y))
    return {"validation_loss": loss / len(data.index), "validation_accuracy": correct / len(data.index)}


class _EpochMean:
    """Loss and accuracy over the images of an epoch so far; Keras's `train_on_batch` gives those of one batch."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._images = 0

    def add(self, batch: Mapping[str, Any], images: int) -> None:
        self._images += images
        for name, value in batch.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * images

    def values(self) -> dict[str, float]:
        return {name: self._sums[name] / self._images for name in ("loss", "accuracy")}

    def __str__(self) -> str:
        return _text(self.values())


def _text(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in values.items() if name != "epoch")
