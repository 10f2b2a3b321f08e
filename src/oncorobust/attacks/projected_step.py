"""The projected sign step of every l_inf attack of the engine and of training, in keras.ops.

    x_adv <- clip(x_adv + eps_step sign(gradient), max(x - radius, 0), min(x + radius, 1))

The attack engine and adversarial training share it; the paper's attacks take ART's own. Source: Madry 2018.
"""

from typing import Any, NamedTuple

from keras import ops


class Box(NamedTuple):
    """Lower and upper bound of each pixel, shaped like the images."""

    lower: Any
    upper: Any


def box_around(x: Any, radius: Any) -> Box:
    """Return the part of the l_inf ball around images x that lies in [0, 1].

    radius: a number, or an array that broadcasts to x (n, h, w, c).
    """
    return Box(ops.maximum(x - radius, 0.0), ops.minimum(x + radius, 1.0))


def project(x_adv: Any, box: Box) -> Any:
    """Move each pixel to the nearest value inside the box."""
    return ops.clip(x_adv, box.lower, box.upper)


def room(x_adv: Any, gradient: Any, box: Box) -> Any:
    """Return how far each pixel can move up the gradient inside the box."""
    return ops.where(gradient > 0, box.upper - x_adv, x_adv - box.lower)


def ascend(x_adv: Any, gradient: Any, eps_step: Any, box: Box) -> Any:
    """Take one sign step up the gradient, none where it is not finite, and project it back into the box."""
    direction = ops.where(ops.isfinite(gradient), ops.sign(gradient), 0.0)
    return project(x_adv + eps_step * direction, box)
