"""The class that leads among noisy answers, by the binomial test of PREDICT at a growing number of samples.

A class that is not the most probable one leads with probability at most alpha: each of the checks, at 16, 32, 64, ...
samples, takes an equal share of it, whether or not it is reached. Source: Cohen, Rosenfeld and Kolter 2019, PREDICT.
"""

import numpy as np
from scipy.special import bdtrc

from oncorobust.base.arrays import Labels

FIRST_CHECK = 16
"""Samples before the first check."""


class Vote:
    """The noisy answers of one image, until one class clearly leads or all samples are taken.

    counts: answers of each class so far. clear: whether the leading class passed the test.
    """

    def __init__(self, n_samples: int, *, alpha: float, first: int = FIRST_CHECK) -> None:
        """Start without an answer. n_samples: at most. alpha: of all checks together. first: samples of the first."""
        self._checks = checks_of(n_samples, first=first)
        self._alpha = alpha / len(self._checks)
        self._n = 0
        self.counts = np.zeros(1, dtype=np.int64)
        self.clear = False

    @property
    def ended(self) -> bool:
        """Return whether no further answer is needed."""
        return not self._checks

    @property
    def leading(self) -> int:
        """Return the class with most answers, the first of equal ones."""
        return int(self.counts.argmax())

    @property
    def wanted(self) -> int:
        """Return the number of answers up to the next check."""
        return self._checks[0] - self._n if self._checks else 0

    @property
    def usable(self) -> int:
        """Return the number of answers up to the last check."""
        return self._checks[-1] - self._n if self._checks else 0

    def take(self, answers: Labels) -> None:
        """Count further answers (n,), up to the check that ends the vote."""
        while len(answers) and self._checks:
            part, answers = answers[: self.wanted], answers[self.wanted :]
            counts = np.bincount(part, minlength=len(self.counts))
            counts[: len(self.counts)] += self.counts
            self.counts, self._n = counts, self._n + len(part)
            if not self.wanted:
                self._checks.pop(0)
                self.clear = wins(counts, alpha=self._alpha)
                if self.clear:
                    self._checks.clear()


def checks_of(n_samples: int, *, first: int = FIRST_CHECK) -> list[int]:
    """Return the numbers of samples after which a vote may end: first, twice as many, up to n_samples."""
    n_checks = max(0, int(np.ceil(np.log2(n_samples / first)))) + 1
    return [min(first << step, n_samples) for step in range(n_checks)]


def wins(counts: np.ndarray, *, alpha: float) -> bool:
    """Return whether the leading class beats the second in a two-sided binomial test at level alpha.

    counts: samples of each class.
    """
    second, first = np.sort(np.append(counts, 0))[-2:]
    return bool(2 * bdtrc(first - 1, first + second, 0.5) <= alpha)
