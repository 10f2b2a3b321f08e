"""Recognition of a model that gives probabilities where logits are expected. This module imports no Keras."""

import numpy as np

from oncorobust.base.arrays import Logits

_ROUNDING = 1e-4


def are_probabilities(outputs: Logits) -> bool:
    """Return whether the outputs (n, classes) of several images are probabilities: in [0, 1], each row summing to 1."""
    inside = (outputs >= 0).all() and (outputs <= 1).all()
    return bool(len(outputs) > 1 and inside and np.allclose(outputs.sum(axis=1), 1, rtol=0, atol=_ROUNDING))
