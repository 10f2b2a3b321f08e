"""The strict protocol: an interval around each image's minimal epsilon, and robust accuracies derived from it.

The search moves each image away from the model's own clean prediction, which measures sensitivity. The same run gives
robustness: a misclassified image is not robust at any epsilon, and for the others the clean prediction is the true
label. So

    robust accuracy at epsilon    share of correctly classified images whose first_flipped is above epsilon

Robust accuracy falls with epsilon and from attack to attack, because each row of the cascade is the worst case per
image over all attacks up to it. Clean errors count as not robust, and nothing depends on a grid.
Sources: Carlini et al. 2019 (checklist), Croce and Hein 2020 (worst case over attacks).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.goals import leave
from oncorobust.attacks.minimal_epsilon import search
from oncorobust.attacks.names import FROM_PAPER, STRICT_ATTACKS
from oncorobust.attacks.paper_attacks import PaperAttacks
from oncorobust.attacks.target import Target
from oncorobust.base.epsilons import epsilon_key
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block
from oncorobust.evaluation.paper_examples import given_examples
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.sensitivity import rank, summarise_rank
from oncorobust.settings.attacks import Attacks

INTERVAL_COLUMNS = [
    *("image_id", "patient_id", "label", "predicted", "attack"),
    *("last_safe", "first_flipped", "won_by", "n_gradients", "n_forwards"),
]
"""Columns of `interval_rows`."""


def interval_rows(
    target: Target,
    classifier: KerasClassifier,
    data: LabelledImages,
    blocks: Sequence[Block],
    *,
    epsilons: tuple[float, ...],
    settings: Attacks,
    seed: int,
    resumable: ResumableRows,
    attacked: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Search the images of the blocks for their minimal epsilon; return a row per block, attack and image, so ordered.

    target, classifier: the same model, for the engine and for ART. epsilons: the increasing grid of the curves; the
    search goes up to the last. attacked: rows of the paper's protocol with the same seed; their examples lower the
    bounds, after the cascade, in rows of the attack `paper`; None for the search alone. Columns: image_id, patient_id,
    label, predicted (clean), attack, last_safe, first_flipped ([0, 1] units; inf if no attack up to the last epsilon
    changes the answer), won_by (the attack that found the example at first_flipped, or ""), n_gradients and n_forwards
    (passes so far, per image of the block; without Square's queries and the paper's attacks).
    """

    def rows(at: Block) -> pd.DataFrame:
        x, parts = data.images(at), []
        predicted = target.logits(x).argmax(axis=1)
        stages = cascade(classifier, settings=settings, seed=child_seed(seed, "strict", int(at[0])))
        spent = target.cost.n_gradients, target.cost.n_forwards
        own_seed, ids = child_seed(seed, int(at[0])), data.rows["image_id"].iloc[at].tolist()
        paper = PaperAttacks(
            classifier, x, np.eye(target.n_classes, dtype=np.float32)[predicted], predicted, seed=own_seed
        )
        given = None if attacked is None else given_examples(paper, attacked, ids, predicted, settings=settings)
        describe = data.rows.iloc[at][["image_id", "patient_id"]].assign(label=data.labels[at], predicted=predicted)
        for name, found in search(
            target,
            x,
            leave(predicted, n_classes=target.n_classes, names=ids),
            stages=stages,
            epsilons=epsilons,
            relative_width=settings.strict.relative_width,
            given=given,
        ):
            parts.append(
                describe.assign(
                    attack=name,
                    last_safe=found.last_safe,
                    first_flipped=found.first_flipped,
                    won_by=found.won_by,
                    n_gradients=(target.cost.n_gradients - spent[0]) / len(at),
                    n_forwards=(target.cost.n_forwards - spent[1]) / len(at),
                )
            )
        return pd.concat(parts)

    return resumable.rows("images searched", blocks, rows)


def in_stages(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort rows of `interval_rows` by attack, in the order of the cascade; images keep their order."""
    keys = rows["attack"].map({name: position for position, name in enumerate((*STRICT_ATTACKS, FROM_PAPER))})
    return rows.iloc[np.argsort(keys, kind="stable")].reset_index(drop=True)


def smallest(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per image: its interval after the whole cascade, and after the paper's attacks where they ran."""
    return rows.groupby("image_id", sort=False).tail(1).reset_index(drop=True)


def of_search(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per image: its interval after the whole cascade, without the examples of the paper's attacks."""
    return smallest(rows[rows["attack"] != FROM_PAPER])


def robust_accuracy(rows: pd.DataFrame, epsilon: float) -> float:
    """Return the share of images (one row each) that are classified correctly and not flipped within epsilon."""
    return float(((rows["label"] == rows["predicted"]) & (rows["first_flipped"] > epsilon)).mean())


def summarise_intervals(rows: pd.DataFrame, *, epsilons: Sequence[float]) -> dict[str, Any]:
    """Compute robust accuracy after each attack at each epsilon, and the distribution of minimal epsilons.

    median_min_epsilon, over all images, is absent if half of them or more are right-censored.
    """
    after_all = smallest(rows)
    last = after_all["first_flipped"]
    summary: dict[str, Any] = {
        "attacks": rows["attack"].drop_duplicates().tolist(),
        "robust_accuracy": {
            attack: {epsilon_key(epsilon): robust_accuracy(part, epsilon) for epsilon in epsilons}
            for attack, part in rows.groupby("attack", sort=False)
        },
        "share_censored": float(np.isinf(last).mean()),
        "gradients_per_image": float(after_all["n_gradients"].mean()),
        "forwards_per_image": float(after_all["n_forwards"].mean()),
    }
    median = float(np.sort(last)[(len(last) - 1) // 2])
    return summary | ({"median_min_epsilon": median} if np.isfinite(median) else {})


def rank_intervals(rows: pd.DataFrame, *, exclude_share: float) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rank images by their strict minimal epsilon, most sensitive first, and summarise the gain from excluding images.

    Columns: image_id, patient_id, label, predicted, last_safe, first_flipped, rank_strict, excluded_strict. The summary
    has the keys of `sensitivity.summarise_rank`.
    """
    ranked = rank(smallest(rows).assign(min_epsilon=lambda one: one["first_flipped"]), exclude_share=exclude_share)
    summary = summarise_rank(ranked)
    names = {"rank": "rank_strict", "excluded": "excluded_strict"}
    return ranked.rename(columns=names).drop(
        columns=["attack", "won_by", "min_epsilon", "n_gradients", "n_forwards"]
    ), summary
