"""Rows of acquisition.csv, of which an image has several, as one row for each image."""

import pandas as pd

from oncorobust.report.tables.cell import Statistic

OF_ALL_ROWS: frozenset[Statistic] = frozenset({"unchanged_accuracy", "worst_changed_accuracy", "robust_accuracy_l2"})
"""Statistics of an image that all its rows give together, or of which all its rows hold the same value."""

ALWAYS_RIGHT = "always_right"
"""Column that `one_row_of_each_image` adds: whether each row of the image is predicted as labelled."""


def one_row_of_each_image(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the first row of each image; frame: with columns image_id, label and changed_predicted.

    Rows that this function has returned stay as they are.
    """
    if ALWAYS_RIGHT in frame:
        return frame
    right = (frame["changed_predicted"] == frame["label"]).groupby(frame["image_id"]).transform("all")
    return frame.assign(**{ALWAYS_RIGHT: right}).drop_duplicates("image_id")


def minimal_l2(frame: pd.DataFrame) -> pd.Series:
    """Return the least l2 distance found for each row, not a number where none was found."""
    return pd.to_numeric(frame["minimal_l2"])
