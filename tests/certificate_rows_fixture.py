"""Made-up certificates: counts are drawn from known probabilities, and everything else follows from them."""

from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.schema.certify import CERTIFICATES
from oncorobust.certificates.counts import certified_epsilon, l2_radius
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.sequential import Sampling, schedule_of
from oncorobust.evaluation.certificate_numbers import certificate_numbers

SIZE, SIGMA, EPSILONS = 32, 0.1, (0.001, 0.002, 0.004, 0.006)
PLAN = SamplingPlan(n_selection=32, n_samples=400, alpha=0.001)


def certificate_rows(images: pd.DataFrame, p: np.ndarray, *, split: str, seed: int = 0) -> pd.DataFrame:
    """Return rows of certificates.csv. images: image_id, patient_id, label, predicted. p: of the answer under noise."""
    rng = np.random.default_rng(seed)
    schedule = schedule_of(PLAN, sigma=SIGMA, n_free=SIZE**2, epsilons=EPSILONS)
    found = []
    for probability in p:
        sampling = Sampling(schedule)
        while wanted := sampling.wanted:
            sampling.take(rng.random(wanted) < probability)
        found.append(sampling.found())
    columns = {
        name: [getattr(one, name) for one in found] for name in ("n_samples", "n_top", "look_samples", "look_top")
    }
    columns |= {name: [getattr(one, name) for one in found] for name in ("look_alpha", "p_lower")}
    rows = images.assign(split=split, base_predicted=images["predicted"], **columns)
    radius = l2_radius(rows["p_lower"].to_numpy(), sigma=SIGMA)
    rows = rows.assign(
        abstained=~(rows["p_lower"] > 0.5),
        sigma=SIGMA,
        noise="tied",
        n_free=SIZE**2,
        n_selection=PLAN.n_selection,
        selection_count=np.round(PLAN.n_selection * np.maximum(p, 0.6)).astype(int),
        alpha=PLAN.alpha,
        radius=radius,
        certified_epsilon=certified_epsilon(radius, n_free=SIZE**2),
        first_flipped=np.nan,
    )
    rows["correct"] = (rows["predicted"] == rows["label"]) & ~rows["abstained"]
    if split == "test":
        rows["first_flipped"] = np.where(rows["correct"], 1.3 * rows["certified_epsilon"] + 0.0005, 0.0)
    return rows[list(CERTIFICATES.names)]


def certify_metrics(rows: pd.DataFrame) -> dict[str, Any]:
    """Return what certify.json counts from the rows, beside data set, model and synthetic."""
    planned = {
        "sigmas": [SIGMA],
        "noise": "tied",
        "n_selection": PLAN.n_selection,
        "n_samples": PLAN.n_samples,
        "alpha": PLAN.alpha,
        "alpha_of": "image",
        "epsilons": list(EPSILONS),
        "precision": "float32",
    }
    return planned | certificate_numbers(rows, PLAN, sigma=SIGMA, table=EPSILONS, epsilons=EPSILONS)
