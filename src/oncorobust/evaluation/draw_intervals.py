"""Intervals of measures that are no ratio of sums, from their values in bootstrap draws of patients.

The bootstrap states no interval for a single patient, where all draws agree (as where every prediction is right), and
where a measure is undefined in many draws (as where one patient has all errors). Such an estimate says why.
"""

import numpy as np

from oncorobust.evaluation.bootstrap import percentile_bounds
from oncorobust.evaluation.resampling import NO_INTERVAL, Estimate
from oncorobust.evaluation.risk_coverage import Scored

METHOD = "bootstrap over patients, percentile"
"""Method of these intervals."""

UNDEFINED_SHARE = 0.25
"""Largest share of draws in which a measure with an interval may be undefined; 0.37 lack any one patient."""


def interval_of_draws(value: float, drawn: np.ndarray, images: Scored, *, level: float, undefined: str) -> Estimate:
    """Return a value with its percentile interval.

    value: on all patients, NaN where the measure is undefined; `undefined` then is the reason. drawn: (draws,) values;
    draws in which the measure is undefined (NaN) are left out, and the reason states their share. images: those behind
    the value.
    """
    size = len(images.scores), images.n_patients
    if np.isnan(value):
        return Estimate(None, None, None, level, NO_INTERVAL, *size, undefined)
    left_out = np.isnan(drawn).mean()
    if images.n_patients < 2:
        reason = "an interval needs at least two patients"
    elif left_out > UNDEFINED_SHARE:
        reason = f"undefined in {left_out:.0%} of the bootstrap draws: {undefined}"
    else:
        low, high = percentile_bounds(drawn[:, None], level=level)[:, 0]
        if low < high:
            note = f"{left_out:.1%} of the draws are left out: {undefined}" if left_out else ""
            return Estimate(float(value), float(low), float(high), level, METHOD, *size, note)
        reason = "the bootstrap draws give the same value"
    return Estimate(float(value), None, None, level, NO_INTERVAL, *size, reason)
