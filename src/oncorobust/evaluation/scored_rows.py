"""Rows with scores of certainty: one row per image of the validation and test patients, one column per score.

Columns: split (validation or test), image_id, patient_id, label, predicted, then any of `SCORES`. In every score,
higher means more certain. Where the rules were attacked, two more columns per score (`wrong_column`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.evaluation.risk_coverage import Scored

SCORES = {
    "min_epsilon": "minimal epsilon on the paper's grid; inf if no epsilon of the grid changes the prediction",
    "min_epsilon_strict": "smallest epsilon at which the strict search itself succeeds; inf if right-censored",
    "confidence": "largest softmax probability",
    "margin": "largest logit minus the second largest",
    "entropy": "entropy of the softmax probabilities, in nats, negated",
    "mc_dropout": "mean probability of the prediction over passes with dropout",
    "augmentation": "probability of the prediction in the mean logits of flipped and shifted copies",
    "noise_flips": "share of noisy copies, of one l_inf norm, that keep the prediction",
    "random": "random numbers, the baseline",
}
"""Meaning of each score."""

NO_VALIDATION = "no validation image has this score"
"""Why a score has no threshold from validation."""

RULE_ATTACKS = ("pgd", "adaptive")
"""Attacks on the rules, the stronger one last."""

SPLITS = ("validation", "test")
"""Splits whose images have scores."""

ROW_COLUMNS = ["split", "image_id", "patient_id", "label", "predicted"]
"""Columns of rows with scores, besides the scores."""


def check_scored_rows(rows: pd.DataFrame) -> None:
    """Check the columns, splits and ids of rows with scores.

    Raises InputError if a column is missing, there is no score, a split is unknown, an image has two rows (as when the
    rows of two models are mixed), or a patient is in both splits.
    """
    missing = [column for column in ROW_COLUMNS if column not in rows]
    if missing:
        raise InputError(f"rows with scores: expected columns {ROW_COLUMNS}, got none named {', '.join(missing)}")
    if not score_names(rows):
        raise InputError(f"rows with scores: expected at least one score of {', '.join(SCORES)}, got none")
    unknown = sorted(set(rows["split"]) - set(SPLITS))
    if unknown:
        raise InputError(f"rows with scores: expected split validation or test, got {unknown[0]!r}")
    twice = rows.loc[rows["image_id"].duplicated(), "image_id"]
    if len(twice):
        raise InputError(
            f"rows with scores: expected one row per image, got two or more for image {twice.iloc[0]} ({len(twice)} "
            "rows too many): use the rows of one model"
        )
    both = set(rows.loc[rows["split"] == "validation", "patient_id"]) & set(
        rows.loc[rows["split"] == "test", "patient_id"]
    )
    if both:
        raise InputError(
            f"rows with scores: expected each patient in one split, got {min(both)} in validation and test"
        )


def score_names(rows: pd.DataFrame) -> list[str]:
    """Return the scores that the rows have, in the order of `SCORES`."""
    return [name for name in SCORES if name in rows]


def wrong_column(score: str, attack: str) -> str:
    """Return the column with the largest score of a wrong answer that an attack found, -inf where it found none."""
    return f"{score}_wrong_{attack}"


def scored(rows: pd.DataFrame, score: str, *, split: str) -> Scored:
    """Return one score of the images of one split. Raises InputError as `Scored` does, or if the column is missing."""
    if score not in rows:
        raise InputError(f"rows with scores: expected a column {score}, got {', '.join(score_names(rows))}")
    part = rows[rows["split"] == split]
    return Scored(
        score,
        part[score].to_numpy(np.float64),
        (part["label"] == part["predicted"]).to_numpy(bool),
        part["image_id"].tolist(),
        part["patient_id"].tolist(),
    )


def join_scores(rows: pd.DataFrame, other: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Add score columns of `other`, which has a row for each of the same images, to `rows`.

    Raises InputError naming an image that is in one of the two only, or whose label or prediction differs, as where the
    rows come from two models.
    """
    first, second = rows.set_index("image_id"), other.set_index("image_id")
    single = first.index.symmetric_difference(second.index)
    if len(single):
        raise InputError(f"rows with scores: expected the same images in both tables, got {single[0]} in one only")
    second = second.loc[first.index]
    for column in ("patient_id", "label", "predicted"):
        differs = (first[column] != second[column]).to_numpy()
        if differs.any():
            image = first.index[differs][0]
            raise InputError(
                f"rows with scores: expected the rows of one model, got {column} {first.loc[image, column]} and "
                f"{second.loc[image, column]} for image {image}"
            )
    return rows.assign(**{column: second[column].to_numpy() for column in columns})
