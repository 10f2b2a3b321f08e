"""Selective prediction: thresholds by hand, intervals against one data set per draw, and rows that cannot be used."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from scored_fixture import random_rows
from sklearn.metrics import roc_auc_score

from oncorobust.base.errors import InputError
from oncorobust.evaluation.added_value import added_value, aurc_differences
from oncorobust.evaluation.draw_intervals import interval_of_draws
from oncorobust.evaluation.resampling import draw_patients
from oncorobust.evaluation.risk_coverage import Scored
from oncorobust.evaluation.scored_rows import SCORES, join_scores, score_names, scored
from oncorobust.evaluation.selective import Aims, choose_threshold, judge_scores, selective_table

AIMS = Aims(exclude_share=0.2, risk=0.2)


@pytest.fixture
def ten() -> pd.DataFrame:
    """Five validation images, the two least certain wrong; five test images, the most and the least certain wrong."""
    rows = pd.DataFrame(
        {
            "split": ["validation"] * 5 + ["test"] * 5,
            "image_id": [f"i{number}" for number in range(10)],
            "patient_id": [f"p{number}" for number in range(10)],
            "label": 1,
            "margin": [5, 4, 3, 2, 1, 4.5, 3.5, 2.5, 1.5, 0.5],
        }
    )
    return rows.assign(predicted=[1, 1, 1, 0, 0, 0, 1, 1, 1, 0])


def draws_of(rows: pd.DataFrame, n_draws: int = 200):
    return draw_patients(rows.loc[rows["split"] == "test", "patient_id"], n_draws=n_draws, seed=0)


def judge(rows: pd.DataFrame, aims: Aims = AIMS, n_draws: int = 200):
    return judge_scores(rows, aims=aims, draws=draws_of(rows, n_draws), level=0.95)


def test_operating_points_by_hand(ten):
    (judged,) = judge(ten)
    points = [(p.chosen_on, p.aim, p.threshold, p.coverage.value, p.accuracy.value) for p in judged.points]
    assert points == [
        # Validation: of 5, one is excluded; the risk of four is 1/4, that of three 0.
        ("validation", "coverage", 1.0, pytest.approx(4 / 5), pytest.approx(3 / 4)),
        ("validation", "risk", 2.0, pytest.approx(3 / 5), pytest.approx(2 / 3)),
        # Test: risks 1, 1/2, 1/3, 1/4, 2/5.
        ("test", "coverage", 0.5, pytest.approx(4 / 5), pytest.approx(3 / 4)),
        ("test", "risk", np.inf, 0.0, None),
    ]
    assert judged.points[3].accuracy.reason == "no image is accepted"
    assert judged.accuracy_at_coverage.value == pytest.approx(3 / 4)
    assert judged.auroc.value == pytest.approx(3 / 6)
    assert (judged.aurc.n_images, judged.aurc.n_patients) == (5, 5)


def test_a_risk_that_is_just_met_is_accepted(ten):
    (judged,) = judge(ten, Aims(exclude_share=0.2, risk=0.25))
    assert [point.threshold for point in judged.points if point.aim == "risk"] == [1.0, 0.5]


def test_the_frozen_threshold_does_not_look_at_the_test_images(ten):
    other = ten.assign(margin=ten["margin"].where(ten["split"] == "validation", ten["margin"] + 7))
    (judged,) = judge(other)
    assert [point.threshold for point in judged.points[:2]] == [1.0, 2.0]
    assert judged.points[0].coverage.value == 1.0


def test_an_image_at_the_threshold_is_not_accepted(ten):
    at = ten.assign(margin=ten["margin"].replace(0.5, 1.0))
    assert judge(at)[0].points[0].coverage.value == pytest.approx(4 / 5)


def test_a_frozen_threshold_has_the_interval_of_a_share(ten):
    (judged,) = judge(ten)
    accuracy = judged.points[0].accuracy
    assert (accuracy.method, accuracy.n_images, accuracy.n_patients) == ("Wilson with design effect", 4, 4)
    assert 0 < accuracy.low < 3 / 4 < accuracy.high < 1


def test_a_threshold_that_accepts_all_or_none_has_a_certain_coverage(ten):
    right = ten.assign(predicted=1)
    point = judge(right)[0].points[1]
    assert (point.threshold, point.coverage.value, point.coverage.low) == (-np.inf, 1.0, None)
    assert point.coverage.reason == "all images are accepted"
    wrong = ten.assign(predicted=0)
    point = judge(wrong)[0].points[1]
    assert (point.threshold, point.coverage.value, point.accuracy.value) == (np.inf, 0.0, None)
    assert point.coverage.reason == point.accuracy.reason == "no image is accepted"


def test_intervals_come_from_data_sets_of_drawn_patients():
    rows = random_rows(seed=1)
    draws, judged = draws_of(rows), judge(rows)
    test = scored(rows, "margin", split="test")
    coverages, accuracies = [], []
    for counts in draws.counts:
        times = counts[np.searchsorted(draws.patients, test.patient_ids)].astype(int)
        ids = [f"{number}" for number in range(times.sum())]
        drawn = Scored("margin", np.repeat(test.scores, times), np.repeat(test.correct, times), ids, ids)
        kept = drawn.scores > choose_threshold(drawn, "coverage", AIMS)
        coverages.append(kept.mean())
        accuracies.append(drawn.correct[kept].mean())
    point = {one.score: one for one in judged}["margin"].points[2]
    for estimate, values in ((point.coverage, coverages), (point.accuracy, accuracies)):
        expected = interval_of_draws(estimate.value, np.array(values), test, level=0.95, undefined="")
        assert estimate.low < estimate.value < estimate.high
        assert [estimate.low, estimate.high] == pytest.approx([expected.low, expected.high])


def test_a_useful_score_beats_chance_and_the_random_one_does_not():
    judged = {one.score: one for one in judge(random_rows(seed=2, n=800))}
    assert judged["margin"].auroc.low > 0.5
    assert judged["margin"].aurc.high < judged["random"].aurc.value
    assert judged["random"].auroc.low < 0.5 < judged["random"].auroc.high


def test_scores_that_are_absent_are_left_out_and_the_others_keep_their_order():
    rows = random_rows(seed=3)
    assert [one.score for one in judge(rows)] == ["min_epsilon", "margin", "random"]
    assert score_names(rows[[*rows.columns[:5], "random", "margin"]]) == ["margin", "random"]
    assert set(score_names(rows)) < set(SCORES)


def test_the_table_has_one_row_per_score_and_a_value_with_its_bounds():
    judged = judge(random_rows(seed=4))
    table = selective_table(judged)
    assert table["score"].tolist() == [one.score for one in judged]
    assert table["aurc_low"].tolist() == [one.aurc.low for one in judged]
    assert table["test_risk_accuracy_high"].tolist() == [one.points[3].accuracy.high for one in judged]
    assert len(table.columns) == 1 + 4 * 3 + 4 * (1 + 2 * 3)


def test_all_images_censored_or_equal_give_the_result_of_a_random_order(ten):
    (judged,) = judge(ten.drop(columns="margin").assign(min_epsilon=np.inf))
    assert judged.auroc.value == 0.5
    assert (judged.auroc.low, judged.auroc.reason) == (None, "the bootstrap draws give the same value")
    assert judged.aurc.value == pytest.approx(2 / 5)
    assert judged.augrc.value == pytest.approx(1 / 5)
    assert judged.points[0].threshold == -np.inf


def test_all_right_all_wrong_and_errors_of_one_patient_state_no_interval(ten):
    for predicted, aurc in ((1, 0.0), (0, 1.0)):
        judged = judge(ten.assign(predicted=predicted))[0]
        assert (judged.aurc.value, judged.aurc.low) == (aurc, None)
        assert (judged.auroc.value, judged.auroc.reason) == (None, "error prediction needs right and wrong predictions")
    one = judge(ten.assign(predicted=[1] * 9 + [0]), n_draws=4000)[0].auroc
    assert (one.value, one.low) == (1.0, None)
    # (4/5)**5 = 33 % of the draws lack the patient.
    assert re.fullmatch(r"undefined in 3[1-5]% of the bootstrap draws: error prediction needs .*", one.reason)


def test_one_test_patient_states_no_interval(ten):
    rows = ten.assign(patient_id=["p0"] * 5 + ["p1"] * 5)
    judged = judge(rows)[0]
    assert judged.aurc.low is None
    assert judged.aurc.reason == "an interval needs at least two patients"


def test_without_validation_images_the_frozen_points_are_empty(ten):
    judged = judge(ten[ten["split"] == "test"])[0]
    assert [point.threshold for point in judged.points[:2]] == [None, None]
    assert judged.points[0].coverage.reason == "no validation image has this score"
    assert judged.points[2].coverage.value == pytest.approx(4 / 5)


def test_the_partial_correlation_is_that_of_residuals():
    rows = random_rows(seed=5)
    added = added_value(rows, score="min_epsilon", given="margin", draws=draws_of(rows), level=0.95)
    test = rows[rows["split"] == "test"]
    ranks = [rankdata(test[column]) for column in ("min_epsilon", "margin")]
    correct = rankdata(test["label"] == test["predicted"])
    left = [values - np.polyval(np.polyfit(ranks[1], values, 1), ranks[1]) for values in (ranks[0], correct)]
    assert added.partial_correlation.value == pytest.approx(np.corrcoef(*left)[0, 1])
    assert added.partial_correlation.low < added.partial_correlation.value < added.partial_correlation.high


def test_a_score_that_the_margin_determines_adds_nothing():
    rows = random_rows(seed=6)
    twice = rows.assign(min_epsilon=rows["margin"] ** 3)
    added = added_value(twice, score="min_epsilon", given="margin", draws=draws_of(rows), level=0.95)
    assert added.partial_correlation.value is None
    assert added.partial_correlation.reason.endswith("values of min_epsilon that margin does not determine")
    # Not exactly 0: test values between the same two validation values have one rank.
    assert added.auroc_gain.value == pytest.approx(0, abs=0.01)


def test_a_score_that_knows_the_errors_adds_what_is_missing():
    rows = random_rows(seed=7, n=400)
    right = rows["label"] == rows["predicted"]
    knowing = rows.assign(min_epsilon=right + 0.1 * rows["random"])
    added = added_value(knowing, score="min_epsilon", given="margin", draws=draws_of(rows), level=0.95)
    assert added.partial_correlation.low > 0.3
    assert added.auroc_gain.low > 0
    test = rows[rows["split"] == "test"]
    assert added.auroc_given.value == pytest.approx(roc_auc_score(test["label"] == test["predicted"], test["margin"]))
    assert added.auroc_both.value == pytest.approx(added.auroc_given.value + added.auroc_gain.value)


def test_differences_of_aurc_are_paired():
    rows = random_rows(seed=8, n=400)
    judged = {one.score: one.aurc for one in judge(rows)}
    found = aurc_differences(rows, against="margin", draws=draws_of(rows), level=0.95)
    assert list(found) == ["min_epsilon", "random"]
    assert found["random"].value == pytest.approx(judged["random"].value - judged["margin"].value)
    assert found["random"].low > 0
    near = aurc_differences(
        rows.assign(random=rows["margin"] + 1e-9), against="margin", draws=draws_of(rows), level=0.95
    )
    assert (near["random"].value, near["random"].reason) == (0, "the bootstrap draws give the same value")
    # Unpaired, the interval would be about as wide as that of one AURC.
    width = found["min_epsilon"].high - found["min_epsilon"].low
    assert width < (judged["margin"].high - judged["margin"].low) / 2


def test_the_combination_needs_errors_among_validation_images(ten):
    rows = ten.assign(min_epsilon=ten["margin"], predicted=[1] * 9 + [0])
    added = added_value(rows, score="min_epsilon", given="margin", draws=draws_of(rows), level=0.95)
    assert added.auroc_both.value is None
    reason = "on the validation patients, error prediction needs right and wrong predictions"
    assert added.auroc_both.reason == added.auroc_gain.reason == reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(columns="label"), "expected columns .* got none named label"),
        (lambda rows: rows.drop(columns="margin"), "expected at least one score of min_epsilon, .* got none"),
        (lambda rows: rows.assign(split="train"), "expected split validation or test, got 'train'"),
        (lambda rows: pd.concat([rows, rows[6:8]]), r"got two or more for image i6 \(2 rows too many\)"),
        (lambda rows: rows.assign(patient_id="p"), "expected each patient in one split, got p in validation and test"),
        (lambda rows: rows.assign(margin=rows["margin"].where(rows["margin"] > 1)), "got nan for image i9"),
        (lambda rows: rows[rows["split"] == "validation"], "expected at least one image, got none"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(ten, change, message):
    with pytest.raises(InputError, match=message):
        judge_scores(change(ten), aims=AIMS, draws=draws_of(ten), level=0.95)


def test_rows_of_two_models_are_not_joined(ten):
    other = ten.drop(columns=["margin", "split"]).assign(min_epsilon=0.5).sample(frac=1, random_state=0)
    joined = join_scores(ten, other, ["min_epsilon"])
    assert joined.columns.tolist() == [*ten.columns, "min_epsilon"]
    with pytest.raises(InputError, match="expected the same images in both tables, got i3 in one only"):
        join_scores(ten, other[other["image_id"] != "i3"], ["min_epsilon"])
    mixed = other.assign(predicted=other["predicted"].where(other["image_id"] != "i4", 1))
    with pytest.raises(InputError, match="expected the rows of one model, got predicted 0 and 1 for image i4"):
        join_scores(ten, mixed, ["min_epsilon"])


def test_a_score_column_that_is_missing_is_named(ten):
    with pytest.raises(InputError, match="expected a column min_epsilon, got margin"):
        added_value(ten, score="min_epsilon", given="margin", draws=draws_of(ten), level=0.95)


@pytest.mark.parametrize("aims", [(0.0, 0.1), (0.2, 1.0)])
def test_aims_are_checked(aims):
    with pytest.raises(InputError, match=r"selective prediction: expected .* between 0 and 1, got"):
        Aims(*aims)
