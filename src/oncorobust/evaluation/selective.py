"""Scores of certainty compared as rules that accept an image: the paper's way, and a threshold chosen beforehand.

A rule accepts an image whose score is above a threshold. The threshold serves one of two aims:

    coverage    the excluded share of images is nearest a given one (the paper excludes the most sensitive 20 %)
    risk        as many images as possible are accepted while the risk is at most a given one

and it is chosen on one of two splits:

    validation  chosen on the validation patients, frozen, and applied to the test patients
    test        chosen on the test patients themselves: the paper's way. It favours the score wherever the threshold
                follows the errors of the images on which it is then judged

Intervals are by patient. A frozen threshold does not depend on the test patients, so its coverage and accuracy have the
intervals of shares (`oncorobust.evaluation.intervals`). A threshold chosen on test is chosen again in each bootstrap
draw of test patients; its intervals, and those of all other measures, are those of `draw_intervals`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.evaluation.draw_intervals import interval_of_draws
from oncorobust.evaluation.intervals import ratio_intervals, share_term
from oncorobust.evaluation.resampling import NO_INTERVAL, Draws, Estimate
from oncorobust.evaluation.risk_coverage import (
    Accepted,
    Scored,
    accept,
    augrc,
    aurc,
    auroc,
    last_group_within,
    nearest_group,
    over_draws,
    risk_at,
)
from oncorobust.evaluation.scored_rows import NO_VALIDATION, check_scored_rows, score_names, scored

Aim = Literal["coverage", "risk"]
ChosenOn = Literal["validation", "test"]

AIMS: tuple[Aim, ...] = ("coverage", "risk")
"""What a threshold is chosen for."""

MEASURES = ("aurc", "augrc", "auroc", "accuracy_at_coverage")
"""Measures of a score that need no threshold."""

NO_ERROR_TO_PREDICT = "error prediction needs right and wrong predictions"
"""Reason where an AUROC of error prediction is undefined."""

_NONE_ACCEPTED = "no image is accepted"


@dataclass(frozen=True)
class Aims:
    """The share of images to exclude and the largest risk to accept, both in (0, 1)."""

    exclude_share: float
    risk: float

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, value in (("exclude_share", self.exclude_share), ("risk", self.risk)):
            if not 0 < value < 1:
                raise InputError(f"selective prediction: expected {name} between 0 and 1, got {value}")


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it does on the test patients.

    threshold: images with a higher score are accepted; -inf accepts all images, inf none. None if it cannot be chosen.
    """

    aim: Aim
    chosen_on: ChosenOn
    threshold: float | None
    coverage: Estimate
    accuracy: Estimate


@dataclass(frozen=True)
class JudgedScore:
    """One score on the test patients.

    auroc: of error prediction. accuracy_at_coverage: 1 minus the risk on the curve at coverage 1 - exclude_share.
    points: one per aim, chosen on validation, then one per aim, chosen on test.
    """

    score: str
    aurc: Estimate
    augrc: Estimate
    auroc: Estimate
    accuracy_at_coverage: Estimate
    points: tuple[OperatingPoint, ...]


def judge_scores(rows: pd.DataFrame, *, aims: Aims, draws: Draws, level: float) -> tuple[JudgedScore, ...]:
    """Judge every score that the rows have, in the order of `scored_rows.SCORES`.

    rows: as in `oncorobust.evaluation.scored_rows`. draws: of the test patients. level: confidence level.
    Raises InputError as `check_scored_rows` and `Scored` do.
    """
    check_scored_rows(rows)
    return tuple(_judge(rows, name, aims=aims, draws=draws, level=level) for name in score_names(rows))


def _judge(rows: pd.DataFrame, score: str, *, aims: Aims, draws: Draws, level: float) -> JudgedScore:
    test = scored(rows, score, split="test")
    thresholds: dict[Aim, float | None] = dict.fromkeys(AIMS)
    if (rows["split"] == "validation").any():
        validation = scored(rows, score, split="validation")
        thresholds = {aim: choose_threshold(validation, aim, aims) for aim in AIMS}
    areas, on_test = _measured(test, aims, draws, level)
    return JudgedScore(
        score,
        **areas,
        points=(
            *(apply_threshold(test, aim, thresholds[aim], draws, level=level) for aim in AIMS),
            *(OperatingPoint(aim, "test", choose_threshold(test, aim, aims), *on_test[aim]) for aim in AIMS),
        ),
    )


def _measured(
    test: Scored, aims: Aims, draws: Draws, level: float
) -> tuple[dict[str, Estimate], dict[Aim, tuple[Estimate, Estimate]]]:
    """Return the estimates of `MEASURES`, and coverage and accuracy of each aim, chosen on test."""

    def measures(accepted: Accepted) -> np.ndarray:
        at_coverage = 1 - risk_at(accepted, [1 - aims.exclude_share])[:, 0]
        areas = [aurc(accepted), augrc(accepted), auroc(accepted), at_coverage]
        points = [column for aim in AIMS for column in _at_group(accepted, _last_accepted(accepted, aim, aims))]
        return np.stack([*areas, *points], axis=1)

    whole, drawn = measures(accept(test))[0], over_draws(test, draws, measures)
    undefined = ["", "", NO_ERROR_TO_PREDICT, "", *["", _NONE_ACCEPTED] * len(AIMS)]
    found = [
        interval_of_draws(value, column, test, level=level, undefined=reason)
        for value, column, reason in zip(whole, drawn.T, undefined, strict=True)
    ]
    areas = dict(zip(MEASURES, found[: len(MEASURES)], strict=True))
    points = found[len(MEASURES) :]
    return areas, dict(zip(AIMS, zip(points[::2], points[1::2], strict=True), strict=True))


def choose_threshold(images: Scored, aim: Aim, aims: Aims) -> float:
    """Return the threshold that serves the aim on these images: the highest score that is not accepted.

    -inf if all images are accepted, inf if none is.
    """
    accepted = accept(images)
    last = int(_last_accepted(accepted, aim, aims)[0])
    if last < 0:
        return float("inf")
    return float(accepted.scores[last + 1]) if last + 1 < len(accepted.scores) else float("-inf")


def _last_accepted(accepted: Accepted, aim: Aim, aims: Aims) -> np.ndarray:
    """Return the position of the lowest accepted score, (draws,); -1 if none is accepted."""
    if aim == "coverage":
        return nearest_group(accepted, exclude_share=aims.exclude_share)
    return last_group_within(accepted, risk=aims.risk)


def _at_group(accepted: Accepted, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage and accuracy down to the score at each draw's position; 0 and NaN at position -1."""
    at = np.maximum(last, 0)[:, None]
    coverage, risk = (np.take_along_axis(values, at, axis=1)[:, 0] for values in (accepted.coverages, accepted.risks))
    return np.where(last < 0, 0.0, coverage), np.where(last < 0, np.nan, 1 - risk)


def apply_threshold(test: Scored, aim: Aim, threshold: float | None, draws: Draws, *, level: float) -> OperatingPoint:
    """Apply a threshold that was chosen on validation patients; None, if there are none, gives empty estimates."""
    if threshold is None:
        empty = _stated(None, test, level, NO_VALIDATION)
        return OperatingPoint(aim, "validation", None, empty, empty)
    accepted = test.scores > threshold
    of_all = share_term(accepted, test.patient_ids, draws)
    of_accepted = share_term(test.correct, test.patient_ids, draws, within=accepted)
    coverage, accuracy = ratio_intervals([[of_all], [of_accepted]], draws, level=level)
    if np.isinf(threshold):  # then the coverage of other patients is certain
        all_or_none = "all images are accepted" if threshold < 0 else _NONE_ACCEPTED
        coverage = _stated(float(threshold < 0), test, level, all_or_none)
    if not accepted.any():
        accuracy = _stated(None, test, level, _NONE_ACCEPTED)
    return OperatingPoint(aim, "validation", threshold, coverage, accuracy)


def _stated(value: float | None, test: Scored, level: float, reason: str) -> Estimate:
    """Return a value without an interval, or no value."""
    return Estimate(value, None, None, level, NO_INTERVAL, len(test.scores), test.n_patients, reason)


def selective_table(judged: tuple[JudgedScore, ...]) -> pd.DataFrame:
    """Return one row per score: each estimate as the columns name, name_low and name_high, NaN where it has none.

    The operating points are named by split and aim, such as validation_coverage_threshold and
    validation_coverage_accuracy.
    """
    return pd.DataFrame([_table_row(one) for one in judged])


def _table_row(judged: JudgedScore) -> dict[str, str | float | None]:
    estimates: dict[str, Estimate] = {name: getattr(judged, name) for name in MEASURES}
    row: dict[str, str | float | None] = {"score": judged.score}
    for point in judged.points:
        prefix = f"{point.chosen_on}_{point.aim}"
        row[f"{prefix}_threshold"] = point.threshold
        estimates |= {f"{prefix}_share": point.coverage, f"{prefix}_accuracy": point.accuracy}
    for name, estimate in estimates.items():
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return row
