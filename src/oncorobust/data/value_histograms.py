"""Histograms of a data set's values by class, before and after preprocessing, from the sampled images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from oncorobust.data.appearances import Appearances, Sample

N_BINS = 48
_PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True)
class Histogram:
    """Shares of values in bins: of all images, and by class for those with images.

    ticks: values to write at the axis. marks: values that become black and white; none after preprocessing.
    """

    edges: Float[np.ndarray, " bins_and_1"]
    pooled: Float[np.ndarray, " bins"]
    of_class: Mapping[int, Float[np.ndarray, " bins"]]
    ticks: Sequence[float]
    marks: Sequence[float]


def histograms(seen: Appearances) -> tuple[Histogram, Histogram]:
    """Return the histograms of the stored values, and of the processed ones from 0 to 1.

    The first reaches from the 0.1 to the 99.9 percentile, and farther where black or white lie outside.
    """
    every = np.concatenate([sample.all() for sample in seen.before.values()])
    low, high = (float(edge) for edge in np.percentile(every, _PERCENTILES))
    low, high = min(low, seen.low), max(high, seen.high)
    before = _histogram(seen.before, low, high, ticks=(seen.low, seen.high), marks=(seen.low, seen.high))
    return before, _histogram(seen.after, 0.0, 1.0, ticks=(0.0, 0.5, 1.0), marks=())


def _histogram(
    samples: Mapping[int, Sample], low: float, high: float, *, ticks: Sequence[float], marks: Sequence[float]
) -> Histogram:
    margin = 0.02 * (high - low)
    edges = np.linspace(low - margin, high + margin, N_BINS + 1)
    shares = {label: _shares(sample.all(), edges) for label, sample in samples.items()}
    return Histogram(edges, np.mean(list(shares.values()), axis=0), shares, ticks, marks)


def _shares(values: np.ndarray, edges: np.ndarray) -> Float[np.ndarray, " bins"]:
    """Return the share of the values in each bin; those outside count in the outer bins."""
    inside = np.clip(values, edges[0], edges[-1])
    return np.histogram(inside, edges)[0] / max(1, len(values))
