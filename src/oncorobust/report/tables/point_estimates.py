"""Numbers that only figures draw, computed from per-image rows; they have no interval of their own.

The risk at a coverage is computed here from sorted scores, independently of `evaluation.risk_coverage`, which drew it.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from oncorobust.evaluation.resampling import LEVEL, NO_INTERVAL, Estimate
from oncorobust.report.tables.cell import RowsSource, Statistic
from oncorobust.report.tables.row_statistics import selected

NO_INTERVAL_HERE = "a point of a figure without an interval of its own"


def _risk_at_coverage(frame: pd.DataFrame, source: RowsSource) -> Estimate:
    """Return the risk on the curve that is linear between the groups of images of equal score."""
    score = str(source.options["score"])
    rows = selected(frame, source, columns=("patient_id", score))
    values = pd.to_numeric(rows[score]).to_numpy(float)
    wrong = (rows["label"] != rows["predicted"]).to_numpy()
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    last_of_group = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    accepted = last_of_group + 1
    risks = np.cumsum(wrong[order])[last_of_group] / accepted
    found = np.interp(float(source.options["coverage"]) * len(rows), accepted, risks)
    return _without_interval(float(found), rows)


def _value_of_image(frame: pd.DataFrame, source: RowsSource) -> Estimate:
    """Return a column of the row of one image; None where it is infinite or missing."""
    column = str(source.options["column"])
    rows = selected(frame, source, columns=("patient_id", "image_id", column))
    value = float(pd.to_numeric(rows[column]).iloc[0])
    return _without_interval(value if np.isfinite(value) else None, rows)


def _without_interval(value: float | None, rows: pd.DataFrame) -> Estimate:
    n_patients = rows["patient_id"].nunique()
    return Estimate(value, None, None, LEVEL, NO_INTERVAL, len(rows), n_patients, NO_INTERVAL_HERE)


POINT_ESTIMATES: Mapping[Statistic, Callable[[pd.DataFrame, RowsSource], Estimate]] = {
    "risk_at_coverage": _risk_at_coverage,
    "value_of_image": _value_of_image,
}
