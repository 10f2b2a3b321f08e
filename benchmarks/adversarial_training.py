"""Time an epoch of 50/50 adversarial training with PGD-7 against ART's AdversarialTrainer and the bare gradients.

All sides run in one process with the same VGG16, images and settings (Table S4: batches of 128, epsilon 0.003, 7 steps
of 0.00075, one random start; the paper's SGD with momentum), and start from the same weights:

    ours        the steps of `harden`: draw batches, make copies and noise, run the compiled step, fetch the loss
    train_step  ART's AdversarialTrainer, ratio 0.5, whose classifier has a hand-written train_step, traced once
    fit         the same with TensorFlowV2Classifier's own `fit`, which traces its training step again for every batch
    bare        only the gradients that the algorithm needs (per batch, 7 with respect to half of the images and one
                with respect to the weights), as compiled functions of prepared tensors

ART gets prepared copies, and attacks half a batch at a time. No time includes start-up, reading files, validation or
one batch of warm-up, and with it all tracing except that of `fit`, which belongs to it. The sides take turns (`fit`,
the slowest, only in the first one), and their medians are compared.

A layer before the model counts, per image, the gradients with respect to images and to weights, and the forward passes
without a gradient. The final loss on clean images, and the distance of the weights from the start relative to their
norm, show that all sides do the same training; dropout, random starts and order differ.

Prints fit / ours (aim: at least 8), train_step / ours (aim: at least 1.5) and bare / ours (aim: at least 0.90).

Run: python benchmarks/adversarial_training.py [--images 164] [--batch-size 128] [--repeats 3] [--fit-repeats 1]
"""

import io
import statistics
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import keras
import msgspec
import numpy as np
import tensorflow as tf
from counter import Counter, counted
from subject import Subject, Timed, begin, options_of, preset, print_setting, ratios, timed

from oncorobust.base.arrays import Images
from oncorobust.base.seeds import child_rng
from oncorobust.settings.training import Harden, Mixture
from oncorobust.training.batches import Batches
from oncorobust.training.losses import n_adversarial
from oncorobust.training.step import Trainee, compile_adversarial_step, make_trainee, start_noise
from oncorobust.training.validation import Validation

AIMS = {"fit": "at least 8", "train_step": "at least 1.5", "bare": "at least 0.90"}


class Side(Protocol):
    """One of the compared ways to train."""

    def ready(self, batches: Batches) -> Callable[[], None]:
        """Prepare an epoch over these batches, and return the action that trains on it in place."""


def main() -> None:
    """Measure all sides, and print times, ratios, counts and the final states of training."""
    parser = options_of(__doc__, images=164)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--fit-repeats", type=int, default=1, help="turns that include ART's own fit")
    options = parser.parse_args()
    subject, counter = counted(begin(options, split="train"))
    settings = msgspec.structs.replace(preset("paper").datasets["lidc"].harden, batch_size=options.batch_size)
    batches = Batches(subject.data, preset("real").datasets["lidc"].augment, options.batch_size, seed=0)
    trainee = make_trainee(subject.model, settings)
    print_setting(
        subject,
        options,
        "tensorflow",
        "adversarial-robustness-toolbox",
        epoch=f"{batches.n_images} images with their copies, in {batches.n} batches of {batches.batch_size} at most",
        attack=f"epsilon {settings.epsilon:g}, {settings.max_iter} steps of epsilon x {settings.rel_eps_step:g}",
        optimizer=settings.optimizer,
    )
    sides: dict[str, Side] = {
        "ours": Ours(trainee, settings),
        "train_step": Art(subject, trainee, settings, own_step=True),
        "fit": Art(subject, trainee, settings, own_step=False),
        "bare": Bare(subject.model, settings),
    }
    turns = dict.fromkeys(sides, options.repeats) | {"fit": options.fit_repeats}
    times = measure(sides, turns, batches, trainee, counter)
    for name in ("fit", "train_step"):
        print(ratios(f"{name} / ours", times[name], times["ours"], aim=AIMS[name]))
    print(ratios("bare / ours", times["bare"], times["ours"], aim=AIMS["bare"]))


class Ours:
    """The steps of `harden`."""

    def __init__(self, trainee: Trainee, settings: Harden) -> None:
        """Prepare the compiled step."""
        self._settings = settings
        self._update = compile_adversarial_step(trainee, settings, settings.loss)

    def ready(self, batches: Batches) -> Callable[[], None]:
        """Prepare nothing: batches and copies are made during training."""
        return partial(self._epoch, batches)

    def _epoch(self, batches: Batches) -> None:
        settings, rng = self._settings, child_rng(batches.seed, "epoch", 1)
        attack = (
            np.float32(settings.epsilon),
            np.float32(settings.rel_eps_step * settings.epsilon),
            np.int32(settings.max_iter),
        )
        one_hot = np.eye(len(batches.data.class_names), dtype=np.float32)
        for x, y in batches.draw(batches.order(rng)):
            self._update(x, one_hot[y], start_noise(x, settings, rng), *attack)


class Art:
    """ART's AdversarialTrainer on its own classifier."""

    def __init__(self, subject: Subject, trainee: Trainee, settings: Harden, *, own_step: bool) -> None:
        """Build ART's trainer. own_step: with a hand-written training step instead of that of `fit`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that PyTorch is not there
            from art.attacks.evasion import ProjectedGradientDescent
            from art.defences.trainer import AdversarialTrainer
        step = compiled_step(trainee, subject.data.image_shape) if own_step else None
        classifier = subject.stock_art(optimizer=trainee.optimizer, train_step=step)
        attack = ProjectedGradientDescent(
            classifier,
            eps=settings.epsilon,
            eps_step=settings.rel_eps_step * settings.epsilon,
            max_iter=settings.max_iter,
            num_random_init=settings.num_random_init,
            batch_size=settings.batch_size,
            verbose=False,
        )
        share = settings.loss.adversarial_share if isinstance(settings.loss, Mixture) else 1.0
        self._trainer = AdversarialTrainer(classifier, attack, ratio=share)

    def ready(self, batches: Batches) -> Callable[[], None]:
        """Prepare all images of the epoch."""
        x, y = map(np.concatenate, zip(*batches.draw(batches.order(child_rng(batches.seed, "epoch", 1))), strict=True))
        one_hot = np.eye(len(batches.data.class_names), dtype=np.float32)[y]
        return partial(self._epoch, x, one_hot, batches.batch_size)

    def _epoch(self, x: Images, one_hot: np.ndarray, batch_size: int) -> None:
        with redirect_stderr(io.StringIO()):  # bars of progress, and TensorFlow's warning of fit's retracing
            self._trainer.fit(x, one_hot, batch_size=batch_size, nb_epochs=1)


def compiled_step(trainee: Trainee, image_shape: tuple[int, ...]) -> Callable[[Any, Any, Any], None]:
    """Return the training step that a careful user writes for ART, traced once for batches of every length."""
    model, loss = trainee.model, keras.losses.CategoricalCrossentropy(from_logits=True)

    @tf.function(
        input_signature=[tf.TensorSpec((None, *image_shape)), tf.TensorSpec((None, model.output_shape[-1]))],
        autograph=False,
    )
    def update(images: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            value = loss(labels, model(images, training=True))
        gradients = tape.gradient(value, [variable.value for variable in model.trainable_variables])
        trainee.optimizer.apply(gradients, model.trainable_variables)

    return lambda _, images, labels: update(images, labels)


class Bare:
    """The gradients alone, one after the other."""

    def __init__(self, model: keras.Model, settings: Harden) -> None:
        """Prepare the compiled functions."""
        self._settings = settings

        @tf.function(reduce_retracing=True, autograph=False)
        def by_images(x: Any, one_hot: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                value = tf.nn.softmax_cross_entropy_with_logits(one_hot, model(x, training=False))
            return tape.gradient(value, x)

        @tf.function(reduce_retracing=True, autograph=False)
        def by_weights(x: Any, one_hot: Any) -> Any:
            with tf.GradientTape() as tape:
                value = tf.nn.softmax_cross_entropy_with_logits(one_hot, model(x, training=True))
            return tape.gradient(value, [variable.value for variable in model.trainable_variables])

        self._by_images, self._by_weights = by_images, by_weights

    def ready(self, batches: Batches) -> Callable[[], None]:
        """Prepare all batches, and the part of each that is attacked, as tensors."""
        one_hot, pairs = np.eye(len(batches.data.class_names), dtype=np.float32), []
        for x, y in batches.draw(batches.order(child_rng(batches.seed, "epoch", 1))):
            half = n_adversarial(self._settings.loss, len(x))
            pairs.append([tuple(map(tf.constant, (x[:n], one_hot[y[:n]]))) for n in (half, len(x))])
        return partial(self._epoch, pairs)

    def _epoch(self, pairs: list[list[tuple[Any, Any]]]) -> None:
        for attacked, whole in pairs:
            for _ in range(self._settings.max_iter):
                self._by_images(*attacked).numpy()
            self._by_weights(*whole)[0].numpy()


def measure(
    sides: dict[str, Side], turns: dict[str, int], batches: Batches, trainee: Trainee, counter: Counter
) -> dict[str, Timed[None]]:
    """Return each side's median seconds per epoch, measured in turns from the same weights; print its counts."""
    begun = Begun(trainee, batches)
    print(f"before      {begun.told()}")
    for side in sides.values():
        side.ready(one_batch(batches))()
    taken: dict[str, list[Timed[None]]] = {name: [] for name in sides}
    for turn in range(max(turns.values())):
        for name in [name for name in sides if turn < turns[name]]:
            begun.again()
            epoch = sides[name].ready(batches)
            counter.take()
            taken[name].append(timed(epoch))
            print(f"{name:10}  {taken[name][-1]}   {counter.take()}   {begun.told()}", flush=True)
    return {name: median(several) for name, several in taken.items()}


def one_batch(batches: Batches) -> Batches:
    """Return a single batch without copies, for warm-up."""
    data = batches.data.take(np.arange(min(len(batches.data), batches.batch_size)))
    return replace(batches, data=data, augment_settings=msgspec.structs.replace(batches.augment_settings, copies=0))


class Begun:
    """The weights at the start of training, and the distance from them."""

    def __init__(self, trainee: Trainee, batches: Batches) -> None:
        """Store the present values of all variables."""
        self._trainee = trainee
        self._variables = [variable.numpy() for variable in trainee.variables]
        self._weights = trainee.model.get_weights()
        self._judge = Validation(trainee.model, batches.data, batch_size=batches.batch_size)

    def again(self) -> None:
        """Restore all variables."""
        for variable, value in zip(self._trainee.variables, self._variables, strict=True):
            variable.assign(value)

    def told(self) -> str:
        """Return the loss, and the distance of the weights from the start relative to their norm, as text."""
        pairs = zip(self._trainee.model.get_weights(), self._weights, strict=True)
        squares = [[np.sum(np.square(now - before)), np.sum(np.square(before))] for now, before in pairs]
        moved, norm = np.sqrt(np.sum(squares, axis=0))
        return f"clean loss {self._judge.clean()['validation_loss']:.4f}, weights moved by {moved / norm:.2e}"


def median(several: list[Timed[None]]) -> Timed[None]:
    """Return the medians of both times."""
    wall_s, processor_s = (
        statistics.median(getattr(one, name) for one in several) for name in ("wall_s", "processor_s")
    )
    return Timed(None, wall_s, processor_s)


if __name__ == "__main__":
    main()
