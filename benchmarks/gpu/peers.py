"""Gradients and attacks of torchattacks and Foolbox against ours, on the same VGG16 and images.

The sides and their rules are those of benchmarks/torch_peers.py, ours in float32 and, as `ours, bfloat16`, with inner
layers in bfloat16. A peer that cannot be imported is named under `left_out`.
"""

import argparse

import numpy as np
import torch_peers
from inputs import draw, model_under_attack, prepared, synchronise
from part import Notes
from torch_peers import contenders, in_turns, median_wall_s, our_side

from oncorobust.attacks.coarse_target import CoarseTarget
from oncorobust.attacks.goals import leave
from oncorobust.attacks.target import Target

STEPS, REPEATS = 10, 3


def measure(options: argparse.Namespace, notes: Notes) -> None:
    """Time each side's gradients and attack at the median linear estimate of the images."""
    notes.put(device=prepared(options), left_out=torch_peers.LEFT_OUT)
    model, kind = model_under_attack(options)
    model.eval()
    x, _ = draw(options.images, size=options.size, seed=3)
    target = Target(model)
    answers = target.logits(x).argmax(axis=1)
    margin, gradient = target.margin_gradient(x, leave(answers, n_classes=target.n_classes))
    epsilon = float(np.median(margin / np.abs(gradient).sum(axis=(1, 2, 3), dtype=np.float64)))
    sides = contenders(model, target, x, answers, epsilon)
    sides["ours, bfloat16"] = our_side(CoarseTarget(model, precision="bfloat16"), x, answers, epsilon)
    notes.put(model=kind, images=len(x), size=options.size, epsilon=epsilon, steps=STEPS)
    for kind_of_run in ("steps", "attack"):

        def run(name: str, kind_of_run: str = kind_of_run) -> object:
            found = getattr(sides[name], kind_of_run)(STEPS)
            synchronise()
            return found

        turns = in_turns({name: lambda name=name: run(name) for name in sides}, repeats=REPEATS)
        seconds = {name: median_wall_s(taken) for name, taken in turns.items()}
        notes.put(
            **{
                f"{kind_of_run}_seconds": seconds,
                f"{kind_of_run}_over_ours": {name: one / seconds["ours"] for name, one in seconds.items()},
            }
        )
        if kind_of_run == "attack":
            notes.put(flips={name: int(np.sum(taken[-1].value)) for name, taken in turns.items()})
    for name in sides:
        ms = 1000 * notes.found["steps_seconds"][name] / STEPS / len(x)
        notes.line(
            f"peers, {name}: {ms:.2f} ms a gradient, {notes.found['steps_over_ours'][name]:.2f} times ours; attack "
            f"{notes.found['attack_over_ours'][name]:.2f} times ours, flips {notes.found['flips'][name]} of {len(x)}  "
            "(aim: 1.5 times)"
        )
