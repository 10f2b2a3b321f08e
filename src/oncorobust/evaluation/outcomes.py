"""A model's answers under one attack, with one row per image, from the stored rows of the stage `attack`.

Under the strict protocol an image counts as right at an epsilon if its clean answer is right and `last_safe` is at
least this epsilon: attacks were tried there and failed. At an epsilon of the grid this is the robust accuracy of the
tables. At another epsilon, an image whose interval [last_safe, first_flipped] contains it counts as wrong.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.errors import InputError
from oncorobust.base.units import readable_unit
from oncorobust.settings.policy import EpsilonInUnit, Requirement

_ROUNDING = 1e-9
"""Relative difference of two epsilons that are the same number in different units."""

_UNITS = {"HU": "HU", "8-bit grey levels": "grey_levels"}


@dataclass(frozen=True)
class ModelRows:
    """The rows of one model on one data set; where: the files they come from, for errors.

    predictions: columns of predictions.csv. intervals: columns of intervals.csv; empty without the strict protocol.
    """

    predictions: pd.DataFrame
    intervals: pd.DataFrame
    where: str


def epsilon_of(
    requirement: Requirement, *, intensity_range: tuple[float, float], intensity_unit: str
) -> tuple[float | None, str]:
    """Return a requirement's epsilon in [0, 1] and as text in its own unit; None and "" for clean images.

    Raises InputError for a unit that is not that of the data set's reports.
    """
    epsilon = requirement.epsilon
    if not isinstance(epsilon, EpsilonInUnit):
        return epsilon, "" if epsilon is None else epsilon_text(epsilon)
    one, name = readable_unit(intensity_range, intensity_unit)
    if _UNITS[name] != epsilon.unit:
        raise InputError(f"epsilon.unit: expected {_UNITS[name]}, the unit of this data set, got {epsilon.unit}")
    return epsilon.value / one, f"{epsilon.value:g} {name}"


def outcomes(rows: ModelRows, requirement: Requirement, *, epsilon: float) -> pd.DataFrame:
    """Return one row per image: image_id, patient_id, label, right (bool) and score, sorted by image_id.

    epsilon: l_inf, in [0, 1] units; ignored for clean images. score: logit of class 1 minus logit of class 0, for two
    classes; NaN under the strict protocol. Raises InputError if the rows are not of one model, or do not reach epsilon.
    """
    check_one_model(rows)
    found = _strict(rows, epsilon) if requirement.attack == "strict" else _predicted(rows, requirement, epsilon)
    return found.sort_values("image_id", ignore_index=True)[["image_id", "patient_id", "label", "right", "score"]]


def check_one_model(rows: ModelRows) -> None:
    """Check that each image has one clean answer, the same in both tables. Raises InputError naming an image."""
    clean = rows.predictions[rows.predictions["attack"] == "none"]
    if clean.empty:
        raise InputError(f"{rows.where}: expected a row of attack none for each image, got none")
    if clean["image_id"].duplicated().any():
        twice = clean.loc[clean["image_id"].duplicated(), "image_id"].iloc[0]
        raise InputError(f"{rows.where}: expected the rows of one model, got two clean answers to image {twice}")
    if rows.intervals.empty:
        return
    joined = rows.intervals.merge(clean, on="image_id", how="outer", suffixes=("", "_clean"))
    differ = joined[(joined["predicted"] != joined["predicted_clean"]) | (joined["label"] != joined["label_clean"])]
    if len(differ):
        raise InputError(
            f"{rows.where}: expected the same images and clean answers in predictions.csv and intervals.csv, "
            f"got others for image {differ['image_id'].iloc[0]}: these are rows of two models or data sets"
        )


def _strict(rows: ModelRows, epsilon: float) -> pd.DataFrame:
    if rows.intervals.empty:
        raise InputError(f"{rows.where}: expected rows of the strict protocol in intervals.csv, got none")
    last = rows.intervals.groupby("image_id", sort=False).tail(1)
    least = epsilon * (1 - _ROUNDING)
    reach = last.loc[np.isinf(last["first_flipped"]), "last_safe"].min()
    if reach < least:
        raise InputError(
            f"{rows.where}: expected an epsilon of at most {reach:g}, where the strict search ends, got {epsilon:g}"
        )
    right = (last["label"] == last["predicted"]) & (last["last_safe"] >= least)
    return last.assign(right=right, score=np.nan)


def _predicted(rows: ModelRows, requirement: Requirement, epsilon: float) -> pd.DataFrame:
    table, attack = rows.predictions, requirement.attack
    found = table[table["attack"] == attack]
    if attack != "none":
        found = found[found["attacked_label"] == requirement.away_from.partition("_")[0]]
        known = sorted(found["epsilon"].unique())
        found = found[np.isclose(found["epsilon"], epsilon, rtol=_ROUNDING, atol=0)]
        if found.empty:
            listed = ", ".join(f"{one:g}" for one in known) or "none; the paper's protocol was not run"
            raise InputError(f"{rows.where}: expected an epsilon of {attack} ({listed}), got {epsilon:g}")
    n_images = table.loc[table["attack"] == "none", "image_id"].nunique()
    if found["image_id"].duplicated().any() or len(found) != n_images:
        raise InputError(
            f"{rows.where}: expected one row of {attack} for each of {n_images} images, got {len(found)} rows"
        )
    sign = np.where(found["label"] == 1, 1.0, -1.0)
    return found.assign(right=found["label"] == found["predicted"], score=sign * found["margin"])
