"""Calibration error against netcal and by hand, the rule for ties, the removal of bias, Brier scores, and bad input."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import brier_score_loss

from oncorobust.base.errors import InputError
from oncorobust.evaluation.calibration import (
    brier_estimate,
    brier_of_margins,
    brier_of_probabilities,
    calibration_error,
    confidence_of_margins,
    equal_mass_bins,
    reliability,
)
from oncorobust.evaluation.resampling import LEVEL, draw_patients

N_DRAWS = 400
FORTY = np.arange(40)
CONFIDENCE, CORRECT = 0.5 + (FORTY * 7919 % 1009) / 2018, (FORTY * FORTY % 7) < 4


def by_image(n: int, *, n_draws: int = N_DRAWS) -> dict[str, object]:
    ids = [f"p{one:04d}" for one in range(n)]
    return {"patient_ids": ids, "draws": draw_patients(ids, n_draws=n_draws, seed=0)}


@pytest.mark.parametrize(
    ("n_bins", "expected"),
    [
        (1, 0.021555996035678926),
        (4, 0.10153617443012877),
        (5, 0.09529236868186322),
        (8, 0.15379088206144698),
        (10, 0.13032705649157583),
        (20, 0.22029236868186322),
    ],
)
def test_calibration_error_is_netcals(n_bins: int, expected: float) -> None:
    """Expected: ECE(bins=n_bins, equal_intervals=False).measure(confidence, correct) of netcal 1.4.0."""
    found = calibration_error(CONFIDENCE, CORRECT, **by_image(40), n_bins=n_bins, level=LEVEL)
    assert found.plain.value == pytest.approx(expected, abs=1e-12)


def test_calibration_error_by_hand() -> None:
    """Bins {0.6, 0.7}: accuracy 0.5, confidence 0.65. {0.8, 1.0}: accuracy 1, confidence 0.9."""
    confidence, correct = np.array([0.8, 0.6, 1.0, 0.7]), np.array([True, False, True, True])
    found = calibration_error(confidence, correct, **by_image(4), n_bins=2, level=LEVEL)
    assert found.plain.value == pytest.approx(0.5 * 0.15 + 0.5 * 0.1)


@pytest.mark.parametrize(
    ("confidence", "bins"),
    [
        ([0.6, 0.7, 0.8, 0.9], [0, 0, 1, 1]),
        ([0.9, 0.6, 0.8, 0.7], [1, 0, 1, 0]),
        ([0.6, 0.7, 0.7, 0.9], [0, 0, 0, 1]),  # the tie stays in the bin of its first image
        ([0.7, 0.7, 0.7, 0.9], [0, 0, 0, 1]),
        ([0.7, 0.7, 0.7, 0.7], [0, 0, 0, 0]),
        ([0.6, 0.9, 0.9, 0.9], [0, 0, 0, 0]),
    ],
)
def test_bins_hold_equal_numbers_and_never_separate_a_tie(confidence: list[float], bins: list[int]) -> None:
    assert equal_mass_bins(np.array(confidence), n_bins=2).tolist() == bins


def test_bins_without_ties_differ_by_one_image() -> None:
    sizes = np.bincount(equal_mass_bins(np.random.default_rng(0).random(103), n_bins=10))
    assert set(sizes) == {10, 11}
    assert len(sizes) == 10


def test_the_order_of_the_images_does_not_matter() -> None:
    order = np.random.default_rng(0).permutation(40)
    given = by_image(40)
    turned = given | {"patient_ids": [given["patient_ids"][one] for one in order]}
    found = calibration_error(CONFIDENCE, CORRECT, **given, n_bins=5, level=LEVEL)
    again = calibration_error(CONFIDENCE[order], CORRECT[order], **turned, n_bins=5, level=LEVEL)
    assert again.plain.value == pytest.approx(found.plain.value)
    assert again.plain.high == pytest.approx(found.plain.high)


def test_the_interval_is_the_distance_that_one_draw_in_twenty_exceeds() -> None:
    """Two patients with one image each and one bin: a draw is one of them twice, or both. Deviations: 0.1 and -0.5."""
    confidence, correct = np.array([0.9, 0.5]), np.array([True, False])
    found = calibration_error(confidence, correct, **by_image(2), n_bins=1, level=LEVEL)
    assert found.plain.value == pytest.approx(0.2)
    assert found.plain.high == pytest.approx(0.2 + 0.3)
    assert found.plain.low == 0
    assert found.debiased == pytest.approx(2 * 0.2 - (0.25 * 0.1 + 0.25 * 0.5 + 0.5 * 0.2), abs=0.02)


def test_a_calibrated_model_is_not_shown_to_be_miscalibrated() -> None:
    rng, plain, debiased, held = np.random.default_rng(0), [], [], []
    given = by_image(100, n_draws=1000)
    for _ in range(60):
        confidence = rng.uniform(0.5, 1, 100)
        correct = rng.random(100) < confidence
        found = calibration_error(confidence, correct, **given, n_bins=10, level=LEVEL)
        plain.append(found.plain.value)
        debiased.append(found.debiased)
        held.append(found.plain.low == 0)
    assert np.mean(plain) > 0.08, "the bias"
    assert np.mean(debiased) < 0.7 * np.mean(plain)
    assert np.mean(held) >= 0.9


def test_a_large_error_is_found() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.8, 1, 400)
    correct = rng.random(400) < confidence - 0.3
    found = calibration_error(confidence, correct, **by_image(400), n_bins=10, level=LEVEL).plain
    assert 0.15 < found.low < 0.3 < found.high
    assert (found.n_images, found.n_patients, found.reason) == (400, 400, "")


def test_images_of_one_patient_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    confidence = np.repeat(rng.uniform(0.5, 1, 50), 6)
    correct = np.repeat(rng.random(50) < 0.5, 6)
    ids = [f"p{one // 6}" for one in range(300)]
    clustered = {"patient_ids": ids, "draws": draw_patients(ids, n_draws=N_DRAWS, seed=0)}
    wide, narrow = (
        calibration_error(confidence, correct, **given, n_bins=5, level=LEVEL) for given in (clustered, by_image(300))
    )
    assert wide.plain.value == pytest.approx(narrow.plain.value)
    assert wide.plain.high - wide.plain.value > 1.5 * (narrow.plain.high - narrow.plain.value)


def test_the_points_of_a_reliability_diagram() -> None:
    points = reliability(CONFIDENCE, CORRECT, **by_image(40), n_bins=4, level=LEVEL)
    order = np.argsort(CONFIDENCE)
    for point, part in zip(points, order.reshape(4, 10), strict=True):
        assert point.confidence == pytest.approx(CONFIDENCE[part].mean())
        assert point.accuracy.value == pytest.approx(CORRECT[part].mean())
        assert point.accuracy.low <= point.accuracy.value <= point.accuracy.high
        assert point.accuracy.n_images == 10
    gaps = [abs(point.confidence - point.accuracy.value) * point.accuracy.n_images / 40 for point in points]
    assert sum(gaps) == pytest.approx(0.10153617443012877)


def test_tied_confidences_leave_bins_out() -> None:
    (point,) = reliability(np.full(12, 0.9), np.arange(12) < 6, **by_image(12), n_bins=4, level=LEVEL)
    assert (point.confidence, point.accuracy.value, point.accuracy.n_images) == (pytest.approx(0.9), 0.5, 12)


def test_brier_scores_are_scikit_learns_and_both_forms_agree() -> None:
    rng = np.random.default_rng(0)
    labels, margins = rng.integers(0, 2, 50), rng.normal(1, 2, 50)
    own = expit(margins)
    probabilities = np.where(labels[:, None] == np.arange(2), own[:, None], 1 - own[:, None])
    two = brier_of_margins(margins)
    assert two.mean() == pytest.approx(brier_score_loss(labels, probabilities[:, 1]))
    np.testing.assert_allclose(brier_of_probabilities(probabilities, labels), 2 * two)
    np.testing.assert_allclose(confidence_of_margins(margins), probabilities.max(axis=1))


def test_brier_score_of_three_classes_by_hand() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2]])
    expected = 0.25 + 0.09 + 0.04, 0.25 + 0.49 + 0.04
    assert brier_of_probabilities(probabilities, np.array([0]))[0] == pytest.approx(0.25 + 0.09 + 0.04)
    assert brier_of_probabilities(probabilities, np.array([1]))[0] == pytest.approx(expected[1])


def test_the_brier_score_has_an_interval_over_patients() -> None:
    rng = np.random.default_rng(0)
    probabilities = softmax(rng.normal(size=(200, 3)), axis=1)
    scores = brier_of_probabilities(probabilities, rng.integers(0, 3, 200))
    found = brier_estimate(scores, **by_image(200), largest=2.0, level=LEVEL)
    assert found.value == pytest.approx(scores.mean())
    half = 1.96 * scores.std() / np.sqrt(200)
    assert found.low == pytest.approx(scores.mean() - half, abs=0.02)
    assert found.high == pytest.approx(scores.mean() + half, abs=0.02)


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_are_all_alike_give_no_interval(right: bool) -> None:
    found = calibration_error(CONFIDENCE, np.full(40, right), **by_image(40), n_bins=4, level=LEVEL)
    assert found.plain.value == pytest.approx(abs(right - CONFIDENCE.mean()))
    assert (found.plain.low, found.plain.high) == (None, None)
    word = "correct" if right else "wrong"
    assert found.plain.reason == f"all images are {word}: the draws know no variation of accuracy"


def test_one_patient_gives_no_interval() -> None:
    ids = ["p"] * 40
    draws = draw_patients(ids, n_draws=N_DRAWS, seed=0)
    found = calibration_error(CONFIDENCE, CORRECT, ids, draws, n_bins=4, level=LEVEL)
    assert (found.plain.low, found.plain.high) == (None, None)
    assert found.plain.reason == "1 patient; at least 2 are needed"


def test_wrong_input_is_refused() -> None:
    given = by_image(40) | {"n_bins": 4, "level": LEVEL}
    with pytest.raises(InputError, match=r"expected a confidence from 0 to 1, got 1.5 for 1 of 40 images"):
        calibration_error(np.where(FORTY == 3, 1.5, CONFIDENCE), CORRECT, **given)
    with pytest.raises(InputError, match=r"expected a confidence from 0 to 1, got nan for 2 of 40 images"):
        reliability(np.where(FORTY < 2, np.nan, CONFIDENCE), CORRECT, **given)
    with pytest.raises(InputError, match=r"calibration: expected images, got none"):
        calibration_error(np.array([]), np.array([], bool), [], given["draws"], n_bins=4, level=LEVEL)
    with pytest.raises(InputError, match=r"expected at least one bin, got 0"):
        equal_mass_bins(CONFIDENCE, n_bins=0)
    with pytest.raises(InputError, match=r"margins: expected finite numbers, got nan, 1 in all not finite"):
        confidence_of_margins(np.array([0.0, np.nan]))
