"""Estimates from per-image rows that are no single ratio over images: measures by class, AUC, calibration, medians.

Each takes the rows that a cell names and samples of patients, and returns the number with its interval, or the reason
why there is none. The measures are those of `evaluation`. With an epsilon, a measure by class takes the rows of the
strict search: the worst answer to each image within the epsilon, which is the wrong one where any attack flips it.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.evaluation.auc import auc_estimate, positive_scores
from oncorobust.evaluation.calibration import (
    brier_estimate,
    brier_of_margins,
    calibration_error,
    confidence_of_margins,
)
from oncorobust.evaluation.intervals import ratio_intervals
from oncorobust.evaluation.measures import class_estimates, empty, flip_estimates
from oncorobust.evaluation.medians import median
from oncorobust.evaluation.resampling import LEVEL, Draws, Estimate, patient_sums
from oncorobust.evaluation.share_bounds import Term
from oncorobust.evaluation.survival import Bracket, MinimalEpsilons, of_correct_images, restricted_mean
from oncorobust.report.tables.cell import RowsSource, Statistic
from oncorobust.report.tables.row_statistics import selected

_BINS = 10
"""Bins of equally many images for the calibration error."""

NONE_CORRECT = "no image is classified correctly"
"""Why there are no minimal epsilons."""

_FLIPS: Mapping[Statistic, str] = {
    "missed": "positive_to_negative_flipped",
    "false_alarms": "negative_to_positive_flipped",
}


def row_estimate(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> Estimate:
    """Return the estimate of a source. Raises InputError where the file lacks a column or has no rows that fit."""
    return _ESTIMATES[source.statistic](frame, source, draws)


def is_row_estimate(source: RowsSource) -> bool:
    """Return whether a source has an estimate here."""
    return source.statistic in _ESTIMATES


def _by_class(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> Estimate:
    n_classes, positive = _classes(source)
    rows = selected(frame, source, columns=("patient_id", *(() if source.epsilon is None else ("first_flipped",))))
    labels, answers = rows["label"].to_numpy(), answers_of(rows, source, n_classes=n_classes)
    return class_estimates(
        labels, answers, rows["patient_id"].tolist(), draws, n_classes=n_classes, positive=positive, level=LEVEL
    )[source.statistic]


def _flips(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> Estimate:
    """Estimate flips in the rows of the strict search, or in the attacked rows beside the rows without attack."""
    n_classes, positive = _classes(source)
    if source.epsilon is None:
        attacked = selected(frame, source, columns=("patient_id", "image_id"))
        unattacked = frame[frame["attack"] == "none"].set_index("image_id")["predicted"]
        clean, answers = unattacked.loc[attacked["image_id"]].to_numpy(), attacked["predicted"].to_numpy()
    else:
        attacked = selected(frame, source, columns=("patient_id", "first_flipped"))
        clean, answers = attacked["predicted"].to_numpy(), answers_of(attacked, source, n_classes=n_classes)
    return flip_estimates(
        attacked["label"].to_numpy(),
        clean,
        answers,
        attacked["patient_id"].tolist(),
        draws,
        n_classes=n_classes,
        positive=positive,
        level=LEVEL,
    )[_FLIPS[source.statistic]]


def answers_of(rows: pd.DataFrame, source: RowsSource, *, n_classes: int) -> np.ndarray:
    """Return the answers in the rows or, at an epsilon, the worst within it; a flipped answer is any wrong class."""
    labels, predicted = rows["label"].to_numpy(), rows["predicted"].to_numpy()
    if source.epsilon is None:
        return predicted
    robust = (labels == predicted) & (rows["first_flipped"].to_numpy() > source.epsilon)
    return np.where(robust | (labels != predicted), predicted, (labels + 1) % n_classes)


def _auc(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> Estimate:
    n_classes, positive = _classes(source)
    rows = selected(frame, source, columns=("patient_id", "margin"))
    labels, margins = rows["label"].to_numpy(), rows["margin"].to_numpy(float)
    scores = positive_scores(margins, labels, positive=positive)
    return auc_estimate(
        labels, scores, rows["patient_id"].tolist(), draws, n_classes=n_classes, positive=positive, level=LEVEL
    )


def _calibration(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> Estimate:
    n_classes, _ = _classes(source)
    rows = selected(frame, source, columns=("patient_id", "margin"))
    patients, margins = rows["patient_id"].tolist(), rows["margin"].to_numpy(float)
    if n_classes != 2:
        return empty(f"needs the probabilities of all {n_classes} classes, which the rows lack", patients, level=LEVEL)
    if source.statistic == "brier_score":
        return brier_estimate(brier_of_margins(margins), patients, draws, largest=1.0, level=LEVEL)
    correct = (rows["label"] == rows["predicted"]).to_numpy()
    found = calibration_error(confidence_of_margins(margins), correct, patients, draws, n_bins=_BINS, level=LEVEL)
    return found.plain


def minimal_epsilons_of(frame: pd.DataFrame, source: RowsSource) -> Bracket | None:
    """Return the minimal epsilons of the correctly classified images; None if there is no such image.

    Raises InputError where the file lacks a column or has no rows that fit, or the source lacks the largest epsilon.
    """
    rows = selected(frame, source, columns=("patient_id", "image_id", "last_safe", "first_flipped"))
    if source.epsilon is None:
        raise InputError(f"{source.file}: {source.statistic} without the largest epsilon searched")
    if not (rows["label"] == rows["predicted"]).any():
        return None
    return of_correct_images(rows, reach=source.epsilon)


def _minimal_epsilons(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> Estimate:
    images = minimal_epsilons_of(frame, source)
    if images is None:
        patients = selected(frame, source, columns=("patient_id",))["patient_id"].tolist()
        return empty(NONE_CORRECT, patients, level=LEVEL)
    return _OF_MINIMAL_EPSILONS[source.statistic](images, draws)


def _share_censored(images: MinimalEpsilons, draws: Draws) -> Estimate:
    parts = (np.isinf(images.epsilon), np.ones(len(images.epsilon)))
    (found,) = ratio_intervals(
        [[Term(1.0, *(patient_sums(one, images.patient_ids, draws) for one in parts))]], draws, level=LEVEL
    )
    return found


_OF_MINIMAL_EPSILONS: Mapping[Statistic, Callable[[Bracket, Draws], Estimate]] = {
    "share_censored": lambda images, draws: _share_censored(images.at_most, draws),
    "median_first_flipped": lambda images, draws: median(images.at_most, draws, level=LEVEL),
    "median_last_safe": lambda images, draws: median(images.above, draws, level=LEVEL),
    "restricted_mean": lambda images, draws: restricted_mean(
        images.at_most, draws, up_to=images.at_most.reach, level=LEVEL
    ),
}


def _classes(source: RowsSource) -> tuple[int, int]:
    """Return the number of classes and the index of the positive one."""
    return int(source.options["n_classes"]), int(source.options["positive"])


_ESTIMATES: Mapping[Statistic, Callable[[pd.DataFrame, RowsSource, Draws], Estimate]] = {
    "sensitivity": _by_class,
    "specificity": _by_class,
    "balanced_accuracy": _by_class,
    "missed": _flips,
    "false_alarms": _flips,
    "auc": _auc,
    "calibration_error": _calibration,
    "brier_score": _calibration,
    **dict.fromkeys(_OF_MINIMAL_EPSILONS, _minimal_epsilons),
}
