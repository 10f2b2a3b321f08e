"""Estimates of the metrics of a policy from one row per image, for one model or as the difference of two."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from oncorobust.base.arrays import Labels, PerImage
from oncorobust.evaluation.auc import auc_difference, auc_estimate
from oncorobust.evaluation.intervals import CLOPPER_PEARSON, ratio_intervals, share_term
from oncorobust.evaluation.measures import empty, too_few_patients
from oncorobust.evaluation.resampling import Draws, Estimate
from oncorobust.evaluation.share_bounds import Term, exact_bounds
from oncorobust.settings.policy import Metric

EXACT = "Clopper-Pearson with design effect"
"""Method of one share that varies between patients: `Estimate.method`."""


def estimate_metric(
    metric: Metric, frames: Sequence[pd.DataFrame], draws: Draws, *, n_classes: int, positive: int, level: float
) -> Estimate:
    """Estimate a metric of the first frame, or its difference to the second, with a two-sided interval.

    The bounds of one share are exact with one image a patient (`exact_bounds`), because they decide; those of means and
    differences of shares are those of the tables.

    frames: one or two with patient_id, label, right and score, of the same images in the same order. draws: of their
    patients. positive: index of the class that is to be detected, of two. The estimate is empty, with the reason, where
    a class has fewer than two patients. Raises InputError if a score is not a finite number.
    """
    labels, ids = frames[0]["label"].to_numpy(), frames[0]["patient_id"].tolist()
    if metric == "auc":
        sign = 1 if positive == 1 else -1  # the rows score class 1
        scores = [sign * frame["score"].to_numpy() for frame in frames]
        return _auc(labels, scores, ids, draws, positive=positive, level=level)
    classes = {"accuracy": [], "sensitivity": [positive], "specificity": [1 - positive]}.get(
        metric, [*range(n_classes)]
    )
    if reason := too_few_patients({f"class {one}": labels == one for one in classes}, ids):
        return empty(reason, ids, level=level)
    pairs = zip((1.0, -1.0), frames, strict=False)
    terms = [one for sign, frame in pairs for one in _terms(frame, classes, draws, sign=sign)]
    (estimate,) = ratio_intervals([terms], draws, level=level)
    if len(terms) > 1 or estimate.low is None or estimate.method == CLOPPER_PEARSON:
        return estimate
    low, high = exact_bounds(terms[0], level=level)
    return replace(estimate, low=low, high=high, method=EXACT)


def _auc(
    labels: Labels, scores: list[PerImage], ids: list[str], draws: Draws, *, positive: int, level: float
) -> Estimate:
    if len(scores) == 1:
        return auc_estimate(labels, scores[0], ids, draws, n_classes=2, positive=positive, level=level)
    present, previous = scores
    return auc_difference(labels, previous, present, ids, draws, n_classes=2, positive=positive, level=level)


def _terms(frame: pd.DataFrame, classes: Sequence[int], draws: Draws, *, sign: float) -> list[Term]:
    """Return the mean over some classes of the share of right images, or the share of all images, as terms."""
    right, ids = frame["right"].to_numpy(), frame["patient_id"]
    if not classes:
        return [share_term(right, ids, draws, factor=sign)]
    groups = [(frame["label"] == one).to_numpy() for one in classes]
    return [share_term(right, ids, draws, within=group, factor=sign / len(groups)) for group in groups]
