"""Shares of test images that are misclassified and accepted by a rule: without attack, and under attacks on the rule.

The rule accepts an image whose score is above a threshold. The threshold is chosen on validation patients for the share
of images to exclude, and frozen. An attacked image counts if any wrong answer that the attack found is accepted
(`oncorobust.evaluation.rule_attack`).
"""

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.evaluation.intervals import ratio_intervals, share_term
from oncorobust.evaluation.resampling import NO_INTERVAL, Draws, Estimate
from oncorobust.evaluation.risk_coverage import Scored
from oncorobust.evaluation.scored_rows import NO_VALIDATION, RULE_ATTACKS, check_scored_rows, scored, wrong_column
from oncorobust.evaluation.selective import Aims, choose_threshold


def wrong_accepted(rows: pd.DataFrame, *, score: str, aims: Aims, draws: Draws, level: float) -> dict[str, Estimate]:
    """Return the share of all test images without attack (`none`) and under each attack of `RULE_ATTACKS`.

    rows: as in `oncorobust.evaluation.scored_rows`, with the columns of the attacks. draws: of the test patients.
    Raises InputError as `check_scored_rows` and `scored` do, or if an attack's column is missing or lacks a number.
    """
    check_scored_rows(rows)
    test = scored(rows, score, split="test")
    names = ("none", *RULE_ATTACKS)
    if not (rows["split"] == "validation").any():
        size = len(test.scores), test.n_patients
        return dict.fromkeys(names, Estimate(None, None, None, level, NO_INTERVAL, *size, NO_VALIDATION))
    threshold = choose_threshold(scored(rows, score, split="validation"), "coverage", aims)
    largest = [np.where(test.correct, -np.inf, test.scores), *(_attacked(rows, test, one) for one in RULE_ATTACKS)]
    terms = [[share_term(values > threshold, test.patient_ids, draws)] for values in largest]
    return dict(zip(names, ratio_intervals(terms, draws, level=level), strict=True))


def _attacked(rows: pd.DataFrame, test: Scored, attack: str) -> np.ndarray:
    """Return the largest score of a wrong answer to each test image, -inf where none was found."""
    column = wrong_column(test.name, attack)
    if column not in rows:
        raise InputError(f"rows with scores: expected a column {column}, got {', '.join(map(str, rows.columns))}")
    values = pd.to_numeric(rows.loc[rows["split"] == "test", column]).to_numpy(np.float64)
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        image = test.image_ids[int(missing[0])]
        raise InputError(f"rows with scores: expected a number or -inf in {column}, got none for image {image}")
    return values
