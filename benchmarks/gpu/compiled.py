"""Gradients of VGG16 with and without torch.compile, in float32 and with inner layers in bfloat16.

What is compiled is the forward pass; PyTorch compiles its gradient with it. The function is the search's own: the
gradient of the margin with respect to the images.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from inputs import draw, model_under_attack, prepared, seconds_of, synchronise
from part import Notes
from torch_peers import frozen

from oncorobust.attacks.goals import margin_loss
from oncorobust.backend.mixed_precision import computing_in

REPEATS = 5


def measure(options: argparse.Namespace, notes: Notes) -> None:
    """Time both in both precisions."""
    notes.put(device=prepared(options))
    model, kind = model_under_attack(options)
    x, labels = draw(options.images, size=options.size, seed=3)
    images, own = (keras.ops.convert_to_tensor(one) for one in (x, np.eye(2, dtype=np.float32)[labels]))
    notes.put(model=kind, images=len(x), size=options.size)
    for name, precision in (("float32", "float32"), ("bfloat16", "mixed")):
        # Otherwise torch.compile would compute gradients by the weights too.
        with computing_in(precision, model), frozen(model):
            compare(name, partial(model, training=False), images, own, notes)


def compare(name: str, forward: Callable[..., Any], images: torch.Tensor, own: torch.Tensor, notes: Notes) -> None:
    """Time gradients with a forward pass and with the same compiled; note how far apart the gradients are."""
    off_ms = 1000 * seconds_of(lambda: gradient(forward, images, own), repeats=REPEATS) / len(images)
    notes.put(**{name: {"off_ms": off_ms}})
    torch._dynamo.reset()
    faster = torch.compile(forward)
    start = time.perf_counter()
    found = gradient(faster, images, own)
    synchronise()
    compile_s = time.perf_counter() - start
    on_ms = 1000 * seconds_of(lambda: gradient(faster, images, own), repeats=REPEATS) / len(images)
    wanted = gradient(forward, images, own)
    away = float((found - wanted).norm() / wanted.norm())
    told = {"off_ms": off_ms, "on_ms": on_ms, "off_over_on": off_ms / on_ms}
    notes.put(**{name: told | {"compile_s": compile_s, "relative_difference": away}})
    notes.line(
        f"torch.compile, {name}: {off_ms:.2f} ms a gradient off, {on_ms:.2f} on ({off_ms / on_ms:.2f} times), "
        f"{compile_s:.0f} s to compile, gradients differ by {away:.1e}"
    )


def gradient(forward: Callable[..., Any], images: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the margin loss with respect to the images."""
    with torch.enable_grad():
        batch = images.detach().requires_grad_(True)
        (found,) = torch.autograd.grad(margin_loss(forward(batch), own, 1 - own), batch)
    return found
