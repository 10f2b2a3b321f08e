"""Measure what images without a label add to hardening: robust accuracy with 10 % of the labels, three seeds.

For images of MNIST's published test part (real, at 14 pixels) and for a phantom of CIFAR-10 (synthetic, at 16), and
for each seed, of preprocessing and of training:

    data        4,500 images, preprocessed by the pipeline's functions with `labelled_share: 0.1`: a third for testing
                and an eighth of the rest for validation, with their labels; of the others one in ten has its label
    clean       a small convolutional network, trained on the labelled patients alone
    supervised  hardened from it on the same labelled patients (loss `unlabelled` with weight 0, which is `mixture`)
    unlabelled  hardened from it on them and on the images whose labels are withheld
    robust      share of test images that are right and that PGD from true labels cannot change: 20 steps of the margin
                loss, from the image and from a random point, any iterate counts

Both hardened models make equally many updates with the same labelled images, and each keeps the epoch with the largest
robust accuracy on validation images. `targets`, `weight`, epochs and epsilon were chosen with --validation, which
prints validation accuracies of another seed and evaluates no test image. The difference is paired by image, because
every image is its own patient here; its interval is that of the pipeline's comparisons (95 %).

Run: python benchmarks/unlabelled.py [mnist phantom] [--mnist data/raw/mnist] [--validation]
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import msgspec
import numpy as np
from subject import preset

from oncorobust.acquire.phantoms.cifar10_batches import write_cifar10_phantom
from oncorobust.attacks.goals import leave
from oncorobust.attacks.linf import Ball, pgd
from oncorobust.attacks.target import Target
from oncorobust.backend.runtime import prepare
from oncorobust.base.arrays import Flags
from oncorobust.base.files import write_csv
from oncorobust.base.progress import Listener
from oncorobust.base.schema.version import write_results
from oncorobust.data.dataset import LabelledImages, load, write_images
from oncorobust.data.preprocess import process
from oncorobust.data.unlabelled import UnlabelledImages, load_unlabelled
from oncorobust.evaluation.comparisons import compare
from oncorobust.evaluation.resampling import draw_patients
from oncorobust.formats.open_raw import open_raw
from oncorobust.settings.data import Augment, Cifar10, Format, Mnist, Phantom, Split
from oncorobust.settings.training import Adam, Harden, Train, Unlabelled, WarmUp
from oncorobust.training.recipes import harden, train

SEEDS = (0, 1, 2)
PILOT_SEED = 100
SPLIT = Split(unit="patient", use_given=False, test_one_in=3, validation_one_in=8)
AUGMENT = Augment(copies=0, horizontal_flip=False, vertical_flip=False, max_rotation_degrees=0)
PHANTOM = Phantom(n_images=4500, difficulty=1.0, seed=0)
UNLABELLED = Unlabelled(targets="fixed", weight=1.0, unlabelled_ratio=3, adversarial_share=0.5)
CANDIDATES = [("fixed", 1.0), ("fixed", 3.0), ("both", 3.0)]
TRAIN = Train(
    epochs=30,
    batch_size=32,
    patience=None,
    keep="validation_loss",
    average=None,
    precision="float32",
    optimizer=Adam(learning_rate=0.001, weight_decay=0.0),
)
HARDEN = Harden(
    epsilon=0.1,
    rel_eps_step=0.4,
    max_iter=4,
    num_random_init=1,
    schedule=WarmUp(epochs=5),
    loss=UNLABELLED,
    weight_perturbation=None,
    epochs=20,
    batch_size=32,
    patience=None,
    validation_max_iter=5,
    keep="validation_robust_accuracy",
    max_drop=None,
    average=None,
    precision="float32",
    optimizer=Adam(learning_rate=0.001, weight_decay=0.0),
)


@dataclass(frozen=True)
class Subject:
    """A data set of the benchmark: its raw tree, format, side in pixels, and epsilon in training and attack."""

    name: str
    tree: Path
    format: Format
    size: int
    epsilon: float


class Quiet(Listener):
    """Say nothing."""


def main() -> None:
    """Measure each data set and print one row for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", default=["mnist", "phantom"])
    parser.add_argument("--mnist", type=Path, default=Path("data/raw/mnist"), help="folder of MNIST's idx files")
    parser.add_argument("--validation", action="store_true", help="compare settings on validation images alone")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    prepare(threads=options.threads, seed=0)
    with TemporaryDirectory() as folder:
        for name in options.datasets:
            subject = subject_of(name, Path(folder), options.mnist)
            compare_settings(subject, Path(folder)) if options.validation else compare_models(subject, Path(folder))


def subject_of(name: str, folder: Path, mnist: Path) -> Subject:
    """Return a data set by its name; the phantom is written into `folder`."""
    if name == "mnist":
        return Subject("mnist (real)", mnist, Mnist(), 14, 0.1)
    (folder / "phantom").mkdir()
    write_cifar10_phantom(folder / "phantom", PHANTOM)
    return Subject("cifar10 phantom", folder / "phantom", Cifar10(), 16, 0.02)


def compare_models(subject: Subject, folder: Path) -> None:
    """Print the robust accuracies of both hardened models, with the paired difference, for each seed."""
    print(f"{subject.name}, epsilon {subject.epsilon:g}, {UNLABELLED}")
    print("seed  labelled  unlabelled  test   clean  supervised: clean robust  unlabelled: clean robust  difference")
    for seed in SEEDS:
        began = time.perf_counter()
        data, others = images_of(subject, folder, seed=seed)
        test, clean = data.select("test"), clean_model(data, seed=seed)
        models = [hardened(clean, data, others, subject, weight=weight, seed=seed)[0] for weight in (0.0, 1.0)]
        supervised, unlabelled = (robust(model, test, subject.epsilon) for model in models)
        draws = draw_patients(test.rows["patient_id"], n_draws=2000, seed=seed)
        difference = compare(supervised, unlabelled, test.rows["patient_id"].tolist(), draws, level=0.95).difference
        low, high = (100 * (value or 0.0) for value in (difference.low, difference.high))
        found = zip(models, (supervised, unlabelled), strict=True)
        told = [f"{accuracy(model, test):7.1%} {flags.mean():7.1%}" for model, flags in found]
        points = 100 * (unlabelled.mean() - supervised.mean())
        print(
            f"{seed:4} {len(data.select('train')):9} {len(others):11} {len(test):5} {accuracy(clean, test):7.1%}"
            f"{told[0]:>25}{told[1]:>26}  {points:+.1f} [{low:+.1f}, {high:+.1f}]"
            f"{' excludes zero' if low > 0 or high < 0 else ' includes zero'}   {time.perf_counter() - began:.0f} s",
            flush=True,
        )


def compare_settings(subject: Subject, folder: Path) -> None:
    """Print validation accuracies of candidates for one seed; no test image is evaluated."""
    data, others = images_of(subject, folder, seed=PILOT_SEED)
    clean = clean_model(data, seed=PILOT_SEED)
    print(f"{subject.name}, epsilon {subject.epsilon:g}: clean {accuracy(clean, data.select('validation')):.1%}")
    for targets, weight in [("fixed", 0.0), *CANDIDATES]:
        began = time.perf_counter()
        _, row = hardened(clean, data, others, subject, weight=weight, seed=PILOT_SEED, targets=targets)
        print(f"{targets:8} weight {weight:g}: {row} {time.perf_counter() - began:.0f} s", flush=True)


def images_of(subject: Subject, folder: Path, *, seed: int) -> tuple[LabelledImages, UnlabelledImages]:
    """Return the labelled and the unlabelled images of a data set, preprocessed as by the pipeline."""
    settings = msgspec.structs.replace(
        preset("demo").datasets["mnist"].preprocess,
        format=subject.format,
        size=subject.size,
        split=SPLIT,
        balance="none",
        duplicates="allow",
        max_images=4500,
        labelled_share=0.1,
    )
    raw = open_raw(subject.tree, subject.format, seed=seed, on_progress=lambda *_: None)
    made = process(raw, settings, dataset=subject.name, seed=seed)
    place = folder / f"{subject.format.__struct_config__.tag}{seed}"
    place.mkdir()
    write_images(place / "images.npy", made.images, shape=made.shape, on_progress=lambda *_: None)
    write_csv(place / "index.csv", made.index)
    write_results(place / "summary.json", made.complete_summary())
    others = load_unlabelled(place, name=subject.name)
    if others is None:
        raise ValueError("expected images whose labels are withheld, got none")
    return load(place), others


def network(data: LabelledImages, seed: int) -> keras.Model:
    """Return a small convolutional network with random weights."""
    layers = keras.layers
    seeds = iter(range(10 * seed, 10 * seed + 10))

    def start() -> Any:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    return keras.Sequential(
        [
            keras.Input(data.image_shape),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", kernel_initializer=start()),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", kernel_initializer=start()),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_initializer=start()),
            layers.Dense(len(data.class_names), kernel_initializer=start()),
        ]
    )


def clean_model(data: LabelledImages, *, seed: int) -> keras.Model:
    """Return a network trained on the labelled images."""
    model = network(data, seed)
    train(model, data.select("train"), data.select("validation"), settings=TRAIN, **shared(seed))
    return model


def hardened(
    clean: keras.Model,
    data: LabelledImages,
    others: UnlabelledImages,
    subject: Subject,
    *,
    weight: float,
    seed: int,
    targets: str = UNLABELLED.targets,
) -> tuple[keras.Model, str]:
    """Return a hardened copy of the clean model, and the validation accuracies of the epoch kept. weight: 0 or more."""
    model = keras.models.clone_model(clean)
    model.set_weights(clean.get_weights())
    loss = msgspec.structs.replace(UNLABELLED, weight=weight, targets=targets)
    settings = msgspec.structs.replace(HARDEN, loss=loss, epsilon=subject.epsilon)
    parts = data.select("train"), data.select("validation")
    trained = harden(model, *parts, settings=settings, unlabelled=others, **shared(seed))
    kept = trained.history.set_index("epoch").loc[trained.best_epoch]
    told = f"epoch {trained.best_epoch}, validation clean {kept['validation_accuracy']:.1%}"
    return model, f"{told}, robust {kept['validation_robust_accuracy']:.1%}"


def shared(seed: int) -> dict[str, Any]:
    """Return what every training takes."""
    return {"augment_settings": AUGMENT, "seed": seed, "checkpoint": None, "listener": Quiet()}


def accuracy(model: keras.Model, data: LabelledImages) -> float:
    """Return the accuracy on clean images."""
    return float(np.mean(Target(model).logits(data.images()).argmax(axis=1) == data.labels))


def robust(model: keras.Model, data: LabelledImages, epsilon: float) -> Flags:
    """Return which images are right and stay so under PGD from their true labels."""
    return np.concatenate([*_robust_parts(Target(model), data, epsilon)])


def _robust_parts(target: Target, data: LabelledImages, epsilon: float) -> Iterator[Flags]:
    rng = np.random.default_rng(0)
    for start in range(0, len(data), 512):
        at = np.arange(start, min(start + 512, len(data)))
        goal = leave(data.labels[at], n_classes=target.n_classes)
        ball = Ball(data.images(at), np.full(len(at), epsilon), goal)
        found = pgd(target, ball, rel_eps_step=0.125, max_iter=20, num_random_init=1, rng=rng)
        yield ~found.flipped


if __name__ == "__main__":
    main()
