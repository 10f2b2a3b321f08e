"""Numbers of one image that only Figure 6 draws, read from per-image rows; they have no interval of their own."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from oncorobust.evaluation.resampling import LEVEL, NO_INTERVAL, Estimate
from oncorobust.report.tables.cell import RowsSource, Statistic
from oncorobust.report.tables.row_statistics import selected

NO_INTERVAL_HERE = "a point of a figure without an interval of its own"


def _value_of_image(frame: pd.DataFrame, source: RowsSource) -> Estimate:
    """Return a column of the row of one image; None where it is infinite or missing."""
    column = str(source.options["column"])
    rows = selected(frame, source, columns=("patient_id", "image_id", column))
    value = float(pd.to_numeric(rows[column]).iloc[0])
    drawn = value if np.isfinite(value) else None
    return Estimate(drawn, None, None, LEVEL, NO_INTERVAL, len(rows), rows["patient_id"].nunique(), NO_INTERVAL_HERE)


POINT_ESTIMATES: Mapping[Statistic, Callable[[pd.DataFrame, RowsSource], Estimate]] = {
    "value_of_image": _value_of_image,
}
