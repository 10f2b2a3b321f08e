"""Scores of certainty that need the model: its logits on an image, on copies of the image, and under dropout.

    confidence, margin, entropy    from the logits of the image
    mc_dropout                     mean probability of the prediction over passes with dropout
    augmentation                   probability of the prediction in the mean logits of flipped and shifted copies
    noise_flips                    share of noisy copies, of one l_inf norm, that keep the prediction
    random                         a random number, the baseline

In every score, higher means more certain. `oncorobust.evaluation.scored_rows` lists all scores.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd
from scipy.special import log_softmax, softmax

from oncorobust.attacks.finite import check_finite_logits
from oncorobust.attacks.goals import leave
from oncorobust.attacks.noise import noise_margins
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images, Labels, Logits, PerImage
from oncorobust.base.seeds import child_rng, child_seed
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.scored_rows import ROW_COLUMNS
from oncorobust.models.dropout import dropout_logits


@dataclass(frozen=True)
class ScoreSettings:
    """Numbers of passes per image.

    n_dropout: passes with dropout. max_shift: shift of the copies, in pixels, to four sides. n_noise: noisy copies.
    noise_epsilon: their l_inf norm, in [0, 1] units.
    """

    n_dropout: int
    max_shift: int
    n_noise: int
    noise_epsilon: float


def score_rows(
    model: keras.Model,
    data: LabelledImages,
    blocks: Sequence[Block],
    *,
    settings: ScoreSettings,
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    """Compute the scores of the images of the blocks; return one row per image.

    Columns: split, image_id, patient_id, label, predicted, and the scores above; mc_dropout is absent if the model has
    no dropout. Raises InputError naming an image whose logits are not finite.
    """
    target, dropout = Target(model), dropout_logits(model)

    def rows(at: Block) -> pd.DataFrame:
        x, own_seed = data.images(at), child_seed(seed, "scores", int(at[0]))
        part, logits = data.rows.iloc[at], target.logits(x)
        ids = part["image_id"].tolist()
        check_finite_logits(logits, stage="clean", names=ids)
        predicted = logits.argmax(axis=1)
        columns = logit_scores(logits)
        if dropout is not None:
            columns["mc_dropout"] = _under_dropout(dropout, x, predicted, n=settings.n_dropout, seed=own_seed)
        columns["augmentation"] = _under_augmentation(target, x, predicted, max_shift=settings.max_shift)
        columns["noise_flips"] = _under_noise(target, x, predicted, settings, names=ids, seed=own_seed)
        columns["random"] = np.array([child_rng(seed, "random score", image).random() for image in ids])
        return part.assign(predicted=predicted)[ROW_COLUMNS].assign(**columns)

    return resumable.rows("images scored", blocks, rows)


def logit_scores(logits: Logits) -> dict[str, PerImage]:
    """Return confidence, margin and entropy (nats, negated) of each image."""
    exact = logits.astype(np.float64)
    top = np.sort(exact, axis=1)
    log_probability = log_softmax(exact, axis=1)
    return {
        "confidence": np.exp(log_probability.max(axis=1)),
        "margin": top[:, -1] - top[:, -2],
        "entropy": (np.exp(log_probability) * log_probability).sum(axis=1),
    }


def shifted_copies(x: Images, *, max_shift: int) -> Iterator[Images]:
    """Yield the images and their mirror images, each in place and shifted to four sides; edges are repeated."""
    height, width = x.shape[1:3]
    around = ((0, 0), (max_shift, max_shift), (max_shift, max_shift), (0, 0))
    for view in (x, x[:, :, ::-1]):
        padded = np.pad(view, around, mode="edge")
        for down, right in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            top, left = max_shift * (1 - down), max_shift * (1 - right)
            yield np.ascontiguousarray(padded[:, top : top + height, left : left + width])


def _under_dropout(
    dropout: Callable[[Images, int], Logits], x: Images, predicted: Labels, *, n: int, seed: int
) -> PerImage:
    passes = [softmax(dropout(x, child_seed(seed, "dropout", k)).astype(np.float64), axis=1) for k in range(n)]
    return _of_prediction(np.mean(passes, axis=0), predicted)


def _under_augmentation(target: Target, x: Images, predicted: Labels, *, max_shift: int) -> PerImage:
    logits = [target.logits(copies).astype(np.float64) for copies in shifted_copies(x, max_shift=max_shift)]
    return _of_prediction(softmax(np.mean(logits, axis=0), axis=1), predicted)


def _under_noise(
    target: Target, x: Images, predicted: Labels, settings: ScoreSettings, *, names: Sequence[str], seed: int
) -> PerImage:
    goal = leave(predicted, n_classes=target.n_classes, names=names)
    at, rng = (settings.noise_epsilon,), child_rng(seed, "noise")
    kept = [noise_margins(target, x, goal, epsilons=at, kind="sign", rng=rng)[0] >= 0 for _ in range(settings.n_noise)]
    return np.mean(kept, axis=0)


def _of_prediction(probabilities: np.ndarray, predicted: Labels) -> PerImage:
    return np.take_along_axis(probabilities, predicted[:, None], axis=1)[:, 0]
