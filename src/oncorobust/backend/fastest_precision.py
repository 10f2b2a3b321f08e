"""The precision in which this machine computes gradients of images fastest, measured once.

Processors with units for bfloat16 (AMX) and GPUs compute convolutions several times faster in bfloat16 than in float32;
others emulate it and are slower. What is measured is the gradient of a small convolutional network, in float32, in TF32
(a GPU's; elsewhere the same as float32) and with inner layers in bfloat16.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache

import keras
import numpy as np
from keras import layers, ops

from oncorobust.backend.functions import compile_function
from oncorobust.backend.runtime import tf32_allowed

GAIN = 1.3
"""How many times faster than float32 a precision must be to be chosen: more than a measurement varies by."""

_SHAPE, _CHANNELS, _BATCH, _REPEATS = (32, 32, 3), 64, 8, 8


@cache
def fastest_precision() -> str:
    """Return `float32`, `tf32` or `bfloat16`: the fastest if it is `GAIN` times faster than float32, else float32."""
    return fastest(gradient_seconds())


def training_precision(wanted: str) -> str:
    """Return what `wanted` means: for `auto`, `mixed` where bfloat16 is the fastest here, and float32 elsewhere."""
    return in_training(fastest_precision()) if wanted == "auto" else wanted


def in_training(fastest: str) -> str:
    """Return the precision of training where a precision is the fastest; TF32 is not used to train."""
    return "mixed" if fastest == "bfloat16" else "float32"


def fastest(seconds: Mapping[str, float]) -> str:
    """Return the precision of the shortest time, or float32 where that gains too little. seconds: by precision."""
    best = min(seconds, key=lambda one: seconds[one])
    return best if GAIN * seconds[best] <= seconds["float32"] else "float32"


def gradient_seconds() -> dict[str, float]:
    """Return the shortest of a few times, in seconds, of the same gradients in each precision, taken in turn."""
    model = _network()
    x = np.random.default_rng(0).random((_BATCH, *_SHAPE)).astype(np.float32)
    plain, mixed = (_gradient_of(model, precision) for precision in ("float32", "mixed"))
    kinds = {
        "float32": (plain, nullcontext),
        "tf32": (plain, tf32_allowed),
        "bfloat16": (mixed, nullcontext),
    }
    found = dict.fromkeys(kinds, float("inf"))
    for _ in range(_REPEATS):
        for name, (gradient, allowed) in kinds.items():
            with allowed():
                found[name] = min(found[name], _seconds(gradient, x))
    return found


def _network() -> keras.Model:
    images = keras.Input(_SHAPE, dtype="float32")
    x = images
    for _ in range(4):
        x = layers.Conv2D(_CHANNELS, 3, padding="same", activation="relu", data_format="channels_last")(x)
    return keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D(data_format="channels_last")(x)))


def _gradient_of(model: keras.Model, precision: str) -> Callable[[np.ndarray], np.ndarray]:
    return compile_function(
        model, lambda network, x: network.logits_and_gradient(lambda logits: ops.sum(logits), x)[1], precision=precision
    )


def _seconds(gradient: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> float:
    start = time.perf_counter()
    gradient(x)
    return time.perf_counter() - start
