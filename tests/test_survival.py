"""Minimal epsilon as survival: hand-computed tables with ties and censoring, lifelines, and degenerate input."""

import numpy as np
import pandas as pd
import pytest

from oncorobust.base.errors import InputError
from oncorobust.evaluation.intervals import share_term
from oncorobust.evaluation.medians import compare_groups, median, medians
from oncorobust.evaluation.ordering import Values, probability_smaller, share_decided
from oncorobust.evaluation.resampling import LEVEL, Draws, draw_patients
from oncorobust.evaluation.share_bounds import share_bounds
from oncorobust.evaluation.strict import robust_accuracy
from oncorobust.evaluation.survival import (
    MinimalEpsilons,
    curve,
    distinct_epsilons,
    minimal_epsilons,
    of_all_images,
    of_correct_images,
    restricted_mean,
)

N_DRAWS = 500
TEN = np.array([0.001, 0.002, 0.002, 0.002, 0.004, 0.004, 0.008, 0.01, np.inf, np.inf])
"""Ten images with ties; the last two withstand the reach, 0.01."""


def images_of(epsilon: np.ndarray, *, reach: float = 0.01, per_patient: int = 1) -> MinimalEpsilons:
    ids = [f"p{number // per_patient:03d}" for number in range(len(epsilon))]
    return minimal_epsilons(np.asarray(epsilon, float), ids, reach=reach)


def draws_of(images: MinimalEpsilons, *, n_draws: int = N_DRAWS) -> Draws:
    return draw_patients(images.patient_ids, n_draws=n_draws, seed=0)


def rows_of(**columns: list[float]) -> pd.DataFrame:
    n = len(columns["first_flipped"])
    given = {"image_id": [f"i{one}" for one in range(n)], "patient_id": [f"p{one // 2}" for one in range(n)]}
    return pd.DataFrame(given | {"label": [1] * n, "predicted": [1] * n} | columns)


@pytest.fixture
def four() -> pd.DataFrame:
    """Four images searched up to 0.1: one flips, one is wrong, one flips late, one withstands the search."""
    return rows_of(
        predicted=[1, 0, 1, 1], last_safe=[0.01, 0.02, 0.08, 0.1], first_flipped=[0.011, 0.022, 0.09, np.inf]
    )


def test_the_curve_is_lifelines_kaplan_meier_estimate() -> None:
    """Expected: KaplanMeierFitter().fit(durations, observed).survival_function_ of lifelines 0.30.3."""
    images = images_of(TEN)
    found = curve(images, draws_of(images), grid=distinct_epsilons(images, at_most=100), level=LEVEL)
    np.testing.assert_array_equal(found.epsilon, [0, 0.001, 0.002, 0.004, 0.008, 0.01])
    np.testing.assert_allclose(found.share, [1, 0.9, 0.6, 0.4, 0.3, 0.2], atol=1e-12)
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()
    assert found.low[0] < 1 - 0.05, "10 of 10 patients do not prove that all withstand"


def test_the_curve_agrees_with_lifelines_where_it_is_installed() -> None:
    lifelines = pytest.importorskip("lifelines", reason="lifelines is not installed: make setup")
    epsilon = np.round(np.random.default_rng(0).exponential(0.006, 60), 3)
    images = images_of(epsilon)
    grid = distinct_epsilons(images, at_most=1000)
    fitted = lifelines.KaplanMeierFitter().fit(np.minimum(epsilon, 0.01), epsilon <= 0.01)
    found = curve(images, draws_of(images), grid=grid, level=LEVEL)
    np.testing.assert_allclose(found.share, fitted.survival_function_at_times(grid), atol=1e-12)


def test_epsilons_beyond_the_reach_are_censored() -> None:
    found = minimal_epsilons(np.array([0.01, 0.0101, np.inf]), list("abc"), reach=0.01)
    np.testing.assert_array_equal(found.epsilon, [0.01, np.inf, np.inf])


def test_too_many_epsilons_are_thinned_evenly_and_keep_both_ends() -> None:
    images = images_of(np.linspace(0.0001, 0.0099, 99))
    grid = distinct_epsilons(images, at_most=11)
    np.testing.assert_allclose(grid, np.concatenate([np.arange(10) * 0.001, [0.01]]), atol=1e-12)


def test_the_two_populations_treat_misclassified_images_as_stated(four: pd.DataFrame) -> None:
    right, everything = of_correct_images(four, reach=0.1), of_all_images(four, reach=0.1)
    np.testing.assert_array_equal(right.at_most.epsilon, [0.011, 0.09, np.inf])
    np.testing.assert_array_equal(right.above.epsilon, [0.01, 0.08, np.inf])
    np.testing.assert_array_equal(everything.at_most.epsilon, [0.011, 0, 0.09, np.inf])
    np.testing.assert_array_equal(everything.above.epsilon, [0.01, 0, 0.08, np.inf])
    assert right.at_most.patient_ids == ["p0", "p1", "p1"]


def test_the_curve_of_all_images_is_strict_robust_accuracy(four: pd.DataFrame) -> None:
    images, grid = of_all_images(four, reach=0.1).at_most, np.array([0, 0.01, 0.011, 0.05, 0.1])
    found = curve(images, draws_of(images), grid=grid, level=LEVEL)
    assert found.share.tolist() == [robust_accuracy(four, epsilon) for epsilon in grid]
    assert found.share[0] == 0.75, "clean accuracy"


def test_the_envelope_holds_every_curve_of_epsilons_inside_the_intervals(four: pd.DataFrame) -> None:
    bounds, grid = of_all_images(four, reach=0.1), np.linspace(0, 0.1, 11)
    draws = draws_of(bounds.above, n_draws=2)
    low, high = (curve(one, draws, grid=grid, level=LEVEL).share for one in (bounds.above, bounds.at_most))
    assert (low <= high).all()
    assert (low < high).any()
    rng = np.random.default_rng(0)
    for _ in range(5):
        share = rng.random(4)
        inside = four["first_flipped"] - share * (four["first_flipped"] - four["last_safe"]).where(
            np.isfinite(four["first_flipped"]), 0.0
        )
        between = of_all_images(four.assign(first_flipped=inside, last_safe=0.0), reach=0.1).at_most
        true = curve(between, draws, grid=grid, level=LEVEL).share
        assert ((low <= true) & (true <= high)).all()


def test_an_interval_across_the_reach_counts_as_fallen_in_the_lower_curve_only() -> None:
    rows = rows_of(last_safe=[0.09, 0.1], first_flipped=[0.11, 0.12])
    bounds = of_all_images(rows, reach=0.1)
    np.testing.assert_array_equal(bounds.at_most.epsilon, [np.inf, np.inf])
    np.testing.assert_array_equal(bounds.above.epsilon, [0.09, np.inf])


@pytest.mark.parametrize(
    ("epsilon", "expected"),
    [
        ([0.001, 0.002, 0.003, 0.004], 0.002),  # exactly half withstand 0.002
        ([0.001, 0.002, 0.003], 0.002),
        ([0.001, 0.002, 0.002, np.inf], 0.002),
        ([0.001, 0.002, np.inf, np.inf], 0.002),  # half censored: reached
        ([0.001, np.inf, np.inf], np.inf),
        ([0.005], 0.005),
    ],
)
def test_the_median_is_the_smallest_epsilon_that_at_most_half_withstand(epsilon: list[float], expected: float) -> None:
    assert medians(np.array(epsilon), np.ones((1, len(epsilon)))).tolist() == [expected]


def test_medians_of_draws_are_those_of_repeated_images() -> None:
    rng = np.random.default_rng(1)
    epsilon = np.where(rng.random(15) < 0.2, np.inf, np.round(rng.random(15) / 100, 3))
    weights = rng.integers(0, 4, (200, 15)).astype(float)
    repeated = [np.sort(np.repeat(epsilon, one.astype(int))) for one in weights]
    expected = [one[(len(one) - 1) // 2] for one in repeated]
    assert medians(epsilon, weights).tolist() == expected


def test_a_draw_without_images_has_no_median() -> None:
    assert np.isnan(medians(np.array([0.001]), np.zeros((1, 1)))).all()


def test_the_interval_of_the_median_holds_it_and_shrinks_with_patients() -> None:
    widths = []
    for n in (20, 500):
        images = images_of(np.linspace(0.0001, 0.0099, n))
        found = median(images, draws_of(images), level=LEVEL)
        assert found.low is not None and found.high is not None and found.value is not None
        assert found.low <= found.value <= found.high
        assert found.low <= 0.005 <= found.high
        assert (found.n_images, found.n_patients, found.reason) == (n, n, "")
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


@pytest.mark.parametrize("seed", range(20))
def test_the_interval_of_the_median_holds_every_epsilon_whose_share_may_be_one_half(seed: int) -> None:
    """Few patients with different numbers of images: the bounds of the share rise and fall with epsilon."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 6, rng.integers(2, 8))
    ids = np.repeat([f"p{k}" for k in range(len(counts))], counts).tolist()
    images = MinimalEpsilons(rng.integers(1, 10, len(ids)) / 1000, ids, reach=0.01)
    draws = draws_of(images)
    found = median(images, draws, level=LEVEL)
    low, high = (one if one is not None else end for one, end in ((found.low, 0.0), (found.high, np.inf)))
    for epsilon in np.unique([0.0, *images.epsilon]):
        bounds = share_bounds(share_term(images.epsilon > epsilon, ids, draws), level=LEVEL)
        if bounds[0] <= 0.5 < bounds[1]:
            assert low <= epsilon < high


def test_images_of_one_patient_count_once_in_the_interval_of_the_median() -> None:
    epsilon = np.repeat(np.random.default_rng(3).uniform(0, 0.01, 20), 5)
    alike, separate = images_of(epsilon, per_patient=5), images_of(epsilon)
    (wide, narrow) = (median(one, draws_of(one), level=LEVEL) for one in (alike, separate))
    assert wide.value == narrow.value
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_the_median_of_censored_images_is_not_reached() -> None:
    images = images_of(np.full(12, np.inf))
    found = median(images, draws_of(images), level=LEVEL)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.reason.startswith("not reached: more than half of the images withstand epsilon 0.01")


def test_a_median_near_the_reach_has_a_lower_end_only() -> None:
    images = images_of(np.array([0.002] * 8 + [0.009] * 6 + [np.inf] * 10))
    found = median(images, draws_of(images), level=LEVEL)
    assert (found.value, found.low, found.high) == (0.009, 0.002, None)
    assert found.reason == "no upper end: it is beyond the largest epsilon searched, or needs more patients"


def test_all_images_flipped_at_once() -> None:
    images = images_of(np.full(8, 0.004))
    draws = draws_of(images)
    found = median(images, draws, level=LEVEL)
    assert (found.value, found.low, found.high, found.reason) == (0.004, 0.004, 0.004, "")
    shares = curve(images, draws, grid=np.array([0, 0.0039, 0.004, 0.01]), level=LEVEL)
    assert shares.share.tolist() == [1, 1, 0, 0]
    assert (shares.high[2:] > 0.05).all(), "8 of 8 patients do not prove that none withstands"
    assert restricted_mean(images, draws, up_to=0.01, level=LEVEL).value == pytest.approx(0.004)


@pytest.mark.parametrize("n", [2, 5])
def test_few_patients_do_not_bound_a_median(n: int) -> None:
    """All are on one side of the true median with probability 2^(1 - n): more often than the level allows."""
    images = images_of(np.full(n, 0.004))
    found = median(images, draws_of(images), level=LEVEL)
    assert (found.value, found.low, found.high) == (0.004, 0, None)
    assert "needs more patients" in found.reason


def test_one_patient_gives_a_median_without_interval() -> None:
    images = images_of(np.array([0.001, 0.002, 0.003]), per_patient=3)
    found = median(images, draws_of(images), level=LEVEL)
    assert (found.value, found.low, found.high) == (0.002, None, None)
    assert found.reason == "all images are of one patient: no interval"


def test_the_restricted_mean_is_the_area_under_the_curve() -> None:
    images = images_of(TEN)
    draws = draws_of(images)
    found = restricted_mean(images, draws, up_to=0.01, level=LEVEL)
    grid = distinct_epsilons(images, at_most=100)
    area = (curve(images, draws, grid=grid, level=LEVEL).share[:-1] * np.diff(grid)).sum()
    assert found.value == pytest.approx(area, abs=1e-12)
    assert found.value == pytest.approx((0.001 + 3 * 0.002 + 2 * 0.004 + 0.008 + 3 * 0.01) / 10)
    assert found.low < found.value < found.high
    shorter = restricted_mean(images, draws, up_to=0.003, level=LEVEL)
    assert shorter.value == pytest.approx((0.001 + 3 * 0.002 + 6 * 0.003) / 10)


def test_the_restricted_mean_of_censored_images_is_its_end_with_an_interval_below() -> None:
    images = images_of(np.full(12, np.inf))
    found = restricted_mean(images, draws_of(images), up_to=0.01, level=LEVEL)
    assert found.value == pytest.approx(0.01)
    assert found.low < 0.0099


def pairs_by_hand(first: MinimalEpsilons, second: MinimalEpsilons) -> tuple[float, float]:
    """Count pairs one by one, as the module's docstring says."""
    score, decided = 0.0, 0
    for a in first.epsilon:
        for b in second.epsilon:
            smaller = np.isfinite(a) and (a < b if np.isfinite(b) else a <= second.reach)
            larger = np.isfinite(b) and (b < a if np.isfinite(a) else b <= first.reach)
            score += 1.0 if smaller else 0.0 if larger else 0.5
            decided += smaller or larger
    pairs = len(first.epsilon) * len(second.epsilon)
    return score / pairs, decided / pairs


@pytest.mark.parametrize("seed", range(20))
def test_pairs_with_ties_and_censoring_count_as_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = images_of(np.round(rng.exponential(0.004, rng.integers(1, 12)), 3), reach=0.005)
    second = images_of(np.round(rng.exponential(0.006, rng.integers(1, 12)), 3), reach=rng.choice([0.004, 0.005, 0.01]))
    values = [Values(np.minimum(one.epsilon, one.reach), np.isfinite(one.epsilon)) for one in (first, second)]
    ones = [np.ones((1, len(one.epsilon))) for one in (first, second)]
    expected = pairs_by_hand(first, second)
    assert probability_smaller(*values, *ones)[0] == pytest.approx(expected[0], abs=1e-12)
    assert share_decided(*values) == pytest.approx(expected[1], abs=1e-12)


def test_a_group_that_falls_earlier_is_found() -> None:
    rng = np.random.default_rng(0)
    medical, natural = (images_of(rng.exponential(scale, 80)) for scale in (0.002, 0.006))
    found = compare_groups(medical, natural, n_draws=N_DRAWS, seed=0, level=LEVEL)
    assert found.smaller.low > 0.5
    assert found.difference.low > 0
    assert found.difference.value == pytest.approx(found.second.value - found.first.value)
    assert 0.9 < found.decided < 1
    assert (found.smaller.n_images, found.smaller.n_patients) == (160, 160)
    turned = compare_groups(natural, medical, n_draws=N_DRAWS, seed=0, level=LEVEL)
    assert turned.smaller.value == pytest.approx(1 - found.smaller.value)
    assert found == compare_groups(medical, natural, n_draws=N_DRAWS, seed=0, level=LEVEL)


def test_groups_are_resampled_independently() -> None:
    """A group compared with itself has the interval of two samples: paired draws would leave no difference at all."""
    images = images_of(np.random.default_rng(0).exponential(0.004, 60))
    found = compare_groups(images, images, n_draws=N_DRAWS, seed=0, level=LEVEL)
    assert found.smaller.value == 0.5
    assert found.difference.value == 0
    assert found.difference.low < 0 < found.difference.high
    assert found.smaller.high - found.smaller.low > 0.1


def test_separate_groups_keep_a_width() -> None:
    first, second = images_of(np.linspace(0.001, 0.002, 15)), images_of(np.linspace(0.003, 0.004, 15))
    found = compare_groups(first, second, n_draws=N_DRAWS, seed=0, level=LEVEL)
    assert (found.smaller.value, found.smaller.high) == (1, 1)
    assert 0.6 < found.smaller.low < 0.97


def test_groups_without_a_flip_cannot_be_ordered() -> None:
    images = images_of(np.full(12, np.inf))
    found = compare_groups(images, images, n_draws=N_DRAWS, seed=0, level=LEVEL)
    assert found.smaller.value is None
    assert found.smaller.reason == "the order of no pair of images is known"
    assert found.decided == 0
    assert found.difference.value is None
    assert "not reached" in found.difference.reason


def test_a_group_that_withstands_all_is_later_though_its_median_is_not_reached() -> None:
    medical, natural = images_of(np.linspace(0.001, 0.004, 12)), images_of(np.full(12, np.inf))
    found = compare_groups(medical, natural, n_draws=N_DRAWS, seed=0, level=LEVEL)
    assert found.smaller.value == 1
    assert found.difference.value is None
    assert "not reached: more than half of the images withstand epsilon 0.01" in found.difference.reason


def test_groups_of_few_patients_have_no_interval_of_the_difference() -> None:
    few = images_of(TEN[:5])
    found = compare_groups(few, images_of(TEN), n_draws=N_DRAWS, seed=0, level=LEVEL).difference
    assert found.value == pytest.approx(0.002)
    assert (found.low, found.high) == (None, None)
    assert found.reason == "an interval of a median needs 6 patients in each group, one has 5"


def test_a_group_of_one_patient_is_not_compared() -> None:
    alone = images_of(np.array([0.001, 0.002, 0.003]), per_patient=3)
    found = compare_groups(alone, images_of(TEN), n_draws=N_DRAWS, seed=0, level=LEVEL)
    assert found.smaller.value is None
    assert "at least 2 patients" in found.smaller.reason


def test_wrong_epsilons_are_refused(four: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"expected numbers from 0 to infinity, got nan for 1 of 2 images"):
        images_of(np.array([0.001, np.nan]))
    with pytest.raises(InputError, match=r"expected numbers from 0 to infinity, got -0.1 for 1 of 2 images"):
        images_of(np.array([0.001, -0.1]))
    with pytest.raises(InputError, match=r"expected the largest epsilon searched, above 0, got inf"):
        images_of(TEN, reach=np.inf)
    with pytest.raises(InputError, match=r"expected images, each with a patient id, got 0 epsilons of 0 patient ids"):
        images_of(np.array([]))
    with pytest.raises(InputError, match=r"expected epsilons from 0 to the reach 0.01, got 0.02"):
        curve(images_of(TEN), draws_of(images_of(TEN)), grid=np.array([0.02]), level=LEVEL)
    with pytest.raises(InputError, match=r"expected an end above 0, up to the reach 0.01, got 0.02"):
        restricted_mean(images_of(TEN), draws_of(images_of(TEN)), up_to=0.02, level=LEVEL)
    with pytest.raises(InputError, match=r"image i0: expected last_safe at or below first_flipped, got 0.01 and 0.001"):
        of_all_images(four.assign(first_flipped=0.001), reach=0.1)
    with pytest.raises(InputError, match=r"expected one row per image, got several of i0"):
        of_all_images(pd.concat([four, four]), reach=0.1)
    with pytest.raises(InputError, match=r"none of 4 images is classified correctly"):
        of_correct_images(four.assign(predicted=0), reach=0.1)
