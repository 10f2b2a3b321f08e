"""Sizes of changes of the acquisition, and how many times larger than the median minimal perturbation they are.

    size     median over the images of the l_inf or l2 size of a change at one severity
    times    that size divided by the median minimal perturbation of those of the same images that are predicted as
             labelled: the first flipped epsilon of the strict search for l_inf, which stands in intervals.csv, and
             minimal_l2 for l2

Both medians are taken over the same images and, in each bootstrap sample, over the same patients.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.evaluation.measures import empty
from oncorobust.evaluation.medians import medians
from oncorobust.evaluation.resampling import LEVEL, NO_INTERVAL, Draws, Estimate
from oncorobust.evaluation.weighted import draw_values, observed_value, percentiles, resampled
from oncorobust.report.tables.cell import RowsSource, Statistic
from oncorobust.report.tables.row_estimates import NONE_CORRECT
from oncorobust.report.tables.row_statistics import selected
from oncorobust.report.tables.rows_of_images import minimal_l2
from oncorobust.report.tables.sources import SIZE_OF_CHANGE

SIZES: Mapping[Statistic, str] = {"median_l_inf": "l_inf", "median_l2": "l2"}
DIVIDED: Mapping[Statistic, str] = {"times_l_inf": "l_inf", "times_l2": "l2"}
"""The column of the size behind each statistic."""

_NOT_FOUND = "more than half of the images that are predicted as labelled withstand the search"
_FEWEST = int(np.ceil(1 - np.log2(1 - LEVEL)))
"""Patients that an interval of a median needs (`evaluation.medians.compare_groups`)."""


def size_estimate(frame: pd.DataFrame, source: RowsSource) -> Estimate:
    """Return the median size of a change; it describes the change and has no interval."""
    rows = selected(frame, source, columns=("patient_id", SIZES[source.statistic]))
    size, n_patients = float(rows[SIZES[source.statistic]].median()), rows["patient_id"].nunique()
    return Estimate(size, None, None, LEVEL, NO_INTERVAL, len(rows), n_patients, SIZE_OF_CHANGE)


def times_estimate(sources: Sequence[RowsSource], rows: Mapping[str, pd.DataFrame], draws: Draws) -> Estimate:
    """Return how many times larger a change is than the median minimal perturbation.

    sources: of the rows of the change and, for l_inf, of intervals.csv. The value is None, with the reason, if the
    median minimal perturbation is not reached. A sample of patients without it counts with 0, below all others. Raises
    InputError where a file lacks a column, or intervals.csv lacks an image of the change.
    """
    source = sources[0]
    size = DIVIDED[source.statistic]
    frame = selected(rows[source.file], source, columns=("patient_id", "image_id", size))
    sizes, right = frame[size].to_numpy(float), (frame["label"] == frame["predicted"]).to_numpy()
    patients = frame["patient_id"].tolist()
    if not right.any():
        return empty(NONE_CORRECT, patients, level=LEVEL)
    least = _minimal(frame, sources, rows)[right]

    def times(weights: np.ndarray) -> np.ndarray:
        return _median(sizes, weights) / medians(least, weights[:, right])

    sample = resampled(patients, draws)
    value = float(observed_value(times, sample))
    n_images, n_patients = len(frame), sample.n_patients
    if np.isinf(medians(least, np.ones((1, len(least))))[0]):
        return Estimate(None, None, None, LEVEL, NO_INTERVAL, n_images, n_patients, _NOT_FOUND)
    if n_patients < _FEWEST:
        reason = f"an interval of a median needs {_FEWEST} patients, there are {n_patients}"
        return Estimate(value, None, None, LEVEL, NO_INTERVAL, n_images, n_patients, reason)
    drawn = draw_values(times, sample)
    low, high = percentiles(drawn[np.isfinite(drawn)], LEVEL)
    return Estimate(value, float(low), float(high), LEVEL, "percentile bootstrap", n_images, n_patients)


def _minimal(frame: pd.DataFrame, sources: Sequence[RowsSource], rows: Mapping[str, pd.DataFrame]) -> np.ndarray:
    """Return the minimal perturbation of each image of a change, inf where none was found."""
    if len(sources) == 1:
        return minimal_l2(frame).fillna(np.inf).to_numpy(float)
    source = sources[1]
    searched = selected(rows[source.file], source, columns=("image_id", "first_flipped"))
    found = searched.set_index("image_id")["first_flipped"].reindex(frame["image_id"])
    if found.isna().any():
        missing = found.index[found.isna()][0]
        raise InputError(f"{source.file}: no row of image {missing} (expected every image of {sources[0].file})")
    return found.to_numpy(float)


def _median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (draws,) the median of weighted values, the mean of both middle values of equally many."""
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(weights[:, order], axis=1)
    half = cumulated[:, -1:] / 2
    last = len(values) - 1
    lower, upper = ((test.sum(axis=1)).clip(max=last) for test in (cumulated < half, cumulated <= half))
    return (values[order][lower] + values[order][upper]) / 2
