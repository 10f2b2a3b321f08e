"""What a score of certainty adds to another: does minimal epsilon predict errors that the margin does not?

    partial correlation    Spearman's rank correlation of the score and correctness, given the other score: the
                           correlation of what remains of both ranks after a linear fit on the ranks of the other
    AUROC                  of error prediction on test patients, by the other score alone and by both: a logistic
                           regression on ranks, fitted on the validation patients

    AURC                   of one score minus that of the other; below 0 the score is better

0 is no added value. Intervals come from bootstrap draws of test patients; the fit is the same in all draws.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from oncorobust.evaluation.draw_intervals import interval_of_draws
from oncorobust.evaluation.resampling import Draws, Estimate
from oncorobust.evaluation.risk_coverage import Scored, accept, aurc, auroc, image_weights, over_draws
from oncorobust.evaluation.scored_rows import NO_VALIDATION, check_scored_rows, score_names, scored
from oncorobust.evaluation.selective import NO_ERROR_TO_PREDICT

_COLLINEAR = 1e-9
"""Share of a variance that rounding leaves; below it, two ranks are linear in each other."""


@dataclass(frozen=True)
class AddedValue:
    """What `score` adds to `given`. auroc_gain: auroc_both minus auroc_given, on the same draws."""

    score: str
    given: str
    partial_correlation: Estimate
    auroc_given: Estimate
    auroc_both: Estimate
    auroc_gain: Estimate


def added_value(rows: pd.DataFrame, *, score: str, given: str, draws: Draws, level: float) -> AddedValue:
    """Measure what one score adds to another; rows as in `oncorobust.evaluation.scored_rows`.

    draws: of the test patients. Raises InputError as `check_scored_rows` and `scored` do.
    """
    check_scored_rows(rows)
    own, other = (scored(rows, name, split="test") for name in (score, given))
    drawn = np.concatenate([_partial(own, other, weights) for weights in image_weights(own.patient_ids, draws)])
    value = _partial(own, other, np.ones((1, len(own.scores))))[0]
    constant = f"needs right and wrong predictions, and values of {score} that {given} does not determine"
    partial = interval_of_draws(value, drawn, own, level=level, undefined=constant, least=-1.0)
    both, reason = _combined(rows, own, other)
    return AddedValue(score, given, partial, *_aurocs(other, both, reason, draws, level))


def aurc_differences(rows: pd.DataFrame, *, against: str, draws: Draws, level: float) -> dict[str, Estimate]:
    """Return the AURC of every other score minus that of `against`, on the same draws of test patients.

    Raises InputError as `check_scored_rows` and `scored` do.
    """
    check_scored_rows(rows)
    base = scored(rows, against, split="test")
    whole, drawn = aurc(accept(base))[0], over_draws(base, draws, aurc)
    found = {}
    for name in score_names(rows):
        if name != against:
            own = scored(rows, name, split="test")
            value, differences = aurc(accept(own))[0] - whole, over_draws(own, draws, aurc) - drawn
            found[name] = interval_of_draws(value, differences, own, level=level, undefined="", least=-1.0)
    return found


def _partial(own: Scored, other: Scored, weights: np.ndarray) -> np.ndarray:
    """Return the partial rank correlation in each draw, (draws,); NaN where it is undefined.

    Correctness takes two values, so its ranks are linear in it.
    """
    total, right = weights.sum(axis=1, dtype=np.float64), weights @ own.correct.astype(np.float64)
    x, z = (_midranks(one.scores, weights) - total[:, None] / 2 for one in (own, other))  # mean 0
    weighted_x, weighted_z = weights * x, weights * z
    xx, xz, zz = (np.einsum("ij,ij->i", *pair) for pair in ((weighted_x, x), (weighted_x, z), (weighted_z, z)))
    xy, zy, yy = weighted_x @ own.correct, weighted_z @ own.correct, right - right**2 / total
    with np.errstate(invalid="ignore", divide="ignore"):
        own_to_right, other_to_right, between = xy / np.sqrt(xx * yy), zy / np.sqrt(zz * yy), xz / np.sqrt(xx * zz)
        left = (1 - between**2) * (1 - other_to_right**2)
        partial = (own_to_right - between * other_to_right) / np.sqrt(left)
    return np.where(left > _COLLINEAR, partial, np.nan)


def _midranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return each image's rank in each draw, (draws, images), up to a constant; ties share the mean rank."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    sizes = np.add.reduceat(weights[:, order], starts, axis=1, dtype=np.float64)
    return (np.cumsum(sizes, axis=1) - sizes / 2)[:, group]


def _combined(rows: pd.DataFrame, own: Scored, other: Scored) -> tuple[Scored | None, str]:
    """Return both scores of the test images as one, or None and the reason."""
    if not (rows["split"] == "validation").any():
        return None, NO_VALIDATION
    fitted = [scored(rows, one.name, split="validation") for one in (own, other)]
    if len(np.unique(fitted[0].correct)) < 2:
        return None, f"on the validation patients, {NO_ERROR_TO_PREDICT}"
    model = LogisticRegression().fit(_standard_ranks(fitted, fitted), fitted[0].correct)
    scores = model.decision_function(_standard_ranks(fitted, [own, other]))
    return Scored(f"{other.name} and {own.name}", scores, own.correct, own.image_ids, own.patient_ids), ""


def _standard_ranks(reference: list[Scored], images: list[Scored]) -> np.ndarray:
    """Return the rank of each score among the reference's, (images, scores), with mean 0 and variance 1 if uniform.

    Scores between the same two values of the reference have one rank.
    """
    columns = []
    for known, asked in zip(reference, images, strict=True):
        ordered = np.sort(known.scores)
        places = sum(np.searchsorted(ordered, asked.scores, side) for side in ("left", "right")) / (2 * len(ordered))
        columns.append((places - 0.5) * np.sqrt(12))
    return np.stack(columns, axis=1)


def _aurocs(
    given: Scored, both: Scored | None, reason: str, draws: Draws, level: float
) -> tuple[Estimate, Estimate, Estimate]:
    """Return the AUROC of the given score, of both scores, and the gain."""
    alone, drawn_alone = auroc(accept(given))[0], over_draws(given, draws, auroc)
    joint, drawn_joint = np.nan, np.full(len(drawn_alone), np.nan)
    if both is not None:
        joint, drawn_joint = auroc(accept(both))[0], over_draws(both, draws, auroc)
    undefined = reason or NO_ERROR_TO_PREDICT
    return (
        interval_of_draws(alone, drawn_alone, given, level=level, undefined=NO_ERROR_TO_PREDICT),
        interval_of_draws(joint, drawn_joint, given, level=level, undefined=undefined),
        interval_of_draws(
            joint - alone, drawn_joint - drawn_alone, given, level=level, undefined=undefined, least=-1.0
        ),
    )
