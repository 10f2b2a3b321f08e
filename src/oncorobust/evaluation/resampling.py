"""Bootstrap samples of patients, sums per patient, and the result type of every number with an interval.

Images of one patient resemble each other, so a sample of patients, with all their images, takes the place of a sample
of images. A draw takes as many patients as there are, with replacement; it is stored as how often each patient is in
it, which is a multinomial count. A mean over images is then a ratio of two sums over patients, and its values in all
draws are two matrix products: `counts @ numerator / counts @ denominator`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError

LEVEL = 0.95
"""Confidence level of two-sided intervals."""

N_DRAWS = 10_000
"""Bootstrap samples of patients behind an interval."""

NO_INTERVAL = "none"
"""`Estimate.method` of a number without an interval; the tables go by it."""

_AT_ONCE = 100_000
"""Draws of one patient that are generated together; changing it changes no distribution, but the draws of a seed."""


@dataclass(frozen=True)
class Draws:
    """Bootstrap samples of patients: how often each patient is in each draw.

    patients: (patients,) ids, sorted. counts: (draws, patients) float32 whole numbers; each row sums to the patients.
    """

    patients: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    value, low, high: in the measure's unit; None where it cannot be stated, and `reason` says why. level: confidence
    level. method: short name of the interval's method. n_images, n_patients: behind the value.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    n_images: int
    n_patients: int
    reason: str = ""


def draw_patients(patients: Iterable[str], *, n_draws: int, seed: int) -> Draws:
    """Draw bootstrap samples of the distinct patients.

    The same patients, n_draws and seed give the same draws, in whatever order and however often the patients are
    listed, so that two models evaluated on the same patients are paired. Raises InputError if there is no patient or
    no draw.
    """
    ids = np.sort(pd.unique(_as_ids(patients)))
    if len(ids) == 0 or n_draws < 1:
        raise InputError(f"bootstrap: expected at least one patient and one draw, got {len(ids)} and {n_draws}")
    rng, n = np.random.default_rng(seed), len(ids)
    counts = np.empty((n_draws, n), np.float32)
    step = max(1, _AT_ONCE // n)
    for start in range(0, n_draws, step):
        rows = min(step, n_draws - start)
        chosen = rng.integers(0, n, (rows, n)) + np.arange(rows)[:, None] * n
        counts[start : start + rows] = np.bincount(chosen.ravel(), minlength=rows * n).reshape(rows, n)
    return Draws(ids, counts)


def patient_index(patient_ids: Iterable[str], draws: Draws) -> np.ndarray:
    """Return each image's column in `draws.counts`, (images,) integers.

    Raises InputError if a patient is not among the draws' patients.
    """
    ids = _as_ids(patient_ids)
    index = pd.Index(draws.patients).get_indexer(pd.Index(ids))
    if (index < 0).any():
        missing = sorted(set(ids[index < 0].tolist()))
        raise InputError(f"bootstrap: {len(missing)} patients were not drawn from, for example {missing[:3]}")
    return index


def patient_sums(values: np.ndarray, patient_ids: Iterable[str], draws: Draws) -> np.ndarray:
    """Add up the images' values within each patient; return (patients,) float64, 0 for a patient without images.

    values: (images,) numbers or Booleans. Raises InputError if a patient is not among the draws' patients, or a value
    is not finite.
    """
    index, numbers = patient_index(patient_ids, draws), np.asarray(values, np.float64)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        named = sorted(set(draws.patients[index[wrong]].tolist()))[:3]
        raise InputError(f"sums per patient: {wrong.sum()} values are not finite, for example of patients {named}")
    return np.bincount(index, weights=numbers, minlength=len(draws.patients))


def _as_ids(patients: Iterable[str]) -> np.ndarray:
    """Return ids as an array of objects; a Series is converted at once, which is ten times faster than as a list."""
    return np.asarray(patients if isinstance(patients, pd.Series) else list(patients), dtype=object)
