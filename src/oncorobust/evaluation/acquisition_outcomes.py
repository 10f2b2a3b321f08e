"""Outcomes of images under changes of the acquisition, from the rows of a model. Imports no framework."""

from typing import Literal

import pandas as pd

from oncorobust.base.arrays import Flags

Size = Literal["l_inf", "l2"]
"""Norm in which noise has the size of the change: sign noise for l_inf, Gaussian noise for l2."""


def right(rows: pd.DataFrame) -> Flags:
    """Return (rows,) whether the prediction for the changed image is the label."""
    return (rows["changed_predicted"] == rows["label"]).to_numpy()


def right_under_noise(rows: pd.DataFrame, size: Size) -> Flags:
    """Return (rows,) whether the prediction under noise of equal size is the label."""
    return (rows[f"noise_{size}_predicted"] == rows["label"]).to_numpy()


def worst_case(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per image, with image_id, patient_id, label, clean (bool) and right (bool).

    rows: of one change, for the worst case over its severities, or of all, for that over all changes that apply to the
    image. clean: whether the unchanged image is predicted right. right: whether it is so in each row, too.
    """
    clean = (rows["predicted"] == rows["label"]).to_numpy()
    flags = rows[["image_id", "patient_id", "label"]].assign(clean=clean, right=clean & right(rows))
    grouped = flags.groupby("image_id", sort=False)
    return grouped.agg({"patient_id": "first", "label": "first", "clean": "all", "right": "all"}).reset_index()
