"""A model under changes of the acquisition, with one row per image, change and severity.

    flipped     whether the prediction changes, for images predicted right and wrong alike: what a change does
    accuracy    whether the prediction for the changed image is the label: a wrong answer that becomes right counts

Each change has two yardsticks. Noise of equal size shows what the size alone does: sign noise of the change's l_inf,
Gaussian noise of its l2 (`attacks.equal_noise`). A search for the nearest image with another prediction (`fmn_l2`)
shows how much smaller a change could be; its l_inf counterpart is in intervals.csv.

Sizes are those of the model's input in [0, 1]. A grey image is one channel that the model receives in all of its
channels: its values count once, and noise and search change all channels together. A change of size 0 leaves the
prediction, and has no noise. Noise depends on seed, data set, image, change and level alone, so a row is the same
whatever else is evaluated.

Cost: per change, a forward pass of the changed image and two noisy ones; per image, `max_iter` gradients.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.attacks.box_l2 import l2_distance
from oncorobust.attacks.coarse_target import target_of
from oncorobust.attacks.equal_noise import gaussian_noise, sign_noise
from oncorobust.attacks.finite import check_finite_logits
from oncorobust.attacks.fmn_l2 import fmn_l2
from oncorobust.attacks.goals import leave
from oncorobust.attacks.input_layers import grey_channel, tied_channels
from oncorobust.attacks.target import Target
from oncorobust.backend.classifier import Model
from oncorobust.base.arrays import Image
from oncorobust.base.progress import check
from oncorobust.base.seeds import child_rng
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block
from oncorobust.evaluation.changed_images import ChangeLevel, Rescan, Rescanned, rescanned
from oncorobust.evaluation.resumable_rows import ResumableRows

ACQUISITION_COLUMNS = [
    *("image_id", "patient_id", "label", "predicted", "change", "severity", "unit", "level"),
    *("changed_predicted", "flipped", "l_inf", "l2"),
    *("noise_l_inf_predicted", "noise_l_inf_flipped", "noise_l2_predicted", "noise_l2_flipped", "minimal_l2"),
]
"""Columns of acquisition.csv."""

_IMAGE = ["image_id", "patient_id", "label"]
_REASON = "reason"
_EMPTY = {
    **{"severity": 0.0, "unit": "", "level": 0, "changed_predicted": 0, "flipped": False, "l_inf": 0.0, "l2": 0.0},
    **{"noise_l_inf_predicted": 0, "noise_l_inf_flipped": False, "noise_l2_predicted": 0, "noise_l2_flipped": False},
}
"""A record of a change that does not apply, of the types of the others: it is left out of the rows."""


@dataclass(frozen=True)
class AcquisitionRows:
    """rows: `ACQUISITION_COLUMNS`. not_possible: image_id, change and reason, where a change does not apply."""

    rows: pd.DataFrame
    not_possible: pd.DataFrame


def acquisition_rows(
    model: Model,
    data: LabelledImages,
    blocks: Sequence[Block],
    *,
    rescan: Rescan,
    max_iter: int,
    precision: str,
    seed: int,
    resumable: ResumableRows,
) -> AcquisitionRows:
    """Evaluate the images of some blocks under every change that applies; return a row per image, change and severity.

    rescan: position in `data` -> the changed images. max_iter: gradients of the search for minimal_l2. precision: of
    these gradients (`coarse_target.target_of`); every image found is confirmed in float32. minimal_l2 is NaN where no
    image with another prediction was found. Raises InputError for changed images that are not as the processed ones.
    """
    grey = data.pixels.shape[-1] == 1
    target = target_of(tied_channels(model) if grey else model, precision=precision)

    def rows(at: Block) -> pd.DataFrame:
        return _block_rows(target, data, at, rescan, grey=grey, max_iter=max_iter, seed=seed)

    found = resumable.rows("images under changes of the acquisition", blocks, rows)
    possible = found[_REASON] == ""
    return AcquisitionRows(
        found.loc[possible, ACQUISITION_COLUMNS].reset_index(drop=True),
        found.loc[~possible, ["image_id", "change", _REASON]].reset_index(drop=True),
    )


def _block_rows(
    target: Target, data: LabelledImages, at: Block, rescan: Rescan, *, grey: bool, max_iter: int, seed: int
) -> pd.DataFrame:
    part = data.take(at)
    x = grey_channel(part.images(), part.image_ids) if grey else part.images()
    clean = target.logits(x)
    check_finite_logits(clean, stage="rescan", names=part.image_ids)
    predicted, records = clean.argmax(axis=1), []
    for place, position in enumerate(at):
        check()
        changed = rescanned(rescan, data, int(position))
        own = part.rows.iloc[place][_IMAGE].to_dict() | {"predicted": int(predicted[place])}
        names = (data.name, str(own["image_id"]))
        records += [own | one for one in _image_records(target, x[place], own["predicted"], changed, seed, names)]
    rows = pd.DataFrame(records)
    searched = np.isin(part.image_ids, rows.loc[rows[_REASON] == "", "image_id"].tolist())
    goal = leave(predicted, n_classes=target.n_classes, names=part.image_ids)
    distance = np.full(len(at), np.inf)
    if searched.any():
        places = np.flatnonzero(searched)
        distance[places] = fmn_l2(target, x[places], goal.at(places), max_iter=max_iter).distance
    minimal = dict(zip(part.image_ids, np.where(np.isfinite(distance), distance, np.nan), strict=True))
    return rows.assign(minimal_l2=rows["image_id"].map(minimal))


def _image_records(
    target: Target, image: Image, predicted: int, changed: Rescanned, seed: int, names: tuple[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield the records of one image: a record per change and level, and one per change that does not apply."""
    for change, group in groupby(changed.images, key=lambda one: one.change):
        levels = list(group)
        rngs = [child_rng(seed, "noise of equal size", *names, change, one.level) for one in levels]
        pictures = [(one, changed.images[one]) for one in levels]
        yield from _change_records(target, image, predicted, pictures, rngs, name=names[1])
    for change, reason in changed.not_possible.items():
        yield _EMPTY | {"change": change, _REASON: reason}


def _change_records(
    target: Target,
    image: Image,
    predicted: int,
    changed: Sequence[tuple[ChangeLevel, Image]],
    rngs: Sequence[np.random.Generator],
    *,
    name: str,
) -> list[dict[str, Any]]:
    """Evaluate one image under the levels of one change, and under noise of their sizes.

    Raises InputError naming the image and the change whose logits are not finite: they are no answer.
    """
    pictures = np.stack([one for _, one in changed])
    l_inf, l2 = (
        np.abs(pictures - image).max(axis=(1, 2, 3)),
        l2_distance(pictures, np.broadcast_to(image, pictures.shape)),
    )
    sign = np.stack([sign_noise(image, float(size), rng) for size, rng in zip(l_inf, rngs, strict=True)])
    gaussian = np.stack([gaussian_noise(image, float(size), rng) for size, rng in zip(l2, rngs, strict=True)])
    logits = target.logits(np.concatenate([pictures, sign, gaussian]))
    levels = [f"{name} under {one.change}, severity {one.severity}" for one, _ in changed]
    check_finite_logits(logits, stage="rescan", names=[*levels, *(f"{one}, noise of its size" for one in 2 * levels)])
    answers = logits.argmax(axis=1).reshape(3, -1)
    answers[:, l_inf == 0] = predicted
    return [
        {
            "change": level.change,
            "severity": level.severity,
            "unit": level.unit,
            "level": level.level,
            "changed_predicted": int(own),
            "flipped": bool(own != predicted),
            "l_inf": float(l_inf[place]),
            "l2": float(l2[place]),
            "noise_l_inf_predicted": int(by_sign),
            "noise_l_inf_flipped": bool(by_sign != predicted),
            "noise_l2_predicted": int(by_gaussian),
            "noise_l2_flipped": bool(by_gaussian != predicted),
            _REASON: "",
        }
        for place, ((level, _), own, by_sign, by_gaussian) in enumerate(zip(changed, *answers, strict=True))
    ]
