"""Estimates of a score of certainty from scores.csv: how well it tells right from wrong answers.

All estimates of one score come from one pass over the samples of test patients, so they are computed together. The
measures are those of `evaluation.selective`.
"""

from typing import get_args

import pandas as pd

from oncorobust.evaluation.resampling import LEVEL, Draws, Estimate
from oncorobust.evaluation.scored_rows import ROW_COLUMNS
from oncorobust.evaluation.selective import Aims, judge_scores
from oncorobust.report.tables.cell import RowsSource, Statistic
from oncorobust.report.tables.statistic_names import SelectiveStatistic

SELECTIVE: frozenset[str] = frozenset(get_args(SelectiveStatistic))
"""The statistics that `selective_estimates` gives."""


def selective_estimates(frame: pd.DataFrame, source: RowsSource, draws: Draws) -> dict[Statistic, Estimate]:
    """Return every estimate of the score that a source names; draws: of the test patients.

    Raises InputError where the file lacks the score or another column.
    """
    aims = Aims(exclude_share=float(source.options["exclude_share"]), risk=float(source.options["risk"]))
    (judged,) = judge_scores(rows_of_score(frame, source), aims=aims, draws=draws, level=LEVEL)
    points = {(one.aim, one.chosen_on): one for one in judged.points}
    frozen, at_risk = points["coverage", "validation"], points["risk", "validation"]
    chosen = points["coverage", "test"]
    return {
        "aurc": judged.aurc,
        "augrc": judged.augrc,
        "error_auroc": judged.auroc,
        "accuracy_at_coverage": judged.accuracy_at_coverage,
        "frozen_coverage": frozen.coverage,
        "frozen_accuracy": frozen.accuracy,
        "frozen_coverage_at_risk": at_risk.coverage,
        "frozen_accuracy_at_risk": at_risk.accuracy,
        "chosen_coverage": chosen.coverage,
        "chosen_accuracy": chosen.accuracy,
    }


def rows_of_score(frame: pd.DataFrame, source: RowsSource, *, also: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the rows with the score that a source names as their only one, and with other columns.

    Validation images that were not attacked have no such score and choose no threshold: they are left out.
    """
    score = str(source.options["score"])
    rows = frame[[one for one in (*ROW_COLUMNS, score, *also) if one in frame]]
    if score not in rows:
        return rows
    rows = rows.assign(**{score: pd.to_numeric(rows[score])})
    return rows[(rows["split"] == "test") | rows[score].notna()]
