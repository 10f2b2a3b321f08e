"""The strict protocol, both protocols side by side, and shards of them, on a linear classifier of known answers."""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from models import SHAPE, balanced_weights, images_in_memory, linear_model
from msgspec.structs import replace
from test_paper_attacks import TABLE_S1

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.names import FROM_PAPER, STRICT_ATTACKS
from oncorobust.base.epsilons import epsilon_key
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.protocols import (
    attack_tables,
    in_published_order,
    rank_tables,
    sensitivity_tables,
    summarise_tables,
)
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.shards import Shard, Tables, by_shards
from oncorobust.evaluation.strict import INTERVAL_COLUMNS, in_stages, rank_intervals, robust_accuracy, smallest
from oncorobust.settings.attacks import Attacks, Rank

N, EPSILONS = 24, (0.0015, 0.0095, 0.019)
WEIGHTS = balanced_weights()
RANK = Rank(
    epsilons=EPSILONS,
    num_random_init=1,
    exclude_share=0.25,
    largest_risk=0.1,
    guarantee_confidence=0.95,
    reject_epsilon=None,
    validation_images=8,
    strict_validation_images=8,
    score_passes=3,
)


@pytest.fixture(scope="module")
def data() -> LabelledImages:
    images = np.random.default_rng(0).uniform(0.3, 0.7, (N, *SHAPE)).astype(np.float32)
    labels = (distances(images) > 0).astype(int)
    labels[::6] = 1 - labels[::6]  # one image in six is answered wrong
    return images_in_memory(images, labels)


@pytest.fixture(scope="module")
def tables(data: LabelledImages) -> Tables:
    return in_published_order(attacked(data, blocks_of(N, 8)))


def distances(images: np.ndarray) -> np.ndarray:
    """Signed l_inf distance of each image to the boundary."""
    return (images.astype(np.float64) * WEIGHTS).sum(axis=(1, 2, 3)) / np.abs(WEIGHTS).sum()


def attacked(data: LabelledImages, blocks: list[np.ndarray], *, settings: Attacks = TABLE_S1) -> Tables:
    return attack_tables(
        KerasClassifier(linear_model(WEIGHTS), batch_size=settings.batch_size),
        data,
        blocks,
        epsilons=EPSILONS,
        threat_epsilons=(0.0095,),
        settings=settings,
        seed=0,
        resumable=ResumableRows(lambda *_: None),
    )


def test_each_interval_holds_the_distance_to_the_boundary(data, tables):
    rows = tables["intervals"]
    assert rows.columns.tolist() == INTERVAL_COLUMNS
    assert rows["attack"].drop_duplicates().tolist() == [*STRICT_ATTACKS, FROM_PAPER]
    assert len(rows) == N * (len(STRICT_ATTACKS) + 1)
    exact = np.abs(distances(data.images()))
    for attack in STRICT_ATTACKS:
        part = rows[rows["attack"] == attack]
        assert part["image_id"].tolist() == data.image_ids
        reached = exact < EPSILONS[-1]
        assert np.isinf(part["first_flipped"][~reached]).all()
        flipped = part["first_flipped"][reached]
        assert (flipped >= exact[reached] - 1e-6).all()
        assert (flipped <= exact[reached] / (1 - TABLE_S1.strict.relative_width) + 1e-6).all()
        assert (part["last_safe"][reached] <= exact[reached] + 1e-6).all()
    assert (rows["n_gradients"] > 0).all()


def test_robust_accuracy_is_the_closed_form_and_clean_errors_are_not_robust(data, tables):
    summary = summarise_tables(tables, epsilons=EPSILONS)["strict"]
    right = (distances(data.images()) > 0) == (data.labels == 1)
    exact = np.abs(distances(data.images()))
    assert summary["attacks"] == [*STRICT_ATTACKS, FROM_PAPER]
    for epsilon in EPSILONS:
        # An interval may end up to its width beyond the exact distance.
        near = (exact <= epsilon) & (exact > epsilon * (1 - TABLE_S1.strict.relative_width - 1e-3))
        assert not near.any(), "the images are clear of the grid, so that the closed form is the whole answer"
        for attack in STRICT_ATTACKS:
            expected = np.mean(right & (exact > epsilon))
            assert summary["robust_accuracy"][attack][epsilon_key(epsilon)] == pytest.approx(expected)
    assert robust_accuracy(smallest(tables["intervals"]), 0.0) == pytest.approx(np.mean(right))
    assert summary["share_censored"] == pytest.approx(np.mean(exact > EPSILONS[-1]))
    median = np.sort(smallest(tables["intervals"])["first_flipped"])[(N - 1) // 2]
    assert summary["median_min_epsilon"] == pytest.approx(median)


def test_the_papers_protocol_beside_it_is_never_below_the_strict_one(tables):
    summary = summarise_tables(tables, epsilons=EPSILONS)
    for attack in ("fgsm", "bim", "pgd"):
        for epsilon in EPSILONS:
            key = epsilon_key(epsilon)
            strict = summary["strict"]["robust_accuracy"][attack][key]
            assert strict <= summary["robust_accuracy"]["true"][attack][key]
            assert strict <= summary["robust_accuracy"]["predicted"][attack][key]


def test_either_protocol_may_be_left_out(data):
    paper = in_published_order(attacked(data, blocks_of(N, 24), settings=replace(TABLE_S1, protocols=("paper",))))
    assert paper["intervals"].empty
    assert paper["threats"].empty
    assert "strict" not in summarise_tables(paper, epsilons=EPSILONS)
    strict = in_published_order(attacked(data, blocks_of(N, 24), settings=replace(TABLE_S1, protocols=("strict",))))
    assert strict["predictions"]["attack"].tolist() == ["none"] * N
    summary = summarise_tables(strict, epsilons=EPSILONS)
    assert summary["robust_accuracy"] == {}
    assert summary["clean_accuracy"] == pytest.approx(1 - 4 / 24)


def test_threats_are_told_by_image(data, tables):
    rows = tables["threats"]
    exact = np.abs(distances(data.images()))
    noisy = rows[rows["threat"] == "noise"]
    assert noisy["image_id"].tolist() == data.image_ids
    assert not noisy["flipped"].to_numpy()[exact > 0.0095].any(), "no noise goes further than the attack"
    summary = summarise_tables(tables, epsilons=EPSILONS)["threats"]
    assert set(summary) == {"noise"}, "the images have colour: channels cannot be tied"
    assert summary["noise"]["n_images"] == N


def test_ranking_by_intervals_on_a_table_worked_out_by_hand():
    """Image b is most sensitive and wrong; d never flips."""
    rows = pd.DataFrame(
        {
            "image_id": [*"abcd", *"abcd"],
            "patient_id": [*"ppqq", *"ppqq"],
            "label": [0, 1, 1, 0] * 2,
            "predicted": [0, 0, 1, 0] * 2,
            "attack": ["fgsm"] * 4 + ["converged"] * 4,
            "last_safe": [0.03, 0.02, 0.04, 0.1, 0.02, 0.009, 0.04, 0.1],
            "first_flipped": [0.031, 0.021, 0.041, np.inf, 0.021, 0.01, 0.041, np.inf],
            "won_by": ["fgsm", "fgsm", "fgsm", "", "pgd", "apgd", "fgsm", ""],
            "n_gradients": 5.0,
            "n_forwards": 2.0,
        }
    )
    ranked, summary = rank_intervals(in_stages(rows), exclude_share=0.25)
    assert ranked["image_id"].tolist() == ["b", "a", "c", "d"]
    assert ranked["rank_strict"].tolist() == [1, 2, 3, 4]
    assert ranked["excluded_strict"].tolist() == [True, False, False, False]
    assert ranked["first_flipped"].tolist() == [0.01, 0.021, 0.041, np.inf]
    assert summary["accuracy_all"] == 0.75
    assert summary["accuracy_kept"] == 1.0
    assert summary["threshold_epsilon"] == 0.01
    assert summary["coverage"] == 0.75


def searched(data: LabelledImages, blocks: list[np.ndarray]) -> Tables:
    return sensitivity_tables(
        KerasClassifier(linear_model(WEIGHTS)),
        data,
        blocks,
        settings=RANK,
        attacks=TABLE_S1,
        seed=0,
        resumable=ResumableRows(lambda *_: None),
    )


def test_both_rankings_stand_in_one_row_an_image(data, tables):
    sensitivity = searched(data, blocks_of(N, 8))["sensitivity"]
    both, summary = rank_tables(sensitivity, tables["intervals"], exclude_share=0.25)
    assert len(both) == N
    assert {"min_epsilon", "rank", "excluded", "last_safe", "first_flipped", "rank_strict"} <= set(both.columns)
    assert (both["first_flipped"] <= both["min_epsilon"] + 1e-9).all(), "the grid's value is rounded up"
    assert summary["strict"]["n_images"] == summary["n_images"] == N
    alone, summary = rank_tables(None, tables["intervals"], exclude_share=0.25)
    assert "min_epsilon" not in alone
    assert set(summary) == {"strict"}
    paper, summary = rank_tables(sensitivity, tables["intervals"].iloc[:0], exclude_share=0.25)
    assert "first_flipped" not in paper
    assert "strict" not in summary


def test_rankings_of_other_images_are_refused(data, tables):
    sensitivity = searched(data, blocks_of(N, 8))["sensitivity"]
    with pytest.raises(InputError, match="the same images and predictions in both protocols, got 23 ranked, 24"):
        rank_tables(sensitivity.iloc[1:], tables["intervals"], exclude_share=0.25)


def shard_arguments(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**({"shard": None, "output": None, "shards": []} | given))


@pytest.mark.parametrize("of", [2, 5])
def test_shards_put_together_are_the_whole_to_the_byte(data, tables, tmp_path, of):
    """Five shards of three blocks: two have nothing to do."""
    blocks, compute = blocks_of(N, 8), partial(attacked, data)
    files = [tmp_path / f"{number}.npz" for number in range(1, of + 1)]
    for number, file in enumerate(files, start=1):
        assert by_shards(shard_arguments(shard=f"{number}-of-{of}", output=file), compute, blocks=blocks) is None
    gathered = in_published_order(by_shards(shard_arguments(shards=files), compute, blocks=blocks))
    for name, table in tables.items():
        assert gathered[name].to_csv() == table.to_csv(), name
    with pytest.raises(InputError, match=rf"1\.npz: expected predictions of {N} images, got "):
        by_shards(shard_arguments(shards=files[:1]), compute, blocks=blocks)


def test_every_block_is_in_one_shard_and_none_has_two_more_than_another():
    blocks = blocks_of(103, 10)
    shares = [Shard(number, 4).share(blocks) for number in range(1, 5)]
    np.testing.assert_array_equal(np.concatenate([one for share in shares for one in share]), np.arange(103))
    assert sorted(map(len, shares)) == [2, 3, 3, 3]


@pytest.mark.parametrize("text", ["0-of-3", "4-of-3", "2/3", "a-of-b", "1-of-2-of-3"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(InputError, match=f"expected a shard such as 2-of-8, got '{text}'"):
        Shard.parse(text)


def test_a_damaged_shard_is_named(tmp_path: Path):
    (tmp_path / "1.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(InputError, match=r"1\.npz: expected the tables of a shard, got "):
        by_shards(shard_arguments(shards=[tmp_path / "1.npz"]), lambda _: {}, blocks=blocks_of(4, 2))


def test_images_are_read_a_block_at_a_time(data, monkeypatch):
    """Memory does not grow with the number of images: no more of them are ever asked for at once."""
    sizes = []
    original = LabelledImages.images

    def spy(self, positions=slice(None)):
        read = original(self, positions)
        sizes.append(len(read))
        return read

    monkeypatch.setattr(LabelledImages, "images", spy)
    attacked(data, blocks_of(N, 6))
    assert sum(sizes) == 3 * N, "once for each protocol, once for the threat models"
    assert set(sizes) == {6}
