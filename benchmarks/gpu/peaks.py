"""The chip's largest rate of matrix products in each precision, measured, in operations a second."""

import argparse
from contextlib import nullcontext

import torch
from inputs import device_of, prepared, seconds_of
from part import Notes

from oncorobust.backend.runtime import tf32_allowed

SIDE = {"cuda": 8192, "cpu": 1024}
REPEATS = 10


def measure(options: argparse.Namespace, notes: Notes) -> None:
    """Note the rates and the device."""
    notes.put(device=prepared(options), side=SIDE[device_of()])
    found = rates()
    notes.put(**found)
    told = ", ".join(f"{name} {rate / 1e12:.1f}" for name, rate in found.items())
    notes.line(f"peaks: {told} TFLOP/s in products of matrices of side {SIDE[device_of()]}")


def rates() -> dict[str, float]:
    """Return operations a second by precision, of products of two random matrices."""
    found = {}
    for name in ("float32", "tf32", "bfloat16"):
        with tf32_allowed() if name == "tf32" else nullcontext():
            found[name] = rate(torch.bfloat16 if name == "bfloat16" else torch.float32)
    return found


def rate(kind: torch.dtype) -> float:
    """Return operations a second. Random numbers, since zeros take less power and so run faster."""
    side = SIDE[device_of()]
    one, other = (torch.randn(side, side, device=device_of(), dtype=kind) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: one @ other, repeats=REPEATS)
