"""Stored rows of a sound evaluation of 40 images of 20 patients, in which tests plant defects."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.attacks.names import PAPER_ATTACKS, STRICT_ATTACKS
from oncorobust.base.epsilons import epsilon_key
from oncorobust.evaluation.validity import Check, Evidence
from oncorobust.evaluation.validity_gate import judge_model

N, EPSILONS = 40, (0.005, 0.01, 0.02, 0.04)
EXAMINED: dict[str, Any] = {
    "n_images": 32,
    "share_saturated": 0.25,
    "share_nan_gradient": 0.0,
    "probabilities": False,
    "precision": "float32",
    "response": {"median_ratio": 1.0, "share_off": 0.0},
    "repeat_difference": 0.0,
    "batch_difference": 1e-7,
    "unbounded": {"epsilon": 0.5, "n_images": 8, "unchanged": []},
    "box": {"least_pixel": 0.0, "largest_pixel": 1.0},
    "restarts": {"n_images": 8, "share_of_last_safe": 0.8, "changed": []},
    "transfer": {"n_images": 8, "share_of_last_safe": 0.8, "changed": []},
}
"""What `examine_model` finds for a sound model."""


def sound_evidence() -> Evidence:
    """Each image changes at its own epsilon, which weaker attacks reach later; 36 of 40 are answered right."""
    ids = [f"i{number:02d}" for number in range(N)]
    patients = [f"p{number // 2:02d}" for number in range(N)]
    labels = np.arange(N) % 2
    predicted = np.where(np.arange(N) % 10 == 3, 1 - labels, labels)
    flips = np.geomspace(0.002, 0.06, N)[np.random.default_rng(0).permutation(N)]
    images = pd.DataFrame({"image_id": ids, "patient_id": patients, "label": labels, "predicted": predicted})
    return Evidence(
        index=_index(images),
        predictions=_predictions(images, flips),
        intervals=_intervals(images, flips),
        threats=_threats(images, flips),
        metrics={
            "share_without_gradient": 0.0,
            "epsilons": list(EPSILONS),
            "strict": {"robust_accuracy": {"converged": {epsilon_key(one): 0.5 for one in EPSILONS}}},
            "validity": EXAMINED,
        },
        training={"best": {"epoch": 3, "validation_loss": 0.4}, "last": {"epoch": 4, "validation_loss": 0.5}},
        logits=np.random.default_rng(1).normal(0, 3, (8, 2)),
        kept_by="validation_loss",
    )


def judged(evidence: Evidence) -> dict[str, Check]:
    """The checks by name, with few draws."""
    return {check.name: check for check in judge_model(evidence, level=0.95, n_draws=500, seed=0)}


def examined(evidence: Evidence, **changed: Any) -> Evidence:
    """The evidence with other measurements of the model."""
    validity = {**evidence.metrics["validity"], **changed}
    return replace(evidence, metrics={**evidence.metrics, "validity": validity})


def _index(images: pd.DataFrame) -> pd.DataFrame:
    others = [
        pd.DataFrame(
            {"image_id": [f"{split}{k}" for k in range(10)], "patient_id": [f"{split}-p{k}" for k in range(10)]}
        ).assign(split=split)
        for split in ("train", "validation")
    ]
    return pd.concat([images[["image_id", "patient_id"]].assign(split="test"), *others], ignore_index=True)


def _predictions(images: pd.DataFrame, flips: np.ndarray) -> pd.DataFrame:
    clean = images.assign(attack="none", epsilon=0.0, attacked_label="none", margin=1.0, linf=0.0)
    parts, right = [clean], images["predicted"] == images["label"]
    for attack in PAPER_ATTACKS:
        reach = 1.2 * flips if attack == "fgsm" else flips
        for epsilon in EPSILONS:
            changed, about = reach <= epsilon, {"attack": attack, "epsilon": epsilon, "margin": 1.0, "linf": epsilon}
            by_label = {
                "predicted": np.where(changed, 1 - images["predicted"], images["predicted"]),
                "true": np.where(changed | ~right, 1 - images["label"], images["label"]),
            }
            parts += [images.assign(predicted=one, attacked_label=name, **about) for name, one in by_label.items()]
    return pd.concat(parts, ignore_index=True)


def _intervals(images: pd.DataFrame, flips: np.ndarray) -> pd.DataFrame:
    parts = []
    for attack in STRICT_ATTACKS:
        found = flips * {"fgsm": 1.2, "converged": 0.97}.get(attack, 1.0)
        reached = found <= EPSILONS[-1]
        first = np.where(reached, found, np.inf)
        safe = np.where(reached, 0.95 * found, EPSILONS[-1])
        parts.append(images.assign(attack=attack, last_safe=safe, first_flipped=first, won_by=attack))
    return pd.concat(parts, ignore_index=True)


def _threats(images: pd.DataFrame, flips: np.ndarray) -> pd.DataFrame:
    parts = [
        images.assign(threat=threat, attack="pgd", epsilon=epsilon, flipped=factor * flips <= epsilon)
        for threat, factor in (("tied", 1.3), ("stored_8", 1.3), ("noise", 9.0))
        for epsilon in (0.01, 0.02)
    ]
    return pd.concat(parts, ignore_index=True)
