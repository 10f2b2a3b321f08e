"""The strict search of VGG16 in float32, bfloat16 and TF32: seconds, thresholds, and shares of the chip's peak.

All precisions search the same images with the stages fgsm, bim and pgd of presets/paper.yaml. The grid of epsilons is
placed around the linear estimates of the images, the same for all. Besides the search, gradients alone are timed, all
steps in one call, which is what the search would take if nothing but gradients cost time. `in_calls_s` is the part of
the search's seconds within calls of the model, transfers to and from the device included.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from inputs import draw, forward_flops, model_under_attack, prepared, seconds_of
from part import Notes
from peaks import rates
from subject import N_GRADIENT_STAGES, preset

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.coarse_target import target_of
from oncorobust.attacks.goals import Goal, leave
from oncorobust.attacks.minimal_epsilon import Intervals, search
from oncorobust.attacks.target import Target

PRECISIONS = ("float32", "bfloat16", "tf32")
STEPS = 10
AIM = "aims: 5 times for bfloat16, median 1.00, 95th percentile 1.03, lost 0"


def measure(options: argparse.Namespace, notes: Notes) -> None:
    """Search in each precision, twice where time allows, and compare with float32."""
    notes.put(device=prepared(options))
    model, kind = model_under_attack(options)
    x, labels = draw(options.images, size=options.size, seed=3)
    flops, peak = forward_flops(model), rates()
    notes.put(model=kind, images=len(x), size=options.size, forward_flops=flops, peak=peak)
    exact = Target(model)
    goal = leave(exact.logits(x).argmax(axis=1), n_classes=exact.n_classes)
    notes.put(accuracy=float((goal.own.argmax(axis=1) == labels).mean()))
    grid = grid_of(exact, x, goal)
    notes.put(epsilons=[grid[0], grid[-1]])
    targets = {name: target_of(model, precision=name) for name in PRECISIONS}
    runs: dict[str, dict[str, Any]] = {}
    for _ in range(2):
        for name, target in targets.items():
            if name not in runs:
                gradient = gradients_alone(target, x, goal, peak=peak[name], flops=flops)
                notes.put(**{f"gradient_{name}": gradient})
                searched(target, model, x[:2], goal.at(np.arange(2)), grid)
            run = searched(target, model, x, goal, grid)
            runs[name] = min(run, runs.get(name, run), key=lambda one: one["seconds"])
            compare(notes, runs, name, peak=peak[name], flops=flops, n=len(x))
    for name, one in ((name, notes.found[f"search_{name}"]) for name in PRECISIONS):
        notes.line(line(name, one, notes.found[f"gradient_{name}"]))


def grid_of(target: Target, x: np.ndarray, goal: Goal) -> tuple[float, ...]:
    """Return 30 epsilons from a tenth to ten times the median linear estimate, margin / l1 norm of the gradient."""
    margin, gradient = target.margin_gradient(x, goal)
    middle = float(np.median(margin / np.abs(gradient).sum(axis=(1, 2, 3), dtype=np.float64)))
    return tuple(sorted({float(f"{min(one, 0.9):.3g}") for one in middle * np.geomspace(0.1, 10, 30)}))


def gradients_alone(target: Target, x: np.ndarray, goal: Goal, *, peak: float, flops: int) -> dict[str, float]:
    """Time a gradient of an image within a walk of some steps, and the steps called one by one."""
    radius = np.full((len(x), 1, 1, 1), 0.01, np.float32)
    steps = {"radius": radius, "eps_step": np.full(len(x), 0.001)}
    together = seconds_of(lambda: target.walk(x, x, goal, n_steps=STEPS, **steps), repeats=2)
    apart = seconds_of(lambda: target.walk(x, x, goal, n_steps=1, **steps), repeats=3)
    each = together / STEPS / len(x)
    # Back to the images, a gradient costs as much again as its forward pass; none is taken by the weights.
    return {"ms": 1000 * each, "share_of_peak": 2 * flops / each / peak, "ms_one_by_one": 1000 * apart / len(x)}


def searched(target: Target, model: keras.Model, x: np.ndarray, goal: Goal, grid: tuple[float, ...]) -> dict[str, Any]:
    """Search the images once; return seconds, counts and intervals."""
    attacks, clock = preset("paper").attacks, Clock()
    stages = cascade(KerasClassifier(model), settings=attacks, seed=0)[:N_GRADIENT_STAGES]
    before = target.cost.n_gradients, target.cost.n_forwards
    width = attacks.strict.relative_width
    with clock.around(target):
        start = time.perf_counter()
        *_, (_, found) = search(target, x, goal, stages=stages, epsilons=grid, relative_width=width)
        seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "in_calls_s": clock.seconds,
        "gradients": target.cost.n_gradients - before[0],
        "forwards": target.cost.n_forwards - before[1],
        "found": found,
    }


class Clock:
    """The time within the compiled functions of a target, which end with a copy to the processor's memory."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.seconds = 0.0
        self._kept: list[tuple[Target, dict[str, Any]]] = []

    def around(self, target: Target) -> "Clock":
        """Time the target and the float32 one behind it inside a `with` block."""
        for one in {id(one): one for one in (target, target.exact())}.values():
            names = ("_walk", "_gradient", "_logits")
            self._kept.append((one, {name: getattr(one, name) for name in names}))
            for name in names:
                setattr(one, name, self._timed(getattr(one, name)))
        return self

    def __enter__(self) -> None:
        """Nothing more to do."""

    def __exit__(self, *_: object) -> None:
        """Put the functions back."""
        for one, functions in self._kept:
            for name, function in functions.items():
                setattr(one, name, function)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arrays: Any) -> Any:
            start = time.perf_counter()
            outputs = function(*arrays)
            self.seconds += time.perf_counter() - start
            return outputs

        return call


def compare(notes: Notes, runs: dict[str, dict[str, Any]], name: str, *, peak: float, flops: int, n: int) -> None:
    """Note a precision's search, its speed and its thresholds as multiples of float32's."""
    run, exact = runs[name], runs["float32"]
    done = flops * (2 * run["gradients"] + run["forwards"])
    notes.put(
        **{
            f"search_{name}": {
                "seconds": run["seconds"],
                "in_calls_s": run["in_calls_s"],
                "images_per_second": n / run["seconds"],
                "gradients_per_image": run["gradients"] / n,
                "forwards_per_image": run["forwards"] / n,
                "share_of_peak": done / run["seconds"] / peak,
                "times_float32": exact["seconds"] / run["seconds"],
                "thresholds": thresholds(run["found"], exact["found"]),
            }
        }
    )


def thresholds(found: Intervals, exact: Intervals) -> dict[str, float | int | None]:
    """Compare first flipped epsilons with those of float32."""
    both = np.isfinite(found.first_flipped) & np.isfinite(exact.first_flipped) & (exact.first_flipped > 0)
    ratio = found.first_flipped[both] / exact.first_flipped[both]
    lost = np.isfinite(exact.first_flipped) & np.isinf(found.first_flipped)
    some = len(ratio) > 0
    return {
        "compared": len(ratio),
        "median": float(np.median(ratio)) if some else None,
        "percentile_95": float(np.quantile(ratio, 0.95)) if some else None,
        "largest": float(ratio.max()) if some else None,
        "lost": int(lost.sum()),
    }


def line(name: str, one: dict[str, Any], gradient: dict[str, float]) -> str:
    """Return a line of text about a precision."""
    return (
        f"search, {name}: {one['seconds']:.2f} s ({one['in_calls_s']:.2f} s in calls), {one['times_float32']:.2f} "
        f"times float32, {one['gradients_per_image']:.1f} gradients an image, {one['share_of_peak']:.0%} of peak "
        f"(gradients alone {gradient['share_of_peak']:.0%}), thresholds {one['thresholds']}  ({AIM})"
    )
