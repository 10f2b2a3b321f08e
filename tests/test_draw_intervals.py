"""Intervals of measures that are no ratio of sums: by hand, at the ends of their range, and in simulated cohorts."""

from collections.abc import Callable

import numpy as np
import pytest
from scored_fixture import make_scored
from test_guarantee import Population

from oncorobust.evaluation.draw_intervals import AT_AN_END, LOGIT, interval_of_draws
from oncorobust.evaluation.resampling import NO_INTERVAL, draw_patients
from oncorobust.evaluation.risk_coverage import Scored, accept, augrc, aurc, auroc, over_draws, risk_at

FIVE_OF_TEN = make_scored(range(10), "rrrrrwwwww")
"""Ten patients, five with an error: Student's distribution with six degrees of freedom, quantile 2.446912."""

SPREAD = np.array([0.1, 0.2, 0.3, 0.4])
"""Standard deviation 0.129099; times sqrt(10 / 9) for ten patients, 0.136083."""


def test_the_interval_on_the_logit_scale_by_hand():
    found = interval_of_draws(0.25, SPREAD, FIVE_OF_TEN, level=0.95, undefined="")
    # logit(0.25) = -1.098612; half the width is 2.446912 x 0.136083 / (0.25 x 0.75) = 1.775907
    assert (found.low, found.high) == pytest.approx((1 / (1 + np.exp(2.874519)), 1 / (1 + np.exp(-0.677295))), abs=1e-6)
    assert (found.value, found.method, found.n_images, found.n_patients) == (0.25, LOGIT, 10, 10)


def test_a_difference_has_the_scale_between_minus_one_and_one():
    found = interval_of_draws(0.0, SPREAD - 0.25, FIVE_OF_TEN, level=0.95, undefined="", least=-1.0)
    half = np.tanh(2.446912 * 0.136083)  # logit((1 + d) / 2) is 2 atanh(d)
    assert (found.low, found.high) == pytest.approx((-half, half), abs=1e-6)


@pytest.mark.parametrize(
    ("right", "quantile"), [("rrrrrrrrww", 3.182446), ("wwwwwwwwrr", 3.182446), ("rrrrrrrwww", 2.776445)]
)
def test_the_rarer_of_right_and_wrong_patients_give_the_degrees_of_freedom(right, quantile):
    found = interval_of_draws(0.5, SPREAD, make_scored(range(10), right), level=0.95, undefined="")
    assert found.high == pytest.approx(1 / (1 + np.exp(-quantile * 0.136083 / 0.25)), abs=1e-6)


def test_a_measure_at_its_end_has_the_wider_of_two_bounds():
    alike = 1 - 0.025 ** (1 / 10)
    found = interval_of_draws(1.0, np.array([0.99, 1.0]), FIVE_OF_TEN, level=0.95, undefined="")
    assert (found.low, found.high, found.method) == (pytest.approx(1 - alike), 1.0, AT_AN_END)
    # A normal variable is below Student's quantile of -2.446912 with probability 0.0072043.
    drawn = np.linspace(0, 1, 1001)
    found = interval_of_draws(0.0, drawn, FIVE_OF_TEN, level=0.95, undefined="")
    assert (found.low, found.high) == (0.0, pytest.approx(1 - 0.0072043, abs=1e-6))


def test_a_measure_at_its_end_but_for_rounding_is_there():
    drawn = np.linspace(0, 1, 1001)
    exact, near = (interval_of_draws(value, drawn, FIVE_OF_TEN, level=0.95, undefined="") for value in (0.0, 5e-17))
    assert near.method == AT_AN_END
    assert (near.low, near.high) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(
    ("images", "drawn", "reason"),
    [
        (make_scored([1, 2], "rw", ["p", "p"]), SPREAD, "an interval needs at least two patients"),
        (FIVE_OF_TEN, np.full(4, 0.25), "the bootstrap draws give the same value"),
        (FIVE_OF_TEN, np.array([0.1, np.nan, np.nan, 0.3]), "undefined in 50% of the bootstrap draws: no error"),
        (
            make_scored(range(10), "rrrrrrrrrw"),
            SPREAD,
            "an interval needs right and wrong predictions of at least two patients each",
        ),
    ],
)
def test_no_interval_and_why(images, drawn, reason):
    found = interval_of_draws(0.25, drawn, images, level=0.95, undefined="no error")
    assert (found.value, found.low, found.method, found.reason) == (0.25, None, NO_INTERVAL, reason)


def test_an_undefined_measure_has_no_value():
    found = interval_of_draws(np.nan, SPREAD, FIVE_OF_TEN, level=0.95, undefined="no error")
    assert (found.value, found.low, found.reason) == (None, None, "no error")


def test_a_few_undefined_draws_are_left_out_and_stated():
    found = interval_of_draws(0.25, np.append(SPREAD, np.nan), FIVE_OF_TEN, level=0.95, undefined="no error")
    assert found.reason == "20.0% of the draws are left out: no error"
    assert found.low == interval_of_draws(0.25, SPREAD, FIVE_OF_TEN, level=0.95, undefined="").low


MEASURES: dict[str, Callable[..., np.ndarray]] = {
    "aurc": aurc,
    "augrc": augrc,
    "auroc": auroc,
    "accuracy at coverage 0.8": lambda accepted: 1 - risk_at(accepted, [0.8])[:, 0],
}

POPULATIONS = {
    "scores that help": Population(mean=0.15, useful=2.0, ties=False),
    "scores that help, tied": Population(mean=0.15, useful=2.0, ties=True),
    "scores of no use": Population(mean=0.3, useful=0.0, ties=False),
    "few errors": Population(mean=0.06, useful=3.0, ties=False),
}


def all_measures(images: Scored, draws=None) -> np.ndarray:
    """Every measure of the images, (1, measures), or of each draw, (draws, measures)."""
    if draws is None:
        return np.stack([measure(accept(images)) for measure in MEASURES.values()], axis=1)
    return over_draws(images, draws, lambda one: np.stack([measure(one) for measure in MEASURES.values()], axis=1))


def coverage(population: Population, *, n_patients: int, n_cohorts: int, n_true: int) -> dict[str, float]:
    """In how many of the cohorts with an interval it holds the measure of a large population."""
    rng = np.random.default_rng(8)
    truth = all_measures(population.draw(n_true, rng, "t"))[0]
    held: dict[str, list[bool]] = {name: [] for name in MEASURES}
    for seed in range(n_cohorts):
        cohort = population.draw(n_patients, rng, "c")
        draws = draw_patients(cohort.patient_ids, n_draws=500, seed=seed)
        values, drawn = all_measures(cohort)[0], all_measures(cohort, draws)
        for place, name in enumerate(MEASURES):
            found = interval_of_draws(values[place], drawn[:, place], cohort, level=0.95, undefined="")
            if found.low is not None:
                held[name].append(bool(found.low <= truth[place] <= found.high))
    assert all(len(one) > n_cohorts / 2 for one in held.values())
    return {name: float(np.mean(one)) for name, one in held.items()}


@pytest.mark.parametrize("name", ["scores that help, tied", "few errors"])
def test_intervals_hold_the_truth_in_eighty_cohorts_of_sixty_patients(name):
    found = coverage(POPULATIONS[name], n_patients=60, n_cohorts=80, n_true=20_000)
    assert min(found.values()) >= 0.88, found  # 0.93 less two standard errors of 80 cohorts


@pytest.mark.statistics
@pytest.mark.parametrize("n_patients", [20, 60, 300])
@pytest.mark.parametrize("name", POPULATIONS)
def test_intervals_of_selective_prediction_hold_the_truth_in_at_least_93_percent(name, n_patients):
    found = coverage(POPULATIONS[name], n_patients=n_patients, n_cohorts=1000, n_true=200_000)
    print(name, n_patients, found)
    assert min(found.values()) >= 0.93 - 2 * 0.008  # two standard errors of 1,000 cohorts
