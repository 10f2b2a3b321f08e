"""Checks of the validity gate on certificates: each bound is computed again from the counts in its row.

    images of certificates   every image once at every sigma, of the split, sigma and noise that the summary names
    free values          n_free is that of the noise, and the certified epsilon is sigma Phi^-1(p_lower) / sqrt(n_free)
    samples              an answer led among samples of its own; numbers of samples are those of the plan
    certified bounds     p_lower is Clopper and Pearson's bound of the counts, at the alpha that was planned for them
    certified and attacked   no attack on the smoothed model succeeds within a certified epsilon, beyond alpha
    summary of certificates  the numbers of certify.json follow from the rows

A certificate that claims more than its counts allow is red, however rarely it happens. An attack within a certified
epsilon is red beyond chance: a certificate may be wrong with probability alpha, and the judge of the attack too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from oncorobust.attacks.regions import has_lesion_box, lesion_reach
from oncorobust.base.epsilons import epsilon_from_key
from oncorobust.certificates.counts import certified_epsilon, l2_radius, lower_bound
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.sequential import schedule_of
from oncorobust.certificates.vote import checks_of
from oncorobust.evaluation.certificate_numbers import certificate_numbers
from oncorobust.evaluation.validity import Check, judge, named

_SAME = 1e-9
"""Relative difference of two numbers that are the same up to rounding."""

_CHANNELS = 3
"""Channels of the images that a model takes, also of grey ones."""

_CHANCE = 0.05
"""Probability of so many successes inside certified epsilons from which on they are chance."""

_COUNTS = ("n_selection", "selection_count", "n_samples", "n_top", "look_samples", "look_top")
_NUMBERS = (
    *("label", "base_predicted", "predicted", "sigma", "n_free", *_COUNTS),
    *("look_alpha", "alpha", "p_lower", "radius", "certified_epsilon"),
)
"""Columns of which no cell is empty."""


@dataclass(frozen=True)
class CertifiedImages:
    """What a processed data set says about the images whose certificates are judged.

    index: rows of index.csv. size: height and width in pixels. grey: whether the channels are equal. n_classes: of the
    model's answers.
    """

    index: pd.DataFrame
    size: int
    grey: bool
    n_classes: int

    def free_values(self, image_ids: pd.Series, noise: str) -> np.ndarray:
        """Return (n,) how many values the noise moves in each image; 0 for noise in a lesion that has no box."""
        channels = _CHANNELS if noise == "untied" or (noise == "lesion" and not self.grey) else 1
        if noise != "lesion":
            return np.full(len(image_ids), self.size**2 * channels)
        boxed = self.index[has_lesion_box(self.index) & self.index["image_id"].isin(image_ids)]
        pixels = lesion_reach(boxed, (self.size, self.size)).sum(axis=(1, 2, 3)).astype(int)
        of_image = dict(zip(boxed["image_id"], pixels.tolist(), strict=True))
        return np.array([channels * of_image.get(one, 0) for one in image_ids], dtype=int)


def judge_certificates(rows: pd.DataFrame, metrics: Mapping[str, Any], *, images: CertifiedImages) -> tuple[Check, ...]:
    """Return the checks of one smoothed model. rows: of certificates.csv. metrics: content of certify.json.

    Raises InputError naming an image whose lesion box lies outside it.
    """
    read = rows.assign(**{name: pd.to_numeric(rows[name], errors="coerce") for name in (*_NUMBERS, "first_flipped")})
    whole = read[list(_NUMBERS)].notna().all(axis=1) & (read["n_free"] >= 1) & (read["sigma"] > 0)
    kept = read[whole].astype(dict.fromkeys(_COUNTS, "int64"))
    plan = _plan(metrics)
    kept = kept.assign(**_planned(kept, plan, metrics))
    return (
        _check_images(read, whole, metrics, images),
        _check_free_values(kept, metrics, images),
        _check_samples(kept, metrics, n_classes=images.n_classes),
        _check_bounds(kept),
        _check_attacked(kept),
        _check_summary(kept, plan, metrics),
    )


def _plan(metrics: Mapping[str, Any]) -> SamplingPlan:
    shared = metrics["n_images"] if metrics["alpha_of"] == "table" else 1
    return SamplingPlan(metrics["n_selection"], metrics["n_samples"], metrics["alpha"]).shared(shared)


def _planned(rows: pd.DataFrame, plan: SamplingPlan, metrics: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return of each row alpha as planned, that of its look (0 for no planned look), and whether n_samples is planned.

    The plan of an image depends on sigma and on its number of free values alone.
    """
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


def _check_images(rows: pd.DataFrame, whole: pd.Series, metrics: Mapping[str, Any], images: CertifiedImages) -> Check:
    """Check that the rows are those of the images, sigmas and noise that certify.json names, each once."""
    known = images.index.drop_duplicates("image_id").set_index("image_id")[["split", "patient_id", "label"]]
    of_index = known.reindex(rows["image_id"]).set_index(rows.index)
    listed = of_index["split"].notna()
    for name in ("split", "patient_id", "label"):
        listed &= of_index[name].astype(str) == rows[name].astype(str)
    once = ~rows.duplicated(["split", "image_id", "sigma"], keep=False)
    planned = rows["sigma"].isin(metrics["sigmas"]) & (rows["noise"] == metrics["noise"])
    wrong = ~(whole & listed & once & planned).to_numpy()
    expected = {"test": metrics["n_images"], "validation": metrics["n_validation_images"]}
    counts = rows.groupby(["split", "sigma"])["image_id"].nunique()
    missing = [
        f"{counts.get((split, sigma), 0)} {split} images at sigma {sigma:g} and not {n}"
        for split, n in expected.items()
        for sigma in metrics["sigmas"]
        if counts.get((split, sigma), 0) != n
    ]
    finding = _found(rows, wrong, "are repeated, have an empty cell, or are of another image, sigma or noise")
    return judge(
        "images of certificates",
        "each image has one certificate at each sigma that was planned, is in the split of index.csv, and is counted",
        red=bool(wrong.any()) or bool(missing),
        finding="; ".join([finding, *missing]),
    )


def _check_free_values(rows: pd.DataFrame, metrics: Mapping[str, Any], images: CertifiedImages) -> Check:
    free = rows["n_free"].to_numpy() == images.free_values(rows["image_id"], metrics["noise"])
    radius = rows["sigma"].to_numpy() * l2_radius(rows["p_lower"].to_numpy(), sigma=1.0)
    epsilon = certified_epsilon(radius, n_free=rows["n_free"].to_numpy())
    derived = _same(rows["radius"], radius) & _same(rows["certified_epsilon"], epsilon)
    wrong = ~(free & derived)
    values = images.size**2 * (_CHANNELS if metrics["noise"] == "untied" else 1)
    told = "the values in its lesion's box" if metrics["noise"] == "lesion" else f"the {values} values"
    return judge(
        "free values",
        f"n_free is {told} that {metrics['noise']} noise moves in images of {images.size} x {images.size} pixels, "
        "and the certified epsilon is sigma Phi^-1(p_lower) / sqrt(n_free)",
        red=bool(wrong.any()),
        finding=_found(rows, wrong, "are others"),
    )


def _check_samples(rows: pd.DataFrame, metrics: Mapping[str, Any], *, n_classes: int) -> Check:
    selected = rows["n_selection"].isin(checks_of(metrics["n_selection"]))
    led = (rows["selection_count"] <= rows["n_selection"]) & (
        rows["selection_count"] * n_classes >= rows["n_selection"]
    )
    counted = (rows["n_top"] <= rows["n_samples"]) & rows["ends_as_planned"]
    looked = (rows["look_samples"] <= rows["n_samples"]) & (rows["look_top"] <= rows["n_top"])
    wrong = ~(selected & led & counted & looked).to_numpy()
    return judge(
        "samples of certificates",
        "each answer led among samples of its own, which are not among those that estimate its share, and the numbers "
        "of both are planned",
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
        & _same(rows["look_alpha"], look_alpha)
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


def _check_summary(rows: pd.DataFrame, plan: SamplingPlan, metrics: Mapping[str, Any]) -> Check:
    shown = (rows["split"] == "test") & (rows["sigma"] == metrics["sigma"])
    right = (rows["predicted"] == rows["label"]) & ~rows["abstained"]
    other = [] if (right == rows["correct"]).all() else ["correct"]
    stated = {**metrics, **metrics["certified_accuracy"]}
    numbers = _numbers(rows, plan, metrics) if shown.any() else {"sigma": np.nan}
    other += [name for name, value in numbers.items() if not _same(stated[name], value)]
    return judge(
        "summary of certificates",
        "every number of certify.json, and whether a prediction is correct, follows from the rows",
        red=bool(other),
        finding=f"{len(other)} do not follow{f' ({named(other)})' if other else ''}",
    )


def _numbers(rows: pd.DataFrame, plan: SamplingPlan, metrics: Mapping[str, Any]) -> dict[str, int | float]:
    """Return the numbers of certify.json as the rows give them, those of certified accuracies by epsilon."""
    epsilons = [epsilon_from_key(key) for key in metrics["certified_accuracy"]]
    numbers = certificate_numbers(rows, plan, sigma=metrics["sigma"], table=metrics["epsilons"], epsilons=epsilons)
    return numbers | numbers.pop("certified_accuracy")


def _found(rows: pd.DataFrame, wrong: np.ndarray, told: str) -> str:
    ids = rows.loc[wrong, "image_id"].unique().tolist()
    return f"{int(wrong.sum())} of {len(rows)} certificates {told}{f' ({named(ids)})' if ids else ''}"


def _same(first: Any, second: Any) -> np.ndarray:
    same = np.isclose(np.asarray(first, dtype=float), np.asarray(second, dtype=float), rtol=_SAME, atol=0)
    return np.asarray(same)
