"""The precision guard against a device that really rounds to TF32, and what `auto` chooses on it.

With TF32 switched off, as `prepare` leaves it, the guard must pass; with TF32 switched on for products of matrices or
for convolutions it must refuse, unless the device computes the same either way (`tf32_rounds` is false). The recorded
error is the largest relative one of a product with the identity. After a refusal the guard looks no further, so that
the error of the convolution stands under `tf32_on_convolutions` alone.
"""

import argparse
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from inputs import prepared
from part import Notes

from oncorobust.backend.fastest_precision import fastest, gradient_seconds
from oncorobust.backend.functions import compile_function
from oncorobust.backend.precision import LARGEST_ERROR, check_device_is_float32, check_model_is_float32
from oncorobust.backend.runtime import tf32_allowed
from oncorobust.base.errors import InputError

SETTINGS = ("tf32_off", "tf32_on_products", "tf32_on_convolutions", "tf32_allowed_inside", "tf32_allowed_after")


def measure(options: argparse.Namespace, notes: Notes) -> None:
    """Run the guard under each setting, and note its verdicts, errors and flags."""
    found = prepared(options)
    flags = {"products": torch.backends.cuda.matmul, "convolutions": torch.backends.cudnn}
    off = {name: bool(flag.allow_tf32) for name, flag in flags.items()}
    notes.put(device=found, allowed_after_prepare=off, largest_error_allowed=LARGEST_ERROR)
    notes.put(tf32_off=verdict())
    for name, flag in flags.items():
        flag.allow_tf32 = True
        try:
            notes.put(**{f"tf32_on_{name}": verdict()})
        finally:
            flag.allow_tf32 = False
    with tf32_allowed():
        notes.put(tf32_allowed_inside=verdict())
    notes.put(tf32_allowed_after=verdict(), bfloat16_model=refusal(lambda: check_model_is_float32(bfloat16_model())))
    judge(notes)
    seconds = gradient_seconds()
    notes.put(gradient_seconds=seconds, auto_chooses=fastest(seconds))
    notes.line(f"guard: auto chooses {fastest(seconds)}; {', '.join(f'{k} {v:.2g} s' for k, v in seconds.items())}")


def judge(notes: Notes) -> None:
    """Note where TF32 rounds on this device, and whether the guard refused exactly there."""
    found = {name: notes.found[name] for name in SETTINGS}
    rounds = {name: max(one["error"] for one in told["errors"]) > LARGEST_ERROR for name, told in found.items()}
    right = all((told["refused"] is not None) == rounds[name] for name, told in found.items())
    right = right and not rounds["tf32_off"] and not rounds["tf32_allowed_after"]
    right = right and notes.found["bfloat16_model"] is not None
    notes.put(tf32_rounds=rounds, guard_is_right=right)
    errors = ", ".join(f"{name} {max(one['error'] for one in told['errors']):.1e}" for name, told in found.items())
    notes.line(f"guard: {'right' if right else 'WRONG'}; largest errors: {errors}")


def verdict() -> dict[str, Any]:
    """Return the guard's refusal, or None, and the error of each product that it looked at."""
    errors: list[dict[str, Any]] = []

    def compute(model: keras.Model, values: np.ndarray) -> np.ndarray:
        output = compile_function(model, lambda network, x: network.logits(x))(values)
        exact = values.astype(np.float64)
        kind = "matrix product" if values.ndim == 2 else "convolution"
        errors.append({"kind": kind, "error": float(np.max(np.abs(output - exact) / exact))})
        return output

    return {"refused": refusal(lambda: check_device_is_float32(compute=compute)), "errors": errors}


def refusal(check: Callable[[], None]) -> str | None:
    """Return the message with which a check refuses, or None."""
    try:
        check()
    except InputError as error:
        return str(error)
    return None


def bfloat16_model() -> keras.Model:
    """Return a model that the guard must refuse on any device."""
    inputs = keras.Input((4,), dtype="float32")
    return keras.Model(inputs, keras.layers.Dense(2, dtype="mixed_bfloat16")(inputs))
