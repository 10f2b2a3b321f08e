"""Images with scores of certainty, made by hand or drawn at random."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from oncorobust.evaluation.risk_coverage import Scored


def make_scored(
    scores: Sequence[float] | np.ndarray, right: str | np.ndarray, patients: Sequence[str] | None = None
) -> Scored:
    """Images i0, i1, ...; right: one letter per image, r (right) or w (wrong), or Booleans."""
    correct = np.array([letter == "r" for letter in right]) if isinstance(right, str) else right
    ids = [f"i{number}" for number in range(len(correct))]
    return Scored("margin", np.asarray(scores, np.float64), correct, ids, list(patients or ids))


def random_scored(n: int, *, seed: int, levels: int = 6, per_patient: int = 3) -> Scored:
    """Random images whose scores take few values, the highest of them inf, and predict errors moderately."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, n).astype(np.float64)
    correct = rng.random(n) < 0.5 + 0.4 * scores / levels
    scores[scores == levels - 1] = np.inf
    return make_scored(scores, correct, [f"p{number // per_patient:03}" for number in range(n)])


def random_rows(*, seed: int, n: int = 120) -> pd.DataFrame:
    """Rows of validation and test, half and half, two images per patient; the margin predicts errors."""
    rng = np.random.default_rng(seed)
    margin = rng.exponential(1.0, n)
    label = rng.integers(0, 2, n)
    wrong = rng.random(n) < 0.5 * np.exp(-margin)
    return pd.DataFrame(
        {
            "split": np.where(np.arange(n) < n // 2, "validation", "test"),
            "image_id": [f"i{number}" for number in range(n)],
            "patient_id": [f"p{number // 2}" for number in range(n)],
            "label": label,
            "predicted": np.where(wrong, 1 - label, label),
            "min_epsilon": np.where(margin > 1.5, np.inf, np.ceil(4 * margin) / 400),
            "margin": margin,
            "random": rng.random(n),
        }
    )
