"""Accuracy over epsilon out of attack.json, under either protocol, as the figures draw it.

    paper    robust_accuracy / label attacked / attack / epsilon
    strict   strict / robust_accuracy / attack / epsilon, where an attack stands for itself and all before it

Every curve starts at epsilon 0 with the clean accuracy. A strict curve never rises: an image that some epsilon changes
stays changed at every larger one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from oncorobust.base.epsilons import epsilon_from_key

Curve = Float[np.ndarray, " points"]


def accuracy_curve(metrics: Mapping[str, Any], *, attack: str, attacked_label: str) -> tuple[Curve, Curve]:
    """Epsilons from 0 and accuracies in percent of one of the paper's attacks."""
    return _from_clean(metrics, metrics["robust_accuracy"][attacked_label][attack])


def strict_curve(metrics: Mapping[str, Any], *, attack: str) -> tuple[Curve, Curve]:
    """Epsilons from 0 and strict accuracies in percent after an attack and all before it."""
    return _from_clean(metrics, metrics["strict"]["robust_accuracy"][attack])


def _from_clean(metrics: Mapping[str, Any], by_key: Mapping[str, float]) -> tuple[Curve, Curve]:
    points = sorted((epsilon_from_key(key), accuracy) for key, accuracy in by_key.items())
    x, y = np.array([(0.0, metrics["clean_accuracy"]), *points], dtype=float).T
    return x, 100 * y
