"""The precision guard: nothing is evaluated in bfloat16, float16 or TF32.

A pixel of 0.5 keeps a perturbation of 0.0001 only if its number format has the bits for it:

    format      mantissa    spacing at 0.5      spacing at 1.0
    float32     23 bits     0.00000006          0.00000012
    TF32        10 bits     0.0005              0.001
    float16     10 bits     0.0005              0.001
    bfloat16     7 bits     0.004               0.008

Two checks are needed, because either can pass alone. The model's layers and variables must be float32. The device must
compute in float32: GPUs accept float32 numbers and round them to TF32 internally, so the check measures a product. An
array of 24-bit numbers times the identity is the array itself, whatever the order of the sums; a relative error of
2^-(b+1) means that b bits of mantissa were kept.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from oncorobust.backend.classifier import Model, classifier_of
from oncorobust.backend.functions import compile_function, logits_of
from oncorobust.base.errors import InputError

Compute = Callable[[keras.Model, np.ndarray], np.ndarray]
"""A function (model that multiplies by the identity, values) -> output, in exact arithmetic the values."""

LARGEST_ERROR = 2.0**-16
"""Above the error of fast float32 convolutions (Winograd), about 2^-19, and far below that of TF32, 2^-11."""


def check_full_float32(model: Model) -> None:
    """Refuse a model, or its device, that does not compute in full float32. Raises InputError."""
    check_model_is_float32(model)
    with classifier_of(model).on_device():
        check_device_is_float32()


def check_model_is_float32(model: Model) -> None:
    """Refuse a model with a layer or a weight of another type. Raises InputError naming the first."""
    classifier_of(model).check_is_float32()


def _compiled(model: keras.Model, values: np.ndarray) -> np.ndarray:
    return compile_function(model, logits_of)(values)


def check_device_is_float32(*, compute: Compute = _compiled) -> None:
    """Refuse a device that rounds the factors of a product. Raises InputError with the measured error.

    compute: runs a model; by default as the attacks do.
    """
    chosen = {"use_bias": False, "dtype": "float32"}
    dense = layers.Dense(64, **chosen)
    convolution = layers.Conv2D(64, 3, padding="same", data_format="channels_last", **chosen)
    values = (1 + np.random.default_rng(0).random((1, 16, 16, 64))).astype(np.float32)
    identity = np.eye(64, dtype=np.float32)
    at_the_centre = np.pad(identity[np.newaxis, np.newaxis], ((1, 1), (1, 1), (0, 0), (0, 0)))
    _check_product("matrix product", dense, identity, values.reshape(-1, 64), compute)
    _check_product("convolution", convolution, at_the_centre, values, compute)


def _check_product(name: str, layer: layers.Layer, kernel: np.ndarray, values: np.ndarray, compute: Compute) -> None:
    model = keras.Sequential([keras.Input(values.shape[1:], dtype="float32"), layer])
    layer.set_weights([kernel])
    exact = values.astype(np.float64)
    error = float(np.max(np.abs(compute(model, values) - exact) / exact))
    # NaN fails the comparison.
    if not error <= LARGEST_ERROR:
        bits = int(-np.log2(error)) - 1 if 0 < error < 1 else 0
        raise InputError(
            f"expected a device that computes in full float32 (23 bits of mantissa), got a {name} with a relative "
            f"error of {error:.1e} (about {bits} bits): call "
            "oncorobust.backend.runtime.prepare before Keras is first used"
        )
