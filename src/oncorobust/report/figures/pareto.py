"""The front of clean against robust accuracy over the experiments of a sweep of adversarial training.

Adversarial training trades clean accuracy for robust accuracy, depending on its settings: the share of adversarial
images, TRADES's beta, a schedule. Only the experiments that no other one dominates are worth choosing:

    a dominates b    a is at least as accurate as b in both, and more accurate in one

They form the front. The clean model, from which all experiments start, is a candidate too. Both accuracies are measured
on validation images, so that a choice between experiments does not use a test image. Experiments are compared only if
they started from the same images and the same clean model and were validated with the same attack.

Source: Zhang 2019 (TRADES, arXiv 1901.08573), figure of accuracy against robustness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

VALIDATED_BY = ("epsilon", "validation_max_iter")
"""Settings of the attack on the validation images (`training.validation`)."""


@dataclass(frozen=True)
class Accuracies:
    """Accuracy on the validation images, without and under attack."""

    clean: float
    robust: float


@dataclass(frozen=True)
class Experiment:
    """One run of adversarial training.

    settings: those of `harden`, by dotted names (`loss.beta`). inputs: MD5 of images, index and clean model by path.
    start: accuracies of the clean model.
    """

    name: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    accuracies: Accuracies
    start: Accuracies
    synthetic: bool


@dataclass(frozen=True)
class Point:
    """A point of the figure; experiment: its name, None for the clean model."""

    experiment: str | None
    label: str
    accuracies: Accuracies
    on_front: bool


@dataclass(frozen=True)
class Front:
    """The clean model, then the experiments; left_out: a sentence for each that cannot be compared."""

    points: tuple[Point, ...]
    epsilon: float
    synthetic: bool
    left_out: tuple[str, ...]


def clean_robust_front(experiments: Sequence[Experiment]) -> Front:
    """Return the front of the experiments that can be compared with the first one.

    Of experiments with equal settings and accuracies, the last one stays. Raises IndexError where there are none.
    """
    first = experiments[0]
    reasons = [_difference(one, first) for one in experiments]
    compared = _without_repeats([one for one, reason in zip(experiments, reasons, strict=True) if not reason])
    labels = experiment_labels(compared)
    points = [Point(None, "clean model", first.start, True)]
    points += [Point(one.name, label, one.accuracies, True) for one, label in zip(compared, labels, strict=True)]
    chosen = non_dominated([one.accuracies for one in points])
    return Front(
        points=tuple(replace(one, on_front=flag) for one, flag in zip(points, chosen, strict=True)),
        epsilon=first.settings["epsilon"],
        synthetic=first.synthetic,
        left_out=tuple(f"{one.name}: {reason}" for one, reason in zip(experiments, reasons, strict=True) if reason),
    )


def _difference(one: Experiment, other: Experiment) -> str:
    """Return why an experiment cannot be compared with another; empty where it can."""
    for name in VALIDATED_BY:
        if one.settings.get(name) != other.settings.get(name):
            return f"{name} is {one.settings.get(name)}, but {other.settings.get(name)} for {other.name}"
    paths = sorted(path for path in {*one.inputs, *other.inputs} if one.inputs.get(path) != other.inputs.get(path))
    return f"{', '.join(paths)} differs from that of {other.name}" if paths else ""


def _without_repeats(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Drop repeats, such as the work tree after an experiment was applied to it."""
    told = [(dict(one.settings), one.accuracies) for one in experiments]
    return [one for place, one in enumerate(experiments) if told[place] not in told[place + 1 :]]


def experiment_labels(experiments: Sequence[Experiment]) -> list[str]:
    """Return for each experiment the settings in which it differs from the others; its name where none differ.

    A setting is called by the last part of its name, or by the whole name where two end alike; a setting that is itself
    a name (`loss.name`) stands without it: `trades, beta 6`.
    """
    names = list(dict.fromkeys(name for one in experiments for name in one.settings))
    missing = object()
    differing = [
        name
        for name in names
        if any(one.settings.get(name, missing) != experiments[0].settings.get(name, missing) for one in experiments)
    ]
    short = _short_names(differing)
    texts = [
        ", ".join(_setting_text(name, short[name], one.settings[name]) for name in differing if name in one.settings)
        for one in experiments
    ]
    return [
        text if text and texts.count(text) == 1 else f"{text} ({one.name})" if text else one.name
        for one, text in zip(experiments, texts, strict=True)
    ]


def _short_names(names: Sequence[str]) -> dict[str, str]:
    """Return the last part of each dotted name, or the whole name where two end alike."""
    last = [name.rpartition(".")[2] for name in names]
    return {name: short if last.count(short) == 1 else name for name, short in zip(names, last, strict=True)}


def _setting_text(name: str, short: str, value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
    return text if name.endswith(".name") else f"{short} {text}"


def non_dominated(accuracies: Sequence[Accuracies]) -> list[bool]:
    """Return for each whether no other one dominates it; equal ones do not dominate each other."""
    return [not any(_dominates(other, one) for other in accuracies) for one in accuracies]


def _dominates(one: Accuracies, other: Accuracies) -> bool:
    return one != other and one.clean >= other.clean and one.robust >= other.robust


def front_frame(front: Front) -> pd.DataFrame:
    """Return the points as a table, one row each; the clean model has no experiment."""
    return pd.DataFrame(
        {
            "experiment": [one.experiment for one in front.points],
            "label": [one.label for one in front.points],
            "validation_accuracy": [one.accuracies.clean for one in front.points],
            "validation_robust_accuracy": [one.accuracies.robust for one in front.points],
            "on_front": [one.on_front for one in front.points],
            "epsilon": front.epsilon,
            "synthetic": front.synthetic,
        }
    )
