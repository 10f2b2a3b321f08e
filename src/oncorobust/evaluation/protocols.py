"""Both protocols together, as chosen in params.yaml: the tables of stage `attack` and the ranking of stage `rank`.

    predictions    paper: a row per image, attack, epsilon and attacked label (`oncorobust.evaluation.paper`)
    intervals      strict: a row per image and attack of the cascade (`oncorobust.evaluation.strict`)
    threats        strict: a row per image, threat model and epsilon (`oncorobust.evaluation.threats`)

Without the paper's protocol, predictions has clean rows only; without the strict protocol, the other tables are empty.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.coarse_target import target_of
from oncorobust.backend.classifier import Model
from oncorobust.backend.precision import check_full_float32
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block
from oncorobust.evaluation.model_validity import examine_model
from oncorobust.evaluation.paper import accuracy, attack_rows, in_order, share_without_gradient, summarise_attack
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.sensitivity import rank, sensitivity_rows, summarise_rank
from oncorobust.evaluation.shards import Tables
from oncorobust.evaluation.strict import INTERVAL_COLUMNS, in_stages, interval_rows, rank_intervals, summarise_intervals
from oncorobust.evaluation.threats import THREAT_COLUMNS, ThreatSettings, summarise_threats, threat_rows
from oncorobust.settings.attacks import Attacks, Rank


def attack_tables(
    classifier: KerasClassifier,
    data: LabelledImages,
    blocks: Sequence[Block],
    *,
    epsilons: tuple[float, ...],
    threat_epsilons: tuple[float, ...],
    settings: Attacks,
    seed: int,
    resumable: ResumableRows,
) -> Tables:
    """Attack the images of the blocks under each protocol.

    epsilons: increasing; the paper's protocol attacks at each of them, the strict one searches up to the last.
    threat_epsilons: those at which the strict protocol compares threat models. Raises InputError if the model or the
    device computes below float32 precision, or if the model's outputs are not logits.
    """
    tables = protocol_tables(
        classifier,
        data,
        blocks,
        paper_epsilons=epsilons,
        epsilons=epsilons,
        settings=settings,
        seed=seed,
        resumable=resumable,
    )
    if "strict" in settings.protocols and settings.strict.threats:
        threats = ThreatSettings(
            threats=settings.strict.threats,
            epsilons=threat_epsilons,
            pgd=settings.pgd,
            noise=settings.strict.noise,
            precision=settings.strict.search_precision,
        )
        tables["threats"] = threat_rows(
            classifier.model, data, blocks, settings=threats, seed=seed, resumable=resumable
        )
    return tables


def protocol_tables(
    classifier: KerasClassifier,
    data: LabelledImages,
    blocks: Sequence[Block],
    *,
    paper_epsilons: tuple[float, ...],
    epsilons: tuple[float, ...],
    settings: Attacks,
    seed: int,
    resumable: ResumableRows,
) -> Tables:
    """Compute predictions and, under the strict protocol, intervals of the images of the blocks.

    paper_epsilons: at which the paper's protocol attacks; the rows at one do not depend on the others. epsilons: the
    increasing grid of the strict search. Raises InputError as `attack_tables` does.
    """
    model = classifier.model
    check_full_float32(model)
    grid = paper_epsilons if "paper" in settings.protocols else ()
    rows = attack_rows(classifier, data, blocks, epsilons=grid, settings=settings, seed=seed, resumable=resumable)
    if "strict" not in settings.protocols:
        return {"predictions": rows}
    intervals = interval_rows(
        target_of(model, precision=settings.strict.search_precision),
        classifier,
        data,
        blocks,
        epsilons=epsilons,
        settings=settings,
        seed=seed,
        resumable=resumable,
        attacked=rows,
    )
    return {"predictions": rows, "intervals": intervals}


def in_published_order(tables: Tables) -> Tables:
    """Sort the tables of all blocks into the order in which they are written; add empty ones for tables not made."""
    intervals = tables.get("intervals", pd.DataFrame(columns=INTERVAL_COLUMNS))
    threats = tables.get("threats", pd.DataFrame(columns=THREAT_COLUMNS))
    return {
        "predictions": in_order(tables["predictions"]),
        "intervals": in_stages(intervals),
        "threats": threats.sort_values(["threat", "epsilon"], kind="stable", ignore_index=True),
    }


def summarise_tables(tables: Tables, *, epsilons: Sequence[float]) -> dict[str, Any]:
    """Compute accuracies by protocol; `strict` and `threats` are absent if their tables are empty."""
    summary = summarise_attack(tables["predictions"])
    if len(tables["intervals"]):
        summary["strict"] = summarise_intervals(tables["intervals"], epsilons=epsilons)
    if len(tables["threats"]):
        summary["threats"] = summarise_threats(tables["threats"])
    return summary


def attack_metrics(
    classifier: KerasClassifier,
    test: LabelledImages,
    data: LabelledImages,
    tables: Tables,
    *,
    epsilons: Sequence[float],
    settings: Attacks,
    seed: int,
    other: Model | None = None,
) -> dict[str, Any]:
    """Summarise the tables of `in_published_order`, measure clean accuracy on all test images, and examine the model.

    data: the images of the tables, a part of test. other: as for `examine_model`. `validity` is what the validity gate
    judges (`model_validity`).
    """
    summary = summarise_tables(tables, epsilons=epsilons)
    if "strict" in summary:
        summary["strict"]["search_precision"] = settings.strict.search_precision
    return summary | {
        "n_test_images": len(test),
        "test_accuracy": accuracy(classifier, test),
        "share_without_gradient": share_without_gradient(classifier, data),
        "validity": examine_model(classifier, data, tables["intervals"], settings=settings.pgd, seed=seed, other=other),
    }


def sensitivity_tables(
    classifier: KerasClassifier,
    data: LabelledImages,
    blocks: Sequence[Block],
    *,
    settings: Rank,
    attacks: Attacks,
    seed: int,
    resumable: ResumableRows,
) -> Tables:
    """Compute `sensitivity_rows` for the images of the blocks; return no table without the paper's protocol.

    Raises InputError if the model or the device computes below float32 precision.
    """
    if "paper" not in attacks.protocols:
        return {}
    check_full_float32(classifier.model)
    pgd = msgspec.structs.replace(attacks.pgd, num_random_init=settings.num_random_init)
    rows = sensitivity_rows(
        classifier, data, blocks, epsilons=settings.epsilons, pgd=pgd, seed=seed, resumable=resumable
    )
    return {"sensitivity": rows}


def rank_tables(
    sensitivity: pd.DataFrame | None, intervals: pd.DataFrame, *, exclude_share: float
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rank images under each protocol that was run; return one row per image, and the gain from excluding images.

    sensitivity: rows of `sensitivity_rows`, None if the paper's protocol was not run. intervals: rows of
    `interval_rows`, empty if the strict protocol was not run. Raises InputError if the two cover different images.
    """
    ranked: list[pd.DataFrame] = []
    summary: dict[str, Any] = {}
    if sensitivity is not None:
        ranked.append(rank(sensitivity, exclude_share=exclude_share))
        summary |= summarise_rank(ranked[0])
    if len(intervals):
        strict, summary["strict"] = rank_intervals(intervals, exclude_share=exclude_share)
        ranked.append(strict)
    if len(ranked) == 1:
        return ranked[0], summary
    both = ranked[0].merge(ranked[1], on=["image_id", "patient_id", "label", "predicted"])
    if not len(both) == len(ranked[0]) == len(ranked[1]):
        raise InputError(
            f"expected the same images and predictions in both protocols, got {len(ranked[0])} ranked, "
            f"{len(ranked[1])} with intervals, {len(both)} in common: run attack and rank again"
        )
    return both, summary
