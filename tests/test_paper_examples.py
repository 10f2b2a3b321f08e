"""Examples of the paper's attacks that a strict search has missed: the answer flips, returns, and flips again."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops
from models import SHAPE, UNIT_WEIGHTS, images_in_memory
from msgspec.structs import replace
from test_paper_attacks import TABLE_S1
from test_strict import RANK

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.paper_attacks import PaperAttacks
from oncorobust.base.epsilons import epsilon_key
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.protocols import attack_tables, in_published_order, summarise_tables
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.scored_images import scored_images
from oncorobust.evaluation.strict import of_search, smallest

N, EPSILONS = 6, (0.0017, 0.008, 0.02)
DISTANCE, GAP, WIDTH = 0.012, EPSILONS[0], 3e-6


@keras.saving.register_keras_serializable("tests")
class Gap(keras.layers.Layer):
    """Logits whose difference is the distance to the boundary, below 0 also in a gap far from it."""

    def call(self, images: object) -> object:
        weights = ops.convert_to_tensor(UNIT_WEIGHTS.astype(np.float32))
        distance = ops.sum(images * weights, axis=(1, 2, 3))
        inside = ops.abs(distance - (DISTANCE - GAP)) < WIDTH
        return ops.stack([ops.where(inside, distance - 1, distance), 0 * distance], axis=1)


@pytest.fixture(scope="module")
def classifier() -> KerasClassifier:
    return KerasClassifier(keras.Sequential([keras.Input(SHAPE), Gap()]), batch_size=4)


@pytest.fixture(scope="module")
def data() -> LabelledImages:
    """Half of the images lie at one distance from the boundary, the others further away, so that they have no gap."""
    images = np.random.default_rng(0).uniform(0.3, 0.7, (N, *SHAPE))
    wanted = DISTANCE + 0.001 * (np.arange(N) % 2)
    found = (images * UNIT_WEIGHTS).sum(axis=(1, 2, 3))
    step = ((wanted - found) / (UNIT_WEIGHTS**2).sum()).reshape(-1, 1, 1, 1)
    return images_in_memory((images + step * UNIT_WEIGHTS).astype(np.float32), np.zeros(N, dtype=int))


@pytest.fixture(scope="module")
def tables(classifier: KerasClassifier, data: LabelledImages) -> dict[str, pd.DataFrame]:
    found = attack_tables(
        classifier,
        data,
        blocks_of(N, 4),
        epsilons=EPSILONS,
        threat_epsilons=EPSILONS[:1],
        settings=TABLE_S1,
        seed=0,
        resumable=ResumableRows(lambda *_: None),
    )
    return in_published_order(found)


def test_an_example_of_the_papers_attacks_lowers_the_bounds_that_the_search_missed(tables):
    search, after = of_search(tables["intervals"]), smallest(tables["intervals"])
    gap = np.arange(N) % 2 == 0
    assert (search["last_safe"] > EPSILONS[0]).all(), "the search misses the gap, or this test shows nothing"
    assert after["first_flipped"][gap].to_numpy() == pytest.approx(GAP, abs=2e-6)
    assert (after["last_safe"][gap] < GAP).all()
    assert (after["last_safe"][gap] >= GAP * (1 - TABLE_S1.strict.relative_width) - 2e-6).all()
    assert set(after["won_by"][gap]) == {"paper"}
    columns = ["last_safe", "first_flipped", "won_by"]
    pd.testing.assert_frame_equal(after.loc[~gap, columns], search.loc[~gap, columns])


def test_the_strict_accuracy_is_then_at_most_that_of_any_attack_of_the_paper(tables):
    summary = summarise_tables(tables, epsilons=EPSILONS)
    worst = summary["strict"]["robust_accuracy"]["paper"]
    assert worst[epsilon_key(GAP)] == 0.5
    for attack in ("fgsm", "bim", "pgd"):
        for epsilon, accuracy in summary["robust_accuracy"]["true"][attack].items():
            assert worst[epsilon] <= accuracy


def test_the_strict_score_is_that_of_the_search_which_validation_images_have_too(classifier, data, tables):
    scored = scored_images(
        classifier,
        data,
        None,
        pd.DataFrame({"image_id": data.image_ids}),
        tables["intervals"],
        rank=replace(RANK, strict_validation_images=0),
        attacks=replace(TABLE_S1, protocols=("strict",)),
        epsilons=EPSILONS,
        seed=0,
        resumable=ResumableRows(lambda *_: None),
    )
    expected = of_search(tables["intervals"])["first_flipped"].tolist()
    assert scored["min_epsilon_strict"].tolist() == expected
    assert min(expected) > EPSILONS[0]


@pytest.mark.parametrize("attack", ["fgsm", "bim", "pgd"])
def test_an_attack_on_some_images_of_a_batch_is_the_attack_on_all(classifier, data, attack):
    x, answers = data.images(), np.zeros(N, dtype=int)
    attacks = PaperAttacks(classifier, x, np.eye(2, dtype=np.float32)[answers], answers, seed=3)
    for epsilon in EPSILONS:
        everything = attacks.examples(attack, epsilon=epsilon, settings=TABLE_S1)
        at = np.array([4, 1])
        some = attacks.examples(attack, epsilon=epsilon, settings=TABLE_S1, at=at)
        np.testing.assert_array_equal(some, everything[at])
