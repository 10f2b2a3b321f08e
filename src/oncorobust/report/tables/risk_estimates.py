"""Risk at coverages with its interval over patients, from scores.csv: the points of Figure 4.

The risk is computed here from sorted scores, independently of `evaluation.risk_coverage`, which draws the curve. The
interval is that of the band (`evaluation.draw_intervals`). One pass over the samples gives all coverages of a score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from oncorobust.evaluation import draw_intervals
from oncorobust.evaluation.resampling import LEVEL, Draws, Estimate
from oncorobust.evaluation.risk_coverage import Scored
from oncorobust.report.tables.cell import RowsSource
from oncorobust.report.tables.row_statistics import selected


def is_risk(source: RowsSource) -> bool:
    """Return whether a source has an estimate here."""
    return source.statistic == "risk_at_coverage"


def risk_estimates(sources: Sequence[RowsSource], rows: Mapping[str, pd.DataFrame], draws: Draws) -> list[Estimate]:
    """Return the estimate of each source, in order. rows: by the name of their file. draws: of the test patients.

    Raises InputError where a file lacks a score, or has no rows that fit.
    """
    by_score: dict[tuple[str, str], list[int]] = {}
    for position, source in enumerate(sources):
        by_score.setdefault((source.file, str(source.options["score"])), []).append(position)
    found: dict[int, Estimate] = {}
    for (file, score), positions in by_score.items():
        chosen = selected(rows[file], sources[positions[0]], columns=("patient_id", "image_id", score))
        coverages = np.array([float(sources[one].options["coverage"]) for one in positions])
        found |= zip(positions, _risks(_scored(chosen, score), coverages, draws), strict=True)
    return [found[position] for position in range(len(sources))]


def _scored(rows: pd.DataFrame, score: str) -> Scored:
    right = (rows["label"] == rows["predicted"]).to_numpy(bool)
    values = pd.to_numeric(rows[score]).to_numpy(float)
    return Scored(score, values, right, rows["image_id"].tolist(), rows["patient_id"].astype(str).tolist())


def _risks(images: Scored, coverages: np.ndarray, draws: Draws) -> list[Estimate]:
    banded = draw_intervals.risk_estimates(images, draws, coverages=coverages.tolist(), level=LEVEL)
    return [replace(one, value=value) for one, value in zip(banded, _risk_at(images, coverages), strict=True)]


def _risk_at(images: Scored, coverages: np.ndarray) -> list[float]:
    """Return the risks on the curve that is linear between the groups of images of equal score."""
    order = np.argsort(-images.scores, kind="stable")
    ordered = images.scores[order]
    last_of_group = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    accepted = last_of_group + 1
    risks = np.cumsum(~images.correct[order])[last_of_group] / accepted
    return np.interp(coverages * len(ordered), accepted, risks).tolist()
