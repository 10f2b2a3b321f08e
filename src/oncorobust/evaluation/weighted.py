"""Statistics of weighted images in all bootstrap draws at once, for measures that are no ratio of sums.

A draw gives each image a weight: how often its patient was drawn. AUC, medians and survival curves are functions of
these weights, (draws, images) -> (draws, ...). They are computed for some draws at a time, so that memory does not grow
with the number of draws.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from oncorobust.evaluation.resampling import Draws, patient_index

_CELLS = 2_000_000
"""Weights that are held together: 16 MB, beside a few arrays of the same size in a statistic."""

Statistic = Callable[..., np.ndarray]
"""Takes (draws, images) float64 weights, one array per sample of images; returns (draws, ...)."""


@dataclass(frozen=True)
class Resampled:
    """Images and the draws of their patients. index: (images,) each image's column in `draws.counts`."""

    draws: Draws
    index: np.ndarray = field(repr=False)

    @property
    def n_patients(self) -> int:
        """Return the number of patients with an image."""
        return len(np.unique(self.index))

    def weights(self, rows: slice) -> np.ndarray:
        """Return (draws, images) float64 weights in some draws."""
        return self.draws.counts[rows][:, self.index].astype(np.float64)


def resampled(patient_ids: Iterable[str], draws: Draws) -> Resampled:
    """Find the images' patients in the draws. Raises InputError if a patient was not drawn from."""
    return Resampled(draws, patient_index(patient_ids, draws))


def observed_value(statistic: Statistic, *samples: Resampled) -> np.ndarray:
    """Compute a statistic of the images themselves, each with weight 1; return (...)."""
    return np.asarray(statistic(*(np.ones((1, len(one.index))) for one in samples))[0])


def draw_values(statistic: Statistic, *samples: Resampled) -> np.ndarray:
    """Compute a statistic in every draw; return (draws, ...).

    samples: with equally many draws. Samples with the same draws are paired, samples with their own independent.
    """
    n_draws = len(samples[0].draws.counts)
    step = max(1, _CELLS // max(1, sum(len(one.index) for one in samples)))
    parts = [slice(start, start + step) for start in range(0, n_draws, step)]
    return np.concatenate([statistic(*(one.weights(part) for one in samples)) for part in parts])


def percentiles(values: np.ndarray, level: float) -> np.ndarray:
    """Return the two-sided percentile interval of draws, (draws, ...) -> (2, ...); values may be infinite.

    The ends are values of draws, not interpolated between two.
    """
    tail = (1 - level) / 2
    return np.quantile(values, (tail, 1 - tail), axis=0, method="inverted_cdf")


def jackknife_values(statistic: Statistic, *samples: Resampled, place: int = 0) -> np.ndarray:
    """Compute a statistic without each patient of one of the samples in turn; return (patients with images, ...)."""
    own, present = samples[place].index, np.unique(samples[place].index)
    step = max(1, _CELLS // sum(len(one.index) for one in samples))
    parts = []
    for start in range(0, len(present), step):
        patients = present[start : start + step]
        weights = [np.ones((len(patients), len(one.index))) for one in samples]
        weights[place] = (own != patients[:, None]).astype(np.float64)
        parts.append(statistic(*weights))
    return np.concatenate(parts)


def jackknife_variance(statistic: Statistic, *samples: Resampled) -> float:
    """Return the jackknife variance of a statistic; the variances of samples, which are independent, add up."""
    without = [jackknife_values(statistic, *samples, place=place) for place in range(len(samples))]
    return sum(float((len(one) - 1) * one.var()) for one in without)
