"""Certificates of a model's images from start to end: sigma on validation images, then the test images, then an attack.

The steps are those of `certificate_rows`; the attack has the smoothed model at the chosen sigma as its target.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.seeds import child_seed
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.smoothed_attack import SmoothedPgd, smoothed_first_flipped
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block, blocks_of
from oncorobust.evaluation.certificate_rows import (
    Interruptible,
    Smoothing,
    certified_rows,
    choose_sigma,
    summarise_certificates,
)
from oncorobust.evaluation.resumable_rows import ResumableRows


def certified_images(
    smoothing: Smoothing,
    test: LabelledImages,
    validation: LabelledImages | None,
    *,
    attack_epsilons: tuple[float, ...],
    resumable: ResumableRows,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the rows of certificates.csv, validation images first, and the content of certify.json.

    validation: None with a single sigma. attack_epsilons: increasing grid of the attack on the smoothed model. Raises
    InputError where the noise does not fit the images, or as `certify` does.
    """
    test = smoothing.certifiable(test)
    plan = smoothing.plan(len(test))
    parts, sigma = [], smoothing.settings.sigmas[0]
    if validation is not None:
        parts.append(certified_rows(smoothing, smoothing.certifiable(validation), plan=plan, resumable=resumable))
        sigma = choose_sigma(parts[0], epsilons=smoothing.table_epsilons)
    rows = certified_rows(smoothing, test, plan=plan, resumable=resumable)
    shown = (rows["sigma"] == sigma).to_numpy()
    found = _attacked(smoothing, test, rows[shown], plan, sigma=sigma, epsilons=attack_epsilons, resumable=resumable)
    rows.loc[shown, "first_flipped"] = found["first_flipped"].to_numpy()
    parts.append(rows)
    every = pd.concat(parts, ignore_index=True)
    return every, summarise_certificates(every, smoothing, sigma=sigma, epsilons=attack_epsilons)


def _attacked(
    smoothing: Smoothing,
    data: LabelledImages,
    rows: pd.DataFrame,
    plan: SamplingPlan,
    *,
    sigma: float,
    epsilons: Sequence[float],
    resumable: ResumableRows,
) -> pd.DataFrame:
    """Attack the smoothed model; return image_id and first_flipped, 0 where the answer is wrong without attack.

    rows: of the same images in the same order, at this sigma. An image that the smoothed model abstains on or answers
    wrong is not attacked.
    """
    correct, settings = rows["correct"].to_numpy(), smoothing.settings.attack
    target, noise = smoothing.target(), smoothing.noise(data, sigma)
    pgd = SmoothedPgd(max_iter=settings.max_iter, n_draws=settings.n_draws)

    def of_block(at: Block) -> pd.DataFrame:
        right = at[correct[at]]
        found = np.zeros(len(at))
        if len(right):
            part = data.take(right)
            found[correct[at]] = smoothed_first_flipped(
                target,
                part.images(),
                part.labels,
                noise=noise,
                plan=plan,
                attack=pgd,
                epsilons=epsilons,
                seeds=[child_seed(smoothing.seed, "smoothed attack", one) for one in part.image_ids],
                masks=smoothing.masks(part),
                listener=Interruptible(),
            )
        return data.rows.iloc[at][["image_id"]].assign(first_flipped=found)

    return resumable.of_part("smoothed").rows("images attacked", blocks_of(len(data), smoothing.batch_size), of_block)
