"""Sampling that goes on only where it may still change the answer at the table's epsilons.

The counts are looked at after n_1 < n_2 < ... samples, planned before the first one, each with its share of alpha:

    p_lower = max over the looks so far of ClopperPearson(n_top, n_l, alpha_l),    alpha_1 + alpha_2 + ... = alpha

Proof: look l is above p with probability at most alpha_l, whether or not sampling reaches it, so that none is with
probability at least 1 - alpha; a rule that stops early, for whatever reason, only leaves out looks.

The first main look is the earliest at which the largest epsilon can be certified, with `_FIRST_SHARE` of alpha; an
image that always gets the same answer ends there. Sampling ends, too, where the next epsilon is out of reach, or too
unlikely for the samples it would take (`stopping`). Giving up never makes a certificate wrong: it claims less.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import binom

from oncorobust.base.arrays import Flags
from oncorobust.base.errors import InputError
from oncorobust.certificates.counts import lower_bound, needed_probability, samples_needed
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.stopping import hopeless_counts

_EARLY_SHARE, _FIRST_SHARE, _LAST_SHARE = 0.05, 0.4, 0.33
"""Shares of alpha of all looks before the first main look, of that look, and of the last one; others share the rest."""
_GROWTH = 1.35
"""Ratio of one main look to the one before."""
_EARLY_GROWTH, _EARLY_LOOKS = 2.0, 2
_CHECK_GROWTH, _FIRST_CHECK = 1.2, 16
_UNIT = 8
"""Numbers of samples are multiples of this one, but for the last."""


@dataclass(frozen=True)
class Schedule:
    """When to look, what certifies, and what is hopeless, for images of one number of free values.

    epsilons: (k,) increasing, the first is 0 (no abstention), those that n_samples can certify. at: (m,) increasing
    numbers of samples. alphas: (m,) share of alpha, 0 where only giving up is considered. needed: (m, k) smallest count
    that certifies an epsilon, at + 1 where none does. hopeless: (m, k) largest count at which it is given up, or -1.
    """

    epsilons: np.ndarray
    at: np.ndarray
    alphas: np.ndarray
    needed: np.ndarray
    hopeless: np.ndarray


@dataclass(frozen=True)
class Sampled:
    """Counts of one image when its sampling ended.

    n_samples, n_top: all samples, and those with the selected class. look_samples, look_top, look_alpha: those of the
    look that gave p_lower, the largest bound; n_samples 0 stands for no look.
    """

    n_samples: int
    n_top: int
    look_samples: int
    look_top: int
    look_alpha: float
    p_lower: float


@lru_cache(maxsize=1024)
def schedule_of(plan: SamplingPlan, *, sigma: float, n_free: int, epsilons: tuple[float, ...]) -> Schedule:
    """Plan the looks. epsilons: increasing l_inf radii at which the answer matters; those out of reach are left out.

    Raises InputError for epsilons that do not increase or are not above 0.
    """
    if not all(after > before for before, after in zip((0.0, *epsilons), epsilons, strict=False)):
        raise InputError(f"certificate: expected increasing epsilons above 0, got {list(epsilons)}")
    reachable = (0.0, *(one for one in epsilons if _reached(one, plan, sigma=sigma, n_free=n_free)))
    if plan.sampling == "fixed":
        looks = {plan.n_samples: plan.alpha}
    else:
        looks = _looks(plan, samples_needed(reachable[-1], sigma=sigma, n_free=n_free, alpha=_FIRST_SHARE * plan.alpha))
    checks = _checks(plan, looks) if plan.sampling == "sequential" else []
    at = np.array(sorted({*looks, *checks}))
    alphas = np.array([looks.get(int(n), 0.0) for n in at])
    p = needed_probability(np.array(reachable), sigma=sigma, n_free=n_free)
    needed = _needed(at, alphas, p)
    return Schedule(np.array(reachable), at, alphas, needed, hopeless_counts(at, needed))


def decide(schedule: Schedule, place: int, n_top: np.ndarray, certified: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of epsilons certified so far, and whether sampling ends, of images at one check.

    place: of the check in `schedule.at`. n_top, certified: (n,) counts of the selected class, and numbers before.
    """
    certified = np.maximum(certified, (n_top[:, None] >= schedule.needed[place]).sum(axis=1))
    all_certified = certified == len(schedule.epsilons)
    following = np.minimum(certified, len(schedule.epsilons) - 1)
    ends = all_certified | (n_top <= schedule.hopeless[place, following]) | (place == len(schedule.at) - 1)
    return certified, ends


class Sampling:
    """The estimation of one image: how many samples it wants next, and what came out."""

    def __init__(self, schedule: Schedule) -> None:
        """Start without a sample."""
        self._schedule = schedule
        self._place, self._certified, self._n, self._top = 0, np.zeros(1, dtype=np.int64), 0, 0
        self._best = (0, 0, 0.0, 0.0)
        self.ended = False

    @property
    def wanted(self) -> int:
        """Return the number of samples up to the next check."""
        return 0 if self.ended else int(self._schedule.at[self._place]) - self._n

    @property
    def usable(self) -> int:
        """Return the number of samples up to the last check."""
        return 0 if self.ended else int(self._schedule.at[-1]) - self._n

    def take(self, hits: Flags) -> None:
        """Count whether further samples (n,) gave the selected class, up to the check at which sampling ends."""
        while len(hits) and not self.ended:
            part, hits = hits[: self.wanted], hits[self.wanted :]
            self._n, self._top = self._n + len(part), self._top + int(part.sum())
            if not self.wanted:
                self._decide()

    def _decide(self) -> None:
        alpha = float(self._schedule.alphas[self._place])
        if alpha:
            bound = float(lower_bound(self._top, self._n, alpha))
            if bound > self._best[-1]:
                self._best = (self._n, self._top, alpha, bound)
        self._certified, ends = decide(self._schedule, self._place, np.array([self._top]), self._certified)
        self.ended = bool(ends[0])
        self._place += not self.ended

    def found(self) -> Sampled:
        """Return the counts."""
        return Sampled(self._n, self._top, *self._best)


def _reached(epsilon: float, plan: SamplingPlan, *, sigma: float, n_free: int) -> bool:
    try:
        return samples_needed(epsilon, sigma=sigma, n_free=n_free, alpha=plan.alpha) <= plan.n_samples
    except InputError:  # no number of samples would do
        return False


def _looks(plan: SamplingPlan, first: int) -> dict[int, float]:
    """Return alpha at each look: one at the end where the largest epsilon needs nearly all samples."""
    first, last = _rounded(first), plan.n_samples
    if first * np.sqrt(_GROWTH) > last:
        return {last: plan.alpha}
    n_between = max(0, round(np.log(last / first) / np.log(_GROWTH)) - 1)
    between = [n for step in range(n_between) if first < (n := _rounded(last / _GROWTH ** (step + 1))) < last]
    early = [_rounded(first / _EARLY_GROWTH ** (step + 1)) for step in range(_EARLY_LOOKS)]
    early = [n for n in early if n >= 2 * _FIRST_CHECK]
    shares = {n: _EARLY_SHARE / len(early) for n in early} | {first: _FIRST_SHARE, last: _LAST_SHARE}
    rest = 1 - sum(shares.values())
    shares |= {n: rest / len(between) for n in between}
    shares[last] += rest if not between else 0
    return {n: plan.alpha * share for n, share in shares.items()}


def _checks(plan: SamplingPlan, looks: dict[int, float]) -> list[int]:
    """Return the numbers of samples at which images may be given up."""
    n_checks = int(np.log(plan.n_samples / _FIRST_CHECK) / np.log(_CHECK_GROWTH)) + 1
    planned = (_rounded(_FIRST_CHECK * _CHECK_GROWTH**step) for step in range(max(0, n_checks)))
    return [n for n in planned if n < plan.n_samples and n not in looks]


def _rounded(n: int | float) -> int:
    return int(np.ceil(n / _UNIT)) * _UNIT


def _needed(at: np.ndarray, alphas: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the smallest count whose bound exceeds p: P(count or more | p) < alpha."""
    never = np.repeat(at[:, None] + 1, len(p), axis=1)
    looks = np.flatnonzero(alphas)
    counts = binom.isf(alphas[looks, None], at[looks, None], p).astype(np.int64) + 1
    counts += binom.sf(counts - 1, at[looks, None], p) >= alphas[looks, None]
    never[looks] = counts
    return never
