"""Small models whose answers under attack are known."""

from functools import cache

import keras
import numpy as np
import pandas as pd

from oncorobust.attacks.goals import Goal, leave
from oncorobust.attacks.target import Target
from oncorobust.data.dataset import LabelledImages

SHAPE = (6, 6, 3)


def balanced_weights() -> np.ndarray:
    """Weights that sum to zero, so that images around mid-grey fall on both sides of the boundary."""
    weights = np.random.default_rng(1).normal(size=SHAPE)
    return weights - weights.mean()


WEIGHTS = balanced_weights().astype(np.float32).astype(np.float64)
"""As a float32 model holds them, for sums in float64."""

UNIT_WEIGHTS = balanced_weights() / np.abs(balanced_weights()).sum()
"""Of l1 norm 1, so that an attack of radius epsilon moves the margin by epsilon."""


def scores(x: np.ndarray, weights: np.ndarray = WEIGHTS) -> np.ndarray:
    """weights . x of each image, of 3 channels or 1, in float64: the margin of `linear_model(weights)`, with a sign."""
    found: np.ndarray = (x.astype(np.float64) * weights).sum(axis=(1, 2, 3))
    return found


def least_margins(x: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
    """The margin of `linear()` at the best corner of ball and box, pixel by pixel."""
    score = scores(x)
    falling = -np.sign(score).reshape(-1, 1, 1, 1) * WEIGHTS
    room = np.minimum(epsilon.reshape(-1, 1, 1, 1), np.where(falling > 0, 1 - x, x))
    least: np.ndarray = np.abs(score) - (room * np.abs(WEIGHTS)).sum(axis=(1, 2, 3))
    return least


def images(low: float, high: float, n: int = 40, seed: int = 0) -> np.ndarray:
    """Uniform between low and high, cut to [0, 1]: with wider limits, part of the pixels are black or white."""
    return np.random.default_rng(seed).uniform(low, high, (n, *SHAPE)).clip(0, 1).astype(np.float32)


def interior_images(n: int = 40) -> np.ndarray:
    """Images that no epsilon up to 0.3 brings to the box."""
    return images(0.3, 0.7, n)


def linear_model(weights: np.ndarray, bias: float = 0.0) -> keras.Model:
    """Two logits whose difference is weights . x + bias: attacked accuracy has a closed form."""
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(2)])
    kernel = np.stack([np.zeros(weights.size), weights.ravel()], axis=1)
    model.layers[-1].set_weights([kernel.astype(np.float32), np.array([0.0, bias], dtype=np.float32)])
    return model


def small_convolutional_net(n_classes: int = 3, seed: int = 0) -> keras.Model:
    """A net with a curved loss, smooth so that gradients can be compared with finite differences."""
    initial = keras.initializers.GlorotNormal(seed=seed)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(4, 3, activation="tanh", kernel_initializer=initial),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2, seed=seed),
            keras.layers.Dense(n_classes, kernel_initializer=keras.initializers.GlorotNormal(seed=seed + 1)),
        ]
    )


@cache
def net_of_numpy_weights(n_classes: int) -> keras.Model:
    """Weights that are the same on each backend, whose random generators differ."""
    model, rng = small_convolutional_net(n_classes), np.random.default_rng(n_classes)
    model.set_weights([rng.normal(0, 0.2, one.shape) for one in model.get_weights()])
    return model


@cache
def linear() -> Target:
    """The linear model of `WEIGHTS`; one target for all tests, because tracing takes a second."""
    return Target(linear_model(WEIGHTS))


@cache
def curved(n_classes: int = 3) -> Target:
    """The small net; one target for all tests, because tracing takes a second."""
    return Target(small_convolutional_net(n_classes))


def own_predictions(target: Target, x: np.ndarray) -> Goal:
    """To leave what the model itself says."""
    return leave(target.logits(x).argmax(axis=1), n_classes=target.n_classes)


def images_in_memory(
    images: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...] = ("benign", "malignant")
) -> LabelledImages:
    """A data set over arrays: two images a patient, all of them for training."""
    numbers = range(len(images))
    rows = pd.DataFrame(
        {
            "image_id": [f"image-{number}" for number in numbers],
            "patient_id": [f"patient-{number // 2}" for number in numbers],
            "label": labels,
            "class_name": [class_names[label] for label in labels],
            "split": "train",
            "source": [f"{number}.png" for number in numbers],
            "position": numbers,
        }
    )
    return LabelledImages(rows=rows, pixels=images, class_names=class_names, synthetic=True, name="in memory")


def two_classes(seed: int, n: int = 48) -> LabelledImages:
    """Images that carry a pattern or its negative, easy to tell apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    sign = (2 * labels - 1)[:, None, None, None]
    found = 0.5 + 0.1 * sign * np.sign(balanced_weights()) + rng.normal(0, 0.1, (n, *SHAPE))
    return images_in_memory(found.clip(0, 1).astype(np.float32), labels)


class Quiet:
    """A listener that checks what it is told and keeps nothing."""

    def begin(self, done: int) -> None:
        """The start of the run, or of its rest."""
        assert done >= 0

    def update(self, done: int, total: int, text: str) -> None:
        """A step of the run."""
        assert 0 < done <= total
        assert text

    def say(self, text: str) -> None:
        """A line for the log."""
        assert text

    def warn(self, text: str) -> None:
        """A warning."""
        assert text
