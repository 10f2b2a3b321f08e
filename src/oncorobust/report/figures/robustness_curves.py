"""Curves of accuracy over epsilon from attack.json, by any measure.

    predicted, true labels   robust_accuracy / label attacked / attack / epsilon
    strict                   strict / robust_accuracy / attack / epsilon, where an attack counts all before it too

Every curve starts at epsilon 0 with the clean accuracy. A strict curve never rises: an image that changes at some
epsilon counts as changed at every larger one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from oncorobust.base.epsilons import epsilon_from_key
from oncorobust.report.measures import STRICT, Measure

Curve = Float[np.ndarray, " points"]


def accuracy_curve(metrics: Mapping[str, Any], *, attack: str, measure: Measure) -> tuple[Curve, Curve]:
    """Return epsilons from 0 and accuracies in percent under an attack."""
    return _from_clean(metrics, accuracies(metrics, attack=attack, measure=measure))


def accuracies(metrics: Mapping[str, Any], *, attack: str, measure: Measure) -> Mapping[str, float]:
    """Return the accuracies under an attack as fractions, by the key of their epsilon."""
    if measure.attacked_label is None:
        return metrics["strict"]["robust_accuracy"][attack]
    return metrics["robust_accuracy"][measure.attacked_label][attack]


def worst_case_curve(metrics: Mapping[str, Any]) -> tuple[Curve, Curve]:
    """Return epsilons from 0 and strict accuracies in percent under all attacks of the cascade."""
    return accuracy_curve(metrics, attack=last_attack(metrics), measure=STRICT)


def last_attack(metrics: Mapping[str, Any]) -> str:
    """Return the last attack of the cascade, which counts all others too."""
    return metrics["strict"]["attacks"][-1]


def _from_clean(metrics: Mapping[str, Any], by_key: Mapping[str, float]) -> tuple[Curve, Curve]:
    points = sorted((epsilon_from_key(key), accuracy) for key, accuracy in by_key.items())
    x, y = np.array([(0.0, metrics["clean_accuracy"]), *points], dtype=float).T
    return x, 100 * y
