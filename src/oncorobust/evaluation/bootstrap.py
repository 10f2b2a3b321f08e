"""Percentile and BCa bounds from a statistic's values in bootstrap draws.

BCa corrects the percentile interval for the bias of the draws and for a standard error that changes with the value
(acceleration). The acceleration comes from the jackknife: the statistic without each patient in turn.
Source: Efron 1987, "Better bootstrap confidence intervals".
"""

import numpy as np
from scipy.special import ndtr, ndtri


def percentile_bounds(drawn: np.ndarray, *, level: float) -> np.ndarray:
    """Return the lower and upper percentile bound of each statistic, (2, statistics).

    drawn: (draws, statistics) values in the draws. A draw in which a statistic is NaN is left out for it.
    """
    outside = (1 - level) / 2
    shares = np.repeat([[outside], [1 - outside]], drawn.shape[1], axis=1)
    return _quantiles(np.sort(drawn, axis=0), shares)


def bca_bounds(values: np.ndarray, drawn: np.ndarray, without: np.ndarray, *, level: float) -> np.ndarray:
    """Return the lower and upper BCa bound of each statistic, (2, statistics).

    values: (statistics,) on all patients. drawn: (draws, statistics) in the draws. without: (patients, statistics)
    without each patient in turn. A draw in which a statistic is NaN is left out for it. The bounds of a statistic that
    has the same value in all draws are that value.
    """
    ordered = np.sort(drawn, axis=0)
    n_valid = np.maximum(np.isfinite(ordered).sum(axis=0), 1)
    below = ((ordered < values).sum(axis=0) + (ordered <= values).sum(axis=0)) / 2
    bias = ndtri(np.clip(below / n_valid, 0.5 / n_valid, 1 - 0.5 / n_valid))
    acceleration = _acceleration(without)
    outside = (1 - level) / 2
    shifted = bias + ndtri(np.array([[outside], [1 - outside]]))
    return _quantiles(ordered, ndtr(bias + shifted / (1 - acceleration * shifted)))


def _acceleration(without: np.ndarray) -> np.ndarray:
    rows = np.ascontiguousarray(without.T)  # sums along memory, so that a statistic's is the same among any others
    centred = rows.mean(axis=1, keepdims=True) - rows
    squares = (centred**2).sum(axis=1)
    return np.divide((centred**3).sum(axis=1), 6 * squares**1.5, out=np.zeros(len(squares)), where=squares > 0)


def _quantiles(ordered: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the linearly interpolated quantiles at (2, statistics) shares of columns sorted with NaN last."""
    last = np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)
    place = shares * last
    lower = np.floor(place).astype(int)
    upper, columns = np.minimum(lower + 1, last), np.arange(ordered.shape[1])
    weight = place - lower
    return ordered[lower, columns] * (1 - weight) + ordered[upper, columns] * weight
