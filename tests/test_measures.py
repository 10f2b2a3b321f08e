"""Measures of classes against scikit-learn, AUC in all draws at once, flips counted by hand, and degenerate input."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score

from oncorobust.base.errors import InputError
from oncorobust.evaluation.auc import auc_difference, auc_estimate, positive_scores
from oncorobust.evaluation.measures import (
    FLIPS,
    accuracy,
    answered,
    class_estimates,
    class_recalls,
    flip_estimates,
    flipped,
    recall,
)
from oncorobust.evaluation.ordering import Values, newcombe_interval, probability_smaller
from oncorobust.evaluation.resampling import LEVEL, Draws, Estimate, draw_patients
from oncorobust.evaluation.weighted import draw_values, observed_value, resampled

N, N_DRAWS, TWO = 120, 400, {"n_classes": 2, "positive": 1, "level": LEVEL}
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, N)
SCORES = np.round(LABELS + RNG.normal(0, 1.2, N), 1)
"""With ties."""
PREDICTED = (SCORES > 0.6).astype(int)
PATIENTS = [f"p{one:02d}" for one in RNG.integers(0, 40, N)]


def draws_of(patient_ids: list[str], *, n_draws: int = N_DRAWS) -> Draws:
    return draw_patients(patient_ids, n_draws=n_draws, seed=0)


DRAWS = draws_of(PATIENTS)
WEIGHTS = DRAWS.counts[:, resampled(PATIENTS, DRAWS).index].astype(float)


def ordered(estimate: Estimate) -> bool:
    assert estimate.low is not None and estimate.value is not None and estimate.high is not None, estimate.reason
    return 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_measures_of_two_classes_are_scikit_learns() -> None:
    found = class_estimates(LABELS, PREDICTED, PATIENTS, DRAWS, **TWO)
    assert found["sensitivity"].value == pytest.approx(recall_score(LABELS, PREDICTED))
    assert found["specificity"].value == pytest.approx(recall_score(LABELS, PREDICTED, pos_label=0))
    assert found["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(LABELS, PREDICTED))
    assert all(map(ordered, found.values()))
    assert found["sensitivity"].n_images == (LABELS == 1).sum()
    assert found["balanced_accuracy"].n_patients == len(set(PATIENTS))


def test_the_other_class_may_be_positive() -> None:
    found = class_estimates(LABELS, PREDICTED, PATIENTS, DRAWS, n_classes=2, positive=1, level=LEVEL)
    turned = class_estimates(LABELS, PREDICTED, PATIENTS, DRAWS, n_classes=2, positive=0, level=LEVEL)
    assert turned["sensitivity"] == found["specificity"]
    assert turned["specificity"] == found["sensitivity"]
    assert turned["balanced_accuracy"] == found["balanced_accuracy"]


def test_ratios_count_images_of_their_class() -> None:
    ratio = recall(LABELS, PREDICTED, of=1)
    assert ratio.numerator.sum() / ratio.denominator.sum() == pytest.approx(recall_score(LABELS, PREDICTED))
    right = accuracy(LABELS, PREDICTED)
    assert right.numerator.sum() == (LABELS == PREDICTED).sum()
    assert right.denominator.sum() == N


def test_several_classes_have_recalls_and_their_mean_alone() -> None:
    labels = np.arange(N) % 3
    predicted = np.where(np.arange(N) % 4 == 0, (labels + 1) % 3, labels)
    three = {"n_classes": 3, "level": LEVEL}
    recalls = class_recalls(labels, predicted, PATIENTS, DRAWS, **three)
    np.testing.assert_allclose([one.value for one in recalls], recall_score(labels, predicted, average=None))
    found = class_estimates(labels, predicted, PATIENTS, DRAWS, positive=1, **three)
    assert found["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found["balanced_accuracy"].value == pytest.approx(recall_score(labels, predicted, average="macro"))
    empties = [found["sensitivity"], found["specificity"]]
    empties.append(auc_estimate(labels, SCORES, PATIENTS, DRAWS, positive=1, **three))
    empties += flip_estimates(labels, predicted, predicted, PATIENTS, DRAWS, positive=1, **three).values()
    for one in empties:
        assert (one.value, one.low, one.high) == (None, None, None)
        assert one.reason == "defined for two classes, not for 3"


def test_flips_worked_out_by_hand() -> None:
    """Malignant is 1. Of 5 malignant images 1 is missed clean and 2 are turned; one missed image becomes right."""
    labels = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0])
    clean = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1])
    attacked = np.array([0, 0, 1, 1, 1, 1, 0, 0, 1])
    patients = list("abcdeabcd")
    found = flip_estimates(labels, clean, attacked, patients, draws_of(patients), **TWO)
    assert found.keys() == FLIPS.keys()
    assert {name: one.value for name, one in found.items()} == {
        "positive_to_negative_clean": pytest.approx(1 / 5),
        "positive_to_negative_flipped": pytest.approx(2 / 5),
        "negative_to_positive_clean": pytest.approx(1 / 4),
        "negative_to_positive_flipped": pytest.approx(1 / 4),
    }
    ratio = flipped(labels, clean, attacked, of=1, answer=0)
    assert ratio.numerator.tolist() == [True, True] + [False] * 7
    assert answered(labels, attacked, of=1, answer=0).numerator.sum() == 2
    assert all(map(ordered, found.values()))


def test_the_score_of_the_positive_class_is_its_logit_minus_the_others() -> None:
    logits = np.random.default_rng(1).normal(size=(20, 2))
    labels = np.arange(20) % 2
    margins = logits[np.arange(20), labels] - logits[np.arange(20), 1 - labels]
    for positive in (0, 1):
        scores = positive_scores(margins, labels, positive=positive)
        np.testing.assert_allclose(scores, logits[:, positive] - logits[:, 1 - positive])


def values_by_class() -> tuple[Values, Values]:
    negative, positive = (Values(SCORES[one == LABELS], np.ones((one == LABELS).sum(), bool)) for one in (0, 1))
    return negative, positive


def test_auc_of_every_draw_is_scikit_learns_weighted_auc() -> None:
    negative, positive = values_by_class()
    weights = WEIGHTS[:50]
    drawn = probability_smaller(negative, positive, weights[:, LABELS == 0], weights[:, LABELS == 1])
    expected = [roc_auc_score(LABELS, SCORES, sample_weight=one) for one in weights]
    np.testing.assert_allclose(drawn, expected, atol=1e-12)


def test_draws_are_computed_in_parts_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = resampled(PATIENTS, DRAWS)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return weights @ SCORES

    whole = draw_values(statistic, sample)
    sizes = []

    def spy(weights: np.ndarray) -> np.ndarray:
        sizes.append(weights.size)
        return statistic(weights)

    monkeypatch.setattr("oncorobust.evaluation.weighted._CELLS", 7 * N)
    np.testing.assert_allclose(draw_values(spy, sample), whole)
    assert max(sizes) == 7 * N, "memory does not grow with the draws"
    assert observed_value(statistic, sample) == pytest.approx(SCORES.sum())


def test_auc_has_an_interval_around_scikit_learns_value() -> None:
    found = auc_estimate(LABELS, SCORES, PATIENTS, DRAWS, **TWO)
    assert found.value == pytest.approx(roc_auc_score(LABELS, SCORES))
    assert ordered(found)
    assert 0.05 < found.high - found.low < 0.4
    assert (found.n_images, found.n_patients) == (N, len(set(PATIENTS)))
    turned = auc_estimate(LABELS, -SCORES, PATIENTS, DRAWS, n_classes=2, positive=0, level=LEVEL)
    assert turned.value == pytest.approx(found.value)


def test_the_difference_of_two_models_is_paired() -> None:
    """The second scores are the first with little noise: each model's interval is wide, that of the difference not."""
    second = SCORES + np.random.default_rng(5).normal(0, 0.2, N)
    single = auc_estimate(LABELS, SCORES, PATIENTS, DRAWS, **TWO)
    found = auc_difference(LABELS, SCORES, second, PATIENTS, DRAWS, **TWO)
    assert found.value == pytest.approx(roc_auc_score(LABELS, second) - roc_auc_score(LABELS, SCORES))
    assert found.low <= found.value <= found.high
    assert found.high - found.low < (single.high - single.low) / 2
    turned = auc_difference(LABELS, second, SCORES, PATIENTS, DRAWS, **TWO)
    assert turned.value == pytest.approx(-found.value)


def test_the_difference_to_a_perfect_ranking_keeps_a_width_on_both_sides() -> None:
    labels, patients = np.arange(40) % 2, [f"p{one}" for one in range(40)]
    perfect, good = labels + np.arange(40) / 100, labels + np.random.default_rng(0).normal(0, 0.5, 40)
    draws = draws_of(patients)
    found = auc_difference(labels, good, perfect, patients, draws, **TWO)
    alone = auc_estimate(labels, good, patients, draws, **TWO)
    assert 0 < found.value == pytest.approx(1 - alone.value)
    assert found.high == pytest.approx(found.value + (alone.value - alone.low))
    assert found.low < found.value - (alone.high - alone.value)


@pytest.mark.parametrize("n", [2, 12, 100])
def test_models_that_place_all_images_alike_differ_by_what_unseen_patients_may_add(n: int) -> None:
    """Two perfect models with opposite orders within each class; patients of n images of each class.

    None of n patients of a class has other places, so that at most 1 - 0.0125^(1/n) have, at half of the error of a
    95 % interval for each class and end.
    """
    labels, patients = np.repeat([0, 1], n), [f"p{k}" for k in range(2 * n)]
    first = np.concatenate([np.arange(n), 1000.0 + np.arange(n)])
    second = np.concatenate([np.arange(n)[::-1], 1000.0 + np.arange(n)[::-1]])
    draws = draw_patients(patients, n_draws=50, seed=0)
    found = auc_difference(labels, first, second, patients, draws, **TWO)
    most = 1 - 0.0125 ** (2 / n)
    assert (found.value, found.low, found.high) == (0.0, pytest.approx(-most), pytest.approx(most))
    assert (found.method, found.reason) == ("Clopper-Pearson by patient", "")
    assert auc_difference(LABELS, SCORES, 2 * SCORES, PATIENTS, DRAWS, **TWO).value == 0.0
    empty = auc_difference(LABELS, SCORES, np.zeros(N), PATIENTS, DRAWS, **TWO)
    assert (empty.value, empty.reason) == (None, "all scores are equal")


def test_images_of_one_patient_widen_the_interval_of_auc() -> None:
    labels, scores = np.repeat(LABELS[:40], 6), np.repeat(SCORES[:40], 6)
    together, apart = [f"p{one // 6}" for one in range(240)], [f"p{one}" for one in range(240)]
    wide, narrow = (auc_estimate(labels, scores, ids, draws_of(ids), **TWO) for ids in (together, apart))
    assert wide.value == narrow.value
    assert wide.high - wide.low > 1.8 * (narrow.high - narrow.low)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_ranking_keeps_a_width(sign: int) -> None:
    labels, patients = np.arange(30) % 2, [f"p{one}" for one in range(30)]
    found = auc_estimate(labels, sign * (labels + np.arange(30) / 100), patients, draws_of(patients), **TWO)
    assert found.value == (1 if sign > 0 else 0)
    assert found.high - found.low > 0.05
    assert ordered(found)


def test_newcombes_interval_is_his_published_one() -> None:
    """A closed form: at an AUC of 1, the lower end solves (1 - t)^2 = z^2 V(t)."""
    low, high = newcombe_interval(1.0, 20.0, 30.0, level=0.95)
    size = 24
    variance = low * (1 - low) * (1 + size * (1 - low) / (2 - low) + size * low / (1 + low)) / 600
    assert (1 - low) ** 2 == pytest.approx(1.959964**2 * variance, rel=1e-5)
    assert high == 1
    mirrored = newcombe_interval(0.0, 20.0, 30.0, level=0.95)
    assert mirrored == pytest.approx((0, 1 - low), abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "patients", "reason"),
    [
        ([0, 0, 0, 0], "abcd", "class 1 has no images; at least 2 patients are needed"),
        ([0, 0, 1, 1], "abcc", "class 1 has images of 1 patient only; at least 2 patients are needed"),
        ([1, 1, 0, 0], "abcc", "class 0 has images of 1 patient only; at least 2 patients are needed"),
    ],
)
def test_a_class_of_fewer_than_two_patients_gives_an_empty_estimate(
    labels: list[int], patients: str, reason: str
) -> None:
    own, ids = np.array(labels), list(patients)
    draws = draws_of(ids)
    found = class_estimates(own, own, ids, draws, **TWO)
    auc = auc_estimate(own, np.arange(4.0), ids, draws, **TWO)
    for one in (found["balanced_accuracy"], auc):
        assert (one.value, one.low, one.high, one.reason) == (None, None, None, reason)
    assert {found["sensitivity"].reason, found["specificity"].reason} == {reason, ""}
    flips = flip_estimates(own, own, 1 - own, ids, draws, **TWO)
    assert [name for name, one in flips.items() if one.value is None] == [
        name for name in FLIPS if name.startswith("positive" if "class 1" in reason else "negative")
    ]


def test_equal_scores_give_no_auc_and_equal_answers_a_balanced_accuracy_of_one_half() -> None:
    found = auc_estimate(LABELS, np.zeros(N), PATIENTS, DRAWS, **TWO)
    assert (found.value, found.low, found.high, found.reason) == (None, None, None, "all scores are equal")
    answers = class_estimates(LABELS, np.ones(N, int), PATIENTS, DRAWS, **TWO)
    assert (answers["sensitivity"].value, answers["specificity"].value) == (1, 0)
    assert answers["sensitivity"].low < 0.99
    assert answers["specificity"].high > 0.01
    assert answers["balanced_accuracy"].value == 0.5
    assert answers["balanced_accuracy"].low < 0.5 < answers["balanced_accuracy"].high


def test_wrong_input_is_refused() -> None:
    bad = np.where(np.arange(N) < 3, np.nan, SCORES)
    with pytest.raises(InputError, match=r"AUC: expected finite scores, got nan for 3 of 120 images"):
        auc_estimate(LABELS, bad, PATIENTS, DRAWS, **TWO)
    with pytest.raises(InputError, match=r"positive class: expected an index from 0 to 1, got 2"):
        class_estimates(LABELS, PREDICTED, PATIENTS, DRAWS, n_classes=2, positive=2, level=LEVEL)
    with pytest.raises(InputError, match=r"answers: expected class indices from 0 to 1, got 5"):
        class_estimates(LABELS, PREDICTED * 5, PATIENTS, DRAWS, **TWO)
    with pytest.raises(InputError, match=r"labels: expected class indices from 0 to 1, got 2"):
        auc_estimate(LABELS * 2, SCORES, PATIENTS, DRAWS, **TWO)
