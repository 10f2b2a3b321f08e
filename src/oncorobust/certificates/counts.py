"""From counts of answers under noise to a certified radius.

With p the probability that the model gives class c for an image under Gaussian noise of sigma, and p > 1/2, the
smoothed model (the most probable class) gives c for every change of l2 norm below

    radius = sigma Phi^-1(p)                      Cohen, Rosenfeld and Kolter 2019, theorem 1 with p_B = 1 - p
    epsilon = radius / sqrt(n_free)               an l_inf change of epsilon in n_free values has at most this l2 norm

p is unknown; Clopper and Pearson's bound from n independent samples is above p with probability at most alpha. Without
p_lower > 1/2 the certificate abstains.
"""

import numpy as np
from scipy.special import betaincinv, log_ndtr, ndtr, ndtri

from oncorobust.base.errors import InputError


def check_alpha(alpha: float) -> None:
    """Refuse an alpha outside (0, 0.5]. Raises InputError."""
    if not 0 < alpha <= 0.5:
        raise InputError(f"certificate: expected alpha above 0 and at most 0.5, got {alpha}")


def lower_bound(n_top: int | np.ndarray, n_samples: int | np.ndarray, alpha: float | np.ndarray) -> np.ndarray:
    """Return the one-sided Clopper-Pearson lower bound of a probability at confidence 1 - alpha; arrays broadcast.

    n_top: samples with the class, out of n_samples.
    """
    found = betaincinv(n_top, np.asarray(n_samples) - n_top + 1, alpha)
    return np.where(np.asarray(n_top) == 0, 0.0, found)


def l2_radius(p_lower: float | np.ndarray, *, sigma: float) -> np.ndarray:
    """Return the certified l2 radius, in [0, 1] units; 0 where p_lower is not above 1/2, which is an abstention."""
    return np.where(np.asarray(p_lower) > 0.5, sigma * ndtri(np.maximum(p_lower, 0.5)), 0.0)


def certified_epsilon(radius: float | np.ndarray, *, n_free: int | np.ndarray) -> np.ndarray:
    """Return the certified l_inf epsilon of a l2 radius in n_free values."""
    return np.asarray(radius / np.sqrt(n_free))


def needed_probability(epsilon: float | np.ndarray, *, sigma: float, n_free: int) -> np.ndarray:
    """Return the probability that p_lower must exceed to certify an l_inf epsilon; 1/2 for epsilon 0."""
    return np.asarray(ndtr(np.asarray(epsilon) * np.sqrt(n_free) / sigma))


def samples_needed(epsilon: float | int, *, sigma: float, n_free: int, alpha: float) -> int:
    """Return the smallest number of samples that can certify an l_inf epsilon, which must then all agree.

    Raises InputError for an alpha outside (0, 0.5], and for an epsilon that no number of samples below 1e15 certifies.
    """
    check_alpha(alpha)
    log_p = float(log_ndtr(epsilon * np.sqrt(n_free) / sigma))
    if log_p == 0 or np.log(alpha) / log_p > 1e15:
        raise InputError(
            f"certificate: expected an epsilon that samples can certify, got {epsilon} with sigma {sigma} and {n_free} "
            "free values: choose a larger sigma"
        )
    needed = int(np.ceil(np.log(alpha) / log_p))
    # All n agree: p_lower = alpha^(1/n), which must exceed p.
    return needed if np.log(alpha) / needed > log_p else needed + 1
