"""Attacks on rules that accept an image: closed forms on a linear classifier, and none below the one before it."""

from dataclasses import replace as replaced

import keras
import numpy as np
import pandas as pd
import pytest
from models import WEIGHTS, images, images_in_memory, linear_model, net_of_numpy_weights
from models import scores as signed_margins
from scored_fixture import random_rows

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.certainty_scores import ScoreSettings, score_rows
from oncorobust.evaluation.resampling import draw_patients
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.rule_attack import RuleAttack, rule_attack_rows
from oncorobust.evaluation.scored_rows import score_names, wrong_column
from oncorobust.evaluation.selective import Aims
from oncorobust.evaluation.sensitivity import min_epsilons
from oncorobust.evaluation.wrong_accepted import wrong_accepted
from oncorobust.settings.attacks import IterativeAttack

PGD = IterativeAttack(max_iter=8, rel_eps_step=0.25, num_random_init=1)
TWO_STEPS = IterativeAttack(max_iter=2, rel_eps_step=0.25, num_random_init=1)
SCORES = ScoreSettings(n_dropout=3, max_shift=1, n_noise=4, noise_epsilon=0.02)
L1 = np.abs(WEIGHTS).sum()


def quiet() -> ResumableRows:
    return ResumableRows(lambda *_: None)


def on_test_split(x: np.ndarray, labels: np.ndarray) -> LabelledImages:
    data = images_in_memory(x, labels, tuple(f"class {number}" for number in range(3)))
    return replaced(data, rows=data.rows.assign(split="test"))


def attacked(
    model: keras.Model, data: LabelledImages, *, epsilon: float, pgd: IterativeAttack = PGD, only: slice = slice(None)
) -> pd.DataFrame:
    """Rows with the scores and what the attacks found."""
    blocks = blocks_of(len(data), 8)
    scored = score_rows(model, data, blocks, settings=SCORES, seed=3, resumable=quiet())
    found = rule_attack_rows(
        model,
        data,
        scored,
        blocks[only],
        attack=RuleAttack(epsilon, pgd, 2, SCORES),
        searches={},
        seed=3,
        resumable=quiet(),
    )
    return scored.merge(found, on=["image_id", "patient_id", "label", "predicted"])


def labelled(x: np.ndarray) -> LabelledImages:
    """Images of the linear model; every fifth has the other label, so that the model answers it wrong."""
    labels = (signed_margins(x) > 0).astype(int)
    labels[::5] = 1 - labels[::5]
    return on_test_split(x, labels)


def largest_wrong_margins(x: np.ndarray, labels: np.ndarray, epsilon: float) -> np.ndarray:
    """The margin of the wrong class at the best corner of ball and box; -inf where no wrong answer is in reach."""
    towards = np.where(labels == 0, 1.0, -1.0)
    rising = towards.reshape(-1, 1, 1, 1) * WEIGHTS
    room = np.minimum(epsilon, np.where(rising > 0, 1 - x, x))
    reached = towards * signed_margins(x) + (room * np.abs(WEIGHTS)).sum(axis=(1, 2, 3))
    return np.where(reached > 0, reached, -np.inf)


@pytest.mark.parametrize("low", [0.3, -0.2])  # inside the box, and with black and white pixels
def test_on_a_linear_classifier_the_largest_wrong_margin_is_at_the_best_corner(low: float) -> None:
    x, epsilon = images(low, 1 - low, n=20), 0.01
    data = labelled(x)
    rows = attacked(linear_model(WEIGHTS), data, epsilon=epsilon)
    expected = largest_wrong_margins(x, data.labels, epsilon)
    found = rows["margin_wrong_adaptive"].to_numpy()
    assert 4 < np.isfinite(expected).sum() < 20
    assert found == pytest.approx(expected, abs=2e-5)
    confidence = np.where(np.isfinite(expected), 1 / (1 + np.exp(-expected)), -np.inf)
    assert rows["confidence_wrong_adaptive"].to_numpy() == pytest.approx(confidence, abs=1e-5)
    if low == 0.3:
        correct = rows["label"] == rows["predicted"]
        shifted = epsilon * L1 + np.where(correct, -1, 1) * rows["margin"]
        assert found == pytest.approx(np.where(shifted > 0, shifted, -np.inf), abs=2e-5)


def test_where_no_wrong_answer_is_in_reach_every_score_says_so() -> None:
    rows = attacked(linear_model(WEIGHTS), labelled(images(0.3, 0.7, n=10)), epsilon=1e-9)
    right = rows["label"] == rows["predicted"]
    assert 0 < right.sum() < 10
    for score in score_names(rows):
        for attack in ("pgd", "adaptive"):
            column = rows[wrong_column(score, attack)]
            assert np.isneginf(column[right]).all()
            assert (column[~right] >= rows.loc[~right, score]).all()


@pytest.fixture(scope="module")
def curved() -> pd.DataFrame:
    """A net of three classes with dropout, under two steps of PGD."""
    x = images(0.2, 0.8, n=24, seed=4)
    labels = np.random.default_rng(0).integers(0, 3, 24)
    return attacked(net_of_numpy_weights(3), on_test_split(x, labels), epsilon=0.05, pgd=TWO_STEPS)


def test_the_adaptive_attack_is_never_below_the_others_and_above_them_for_every_score_it_climbs(
    curved: pd.DataFrame,
) -> None:
    wrong = curved["label"] != curved["predicted"]
    for score in score_names(curved):
        clean = curved[score].where(wrong, -np.inf)
        pgd, adaptive = (curved[wrong_column(score, attack)] for attack in ("pgd", "adaptive"))
        assert (clean <= pgd).all()
        assert (pgd <= adaptive).all()
        if score not in ("random", "noise_flips"):
            assert (adaptive > pgd).mean() > 0.5, score
    assert (np.isneginf(curved["random_wrong_adaptive"]) | (curved["random_wrong_adaptive"] == curved["random"])).all()


def test_a_block_has_the_same_rows_alone_and_after_others() -> None:
    """So a run that was ended goes on to the same rows."""
    data, model = labelled(images(0.3, 0.7, n=24)), net_of_numpy_weights(2)
    whole = attacked(model, data, epsilon=0.02, pgd=TWO_STEPS)
    alone = attacked(model, data, epsilon=0.02, pgd=TWO_STEPS, only=slice(1, 2))
    pd.testing.assert_frame_equal(alone, whole.iloc[8:16].reset_index(drop=True))


def test_the_minimal_epsilon_is_searched_at_the_deepest_wrong_answer() -> None:
    x, epsilon, grid = images(0.3, 0.7, n=20), 0.01, tuple(np.arange(1, 16) / 500)
    data, model = labelled(x), linear_model(WEIGHTS)
    classifier, searched = KerasClassifier(model, batch_size=8), []

    def search(x_adv, answers, names, seed):
        searched.append(len(x_adv))
        return min_epsilons(classifier, x_adv, answers, epsilons=grid, pgd=PGD, seed=seed, names=names)

    blocks = blocks_of(20, 8)
    scored = score_rows(model, data, blocks, settings=SCORES, seed=3, resumable=quiet())
    own = np.abs(signed_margins(x)) / L1
    above = np.array([next((one for one in grid if one > at), np.inf) for at in own])
    found = rule_attack_rows(
        model,
        data,
        scored.assign(min_epsilon=above, min_epsilon_strict=0.5),
        blocks,
        attack=RuleAttack(epsilon, PGD, 1, SCORES),
        searches={"min_epsilon": search},
        seed=3,
        resumable=quiet(),
    )
    assert "min_epsilon_strict_wrong_pgd" not in found  # it has no search
    deepest = largest_wrong_margins(x, data.labels, epsilon) / L1
    values = found["min_epsilon_wrong_adaptive"].to_numpy()
    reached = np.isfinite(deepest)
    assert np.isneginf(values[~reached]).all()
    step = grid[1] - grid[0]
    assert (values[reached] >= deepest[reached] - 1e-6).all()
    assert (values[reached] <= deepest[reached] + 1.5 * step).all()
    assert sum(searched) < 2 * reached.sum()  # what is not deeper is not searched again


RULE = Aims(exclude_share=0.2, risk=0.1)


def with_attacks(rows: pd.DataFrame) -> pd.DataFrame:
    """Every wrong answer raised by 1, and by 2 for the adaptive attack, which also finds one for every other image."""
    test, wrong = rows["split"] == "test", rows["label"] != rows["predicted"]
    pgd = (rows["margin"] + 1).where(wrong, -np.inf)
    adaptive = (rows["margin"] + 2).where(wrong, np.where(np.arange(len(rows)) % 2, 0.4, -np.inf))
    return rows.assign(margin_wrong_pgd=pgd.where(test), margin_wrong_adaptive=adaptive.where(test))


def shares(rows: pd.DataFrame) -> dict[str, float]:
    draws = draw_patients(rows.loc[rows["split"] == "test", "patient_id"], n_draws=200, seed=0)
    found = wrong_accepted(rows, score="margin", aims=RULE, draws=draws, level=0.95)
    assert all(one.reason or one.low <= one.value <= one.high for one in found.values())
    return {name: one.value for name, one in found.items()} | {"reason": found["none"].reason}


def test_shares_of_accepted_wrong_answers_by_hand() -> None:
    rows = random_rows(seed=2)
    threshold = np.sort(rows.loc[rows["split"] == "validation", "margin"])[11]  # 12 of 60 are excluded
    test = with_attacks(rows)[rows["split"] == "test"]
    wrong = test["label"] != test["predicted"]
    found = shares(with_attacks(rows))
    assert found["none"] == pytest.approx((wrong & (test["margin"] > threshold)).mean())
    for attack in ("pgd", "adaptive"):
        assert found[attack] == pytest.approx((test[f"margin_wrong_{attack}"] > threshold).mean())
    assert found["none"] < found["pgd"] < found["adaptive"]


def test_without_a_validation_image_there_is_no_threshold() -> None:
    rows = random_rows(seed=2)
    found = shares(rows[rows["split"] == "test"])
    assert found == {"none": None, "pgd": None, "adaptive": None, "reason": "no validation image has this score"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows.drop(columns="margin_wrong_pgd"),
            "expected a column margin_wrong_pgd, got split, image_id",
        ),
        (
            lambda rows: rows.assign(margin_wrong_pgd=rows["margin_wrong_pgd"].where(rows["image_id"] != "i71")),
            "expected a number or -inf in margin_wrong_pgd, got none for image i71",
        ),
        (lambda rows: rows.assign(margin=rows["margin"].where(rows["image_id"] != "i70")), "got nan for image i70"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(change, message) -> None:
    with pytest.raises(InputError, match=message):
        shares(change(with_attacks(random_rows(seed=2))))
