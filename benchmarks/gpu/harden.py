"""Steps of adversarial training of VGG16, with the settings of presets/paper.yaml, in images a second.

A step attacks half of its batch with PGD-7 and updates the weights. Float32 and mixed precision start from the same
weights and take the same batch.
"""

import argparse
from typing import Any

import msgspec
import numpy as np
import torch
from inputs import draw, forward_flops, model_under_attack, prepared, seconds_of
from part import Notes
from peaks import rates
from subject import preset

from oncorobust.training.step import compile_adversarial_step, make_trainee, start_noise

REPEATS = 3
PEAK_OF = {"float32": "float32", "mixed": "bfloat16"}


def measure(options: argparse.Namespace, notes: Notes) -> None:
    """Time steps in both precisions."""
    found, peak = prepared(options), rates()
    notes.put(device=found, batch=options.images, size=options.size)
    for precision, rate in PEAK_OF.items():
        one = step_in(precision, options, peak=peak[rate])
        notes.put(**{precision: one})
        notes.line(
            f"harden, {precision}: {one['images_per_second']:.1f} images a second, batch {options.images}, "
            f"{one['share_of_peak']:.0%} of peak"
        )
    notes.put(mixed_times_float32=notes.found["float32"]["seconds"] / notes.found["mixed"]["seconds"])


def step_in(precision: str, options: argparse.Namespace, *, peak: float) -> dict[str, Any]:
    """Time a step in one precision. peak: the chip's largest rate in it."""
    settings = msgspec.structs.replace(preset("paper").datasets["lidc"].harden, precision=precision)
    x, labels = draw(options.images, size=options.size, seed=4)
    one_hot, noise = np.eye(2, dtype=np.float32)[labels], start_noise(x, settings, np.random.default_rng(5))
    attack = np.float32(settings.epsilon), np.float32(settings.rel_eps_step * settings.epsilon)
    model, kind = model_under_attack(options)
    step = compile_adversarial_step(make_trainee(model, settings), settings, settings.loss)
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = seconds_of(lambda: step(x, one_hot, noise, *attack, np.int32(settings.max_iter)), repeats=REPEATS)
    # A gradient by the weights costs two forward passes more than its own, the attack's gradient one.
    done = forward_flops(model) * (3 * len(x) + 2 * settings.max_iter * len(noise))
    return {
        "model": kind,
        "max_iter": settings.max_iter,
        "seconds": seconds,
        "images_per_second": len(x) / seconds,
        "share_of_peak": done / seconds / peak,
        "memory_gib": torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None,
    }
