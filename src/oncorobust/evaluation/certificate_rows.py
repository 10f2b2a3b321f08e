"""Certificates of validation and test images by randomized smoothing: a row per image and sigma.

Sigma is chosen on validation images alone: the largest mean certified accuracy over the tables' epsilons among those
that tell images apart (`choose_sigma`), and the smallest sigma of those that have it. At this sigma the test images are
attacked too, with the smoothed model itself as the target, so that each image has a lower and an upper bound of one and
the same model.

The rows hold the counts. Radius, accuracy and all that tables show are computed from them, and the validity gate
computes each bound again (`validity_certificates`). An image's row does not depend on the images beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.finite import check_finite_logits
from oncorobust.attacks.regions import has_lesion_box, lesion_reach
from oncorobust.attacks.target import Target
from oncorobust.backend.functions import LogitsFunction, compile_function
from oncorobust.base.arrays import Images, Logits
from oncorobust.base.errors import InputError
from oncorobust.base.progress import check
from oncorobust.base.seeds import child_seed
from oncorobust.certificates.certify import certify
from oncorobust.certificates.noise import Masks, SmoothingNoise
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block, blocks_of
from oncorobust.evaluation.certificate_numbers import certificate_numbers, certified
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.settings.certify import Certify

CERTIFICATE_COLUMNS = [
    *("split", "image_id", "patient_id", "label", "base_predicted", "predicted", "abstained", "correct"),
    *("sigma", "noise", "n_free", "n_selection", "selection_count", "n_samples", "n_top"),
    *("look_samples", "look_top", "look_alpha", "alpha", "p_lower", "radius", "certified_epsilon", "first_flipped"),
]
"""Columns of certificates.csv."""

_COUNTS = ("n_selection", "selection_count", "n_samples", "n_top", "look_samples", "look_top", "look_alpha")
_BOUNDS = ("alpha", "p_lower", "radius")


@dataclass(frozen=True)
class Smoothing:
    """A model to be smoothed, and how.

    precision: of the forward passes, `float32` or `bfloat16`; the certificate is that of the model in this precision.
    table_epsilons: increasing; sampling ends where the answers at these are decided, or hardly change. seed: the same
    for both models. batch_size: noisy images of a forward pass.
    """

    classifier: KerasClassifier
    settings: Certify
    precision: str
    table_epsilons: tuple[float, ...]
    seed: int
    batch_size: int

    def target(self) -> Target:
        """Return the model in the precision, for certificates and for attacks on the smoothed model alike."""
        model = self.classifier.model
        return MixedTarget(model) if self.precision == "bfloat16" else Target(model)

    def plan(self, n_images: int) -> SamplingPlan:
        """Return the plan of sampling; n_images: that share alpha, if they do."""
        settings = self.settings
        plan = SamplingPlan(settings.n_selection, settings.n_samples, settings.alpha, batch_size=self.batch_size)
        return plan.shared(n_images) if settings.alpha_of == "table" else plan

    def noise(self, data: LabelledImages, sigma: float) -> SmoothingNoise:
        """Return the noise for images of this kind. Raises InputError for tied noise on colour images."""
        grey, kind = data.pixels.shape[-1] == 1, self.settings.noise
        if kind == "tied" and not grey:
            raise InputError(
                f"datasets.{data.name}.certify.noise: expected untied for images in colour, because tied noise "
                "certifies only changes that are equal in all channels, got tied"
            )
        return SmoothingNoise("untied" if kind == "untied" or not grey else "tied", sigma)

    def certifiable(self, data: LabelledImages) -> LabelledImages:
        """Return the images that the noise fits. Raises InputError where none has a lesion box for noise in it."""
        if self.settings.noise != "lesion":
            return data
        boxed = has_lesion_box(data.rows)
        if not boxed.any():
            raise InputError(
                f"datasets.{data.name}.certify.noise: expected images with a lesion box for lesion, got none"
            )
        return replace(data, rows=data.rows[boxed])

    def masks(self, data: LabelledImages) -> Masks | None:
        """Return the pixels that noise and changes may move, (n, h, w); None for all."""
        if self.settings.noise != "lesion":
            return None
        return lesion_reach(data.rows, data.image_shape[:2])[..., 0] > 0

    def seeds(self, data: LabelledImages, sigma: float) -> list[int]:
        """Return the seed of each image's samples."""
        return [child_seed(self.seed, "certificate", sigma, one) for one in data.image_ids]


class MixedTarget(Target):
    """A target whose logits, too, are computed with inner layers in bfloat16."""

    def __init__(self, model: keras.Model) -> None:
        """Prepare the compiled functions."""
        super().__init__(model, precision="mixed")
        self._mixed = compile_function(model, lambda network, x: network.logits(x), precision="mixed")

    def logits(self, x: Images) -> Logits:
        """Return logits (n, classes) of images (n, h, w, c)."""
        self.cost.n_forwards += len(x)
        return self._mixed(x)


class Interruptible:
    """Stop between two forward passes when the process was asked to stop; report nothing."""

    def begin(self, done: int) -> None:
        """Do nothing."""

    def update(self, done: int, total: int, text: str) -> None:  # noqa: ARG002  (as Listener names them)
        """Raise Stopped if the process was asked to stop."""
        check()

    def say(self, text: str) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Do nothing."""


def certified_rows(
    smoothing: Smoothing, data: LabelledImages, *, plan: SamplingPlan, resumable: ResumableRows
) -> pd.DataFrame:
    """Certify the images at each sigma; return a row per sigma and image, without attack, sorted by sigma.

    Raises InputError as `certify` does.
    """
    logits, split = smoothing.target().logits, str(data.rows["split"].iloc[0])

    def rows(at: Block) -> pd.DataFrame:
        part = data.take(at)
        return pd.concat([_block_rows(smoothing, logits, part, plan, sigma) for sigma in smoothing.settings.sigmas])

    found = resumable.of_part(split).rows("images certified", blocks_of(len(data), smoothing.batch_size), rows)
    found = found.assign(split=split, first_flipped=np.nan)[CERTIFICATE_COLUMNS]
    return found.sort_values("sigma", kind="stable", ignore_index=True)


def _block_rows(
    smoothing: Smoothing, logits: LogitsFunction, data: LabelledImages, plan: SamplingPlan, sigma: float
) -> pd.DataFrame:
    x = data.images()
    base = smoothing.classifier.predict(x)
    check_finite_logits(base, stage="certify", names=data.image_ids)
    found = certify(
        logits,
        x,
        noise=smoothing.noise(data, sigma),
        plan=plan,
        epsilons=smoothing.table_epsilons,
        seeds=smoothing.seeds(data, sigma),
        masks=smoothing.masks(data),
        listener=Interruptible(),
    )
    rows = data.rows[["image_id", "patient_id", "label"]].assign(
        base_predicted=base.argmax(axis=1),
        **{name: [getattr(one, name) for one in found] for name in ("predicted", "abstained", *_COUNTS, *_BOUNDS)},
        **{"sigma": sigma, "noise": smoothing.settings.noise, "n_free": [one.n_free for one in found]},
        certified_epsilon=[one.epsilon for one in found],
    )
    return rows.assign(correct=(rows["predicted"] == rows["label"]) & ~rows["abstained"])


def choose_sigma(rows: pd.DataFrame, *, epsilons: Sequence[float]) -> float:
    """Return the sigma of the largest mean certified accuracy over the epsilons; the smallest of those that have it.

    Only sigmas count with a balanced accuracy above that of one answer for all images: an answer that noise has made
    the same everywhere is certified at every epsilon, and says nothing. Without such a sigma the smallest is returned,
    which changes the model least. rows: of validation images at each sigma.
    """
    one_answer = 1 / rows["label"].nunique()
    of = {float(sigma): rows[rows["sigma"] == sigma] for sigma in sorted(rows["sigma"].unique())}
    balanced = {sigma: found.groupby("label")["correct"].mean().mean() for sigma, found in of.items()}
    telling = {sigma: found for sigma, found in of.items() if balanced[sigma] > one_answer + 1e-12}
    if not telling:
        return min(of)
    means = {
        sigma: np.mean([certified(found, epsilon).mean() for epsilon in epsilons]) for sigma, found in telling.items()
    }
    best = max(means.values())
    return min(sigma for sigma, mean in means.items() if mean >= best - 1e-12)


def summarise_certificates(
    rows: pd.DataFrame, smoothing: Smoothing, *, sigma: float, epsilons: Sequence[float]
) -> dict[str, Any]:
    """Return what certify.json holds beside data set and model. rows: of all images; sigma: the chosen one."""
    settings = smoothing.settings
    plan = smoothing.plan(int(((rows["split"] == "test") & (rows["sigma"] == sigma)).sum()))
    planned = {
        "sigmas": list(settings.sigmas),
        "noise": settings.noise,
        "n_selection": settings.n_selection,
        "n_samples": settings.n_samples,
        "alpha": settings.alpha,
        "alpha_of": settings.alpha_of,
        "epsilons": list(smoothing.table_epsilons),
        "precision": smoothing.precision,
    }
    return planned | certificate_numbers(rows, plan, sigma=sigma, table=smoothing.table_epsilons, epsilons=epsilons)
