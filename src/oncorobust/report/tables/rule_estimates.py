"""Estimates of a score of certainty as a rule, from scores.csv: its guarantee, what it adds, and attacks on it.

The measures are those of `evaluation.guarantee`, `evaluation.added_value` and `evaluation.wrong_accepted`.
"""

from typing import get_args

import pandas as pd

from oncorobust.evaluation.added_value import added_value
from oncorobust.evaluation.guarantee import coverage_estimate, guaranteed_thresholds, risk_estimate
from oncorobust.evaluation.resampling import LEVEL, Draws, Estimate
from oncorobust.evaluation.scored_rows import RULE_ATTACKS, wrong_column
from oncorobust.evaluation.selective import Aims
from oncorobust.evaluation.wrong_accepted import wrong_accepted
from oncorobust.report.tables.cell import RowsSource, Statistic
from oncorobust.report.tables.selective_estimates import rows_of_score
from oncorobust.report.tables.statistic_names import AddedStatistic, GuaranteeStatistic, RuleAttackStatistic

GUARANTEE: frozenset[str] = frozenset(get_args(GuaranteeStatistic))
"""The statistics that `guarantee_estimates` gives."""

ADDED: frozenset[str] = frozenset(get_args(AddedStatistic))
"""The statistics that `added_estimates` gives."""

ATTACKED: frozenset[str] = frozenset(get_args(RuleAttackStatistic))
"""The statistics that `attacked_estimates` gives."""

GIVEN = "margin"
"""The score that every other one is compared with."""


def guarantee_estimates(frame: pd.DataFrame, source: RowsSource, _: Draws) -> dict[Statistic, Estimate]:
    """Return coverage and risk at the guaranteed threshold of the score that a source names.

    Raises InputError where the file lacks the score or another column.
    """
    options = source.options
    found = guaranteed_thresholds(
        rows_of_score(frame, source),
        alpha=float(options["risk"]),
        delta=1 - float(options["confidence"]),
        seed=int(options["seed"]),
    )[str(options["score"])]
    return {"guaranteed_coverage": coverage_estimate(found, level=LEVEL), "guaranteed_risk": risk_estimate(found)}


def added_estimates(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> dict[Statistic, Estimate]:
    """Return what the score that a source names adds to the margin; draws: of the test patients.

    Raises InputError where the file lacks the score, the margin or another column.
    """
    rows = rows_of_score(frame, source, also=(GIVEN,))
    found = added_value(rows, score=str(source.options["score"]), given=GIVEN, draws=draws, level=LEVEL)
    return {
        "partial_correlation": found.partial_correlation,
        "auroc_given": found.auroc_given,
        "auroc_both": found.auroc_both,
        "auroc_gain": found.auroc_gain,
    }


def attacked_estimates(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> dict[Statistic, Estimate]:
    """Return the shares of test images that are misclassified and accepted by the score that a source names.

    Raises InputError where the file lacks the score or a column of the attacks.
    """
    score = str(source.options["score"])
    aims = Aims(exclude_share=float(source.options["exclude_share"]), risk=float(source.options["risk"]))
    rows = rows_of_score(frame, source, also=tuple(wrong_column(score, one) for one in RULE_ATTACKS))
    found = wrong_accepted(rows, score=score, aims=aims, draws=draws, level=LEVEL)
    return {
        "wrong_accepted_none": found["none"],
        "wrong_accepted_pgd": found["pgd"],
        "wrong_accepted_adaptive": found["adaptive"],
    }
