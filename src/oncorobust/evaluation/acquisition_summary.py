"""The content of acquisition.json, counted from the rows of acquisition.csv. Imports no framework."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.evaluation.acquisition_estimates import right, right_under_noise, worst_case

NOTES = (
    "Accuracy counts predictions of the label: a wrong prediction that a change makes right counts. Flips count "
    "changed predictions, of images predicted right and wrong alike.",
    "In the worst case an image counts as right only if it is predicted right unchanged and at every severity.",
    "Sizes are those of the model's input in [0, 1]; the values of a grey image count once. Noise of equal size is "
    "clipped to [0, 1]: sign noise keeps its l_inf wherever a value has room, and Gaussian noise is scaled to its l_2 "
    "after clipping.",
)
"""Notes of every acquisition.json."""


def summarise_acquisition(
    rows: pd.DataFrame, not_possible: pd.DataFrame, *, titles: Mapping[str, str]
) -> dict[str, Any]:
    """Count accuracies, flips and sizes; return what acquisition.json holds beside data set, model and synthetic.

    rows, not_possible: of `acquisition_rows`; either may be empty. titles: of the changes, for people.
    """
    every = worst_case(rows)
    minimal = rows.drop_duplicates("image_id")["minimal_l2"].to_numpy(dtype=float)
    return {
        "n_images": len(every),
        "n_patients": int(every["patient_id"].nunique()),
        "clean_accuracy": _mean(every["clean"]),
        "worst_accuracy": _mean(every["right"]),
        "median_minimal_l2": _median_found(minimal),
        "share_with_minimal_l2": _mean(pd.Series(np.isfinite(minimal))),
        "changes": {
            str(change): _of_change(part, title=titles[str(change)])
            for change, part in rows.groupby("change", sort=False)
        },
        "not_possible": {str(change): _reasons(part) for change, part in not_possible.groupby("change", sort=False)},
        "notes": list(NOTES),
    }


def _of_change(rows: pd.DataFrame, *, title: str) -> dict[str, Any]:
    images = worst_case(rows)
    return {
        "title": title,
        "unit": str(rows["unit"].iloc[0]),
        "n_images": len(images),
        "clean_accuracy": _mean(images["clean"]),
        "worst_accuracy": _mean(images["right"]),
        "half_flipped_severity": _half_flipped(rows),
        "levels": {f"level_{level}": _of_level(part) for level, part in rows.groupby("level")},
    }


def _half_flipped(rows: pd.DataFrame) -> float | None:
    """Return the smallest severity at which half of the images or more have flipped, there or at a smaller one."""
    ordered = rows.sort_values("level", kind="stable")
    flipped = ordered.assign(flipped=ordered.groupby("image_id")["flipped"].cummax())
    by_level = [part for _, part in flipped.groupby("level")]
    return next((float(one["severity"].iloc[0]) for one in by_level if one["flipped"].mean() >= 0.5), None)


def _of_level(rows: pd.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {
        "severity": float(rows["severity"].iloc[0]),
        "n_images": len(rows),
        "accuracy": float(right(rows).mean()),
        "flips": float(rows["flipped"].mean()),
    }
    for size in ("l_inf", "l2"):
        found[f"noise_{size}_accuracy"] = float(right_under_noise(rows, size).mean())
        found[f"noise_{size}_flips"] = float(rows[f"noise_{size}_flipped"].mean())
        found[f"median_{size}"] = float(rows[size].median())
    return found


def _reasons(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each reason with its number of images, in the order in which they came."""
    counts = rows.groupby("reason", sort=False)["image_id"].nunique()
    return [{"reason": str(reason), "n_images": int(count)} for reason, count in counts.items()]


def _mean(flags: pd.Series) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _median_found(values: np.ndarray) -> float | None:
    """Return the smallest value that at most half of the images exceed; None where that is not found (NaN)."""
    if not len(values):
        return None
    median = np.sort(np.where(np.isnan(values), np.inf, values))[(len(values) - 1) // 2]
    return float(median) if np.isfinite(median) else None
