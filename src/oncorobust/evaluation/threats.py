"""Robustness under threat models of an imaging chain, with one row per image, threat model and epsilon.

    full         every channel of every pixel changes independently, as in the paper
    tied         all channels of a grey image change together
    lesion       tied, and only inside the lesion's box        background    tied, and only outside it
    stored_8     tied, and still adversarial as a file of 8 bits; stored_12 and stored_16 likewise
    noise        tied noise of the same size: chance instead of a search

Lesion and background are contained in tied, and tied in full, so an image flipped under a part counts as flipped under
the whole. Stored threats start from the image as it is stored; their rounded result, which the plain model confirms,
lies within epsilon and half a grey level of it. Colour images have no `tied`, and their other threats change each
channel independently.

Cost: an undecided image takes (2 + num_random_init) max_iter gradients per threat and epsilon, or max_iter fewer if
there is no earlier attempt; an image that is flipped under a part takes one, and an image already flipped none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from oncorobust.attacks.coarse_target import target_of
from oncorobust.attacks.goals import Goal, leave
from oncorobust.attacks.input_layers import grey_channel, stored_bit_depth, tied_channels
from oncorobust.attacks.noise import noise_margins
from oncorobust.attacks.regions import background_reach, has_lesion_box, lesion_reach
from oncorobust.attacks.stored import round_to_bits
from oncorobust.attacks.target import Target
from oncorobust.attacks.threat_search import FlippedAt, Stored, Threat, search_threats
from oncorobust.backend.classifier import Model
from oncorobust.base.arrays import Images
from oncorobust.base.epsilons import epsilon_key
from oncorobust.base.seeds import child_rng, child_seed
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.models.checks import check_epsilons
from oncorobust.settings.attacks import IterativeAttack, NoiseKind, ThreatName

THREAT_COLUMNS = ["image_id", "patient_id", "label", "predicted", "threat", "attack", "epsilon", "flipped"]
"""Columns of `threat_rows`."""

_REGIONS = {"lesion": lesion_reach, "background": background_reach}
_BITS = {"stored_8": 8, "stored_12": 12, "stored_16": 16}


@dataclass(frozen=True)
class ThreatSettings:
    """Threat models of one table, increasing epsilons, PGD's settings.

    noise: the kind of noise in threat `noise`. precision: of the gradients (`coarse_target.target_of`); every flip is
    confirmed in float32.
    """

    threats: tuple[ThreatName, ...]
    epsilons: tuple[float, ...]
    pgd: IterativeAttack
    noise: NoiseKind
    precision: str = "float32"


def threat_rows(
    model: Model,
    data: LabelledImages,
    blocks: Sequence[Block],
    *,
    settings: ThreatSettings,
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    """Attack the images of some blocks; return a row per image, threat and epsilon.

    Columns: image_id, patient_id, label, predicted (clean), threat, attack (pgd; for noise its kind), epsilon, flipped:
    whether the clean prediction changed at this epsilon or, except for noise, at a smaller one. There are no rows for
    threats that do not apply to an image (`tied` in colour, regions without a lesion box). Raises InputError if
    epsilons do not increase.
    """
    check_epsilons(settings.epsilons, where="the threat epsilons")
    fronts = _Fronts(model, settings, grey=data.pixels.shape[-1] == 1)

    def rows(at: Block) -> pd.DataFrame:
        own_seed = child_seed(seed, "threats", int(at[0]))
        found = list(_block_rows(fronts, data.take(at), settings, seed=own_seed))
        return pd.concat(found) if found else pd.DataFrame(columns=THREAT_COLUMNS)

    return resumable.rows("images under threat models", blocks, rows)


def summarise_threats(rows: pd.DataFrame) -> dict[str, Any]:
    """Compute by threat: number of images to which it applies, clean accuracy, and robust accuracy by epsilon."""
    right = rows["label"] == rows["predicted"]
    rows = rows.assign(right=right, robust=right & ~rows["flipped"].astype(bool))
    summary = {}
    for threat in rows["threat"].unique():
        part = rows[rows["threat"] == threat]
        summary[threat] = {
            "n_images": int(part["image_id"].nunique()),
            "clean_accuracy": float(part.drop_duplicates("image_id")["right"].mean()),
            "robust_accuracy": {
                epsilon_key(epsilon): float(part.loc[part["epsilon"] == epsilon, "robust"].mean())
                for epsilon in part["epsilon"].unique()
            },
        }
    return summary


class _Fronts:
    """The model behind different input layers, each compiled once for all blocks.

    plain: takes images as they are. base: takes grey images of one channel, for colour the same as plain; used by all
    threats except `full`. stored: rounds the images first, by threat.
    """

    def __init__(self, model: Model, settings: ThreatSettings, *, grey: bool) -> None:
        front, target = tied_channels(model) if grey else model, partial(target_of, precision=settings.precision)
        self.grey = grey
        self.plain = target(model)
        self.base = target(front) if grey else self.plain
        self.stored = {
            name: target(stored_bit_depth(front, bits=bits)) for name, bits in _BITS.items() if name in settings.threats
        }


def _block_rows(
    fronts: _Fronts, data: LabelledImages, settings: ThreatSettings, *, seed: int
) -> Iterator[pd.DataFrame]:
    x = data.images()
    predicted = fronts.plain.logits(x).argmax(axis=1)
    goal = leave(predicted, n_classes=fronts.plain.n_classes, names=data.image_ids)
    ids = data.rows[["image_id", "patient_id", "label"]].assign(predicted=predicted)
    base_x = grey_channel(x, data.image_ids) if fronts.grey else x
    possible = [threat for threat in _threats(fronts, x, base_x, data.rows) if threat.applies.any()]
    threats = [threat for threat in possible if threat.name in settings.threats]
    rng = child_rng(seed, "pgd")
    flipped = search_threats(threats, goal, epsilons=settings.epsilons, settings=settings.pgd, rng=rng)
    for threat in threats:
        rows = ids[threat.applies].assign(threat=threat.name, attack="pgd")
        yield _at_epsilons(rows, flipped[threat.name][:, threat.applies], settings)
    if "noise" in settings.threats:
        flips = _noise(fronts.base, base_x, goal, settings, rng=child_rng(seed, "noise"))
        yield _at_epsilons(ids.assign(threat="noise", attack=settings.noise), flips, settings)


def _threats(
    fronts: _Fronts, x: Images, base_x: Float[np.ndarray, "n h w base"], index: pd.DataFrame
) -> Iterator[Threat]:
    """Yield all threats that apply to images of this kind, parts first. x, base_x: the inputs of plain and base."""
    boxed, everywhere = has_lesion_box(index), np.ones(len(x), dtype=bool)
    for name, reach_of in _REGIONS.items():
        reach = np.zeros((*x.shape[:3], 1), dtype=np.float32)
        reach[boxed] = reach_of(index[boxed], x.shape[1:3])
        yield Threat(name, fronts.base, base_x, boxed, reach=reach)
    if fronts.grey:
        yield Threat("tied", fronts.base, base_x, everywhere, parts=tuple(_REGIONS))
    yield Threat("full", fronts.plain, x, everywhere, parts=(*_REGIONS, "tied"))
    for name, target in fronts.stored.items():
        stored = Stored(_BITS[name], plain=fronts.base)
        near = ("tied" if fronts.grey else "full",)
        yield Threat(name, target, round_to_bits(base_x, bits=stored.bits), everywhere, parts=near, stored=stored)


def _noise(target: Target, x: Images, goal: Goal, settings: ThreatSettings, *, rng: np.random.Generator) -> FlippedAt:
    return noise_margins(target, x, goal, epsilons=settings.epsilons, kind=settings.noise, rng=rng) < 0


def _at_epsilons(rows: pd.DataFrame, flipped: FlippedAt, settings: ThreatSettings) -> pd.DataFrame:
    """Repeat the rows of one threat for each epsilon."""
    levels = zip(settings.epsilons, flipped, strict=True)
    return pd.concat([rows.assign(epsilon=epsilon, flipped=flags) for epsilon, flags in levels])
