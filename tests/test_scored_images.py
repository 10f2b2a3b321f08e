"""Scores of the test images and of validation images, side by side, on a linear classifier of known answers."""

from dataclasses import replace as replaced

import numpy as np
import pandas as pd
import pytest
from models import SHAPE, images_in_memory, linear_model
from msgspec.structs import replace
from test_paper_attacks import TABLE_S1
from test_strict import EPSILONS, RANK, WEIGHTS, distances

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.protocols import attack_tables, in_published_order, rank_tables, sensitivity_tables
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.scored_images import scored_images
from oncorobust.evaluation.scored_rows import score_names, wrong_column
from oncorobust.settings.attacks import Attacks, Rank

BOTH = replace(TABLE_S1, protocols=("paper", "strict"), batch_size=8)
N = 16


def quiet() -> ResumableRows:
    return ResumableRows(lambda *_: None)


def images_of(split: str, seed: int) -> LabelledImages:
    pixels = np.random.default_rng(seed).uniform(0.3, 0.7, (N, *SHAPE)).astype(np.float32)
    data = images_in_memory(pixels, (distances(pixels) > 0).astype(int))
    names = {name: f"{split}-" + data.rows[name] for name in ("image_id", "patient_id")}
    return replaced(data, rows=data.rows.assign(split=split, **names))


@pytest.fixture(scope="module")
def classifier() -> KerasClassifier:
    return KerasClassifier(linear_model(WEIGHTS), batch_size=8)


def ranked(classifier: KerasClassifier, data: LabelledImages, attacks: Attacks) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ranking and the intervals that stage `rank` has of the test images."""
    blocks = blocks_of(N, 8)
    found = sensitivity_tables(classifier, data, blocks, settings=RANK, attacks=attacks, seed=3, resumable=quiet())
    tables = attack_tables(
        classifier,
        data,
        blocks,
        epsilons=EPSILONS,
        threat_epsilons=EPSILONS[:1],
        settings=attacks,
        seed=3,
        resumable=quiet(),
    )
    intervals = in_published_order(tables)["intervals"]
    return rank_tables(found.get("sensitivity"), intervals, exclude_share=0.25)[0], intervals


def scores(
    classifier: KerasClassifier,
    test: LabelledImages,
    validation: LabelledImages | None,
    attacks: Attacks,
    resumable: ResumableRows | None = None,
    rank: Rank = RANK,
) -> pd.DataFrame:
    return scored_images(
        classifier,
        test,
        validation,
        *ranked(classifier, test, attacks),
        rank=rank,
        attacks=attacks,
        epsilons=EPSILONS,
        seed=3,
        resumable=resumable or quiet(),
    )


def test_attacks_on_the_rules_add_columns_for_the_test_images(classifier: KerasClassifier) -> None:
    test, validation, epsilon = images_of("test", 0), images_of("validation", 1), 0.006
    found = scores(classifier, test, validation, BOTH, rank=replace(RANK, reject_epsilon=epsilon))
    names = score_names(found)
    assert names == score_names(scores(classifier, test, validation, BOTH))
    columns = [wrong_column(score, attack) for attack in ("pgd", "adaptive") for score in names]
    assert found.columns[5 + len(names) :].tolist() == columns
    assert found.loc[found["split"] == "validation", columns].isna().all(axis=None)
    attacked = found[found["split"] == "test"]
    deepest = epsilon - np.abs(distances(test.images(np.arange(N))))  # all images are answered right without attack
    strict = attacked["min_epsilon_strict_wrong_adaptive"].to_numpy()
    assert 2 < (deepest > 0).sum() < N
    assert np.isneginf(strict[deepest <= 0]).all()
    assert (strict[deepest > 0] >= deepest[deepest > 0] * (1 - 1e-4)).all()
    assert (strict[deepest > 0] <= deepest[deepest > 0] * 1.06 + 1e-5).all()


@pytest.mark.parametrize("protocols", [("paper", "strict"), ("paper",), ("strict",)])
def test_both_splits_have_the_same_scores(classifier: KerasClassifier, protocols: tuple[str, ...]) -> None:
    test, validation = images_of("test", 0), images_of("validation", 1)
    attacks = replace(BOTH, protocols=protocols)
    found = scores(classifier, test, validation, attacks)
    assert found["split"].value_counts().to_dict() == {"test": N, "validation": N}
    searched = {"paper": "min_epsilon", "strict": "min_epsilon_strict"}
    assert {name for name in searched.values() if name in found} == {searched[one] for one in protocols}
    assert found.drop(columns="min_epsilon_strict", errors="ignore").notna().all(axis=None)
    if "strict" in protocols:
        strict = found["min_epsilon_strict"]
        assert strict[found["split"] == "validation"].notna().sum() == RANK.strict_validation_images
        for split, data in (("test", test), ("validation", validation)):
            at = np.abs(distances(data.images(np.arange(N))))
            strict = found.loc[found["split"] == split, "min_epsilon_strict"].to_numpy()
            reached, searched = np.isfinite(strict), ~np.isnan(strict)
            assert reached.sum() > 1
            assert (strict[reached] >= at[reached] * (1 - 1e-4)).all()
            assert (at[searched & ~reached] > EPSILONS[-1] * 0.85).all()


def test_the_scores_of_the_test_images_are_those_of_the_ranking(classifier: KerasClassifier) -> None:
    test = images_of("test", 0)
    ranking = ranked(classifier, test, BOTH)[0].set_index("image_id")
    found = scores(classifier, test, None, BOTH).set_index("image_id")
    assert set(found["split"]) == {"test"}
    assert found["min_epsilon"].to_dict() == ranking["min_epsilon"].to_dict()
    assert found["min_epsilon_strict"].to_dict() == ranking["first_flipped"].to_dict()


def test_rows_of_two_splits_are_saved_apart() -> None:
    """Blocks of both splits begin at 0; each part keeps its own rows."""
    saved = quiet()
    blocks = blocks_of(3, 2)
    for part in ("test", "validation", "test"):
        rows = saved.of_part(part).rows("images", blocks, lambda at, part=part: pd.DataFrame({"of": part, "at": at}))
        assert set(rows["of"]) == {part}
        assert rows["at"].tolist() == [0, 1, 2]
