"""Small models whose answers under attack are known."""

import keras
import numpy as np
import pandas as pd

from oncorobust.dataset import LabelledImages

SHAPE = (6, 6, 3)


def balanced_weights() -> np.ndarray:
    """Weights that sum to zero, so that images around mid-grey fall on both sides of the boundary."""
    weights = np.random.default_rng(1).normal(size=SHAPE)
    return weights - weights.mean()


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


def images_in_memory(
    images: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...] = ("benign", "malignant")
) -> LabelledImages:
    """A data set over arrays: two images a patient, all of them for training."""
    numbers = range(len(images))
    index = pd.DataFrame(
        {
            "image_id": [f"image-{number}" for number in numbers],
            "patient_id": [f"patient-{number // 2}" for number in numbers],
            "label": labels,
            "class_name": [class_names[label] for label in labels],
            "split": "train",
            "source": [f"{number}.png" for number in numbers],
        }
    )
    return LabelledImages(index=index, pixels=images, class_names=class_names, synthetic=True, name="in memory")
