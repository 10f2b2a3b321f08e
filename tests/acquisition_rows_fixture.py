"""Made-up rows of acquisition.csv: a change flips an image if it is so many times larger than its minimal epsilon."""

from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.schema.acquisition import ACQUISITION
from oncorobust.evaluation.acquisition_summary import summarise_acquisition

CHANGES = {
    "dose_noise": ("noise of a lower dose", "HU", (5.0, 10.0, 20.0, 40.0, 80.0), 1 / 1400),
    "hu_shift": ("shift of CT numbers", "HU", (-20.0, 2.5, 30.0), 1 / 1400),
    "jpeg": ("JPEG compression", ": 1", (8.0, 15.0, 30.0), 1 / 300),
}
"""Title, unit, severities, and l_inf size of severity 1."""

LARGER = {"dose_noise": 8.0, "hu_shift": 12.0, "jpeg": 25.0}
"""How many times larger than an image's minimal epsilon a change must be to flip it."""

NOT_POSSIBLE = {"bias_field": "needs an MR image, found CT"}
SIZE, NO_L2 = 32, 3
"""Values along a side of an image; images at the end for which no search in l2 finds another answer."""


def acquisition_rows(images: pd.DataFrame, flips: np.ndarray, *, n_classes: int) -> pd.DataFrame:
    """Return rows of acquisition.csv. images: image_id, patient_id, label, predicted. flips: minimal epsilons."""
    return pd.concat(
        [
            _rows(images, flips, n_classes, name, level, severity)
            for name, (_, _, severities, _) in CHANGES.items()
            for level, severity in enumerate(severities, start=1)
        ],
        ignore_index=True,
    )


def acquisition_metrics(rows: pd.DataFrame) -> dict[str, Any]:
    """Return what acquisition.json counts from the rows, beside data set, model and synthetic."""
    images = rows["image_id"].unique()
    reasons = [
        {"image_id": image, "change": change, "reason": reason}
        for change, reason in NOT_POSSIBLE.items()
        for image in images
    ]
    titles = {name: one[0] for name, one in CHANGES.items()}
    return summarise_acquisition(rows, pd.DataFrame(reasons), titles=titles)


def _rows(
    images: pd.DataFrame, flips: np.ndarray, n_classes: int, name: str, level: int, severity: float
) -> pd.DataFrame:
    _, unit, _, scale = CHANGES[name]
    predicted = images["predicted"].to_numpy()
    sizes = np.linspace(0.8, 1.2, len(images)) * abs(severity) * scale
    rows = images.assign(change=name, severity=severity, unit=unit, level=level)
    rows["changed_predicted"] = np.where(sizes > LARGER[name] * flips, (predicted + 1) % n_classes, predicted)
    rows["l_inf"], rows["l2"] = sizes, sizes * SIZE / 2
    for norm, larger in (("l_inf", 20.0), ("l2", 30.0)):
        answers = np.where(sizes > larger * flips, (predicted + 1) % n_classes, predicted)
        rows[f"noise_{norm}_predicted"], rows[f"noise_{norm}_flipped"] = answers, answers != predicted
    rows["flipped"] = rows["changed_predicted"] != predicted
    rows["minimal_l2"] = np.where(np.arange(len(images)) < len(images) - NO_L2, flips * SIZE / 3, np.nan)
    return rows[list(ACQUISITION.names)]
