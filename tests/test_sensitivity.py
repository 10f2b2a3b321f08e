"""Sensitivity against the closed form of a linear classifier, and the ranking on a table worked out by hand."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from models import SHAPE, balanced_weights, images_in_memory, linear_model
from scored_fixture import make_scored

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.risk_coverage import accept, nearest_group
from oncorobust.evaluation.sensitivity import most_sensitive, rank, sensitivity_rows, summarise_rank
from oncorobust.settings.attacks import IterativeAttack

GRID = (0.001, 0.004, 0.008, 0.016)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.25, 0.3, 0.5])
def test_of_two_equally_near_shares_the_smaller_is_excluded(share: float) -> None:
    """All ties of whole numbers of images, found in exact fractions; 0.3 - 0.2 is below 0.2 - 0.1 in floating point."""
    ties, exact = 0, Fraction(str(share))
    for n in range(4, 41):
        for few in range(n):
            many = 2 * exact * n - few
            if many.denominator == 1 and few < many <= n:
                epsilon = np.array([0.1] * few + [0.2] * (int(many) - few) + [np.inf] * (n - int(many)))
                assert most_sensitive(epsilon, share).sum() == few
                accepted = accept(make_scored(epsilon, "r" * n))
                at = nearest_group(accepted, exclude_share=share)[0]
                assert n - accepted.images[0, at] == few
                ties += 1
    assert ties >= 20


def test_min_epsilon_is_the_first_grid_value_beyond_the_distance_to_the_boundary():
    weights = balanced_weights()
    images = np.random.default_rng(0).uniform(0.3, 0.7, (40, *SHAPE)).astype(np.float32)
    distance = (images * weights).sum(axis=(1, 2, 3)) / np.abs(weights).sum()
    found = sensitivity_rows(
        KerasClassifier(linear_model(weights)),
        images_in_memory(images, np.zeros(40, dtype=int)),
        blocks_of(40, 16),
        epsilons=GRID,
        pgd=IterativeAttack(max_iter=10, rel_eps_step=0.25, num_random_init=1),
        seed=0,
        resumable=ResumableRows(lambda *_: None),
    )
    expected = [min((epsilon for epsilon in GRID if epsilon > abs(one)), default=np.inf) for one in distance]
    np.testing.assert_array_equal(found["min_epsilon"], expected)
    np.testing.assert_array_equal(found["predicted"], (distance > 0).astype(int))
    assert np.isinf(expected).any()
    assert len(set(expected)) == 5


@pytest.fixture
def six() -> pd.DataFrame:
    """Six images: the most sensitive two tie, one never flips; images b and c are wrong."""
    return pd.DataFrame(
        {
            "image_id": list("abcdef"),
            "patient_id": list("ppqqrr"),
            "label": [0, 1, 1, 0, 1, 0],
            "predicted": [0, 0, 0, 0, 1, 0],
            "min_epsilon": [0.02, 0.01, 0.01, 0.04, np.inf, 0.02],
        }
    )


def test_ties_share_the_lowest_rank(six):
    ranked = rank(six, exclude_share=0.2)
    assert dict(zip(ranked["image_id"], ranked["rank"], strict=True)) == {
        "b": 1,
        "c": 1,
        "a": 3,
        "f": 3,
        "d": 5,
        "e": 6,
    }
    assert ranked["image_id"].tolist() == ["b", "c", "a", "f", "d", "e"]


def test_excluding_keeps_ties_together_and_takes_the_nearest_share(six):
    # Possible shares: 0, 2/6, 4/6, 5/6. 0.2 is 0.2 from none and 0.133 from the first tie.
    assert six["image_id"][most_sensitive(six["min_epsilon"].to_numpy(), 0.2)].tolist() == ["b", "c"]
    assert six["image_id"][most_sensitive(six["min_epsilon"].to_numpy(), 0.55)].tolist() == ["a", "b", "c", "f"]
    assert not most_sensitive(six["min_epsilon"].to_numpy(), 0.1).any()


def test_images_that_never_flip_are_never_excluded():
    assert most_sensitive(np.array([0.01, np.inf, np.inf]), 0.99).tolist() == [True, False, False]
    assert not most_sensitive(np.full(3, np.inf), 0.5).any()


def test_summary_by_hand(six):
    summary = summarise_rank(rank(six, exclude_share=0.2))
    assert summary == {
        "n_images": 6,
        "n_flipped": 5,
        "n_excluded": 2,
        "coverage": pytest.approx(4 / 6),
        "accuracy_all": pytest.approx(4 / 6),
        "accuracy_kept": 1.0,
        "accuracy_change": pytest.approx(2 / 6),
        "threshold_epsilon": 0.01,
    }


def test_without_an_exclusion_there_is_no_threshold(six):
    summary = summarise_rank(rank(six, exclude_share=0.05))
    assert "threshold_epsilon" not in summary
    assert (summary["coverage"], summary["accuracy_change"]) == (1.0, 0.0)
