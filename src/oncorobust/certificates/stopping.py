"""When an image's sampling is given up: where what it may still certify is not worth the samples it takes.

A certificate one epsilon further is worth `_WORTH` times the most samples that an image may take. At each check, the
rate of the selected class has Jeffreys' prior and the counts so far. Going on pays if the expected worth of further
certificates exceeds the expected number of samples, with sampling ended as soon as it does not pay. The best such rule
is computed backwards from the last check, as in sequential Bayesian decisions (Berger, Statistical Decision Theory and
Bayesian Analysis, 1985, chapter 7), with the next counts from the normal approximation of their beta-binomial
distribution.

The rule decides how long to look, never what is claimed: the certificates are valid under any rule (`sequential`).
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri

_WORTH = 3.0
_PRIOR = 0.5
"""Both parameters of the beta distribution."""
_DENSITY, _N_NEXT = 32, 64
"""Counts at which the rule is computed, as a multiple of the root of a check's samples, which puts them a tenth of a
standard deviation apart (or 1, if that is more); and values of the next check's count."""
_QUANTILES = ndtri((np.arange(_N_NEXT) + 0.5) / _N_NEXT)


def hopeless_counts(at: Int[np.ndarray, " m"], needed: Int[np.ndarray, "m k"]) -> Int[np.ndarray, "m k"]:
    """Return the largest count of each check at which an image is given up, by its number of certified epsilons; or -1.

    at: increasing numbers of samples of the checks; the last one ends all. needed: smallest count of a check that
    certifies each of k increasing epsilons, above `at` where none does.
    """
    hopeless = np.repeat(at[:, None], needed.shape[1], axis=1)
    following = _counts(int(at[-1]))
    worth = np.zeros((needed.shape[1] + 1, len(following)))
    for place in range(len(at) - 2, -1, -1):
        now, step = _counts(int(at[place])), int(at[place + 1] - at[place])
        counts = now[:, None] + _further(now, int(at[place]), step)
        certified = (counts[..., None] >= needed[place + 1]).sum(axis=-1)
        later = np.stack([np.interp(counts, following, one) for one in worth])
        worth = np.zeros((len(worth), len(now)))
        for before in range(needed.shape[1]):
            reached = np.maximum(before, certified)
            gained = _WORTH * at[-1] * (reached - before) + np.take_along_axis(later, reached[None], axis=0)[0]
            pays = gained.mean(axis=1) - step
            hopeless[place, before] = _last_without_gain(now, pays)
            worth[before] = np.maximum(pays, 0)
        following = now
    return hopeless


def _last_without_gain(counts: Int[np.ndarray, " counts"], pays: Float[np.ndarray, " counts"]) -> int:
    """Return the largest count up to which going on does not pay, -1 for none; `pays` is a line between two counts."""
    if not (pays > 0).any():
        return int(counts[-1])
    first = int(np.argmax(pays > 0))
    if first == 0:
        return -1
    share = -pays[first - 1] / (pays[first] - pays[first - 1])
    return int(counts[first - 1] + share * (counts[first] - counts[first - 1]))


def _counts(n: int) -> Int[np.ndarray, " counts"]:
    """Return counts out of n samples."""
    angles = np.linspace(0, np.pi / 2, round(_DENSITY * np.sqrt(n)))
    return np.unique(np.round(n * np.sin(angles) ** 2).astype(np.int64))


def _further(counts: Int[np.ndarray, " counts"], n: int, step: int) -> Float[np.ndarray, "counts next"]:
    """Return equally probable counts of the selected class among `step` further samples, after counts out of n."""
    a, b = counts + _PRIOR, n - counts + _PRIOR
    total = n + 2 * _PRIOR
    deviation = np.sqrt(step * a * b * (total + step) / (total**2 * (total + 1)))
    return np.clip(np.round((step * a / total)[:, None] + deviation[:, None] * _QUANTILES), 0, step)
