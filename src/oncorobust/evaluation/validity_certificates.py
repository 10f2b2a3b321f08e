"""Checks of the validity gate on certificates: each bound is computed again from the counts in its row.

    free values          n_free is that of the noise, and the certified epsilon is sigma Phi^-1(p_lower) / sqrt(n_free)
    samples              numbers of samples are those of the plan, none of the selection among them
    certified bounds     p_lower is Clopper and Pearson's bound of the counts, at the alpha that was planned for them
    certified and attacked   no attack on the smoothed model succeeds within a certified epsilon, beyond alpha

A certificate that claims more than its counts allow is red, however rarely it happens. An attack within a certified
epsilon is red beyond chance: a certificate may be wrong with probability alpha, and the judge of the attack too.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from oncorobust.certificates.counts import certified_epsilon, l2_radius, lower_bound
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.sequential import schedule_of
from oncorobust.evaluation.validity import Check, judge, named

_SAME = 1e-9
"""Relative difference of two numbers that are the same up to rounding."""

_CHANNELS = 3
"""Channels of the images that a model takes, also of grey ones."""

_CHANCE = 0.05
"""Probability of so many successes inside certified epsilons from which on they are chance."""


def judge_certificates(rows: pd.DataFrame, metrics: Mapping[str, Any], *, size: int, grey: bool) -> tuple[Check, ...]:
    """Return the checks of one smoothed model.

    rows: of certificates.csv. metrics: content of certify.json. size: height and width of the images, in pixels. grey:
    whether their channels are equal.
    """
    rows = rows.assign(first_flipped=pd.to_numeric(rows["first_flipped"]), **_planned(rows, metrics))
    return (
        _check_free_values(rows, metrics, size=size, grey=grey),
        _check_samples(rows, metrics),
        _check_bounds(rows),
        _check_attacked(rows),
    )


def _planned(rows: pd.DataFrame, metrics: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return of each row alpha as planned, that of its look (0 for no planned look), and whether n_samples is planned.

    The plan of an image depends on sigma and on its number of free values alone.
    """
    shared = metrics["n_images"] if metrics["alpha_of"] == "table" else 1
    plan = SamplingPlan(metrics["n_selection"], metrics["n_samples"], metrics["alpha"]).shared(shared)
    look_alpha, ends_as_planned = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
    for sigma, n_free in rows[["sigma", "n_free"]].drop_duplicates().to_numpy(dtype=float):
        places = np.flatnonzero((rows["sigma"] == sigma) & (rows["n_free"] == n_free))
        schedule = schedule_of(plan, sigma=float(sigma), n_free=int(n_free), epsilons=tuple(metrics["epsilons"]))
        looks = dict(zip(schedule.at.tolist(), schedule.alphas.tolist(), strict=True))
        part = rows.iloc[places]
        look_alpha[places] = [looks.get(one, 0.0) for one in part["look_samples"]]
        ends_as_planned[places] = part["n_samples"].isin(list(looks))
    return {
        "planned_alpha": np.full(len(rows), plan.alpha),
        "planned_look_alpha": look_alpha,
        "ends_as_planned": ends_as_planned,
    }


def _check_free_values(rows: pd.DataFrame, metrics: Mapping[str, Any], *, size: int, grey: bool) -> Check:
    values = size**2 if metrics["noise"] == "tied" or (metrics["noise"] == "lesion" and grey) else _CHANNELS * size**2
    free = rows["n_free"].between(1, values) if metrics["noise"] == "lesion" else rows["n_free"] == values
    radius = rows["sigma"].to_numpy() * l2_radius(rows["p_lower"].to_numpy(), sigma=1.0)
    epsilon = certified_epsilon(radius, n_free=rows["n_free"].to_numpy())
    derived = _same(rows["radius"], radius) & _same(rows["certified_epsilon"], epsilon)
    wrong = ~(free.to_numpy() & derived)
    told = "at most the" if metrics["noise"] == "lesion" else "the"
    return judge(
        "free values",
        f"n_free is {told} {values} values that {metrics['noise']} noise moves in images of {size} x {size} pixels, "
        "and the certified epsilon is sigma Phi^-1(p_lower) / sqrt(n_free)",
        red=bool(wrong.any()),
        finding=_found(rows, wrong, "are others"),
    )


def _check_samples(rows: pd.DataFrame, metrics: Mapping[str, Any]) -> Check:
    counted = (rows["selection_count"] <= rows["n_selection"]) & (rows["n_top"] <= rows["n_samples"])
    within = (rows["n_selection"] <= metrics["n_selection"]) & rows["ends_as_planned"]
    looked = (rows["look_samples"] <= rows["n_samples"]) & (rows["look_top"] <= rows["n_top"])
    wrong = ~(counted & within & looked).to_numpy()
    return judge(
        "samples of certificates",
        "samples that selected the answer are not among those that estimate its share, whose numbers are planned",
        red=bool(wrong.any()),
        finding=_found(rows, wrong, "have numbers of samples that the plan does not have"),
    )


def _check_bounds(rows: pd.DataFrame) -> Check:
    look_alpha, top, n = (rows[name].to_numpy() for name in ("planned_look_alpha", "look_top", "look_samples"))
    looked = look_alpha > 0
    bound = np.where(looked, lower_bound(np.where(looked, top, 0), np.where(looked, n, 1), look_alpha), 0.0)
    wrong = ~(
        _same(rows["p_lower"], bound)
        & _same(rows["alpha"], rows["planned_alpha"])
        & (rows["abstained"] == ~(bound > 0.5)).to_numpy()
    )
    return judge(
        "certified bounds",
        "p_lower is the bound of Clopper and Pearson of the row's counts at its planned share of alpha, and the "
        "smoothed model abstains where it is not above 1/2",
        red=bool(wrong.any()),
        finding=_found(rows, wrong, "claim another bound than their counts give"),
    )


def _check_attacked(rows: pd.DataFrame) -> Check:
    attacked = rows[rows["first_flipped"].notna() & ~rows["abstained"] & rows["correct"]]
    inside = (attacked["first_flipped"] < attacked["certified_epsilon"]).to_numpy()
    n_wrong, alpha = int(inside.sum()), float(attacked["planned_alpha"].max()) if len(attacked) else 0.0
    # Of so many images each is wrong with probability alpha: by its certificate, or by the judge of the attack.
    red = n_wrong > 0 and float(binom.sf(n_wrong - 1, len(attacked), min(2 * alpha, 1.0))) < _CHANCE
    return judge(
        "certified and attacked",
        "an attack on the smoothed model changes no more images within their certified epsilon than chance allows",
        red=red,
        finding=_found(attacked, inside, "are changed within their certified epsilon"),
    )


def _found(rows: pd.DataFrame, wrong: np.ndarray, told: str) -> str:
    ids = rows.loc[wrong, "image_id"].unique().tolist()
    return f"{int(wrong.sum())} of {len(rows)} certificates {told}{f' ({named(ids)})' if ids else ''}"


def _same(first: Any, second: Any) -> np.ndarray:
    return np.isclose(np.asarray(first, dtype=float), np.asarray(second, dtype=float), rtol=_SAME, atol=0)
