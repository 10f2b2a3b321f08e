"""The paper's protocol: attacks at each epsilon of a grid, with one row per image, attack and epsilon.

The attacks run at each epsilon separately, with the settings of Table S1, in two variants:

    predicted   away from the model's own clean prediction: ART's default, and the choice of the paper's code. The
                attack moves a misclassified image away from its wrong answer; with two classes this makes the answer
                right, so accuracy cannot fall below 1 - clean accuracy.
    true        away from the true label; accuracy falls to 0 as epsilon grows.

For correctly classified images both variants are the same attack, which runs once. Images are processed block by block:
memory does not grow with their number, and an image's random starts depend only on its block and the seed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.finite import check_finite_logits
from oncorobust.attacks.goals import margins
from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.attacks.paper_attacks import PaperAttacks
from oncorobust.base.arrays import Images, Labels, Logits, PerImage
from oncorobust.base.epsilons import FEW_WITHOUT_GRADIENT, epsilon_key
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block, blocks_of
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.models.checks import check_logits
from oncorobust.settings.attacks import Attacks

ATTACKED_LABELS = ("predicted", "true")
"""The labels that an attack may move away from: the model's prediction or the true label."""

_AT_ONCE = 256
"""Images per forward or gradient pass."""


def attack_rows(
    classifier: KerasClassifier,
    data: LabelledImages,
    blocks: Sequence[Block],
    *,
    epsilons: tuple[float, ...],
    settings: Attacks,
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    """Attack the images of the blocks; return a row per image, attack, epsilon and attacked label, and a clean one.

    Columns: image_id, patient_id, label, attack, epsilon, attacked_label, predicted, margin (logits), linf (largest
    change of a pixel, [0, 1] units). Clean rows have attack `none` and epsilon 0; without epsilons only they are made.
    """

    def rows(at: Block) -> pd.DataFrame:
        own_seed = child_seed(seed, int(at[0]))
        return pd.concat(_block_rows(classifier, data, at, epsilons=epsilons, settings=settings, seed=own_seed))

    return resumable.rows("images attacked", blocks, rows)


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort rows of `attack_rows` by attack, epsilon and attacked label, clean rows first; images keep their order."""
    order = {name: position for position, name in enumerate(("none", *PAPER_ATTACKS))}
    keys = rows["attack"].map(order)
    rows = rows.assign(_attack=keys).sort_values(["_attack", "epsilon", "attacked_label"], kind="stable")
    return rows.drop(columns="_attack").reset_index(drop=True)


def _block_rows(
    classifier: KerasClassifier,
    data: LabelledImages,
    at: np.ndarray,
    *,
    epsilons: tuple[float, ...],
    settings: Attacks,
    seed: int,
) -> list[pd.DataFrame]:
    x, labels = data.images(at), data.labels[at]
    logits = classifier.predict(x)
    check_logits(logits, image_ids=data.rows["image_id"].iloc[at].tolist(), where=f"the answers to {data.name}")
    describe = _Describe(data.rows.iloc[at], labels)
    parts = [describe(logits, attack="none", epsilon=0.0, attacked_label="none", linf=np.zeros(len(at)))]
    attacks = AttacksByLabel(classifier, x, labels, logits, seed=seed)
    for attack in PAPER_ATTACKS:
        for epsilon in epsilons:
            for attacked_label, x_adv in attacks.examples(attack, epsilon=epsilon, settings=settings).items():
                parts.append(
                    describe(
                        classifier.predict(x_adv),
                        attack=attack,
                        epsilon=epsilon,
                        attacked_label=attacked_label,
                        linf=np.abs(x_adv - x).reshape(len(x), -1).max(axis=1),
                    )
                )
    return parts


class AttacksByLabel:
    """Attacks on one batch away from the predicted and from the true label; the second on misclassified images only."""

    def __init__(
        self, classifier: KerasClassifier, x: Images, labels: Labels, clean_logits: Logits, *, seed: int
    ) -> None:
        """Attack nothing yet. clean_logits: (n, classes) of x."""
        one_hot, predicted = np.eye(clean_logits.shape[1], dtype=np.float32), clean_logits.argmax(axis=1)
        self._wrong = wrong = predicted != labels
        self._predicted = PaperAttacks(classifier, x, one_hot[predicted], predicted, seed=seed)
        self._true = PaperAttacks(classifier, x[wrong], one_hot[labels[wrong]], predicted[wrong], seed=seed)

    def examples(self, attack: str, *, epsilon: float, settings: Attacks) -> dict[str, Images]:
        """Return adversarial examples (n, h, w, c) by one attack, by the label that they move away from."""
        from_predicted = self._predicted.examples(attack, epsilon=epsilon, settings=settings)
        from_true = from_predicted.copy()
        if self._wrong.any():
            from_true[self._wrong] = self._true.examples(attack, epsilon=epsilon, settings=settings)
        return {"predicted": from_predicted, "true": from_true}


class _Describe:
    """Make the rows of one batch of images; the calls differ only in the attack."""

    def __init__(self, index: pd.DataFrame, labels: Labels) -> None:
        self._index, self._labels = index, labels

    def __call__(
        self, logits: Logits, *, attack: str, epsilon: float, attacked_label: str, linf: PerImage
    ) -> pd.DataFrame:
        check_finite_logits(logits, stage=attack, names=self._index["image_id"].tolist())
        return pd.DataFrame(
            {
                "image_id": self._index["image_id"].to_numpy(),
                "patient_id": self._index["patient_id"].to_numpy(),
                "label": self._labels,
                "attack": attack,
                "epsilon": epsilon,
                "attacked_label": attacked_label,
                "predicted": logits.argmax(axis=1),
                "margin": margins(logits, self._labels),
                "linf": linf,
            }
        )


def accuracy(classifier: KerasClassifier, data: LabelledImages) -> float:
    """Return the clean accuracy: the share of unattacked images that are classified correctly."""
    return float(np.mean(_predicted(classifier, data) == data.labels))


def share_without_gradient(classifier: KerasClassifier, data: LabelledImages) -> float:
    """Return the share of images whose loss gradient at the prediction is zero, which gradient attacks cannot move."""
    still = 0
    for at in blocks_of(len(data), _AT_ONCE):
        x = data.images(at)
        gradient = classifier.loss_gradient(x, classifier.predict(x).argmax(axis=1))
        still += int((gradient == 0).reshape(len(x), -1).all(axis=1).sum())
    return still / len(data)


def gradient_warning(share: float) -> str | None:
    """Return a warning if the share of images with zero gradient exceeds FEW_WITHOUT_GRADIENT, otherwise None."""
    if share <= FEW_WITHOUT_GRADIENT:
        return None
    return (
        f"the gradient is zero for {100 * share:.1f} % of the images, more than {100 * FEW_WITHOUT_GRADIENT:.0f} %: "
        "gradient attacks cannot move these images, so accuracy under such attacks is no evidence of robustness"
    )


def summarise_attack(rows: pd.DataFrame) -> dict[str, Any]:
    """Compute clean accuracy, and robust accuracy by attacked label, attack and epsilon."""
    correct = rows.assign(correct=rows["predicted"] == rows["label"])
    clean = correct[correct["attack"] == "none"]
    attacked = correct[correct["attack"] != "none"]
    means = attacked.groupby(["attacked_label", "attack", "epsilon"])["correct"].mean().reset_index()
    accuracy: dict[str, dict[str, dict[str, float]]] = {}
    for one in means.to_dict("records"):
        by_epsilon = accuracy.setdefault(one["attacked_label"], {}).setdefault(one["attack"], {})
        by_epsilon[epsilon_key(one["epsilon"])] = float(one["correct"])
    return {
        "n_images": len(clean),
        "n_patients": int(clean["patient_id"].nunique()),
        "clean_accuracy": float(clean["correct"].mean()),
        "epsilons": sorted(map(float, attacked["epsilon"].unique())),
        "robust_accuracy": accuracy,
    }


def example_images(
    classifier: KerasClassifier,
    data: LabelledImages,
    *,
    epsilon: float,
    settings: Attacks,
    seed: int,
    n_images: int = 3,
) -> dict[str, np.ndarray]:
    """Attack the images of Figure 1: the first correctly classified image of each of up to `n_images` classes.

    Where no image is classified correctly, as by a model that has learnt nothing, it is the first one of each class.
    Returns arrays by name: images (k, h, w, 3), adversarial (attacks, k, h, w, 3), probabilities_clean (k, classes),
    probabilities (attacks, k, classes), labels (k,), image_ids (k,), attacks (names), epsilon.
    """
    predicted = _predicted(classifier, data)
    right = predicted == data.labels
    shown = np.flatnonzero(right if right.any() else np.ones_like(right))
    labels = pd.Series(data.labels[shown], index=shown)
    at = np.array(labels.drop_duplicates().sort_values().index[:n_images], dtype=np.int64)
    x, one_hot = data.images(at), np.eye(classifier.nb_classes, dtype=np.float32)[data.labels[at]]
    attacks = PaperAttacks(classifier, x, one_hot, predicted[at], seed=seed)
    made = [attacks.examples(attack, epsilon=epsilon, settings=settings) for attack in PAPER_ATTACKS]
    adversarial = np.stack(made)
    return {
        "images": x,
        "adversarial": adversarial,
        "probabilities_clean": _softmax(classifier.predict(x)),
        "probabilities": np.stack([_softmax(classifier.predict(x_adv)) for x_adv in adversarial]),
        "labels": data.labels[at],
        "image_ids": data.rows["image_id"].to_numpy(dtype=str)[at],
        "attacks": np.array(PAPER_ATTACKS),
        "epsilon": np.array(epsilon),
    }


def _predicted(classifier: KerasClassifier, data: LabelledImages) -> Labels:
    return np.concatenate([classifier.predict(data.images(at)).argmax(axis=1) for at in blocks_of(len(data), _AT_ONCE)])


def _softmax(logits: Logits) -> np.ndarray:
    scores = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)
