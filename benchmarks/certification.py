"""Count the samples of sequential certification against a fixed number, and time it against ART's `certify`.

The subject is a small convolutional network at 32 px, made from a seed: random features, and a last layer fitted by
least squares to tell two faint patterns apart. Images differ in how strong their pattern is, so that some are certain
under noise and others are not. `--vgg16` takes the pipeline's VGG16 from a seed instead, whose answers have no meaning,
but whose times do.

Prints the certified accuracy at each epsilon, the samples of an image for the fixed and the sequential plan (aim: a
third), and the seconds of ART's `certify`, of ours with as many samples per image, and of the sequential plan (aim: 5
times faster than ART). All are warmed up first. ART's only need of statsmodels, an exact binomial interval, is met by
SciPy where statsmodels is not installed.

Run: python benchmarks/certification.py [--images 24] [--timed 3] [--samples 2000] [--sigma 0.1] [--vgg16]
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

import keras
import numpy as np
from scipy.stats import binomtest
from subject import VGG16, timed

from oncorobust.backend.functions import compile_function
from oncorobust.backend.runtime import prepare
from oncorobust.base.epsilons import epsilon_text
from oncorobust.certificates.certify import Certificate, certify
from oncorobust.certificates.noise import SmoothingNoise
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.models.vgg16 import build_vgg16

EPSILONS = (0.001, 0.002, 0.004, 0.006)
SHAPE = (32, 32, 3)


def images_of(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return grey images (n, 32, 32, 3) with a pattern or its negative, of differing strength, and their labels."""
    rng = np.random.default_rng(seed)
    pattern = np.kron(np.random.default_rng(0).choice([-1, 1], (8, 8)), np.ones((4, 4)))
    labels = np.arange(n) % 2
    strength = rng.uniform(0, 0.25, n) * (2 * labels - 1)
    grey = 0.5 + strength[:, None, None] * pattern + rng.normal(0, 0.05, (n, 32, 32))
    return np.repeat(grey[..., None], 3, axis=-1).clip(0, 1).astype(np.float32), labels


def small_network() -> keras.Model:
    """Return the network, with a last layer fitted to noisy images."""
    layers = keras.layers
    features = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(32, 3, padding="same", activation="relu", kernel_initializer=initial(0)),
            layers.Conv2D(32, 3, padding="same", activation="relu", kernel_initializer=initial(1)),
            layers.AveragePooling2D(4),
            layers.Flatten(),
        ]
    )
    x, labels = images_of(600, 1)
    noisy = x + np.random.default_rng(2).normal(0, 0.1, (*x.shape[:3], 1)).astype(np.float32)
    found = np.asarray(features.predict(noisy, verbose=0), dtype=np.float64)
    weights = np.linalg.solve(found.T @ found + 1e-2 * np.eye(found.shape[1]), found.T @ (2.0 * labels - 1))
    model = keras.Sequential([features, layers.Dense(2, use_bias=False)])
    model.build((None, *SHAPE))
    model.layers[-1].set_weights([np.stack([-weights, weights], axis=1)])
    return model


def initial(seed: int) -> keras.initializers.Initializer:
    """Return seeded initial weights."""
    return keras.initializers.HeNormal(seed=seed)


def provide_exact_interval() -> None:
    """Stand in for the one function that ART takes from statsmodels."""
    if importlib.util.find_spec("statsmodels") is not None:
        return
    proportion = ModuleType("statsmodels.stats.proportion")
    proportion.proportion_confint = exact_interval  # type: ignore[attr-defined]
    for name in ("statsmodels", "statsmodels.stats"):
        sys.modules[name] = ModuleType(name)
    sys.modules[proportion.__name__] = proportion


def exact_interval(count: float, nobs: int, alpha: float, method: str) -> tuple[float, float]:
    """Return the Clopper-Pearson interval; statsmodels calls the method `beta`."""
    assert method == "beta"
    low, high = binomtest(int(count), nobs).proportion_ci(1 - alpha, method="exact")
    return float(low), float(high)


def accuracies(found: Sequence[Certificate], labels: np.ndarray) -> str:
    """Return certified accuracy without abstention and at each epsilon, as text."""
    epsilon = np.array([-1.0 if one.abstained else one.epsilon for one in found])
    right = np.array([one.predicted for one in found]) == labels
    return "  ".join(f"{epsilon_text(at)} {(right & (epsilon >= at)).mean():.3f}" for at in (0.0, *EPSILONS))


def main() -> None:
    """Certify with both plans, and time them beside ART."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=24, help="images whose samples are counted")
    parser.add_argument("--timed", type=int, default=3, help="images of the comparison of times")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--sigma", type=float, default=0.1)
    parser.add_argument("--precision", choices=("float32", "mixed"), default="float32", help="of our predictions")
    parser.add_argument("--vgg16", action="store_true", help="VGG16 at 32 px instead of the small network")
    options = parser.parse_args()
    prepare(threads=1, seed=0)
    model = build_vgg16(VGG16, size=32, n_classes=2, seed=0) if options.vgg16 else small_network()
    logits = compile_function(model, lambda network, x: network.logits(x), precision=options.precision)
    x, labels = images_of(options.images, 3)
    noise = SmoothingNoise("tied", options.sigma)
    plans = {name: SamplingPlan(n_samples=options.samples, sampling=name) for name in ("fixed", "sequential")}

    def ours(name: str, n: int) -> list[Certificate]:
        return certify(logits, x[:n], noise=noise, plan=plans[name], epsilons=EPSILONS, seeds=range(n))

    samples = {}
    for name in plans:
        found = ours(name, options.images)
        samples[name] = np.mean([one.n_selection + one.n_samples for one in found])
        print(f"{name:10}  certified accuracy at {accuracies(found, labels)}   samples {samples[name]:.0f}")
    print(f"samples, sequential / fixed {samples['sequential'] / samples['fixed']:.3f}   (aim: at most 0.333)")

    provide_exact_interval()
    from art.estimators.certification.randomized_smoothing import TensorFlowV2RandomizedSmoothing

    art = TensorFlowV2RandomizedSmoothing(
        model=model,
        nb_classes=2,
        input_shape=SHAPE,
        loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
        sample_size=plans["fixed"].n_selection,
        scale=options.sigma,
        alpha=plans["fixed"].alpha,
    )
    batch_size = plans["fixed"].batch_size
    art.certify(x[:1], n=batch_size, batch_size=batch_size)
    theirs = timed(lambda: art.certify(x[: options.timed], n=options.samples, batch_size=batch_size))
    print(f"ART         {theirs}")
    for name in plans:
        spent = timed(lambda name=name: ours(name, options.timed))
        factor = (
            f"{theirs.wall_s / spent.wall_s:.1f} times faster (processor {theirs.processor_s / spent.processor_s:.1f})"
        )
        print(f"{name:10}  {spent}   {factor}")


if __name__ == "__main__":
    main()
