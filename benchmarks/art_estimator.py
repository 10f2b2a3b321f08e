"""Time ART's PGD under our estimator against the bare gradients it needs, and under ART's own estimator.

All sides run in one process with the same VGG16 and images, in interleaved repeats; medians are compared:

    bare      only the compiled loss gradients that the attack needs
    ours      ART's ProjectedGradientDescent on oncorobust.attacks.art_classifier.KerasClassifier
    stock     the same attack on ART's TensorFlowV2Classifier

Prints ours / bare (aim: at most 1.10) and stock / ours. Run: python benchmarks/art_estimator.py [--images 128]
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

from oncorobust.backend.runtime import prepare

prepare(threads=2, seed=0)
warnings.simplefilter("ignore")

import keras  # noqa: E402  the backend is configured first
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from art.attacks.evasion import ProjectedGradientDescent  # noqa: E402
from art.estimators.classification import TensorFlowV2Classifier  # noqa: E402
from subject import VGG16  # noqa: E402

from oncorobust.attacks.art_classifier import KerasClassifier  # noqa: E402
from oncorobust.models.vgg16 import build_vgg16  # noqa: E402


def main() -> None:
    """Measure and print the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--num-random-init", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.random((options.images, options.size, options.size, 3), dtype=np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(10, size=options.images)]
    model = build_vgg16(VGG16, size=options.size, n_classes=10, seed=0)
    ours = KerasClassifier(model, batch_size=options.batch_size)
    stock = TensorFlowV2Classifier(
        model=model,
        nb_classes=10,
        input_shape=x.shape[1:],
        loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
        clip_values=(0, 1),
    )

    def attack(classifier: KerasClassifier | TensorFlowV2Classifier) -> None:
        ProjectedGradientDescent(
            classifier,
            eps=0.004,
            eps_step=0.001,
            max_iter=10,
            num_random_init=options.num_random_init,
            batch_size=options.batch_size,
            verbose=False,
        ).generate(x, y)

    def bare() -> None:
        for start in range(0, len(x), options.batch_size):
            for _ in range(10 * options.num_random_init):
                ours.loss_gradient(x[start : start + options.batch_size], y[start : start + options.batch_size])

    seconds = interleaved(
        {"bare": bare, "ours": lambda: attack(ours), "stock": lambda: attack(stock)}, repeats=options.repeats
    )
    print(
        f"PGD-10, {options.num_random_init} starts, {options.images} images, {options.size} px, "
        f"TensorFlow {tf.__version__}, 2 threads"
    )
    for name, value in seconds.items():
        print(f"{name:6s} {value:7.2f} s")
    print(f"ours / bare  {seconds['ours'] / seconds['bare']:.3f}  (aim: at most 1.10)")
    print(f"stock / ours {seconds['stock'] / seconds['ours']:.3f}")


def interleaved(contenders: dict[str, Callable[[], None]], *, repeats: int) -> dict[str, float]:
    """Return the median seconds of each side, measured in turns after one unmeasured turn that compiles."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(repeats + 1):
        for name, contender in contenders.items():
            start = time.perf_counter()
            contender()
            if turn:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


if __name__ == "__main__":
    main()
