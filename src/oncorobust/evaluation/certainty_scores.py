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
    scorer = Scorer(model, settings)

    def rows(at: Block) -> pd.DataFrame:
        part = data.rows.iloc[at]
        ids = part["image_id"].tolist()
        predicted, columns = scorer.scores(data.images(at), names=ids, seed=block_seed(seed, at))
        columns["random"] = np.array([child_rng(seed, "random score", image).random() for image in ids])
        return part.assign(predicted=predicted)[ROW_COLUMNS].assign(**columns)

    return resumable.rows("images scored", blocks, rows)


def block_seed(seed: int, block: Block) -> int:
    """Return the seed of the dropout and the noise behind the scores of a block."""
    return child_seed(seed, "scores", int(block[0]))


class Scorer:
    """Computes all scores above but the random one, which does not depend on an image's pixels."""

    def __init__(self, model: keras.Model, settings: ScoreSettings) -> None:
        """Prepare the compiled functions; each is traced at its first call."""
        self._target, self._dropout, self._settings = Target(model), dropout_logits(model), settings

    def scores(self, x: Images, *, names: Sequence[str], seed: int) -> tuple[Labels, dict[str, PerImage]]:
        """Return the answers (n,) and each score (n,) of images (n, h, w, c).

        The same seed drops the same units and adds the same noise. Raises InputError as `score_rows` does.
        """
        logits = self._target.logits(x)
        check_finite_logits(logits, stage="scores", names=names)
        predicted, found = logits.argmax(axis=1), logit_scores(logits)
        if self._dropout is not None:
            found["mc_dropout"] = _under_dropout(self._dropout, x, predicted, n=self._settings.n_dropout, seed=seed)
        found["augmentation"] = _under_augmentation(self._target, x, predicted, max_shift=self._settings.max_shift)
        found["noise_flips"] = _under_noise(self._target, x, predicted, self._settings, names=names, seed=seed)
        return predicted, found


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
