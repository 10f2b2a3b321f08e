"""The recipes: fine-tuning on clean images, and adversarial training from the clean model's weights.

    train    train on clean batches
    measure  do not train: evaluate a model of your own as it is, on validation images where there are any
    harden   attack each batch with PGD on the current model, or add Gaussian noise to it, or both; loss, epsilon
             schedule, weight perturbation, averaging and selection are settings (Madry 2018; TRADES, Zhang 2019; AWP,
             Wu 2020; FGSM from a random start is PGD with one step, Wong 2020; noise, Cohen 2019 and Salman 2019;
             images without a label, Alayrac 2019 and Carmon 2019)

Loss: cross-entropy on logits. Keras's `binary_crossentropy` on a two-way softmax is not the paper's loss; on logits the
two-class and the ten-class case are the same.
"""

from collections.abc import Callable
from typing import Any

import keras
import msgspec
import numpy as np
import pandas as pd

from oncorobust.attacks.finite import check_finite_logits
from oncorobust.base.arrays import Images, Labels
from oncorobust.base.errors import InputError
from oncorobust.base.progress import Listener
from oncorobust.base.run_state import RunState
from oncorobust.data.dataset import LabelledImages
from oncorobust.data.unlabelled import UnlabelledImages
from oncorobust.settings.data import Augment
from oncorobust.settings.own_models import Brought
from oncorobust.settings.training import Harden, Noise, NoiseAdversarial, Train, Unlabelled
from oncorobust.training.batches import Batches, check_batch_size, check_images_of_all_classes
from oncorobust.training.chance import check_above_chance
from oncorobust.training.loop import Course, Trained, fit
from oncorobust.training.noise_step import compile_noise_adversarial_step, compile_noise_step, standard_noise
from oncorobust.training.schedule import epsilon_at
from oncorobust.training.step import (
    Trainee,
    compile_adversarial_step,
    compile_clean_step,
    make_trainee,
    start_noise,
)
from oncorobust.training.unlabelled_step import (
    UnlabelledDraws,
    compile_unlabelled_step,
    given_classes,
)
from oncorobust.training.validation import Scores, Validation


def train(
    model: keras.Model,
    training: LabelledImages,
    validation: LabelledImages,
    *,
    settings: Train,
    augment_settings: Augment,
    seed: int,
    checkpoint: RunState | None,
    listener: Listener,
) -> Trained:
    """Fine-tune `model` in place on clean images and leave it with the weights that `settings.keep` prefers.

    Raises InputError for a class without images, a batch larger than the set, a model without trainable weights, and
    as `fit` does.
    """
    batches = Batches(training, augment_settings, settings.batch_size, seed)
    trainee, judge = _begin(model, batches, validation, settings)
    update = compile_clean_step(trainee, settings)
    one_hot = np.eye(len(training.class_names), dtype=np.float32)

    def step(x: Images, y: Labels, _: int, __: np.random.Generator) -> tuple[float, float]:
        loss, right = update(x, one_hot[y])
        return float(loss), float(right)

    course = Course(step, lambda _: judge.clean())
    return fit(trainee, batches, course, settings=settings, checkpoint=checkpoint, listener=listener)


def harden(
    model: keras.Model,
    training: LabelledImages,
    validation: LabelledImages,
    *,
    settings: Harden,
    augment_settings: Augment,
    seed: int,
    checkpoint: RunState | None,
    listener: Listener,
    unlabelled: UnlabelledImages | None = None,
) -> Trained:
    """Train `model` in place against PGD, noise or both, and leave it with the weights that `settings.keep` prefers.

    unlabelled: training images without a label, which only the loss `unlabelled` uses; with `weight: 0` it trains as
    `mixture` does, without them. An epoch passes over the labelled images. Raises InputError for a class without
    images, a batch larger than the set, a model without trainable weights, the loss `unlabelled` without such images,
    and as `fit` does.
    """
    batches = Batches(training, augment_settings, settings.batch_size, seed)
    trainee, judge = _begin(model, batches, validation, settings)
    others = _others(settings, unlabelled, judge, augment_settings, seed, name=training.name)
    if isinstance(settings.loss, Unlabelled) and others is None:
        settings = msgspec.structs.replace(settings, loss=settings.loss.supervised)
    update = _compiled(trainee, settings)
    one_hot = np.eye(len(training.class_names), dtype=np.float32)

    def step(x: Images, y: Labels, epoch: int, rng: np.random.Generator) -> tuple[float, float]:
        drawn = [] if others is None else others.draw(len(x), rng)
        loss, right = update(x, one_hot[y], *drawn, *_noise(x, settings, rng), *_attack(x, settings, epoch, rng))
        return float(loss), float(right)

    def score(epoch: int) -> Scores:
        scores = judge.hardened(settings, seed=seed)
        attacked = epoch > 0 and not isinstance(settings.loss, Noise)
        return {"epsilon": epsilon_at(settings, epoch)} | scores if attacked else scores

    course = Course(step, score)
    return fit(trainee, batches, course, settings=settings, checkpoint=checkpoint, listener=listener)


def _others(
    settings: Harden,
    unlabelled: UnlabelledImages | None,
    judge: Validation,
    augment_settings: Augment,
    seed: int,
    *,
    name: str,
) -> UnlabelledDraws | None:
    """Return the images without a label as the loss `unlabelled` draws them; None for a loss that uses none."""
    loss = settings.loss
    if not isinstance(loss, Unlabelled):
        return None
    if unlabelled is None:
        raise InputError(
            f"{name}: expected training images without a label for the loss unlabelled, got none: set "
            "preprocess.labelled_share below 1, or leave the label of images empty in the manifest"
        )
    if loss.weight == 0:
        return None
    classes = given_classes(judge.target, unlabelled, batch_size=settings.batch_size)
    return UnlabelledDraws(unlabelled, classes, loss.unlabelled_ratio, augment_settings, seed)


def _compiled(trainee: Trainee, settings: Harden) -> Callable[..., tuple[Any, ...]]:
    """Compile the update of the loss, a function of images, one-hot labels, unlabelled ones, `_noise`, `_attack`."""
    match settings.loss:
        case Noise() as loss:
            return compile_noise_step(trainee, settings, loss)
        case NoiseAdversarial() as loss:
            return compile_noise_adversarial_step(trainee, settings, loss)
        case Unlabelled() as loss:
            return compile_unlabelled_step(trainee, settings, loss)
        case loss:
            return compile_adversarial_step(trainee, settings, loss)


def _noise(x: Images, settings: Harden, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw the Gaussian noise of an update; none for a loss without noise."""
    loss = settings.loss
    return [standard_noise(x, loss, rng, copies=loss.copies)] if isinstance(loss, Noise | NoiseAdversarial) else []


def _attack(x: Images, settings: Harden, epoch: int, rng: np.random.Generator) -> list[Any]:
    """Draw the start of an update's attack; return it with epsilon, eps_step and max_iter; nothing without attack."""
    if isinstance(settings.loss, Noise):
        return []
    epsilon, eps_step = epsilon_at(settings, epoch), settings.rel_eps_step * epsilon_at(settings, epoch)
    return [start_noise(x, settings, rng), np.float32(epsilon), np.float32(eps_step), np.int32(settings.max_iter)]


def measure(model: keras.Model, validation: LabelledImages | None, *, settings: Brought, batch_size: int) -> Trained:
    """Evaluate a model on validation patients without training it; return a history of one row, epoch 0.

    validation: None where a data set has only test images, which play no part here; the row then has no accuracy.
    Raises InputError for a class without images, for logits that are not finite, and for a model that does no better
    than chance where `settings` does not allow that.
    """
    if validation is None:
        return Trained(pd.DataFrame([{"epoch": 0, "collapsed": False}]), best_epoch=0, ended="not trained")
    check_images_of_all_classes(validation, split="validation")
    judge = Validation(model, validation, batch_size=batch_size)
    logits = judge.logits()
    check_finite_logits(logits, stage="validation", names=validation.image_ids)
    if not settings.allow_chance:
        check_above_chance(logits.argmax(axis=1), validation, settings)
    return Trained(pd.DataFrame([{"epoch": 0} | judge.score(logits)]), best_epoch=0, ended="not trained")


def _begin(
    model: keras.Model, batches: Batches, validation: LabelledImages, settings: Train | Harden
) -> tuple[Trainee, Validation]:
    """Check that training is possible; return the trainee and its validation."""
    if not model.trainable_variables:
        raise InputError(f"model {model.name!r}: all layers are frozen, so there are no weights to train")
    check_images_of_all_classes(batches.data, split="training")
    check_images_of_all_classes(validation, split="validation")
    check_batch_size(batches)
    return make_trainee(model, settings), Validation(model, validation, batch_size=settings.batch_size)
