"""Intervals of cells: hand-computed and published values, scipy's bootstrap, and a short coverage simulation."""

import cohorts
import numpy as np
import pytest
from scipy.stats import bootstrap

from oncorobust.base.errors import InputError
from oncorobust.evaluation.bootstrap import bca_bounds, percentile_bounds
from oncorobust.evaluation.intervals import (
    BCA,
    CLOPPER_PEARSON,
    MOVER,
    NO_INTERVAL,
    WILSON,
    ratio_intervals,
    share_interval,
    share_term,
)
from oncorobust.evaluation.resampling import Draws, Estimate, draw_patients
from oncorobust.evaluation.share_bounds import Term, share_bounds


def term(numerator: list[float] | np.ndarray, denominator: list[float] | np.ndarray, factor: float = 1.0) -> Term:
    return Term(factor, np.asarray(numerator, float), np.asarray(denominator, float))


def interval(*terms: Term, level: float = 0.95, draws: Draws | None = None) -> Estimate:
    (found,) = ratio_intervals([terms], draws or cohorts.draws_of(len(terms[0].numerator)), level=level)
    return found


def bounds(found: Estimate) -> list[float]:
    assert found.low is not None
    assert found.high is not None
    return [found.low, found.high]


def test_one_image_a_patient_gives_wilsons_interval() -> None:
    found = interval(term([1] * 3 + [0] * 9, [1] * 12))
    assert found.method == WILSON
    assert (found.value, found.n_images, found.n_patients) == (0.25, 12, 12)
    # statsmodels 0.15.0: proportion_confint(3, 12, method="wilson")
    assert bounds(found) == pytest.approx([0.08894166839405476, 0.5323053349335658], rel=1e-9)
    flags = np.arange(12) < 3
    assert share_interval(flags, [f"p{number}" for number in range(12)]) == found
    by_patient = share_interval(flags, [f"p{number // 2}" for number in range(12)])
    assert by_patient.n_patients == 6
    assert np.diff(bounds(by_patient)) > np.diff(bounds(found))


def test_a_share_needs_a_patient_for_each_image() -> None:
    with pytest.raises(InputError, match="expected a patient id for each of 2 images, got 1"):
        share_interval(np.array([True, False]), ["p1"])


@pytest.mark.parametrize("images", [1, 4])
def test_0_of_n_and_n_of_n_give_clopper_pearson_by_patient(images: int) -> None:
    none, everything = (interval(term(count, [images] * 12)) for count in ([0] * 12, [images] * 12))
    assert none.method == everything.method == CLOPPER_PEARSON
    # statsmodels 0.15.0: proportion_confint(0, 12, method="beta"), whatever the number of images of a patient
    assert bounds(none) == pytest.approx([0, 0.2646484693970512])
    assert bounds(everything) == pytest.approx([1 - 0.2646484693970512, 1])


def test_all_equal_within_the_scale_is_no_point() -> None:
    found = interval(term([1, 1, 1, 1], [2, 2, 2, 2]))
    different = 1 - 0.025 ** (1 / 4)
    assert found.method == CLOPPER_PEARSON
    assert bounds(found) == pytest.approx([0.5 - different / 2, 0.5 + different / 2])


def test_one_patient_has_a_value_and_a_reason() -> None:
    found = interval(term([3, 0], [4, 0]))
    assert (found.value, found.low, found.high, found.n_images, found.n_patients) == (0.75, None, None, 4, 1)
    assert (found.method, found.reason) == (NO_INTERVAL, "all images are of one patient")


def test_no_images_have_no_value() -> None:
    found = interval(term([1, 0], [2, 2]), term([0, 0], [0, 0], -1.0))
    assert (found.value, found.low, found.high, found.reason) == (None, None, None, "no images")


def test_clustered_share_by_hand() -> None:
    """Patients of 2 images with 2, 0, 0, 1 flagged: share 3/8, residuals 1.25, -0.75, -0.75, 0.25, weight 2 / 5."""
    found = interval(term([2, 0, 0, 1], [2, 2, 2, 2]))
    estimated = 4 / 3 * 2.75 / 8 / (3 / 8 * 5 / 8)
    quantile = 3.182446305284263  # Student's, 3 degrees of freedom

    def bound(prior: float, sign: int) -> float:
        n, share = 8 / (2 / 5 * estimated + 3 / 5 * prior), 3 / 8
        root = np.sqrt(share * (1 - share) / n + quantile**2 / (4 * n**2))
        return float((share + quantile**2 / (2 * n) + sign * quantile * root) / (1 + quantile**2 / n))

    assert bounds(found) == pytest.approx([bound(1 + 0.4 * 3 / 8, -1), bound(1 + 0.4 * 5 / 8, 1)])


def test_the_interval_mirrors_with_the_share() -> None:
    flagged, images = np.array([3, 0, 0, 1, 0, 2.0]), np.array([4, 1, 2, 3, 6, 2.0])
    low, high = bounds(interval(term(flagged, images)))
    assert bounds(interval(term(images - flagged, images))) == pytest.approx([1 - high, 1 - low])


def test_equal_images_of_a_patient_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    flags = rng.random(60) < 0.7
    single = bounds(interval(term(flags, np.ones(60))))
    doubled = bounds(interval(term(2 * flags, 2 * np.ones(60))))
    assert np.ptp(doubled) == pytest.approx(np.ptp(single), rel=0.06), "60 patients remain 60"
    assert np.ptp(doubled) > 1.3 * np.ptp(bounds(interval(term(np.r_[flags, flags], np.ones(120)))))


def test_no_discordant_image_bounds_the_difference_by_the_patients() -> None:
    found = interval(term([1, 0, 1, 0], [1] * 4), term([1, 0, 1, 0], [1] * 4, -1.0))
    different = 1 - 0.025 ** (1 / 4)
    assert (found.value, found.method, found.n_images) == (0, CLOPPER_PEARSON, 4)
    assert bounds(found) == pytest.approx([-different, different])


def test_a_difference_of_independent_patients_is_newcombes_hybrid_score() -> None:
    """Newcombe 1998, method 10, 56/70 against 48/80: 0.2 (0.0524 to 0.3339), here as two groups of patients."""
    first = term([1] * 56 + [0] * 94, [1] * 70 + [0] * 80)
    second = term([0] * 70 + [1] * 48 + [0] * 32, [0] * 70 + [1] * 80, -1.0)
    found = interval(first, second)
    assert found.method == MOVER
    assert found.value == pytest.approx(0.2)
    assert bounds(found) == pytest.approx([0.0524, 0.3339], abs=5e-5)


def test_balanced_accuracy_counts_the_images_of_both_classes() -> None:
    found = interval(term([2, 1, 0, 0], [2, 2, 0, 0], 0.5), term([0, 0, 1, 3], [0, 0, 3, 3], 0.5))
    assert found.value == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert (found.n_images, found.n_patients) == (10, 4)
    low, high = bounds(found)
    assert 0 <= low < found.value < high <= 1


def test_fewer_than_two_patients_in_a_class_leave_no_interval() -> None:
    found = interval(term([1, 0, 0], [1, 0, 0], 0.5), term([0, 1, 0], [0, 2, 1], 0.5))
    assert found.value == pytest.approx((1 + 1 / 3) / 2)
    assert (found.low, found.reason) == (None, "all images are of one patient")


@pytest.mark.parametrize("method", ["BCa", "percentile"])
def test_the_bootstrap_agrees_with_scipy_where_a_patient_has_one_image(method: str) -> None:
    flags = np.random.default_rng(5).random(250) < 0.55
    draws = cohorts.draws_of(250, n_draws=20_000)
    theirs = bootstrap((flags.astype(float),), np.mean, n_resamples=20_000, method=method, rng=np.random.default_rng(0))
    if method == "BCa":
        found = interval(term(flags, np.ones(250)), draws=draws)
        assert found.method == BCA
        ours = bounds(found)
    else:
        ours = percentile_bounds(draws.counts @ flags[:, None].astype(float) / 250, level=0.95)[:, 0].tolist()
    assert ours == pytest.approx(list(theirs.confidence_interval), abs=0.004)


def test_the_bootstrap_of_a_skewed_mean_agrees_with_scipy() -> None:
    values = np.random.default_rng(6).lognormal(size=80)
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, rng=np.random.default_rng(0)).confidence_interval
    found = interval(term(values, np.ones(80)), draws=cohorts.draws_of(80, n_draws=20_000))
    assert found.method == BCA
    assert bounds(found) == pytest.approx(list(theirs), rel=0.02)


def test_a_mean_without_variation_has_no_interval() -> None:
    found = interval(term([3, 6], [1, 2]))
    assert (found.value, found.low, found.reason) == (3, None, "all patients have the same value")


def test_draws_without_the_statistic_are_left_out() -> None:
    drawn = np.array([[1.0, 0.0], [np.nan, 0.0], [2.0, 0.0], [3.0, 0.0]])
    assert percentile_bounds(drawn, level=0.5).tolist() == [[1.5, 0.0], [2.5, 0.0]]
    assert bca_bounds(np.array([2.0, 0.0]), drawn, np.zeros((3, 2)), level=0.5)[:, 1].tolist() == [0.0, 0.0]


def test_the_bootstrap_is_chosen_by_the_patients_that_depart() -> None:
    images = np.full(300, 2.0)
    for departing, method in ((99, WILSON), (100, BCA)):
        assert interval(term(np.r_[np.ones(departing), np.zeros(300 - departing)], images)).method == method
    second = np.r_[np.ones(150), np.zeros(150)]
    first = second.copy()
    first[[0, 299]] = 0, 1
    assert interval(term(first, images), term(second, images, -1.0)).method == MOVER, "two patients are discordant"


def test_cells_together_give_what_each_gives_alone() -> None:
    rng = np.random.default_rng(2)
    images = rng.integers(1, 5, 200).astype(float)
    cells = [(term(rng.binomial(images.astype(int), share), images),) for share in np.linspace(0.02, 0.98, 70)]
    draws = cohorts.draws_of(200, n_draws=300)
    together = ratio_intervals(cells, draws, level=0.9)
    assert {one.method for one in together} >= {WILSON, BCA}
    assert together == [ratio_intervals([cell], draws, level=0.9)[0] for cell in cells]


def test_share_term_counts_flags_within() -> None:
    ids = ["a", "a", "b"]
    draws = draw_patients(ids, n_draws=1, seed=0)
    made = share_term(np.array([True, False, True]), ids, draws, within=np.array([True, True, False]), factor=-1.0)
    assert (made.factor, made.numerator.tolist(), made.denominator.tolist()) == (-1.0, [1, 0], [2, 0])


@pytest.mark.parametrize(("n_patients", "share"), [(20, 0.05), (60, 0.5), (300, 0.95)])
def test_intervals_hold_the_truth_as_often_as_they_claim(n_patients: int, share: float) -> None:
    """The short form of `make test-statistics`; coverage of 400 cohorts has a standard error of 1.1 points."""
    found = cohorts.shares(n_patients, share, correlation=0.2, n_cohorts=400, seed=0)
    assert 0.92 <= cohorts.coverage(found, share) <= 0.98


def test_the_bootstrap_alone_fails_for_few_patients() -> None:
    """The reason for the score: percentile intervals of 20 patients hold a share of 0.05 in less than 90 %."""
    rng, draws = np.random.default_rng(0), cohorts.draws_of(20)
    flagged = rng.binomial(3, rng.beta(0.05 * 2, 0.95 * 2, (20, 1000)))
    low, high = percentile_bounds(draws.counts @ flagged / 60, level=0.95)
    assert np.mean((low <= 0.05) & (high >= 0.05)) < 0.9


def test_a_mean_of_numbers_is_as_wide_as_its_own_variance() -> None:
    """One image a patient: near the normal interval of the mean, not that of a share of the same size."""
    values = np.random.default_rng(3).beta(5, 5, 300)
    term = Term(1.0, values, np.ones(300))
    low, high = share_bounds(term, level=0.95)
    normal = 2 * 1.96 * values.std(ddof=1) / np.sqrt(300)
    assert high - low == pytest.approx(normal, rel=0.05)
    flags = Term(1.0, (values > 0.5).astype(float), np.ones(300))
    wilson = proportion_of(flags)
    assert share_bounds(flags, level=0.95) == pytest.approx(wilson, rel=1e-9)


def proportion_of(flags: Term) -> tuple[float, float]:
    """Wilson's interval by its textbook formula."""
    n, share, z = flags.denominator.sum(), flags.value, 1.959963984540054
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return centre - half, centre + half
