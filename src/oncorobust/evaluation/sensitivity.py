"""The paper's ranking by sensitivity: minimal epsilon on a grid, and the gain from excluding the most sensitive images.

min_epsilon of an image is the smallest epsilon of a grid at which PGD changes the prediction: an upper bound on the
true minimum, infinite if PGD fails at every epsilon. The paper attacks every image at every epsilon and takes the first
success; here an image is not attacked again after its first success, which is the same up to the random starts.

Values on a grid tie. Tied images share a rank and are excluded together or not at all: images are excluded if their
min_epsilon is at or below the grid value that comes nearest to the requested share of images. The resulting coverage is
reported.
Source: Joel et al., "Image Level Adversarial Image Sensitivity"; released code `adv_sensitivity.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.finite import check_finite_logits
from oncorobust.attacks.paper_attacks import PaperAttacks
from oncorobust.base.arrays import Flags, Images, PerImage
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.risk_coverage import gaps_to
from oncorobust.settings.attacks import IterativeAttack


def sensitivity_rows(
    classifier: KerasClassifier,
    data: LabelledImages,
    blocks: Sequence[Block],
    *,
    epsilons: tuple[float, ...],
    pgd: IterativeAttack,
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    """Search the images of the blocks for their minimal epsilon; return one row per image.

    Columns: image_id, patient_id, label, predicted, min_epsilon (l_inf, in [0, 1] units; inf if PGD never succeeds).
    """

    def rows(at: Block) -> pd.DataFrame:
        x, own_seed = data.images(at), child_seed(seed, int(at[0]))
        logits, ids = classifier.predict(x), data.rows["image_id"].iloc[at].tolist()
        check_finite_logits(logits, stage="clean", names=ids)
        answers = logits.argmax(axis=1)
        found = min_epsilons(classifier, x, answers, epsilons=epsilons, pgd=pgd, seed=own_seed, names=ids)
        described = data.rows.iloc[at][["image_id", "patient_id"]]
        return described.assign(label=data.labels[at], predicted=answers, min_epsilon=found)

    return resumable.rows("images searched", blocks, rows)


def min_epsilons(
    classifier: KerasClassifier,
    x: Images,
    answers: np.ndarray,
    *,
    epsilons: tuple[float, ...],
    pgd: IterativeAttack,
    seed: int,
    names: Sequence[str],
) -> PerImage:
    """Return the smallest epsilon of the grid at which PGD changes each image's answer, (n,); inf where none does.

    answers: (n,) of the model. names: of the images, for messages.
    """
    one_hot = np.eye(classifier.nb_classes, dtype=np.float32)[answers]
    found = np.full(len(x), np.inf)
    for epsilon in epsilons:
        left = np.flatnonzero(np.isinf(found))
        if len(left) == 0:
            break
        attacks = PaperAttacks(classifier, x[left], one_hot[left], answers[left], seed=seed)
        x_adv = attacks.pgd(epsilon=epsilon, settings=pgd)
        logits = classifier.predict(x_adv)
        check_finite_logits(logits, stage="pgd", names=[names[int(position)] for position in left])
        found[left[logits.argmax(axis=1) != answers[left]]] = epsilon
    return found


def most_sensitive(min_epsilon: PerImage, share: float) -> Flags:
    """Return the images to exclude: those with min_epsilon at or below the finite value whose share is nearest `share`.

    Of two equally near values the smaller counts. No image is excluded if a share of 0 is nearest.
    """
    thresholds = np.unique(min_epsilon[np.isfinite(min_epsilon)])
    shares = np.array([0.0, *[np.mean(min_epsilon <= threshold) for threshold in thresholds]])
    nearest = int(np.argmin(gaps_to(share, shares)))
    return min_epsilon <= (thresholds[nearest - 1] if nearest else -np.inf)


def rank(rows: pd.DataFrame, *, exclude_share: float) -> pd.DataFrame:
    """Add `rank` (1 = most sensitive; ties share the lowest) and `excluded`, and sort by rank."""
    ranks = rows["min_epsilon"].rank(method="min").astype(int)
    excluded = most_sensitive(rows["min_epsilon"].to_numpy(), exclude_share)
    return rows.assign(rank=ranks, excluded=excluded).sort_values("rank", kind="stable").reset_index(drop=True)


def summarise_rank(ranked: pd.DataFrame) -> dict[str, Any]:
    """Compute accuracy on all and on kept images, the coverage and, if any image is excluded, the threshold."""
    correct = ranked["predicted"] == ranked["label"]
    kept = ~ranked["excluded"]
    summary = {
        "n_images": len(ranked),
        "n_flipped": int(np.isfinite(ranked["min_epsilon"]).sum()),
        "n_excluded": int(ranked["excluded"].sum()),
        "coverage": float(kept.mean()),
        "accuracy_all": float(correct.mean()),
        "accuracy_kept": float(correct[kept].mean()),
        "accuracy_change": float(correct[kept].mean() - correct.mean()),
    }
    if ranked["excluded"].any():
        summary["threshold_epsilon"] = float(ranked.loc[ranked["excluded"], "min_epsilon"].max())
    return summary
