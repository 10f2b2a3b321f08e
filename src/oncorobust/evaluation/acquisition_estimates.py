"""Estimates with intervals by patient from the rows of a model under changes of the acquisition. Imports no framework.

accuracy            at one severity of one change
worst case          an image counts as right only if it is right unchanged and at every severity of its changes
paired difference   of two models at one severity, or of the change and noise of equal size, on the same images
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from oncorobust.base.arrays import Flags
from oncorobust.evaluation.comparisons import Comparison, compare, pair_rows
from oncorobust.evaluation.intervals import ratio_intervals, share_term
from oncorobust.evaluation.resampling import Draws, Estimate

Size = Literal["l_inf", "l2"]
"""Norm in which noise has the size of the change: sign noise for l_inf, Gaussian noise for l2."""


def at_level(rows: pd.DataFrame, change: str, level: int) -> pd.DataFrame:
    """Return the rows of one severity of one change, one per image."""
    return rows[(rows["change"] == change) & (rows["level"] == level)].reset_index(drop=True)


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


def share_of(flags: np.ndarray, patient_ids: Sequence[str], draws: Draws, *, level: float) -> Estimate:
    """Estimate a share of images, such as accuracy at a severity, the worst case, or flips.

    flags: (images,) one per image. draws: of all patients.
    """
    (found,) = ratio_intervals([[share_term(flags, patient_ids, draws)]], draws, level=level)
    return found


def compare_models(
    first: pd.DataFrame, second: pd.DataFrame, draws: Draws, *, names: tuple[str, str], level: float
) -> Comparison:
    """Compare the accuracy of two models at one severity of one change; the difference is second minus first.

    first, second: their rows of `at_level`, of the same images in any order. names: of the models, for messages.
    Raises InputError if the images differ.
    """
    ordered = pair_rows(first, second, names=names)
    return compare(right(first), right(ordered), first["patient_id"].tolist(), draws, level=level)


def compare_with_noise(rows: pd.DataFrame, draws: Draws, *, size: Size, level: float) -> Comparison:
    """Compare the accuracy under a change with that under noise of equal size; the difference is noise minus change.

    rows: of one severity of one change (`at_level`). A positive difference: the change does more than its size alone.
    """
    return compare(right(rows), right_under_noise(rows, size), rows["patient_id"].tolist(), draws, level=level)
