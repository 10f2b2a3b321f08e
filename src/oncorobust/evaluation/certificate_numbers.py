"""The numbers of certify.json that follow from the rows of certificates.csv and the plan of sampling.

Stage `certify` writes them, and the validity gate computes them again.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from oncorobust.base.epsilons import epsilon_key
from oncorobust.certificates.counts import certified_epsilon, l2_radius, lower_bound
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.sequential import schedule_of


def certificate_numbers(
    rows: pd.DataFrame, plan: SamplingPlan, *, sigma: float, table: Sequence[float], epsilons: Sequence[float]
) -> dict[str, Any]:
    """Return counts, shares and costs of a smoothed model by their keys in certify.json.

    rows: of all images; sigma: the chosen one. table: epsilons at which sampling was to decide; epsilons: those of the
    certified accuracies.
    """
    at_sigma = rows[rows["sigma"] == sigma]
    shown = at_sigma[at_sigma["split"] == "test"]
    return {
        "n_images": len(shown),
        "n_patients": int(shown["patient_id"].nunique()),
        "n_validation_images": int((at_sigma["split"] == "validation").sum()),
        "sigma": sigma,
        "largest_epsilon": _largest_epsilon(plan, sigma=sigma, n_free=int(shown["n_free"].min()), table=table),
        "samples_per_image": float(shown["n_samples"].mean()),
        "abstained": float(shown["abstained"].mean()),
        "smoothed_accuracy": float(shown["correct"].mean()),
        "base_accuracy": float((shown["base_predicted"] == shown["label"]).mean()),
        "certified_accuracy": {epsilon_key(one): float(certified(shown, one).mean()) for one in epsilons},
    }


def certified(rows: pd.DataFrame, epsilon: float) -> pd.Series:
    """Return which images are predicted right with at least this certified epsilon."""
    return rows["correct"] & (rows["certified_epsilon"] >= epsilon)


def _largest_epsilon(plan: SamplingPlan, *, sigma: float, n_free: int, table: Sequence[float]) -> float:
    """Return the epsilon above which no image can be certified: all samples agree up to the last look.

    An image whose samples agree ends earlier, once the largest epsilon of the table is certified, and holds less.
    """
    last = schedule_of(plan, sigma=sigma, n_free=n_free, epsilons=tuple(table)).alphas[-1]
    bound = lower_bound(plan.n_samples, plan.n_samples, float(last))
    return float(certified_epsilon(l2_radius(bound, sigma=sigma), n_free=n_free))
