"""The guaranteed threshold: cases by hand, its reasons, and how often it is violated in simulated cohorts."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from scored_fixture import make_scored, random_rows

from oncorobust.base.errors import InputError
from oncorobust.evaluation.guarantee import (
    Guarantee,
    coverage_estimate,
    errors_allowed,
    guaranteed_threshold,
    guaranteed_thresholds,
    images_needed,
    one_image_per_patient,
    risk_estimate,
    upper_bound,
)
from oncorobust.evaluation.risk_coverage import Scored


def group(scores, right, prefix="c"):
    return make_scored(scores, right, [f"{prefix}{number:04}" for number in range(len(right))])


@pytest.mark.parametrize(("errors", "images"), [(0, 1), (0, 30), (3, 40), (39, 40)])
def test_the_bound_is_the_rate_at_which_so_few_errors_have_probability_delta(errors, images):
    bound = upper_bound(errors, images, delta=0.1)
    assert binom.cdf(errors, images, bound) == pytest.approx(0.1)


def test_the_bound_without_errors_is_a_closed_form():
    assert upper_bound(0, 30, delta=0.1) == pytest.approx(1 - 0.1 ** (1 / 30))
    assert upper_bound(0, 0, delta=0.1) == upper_bound(5, 5, delta=0.1) == 1.0


def test_images_needed_and_errors_allowed_by_hand():
    # 0.9**22 = 0.0985 <= 0.1 < 0.9**21 = 0.1094; the binomial tables give 38 and 52 images for one and two errors.
    assert images_needed(alpha=0.1, delta=0.1) == 22
    assert images_needed(alpha=0.5, delta=0.5) == 1
    assert [errors_allowed(m, alpha=0.1, delta=0.1) for m in (0, 21, 22, 37, 38, 51, 52)] == [-1, -1, 0, 0, 1, 1, 2]


def test_without_errors_all_images_are_accepted():
    found = guaranteed_threshold(
        group(range(40), "r" * 40, "v"), group(range(40), "r" * 40), alpha=0.1, delta=0.1, seed=0
    )
    assert (found.threshold, found.coverage, found.n_accepted, found.n_errors) == (-np.inf, 1.0, 40, 0)
    assert found.bound == pytest.approx(1 - 0.1 ** (1 / 40))
    assert found.reason == ""


def test_the_sequence_ends_at_the_first_failure():
    # 100 patients, the lower half always wrong: a threshold at the middle is confirmed, a lower one is not.
    right = "w" * 50 + "r" * 50
    found = guaranteed_threshold(group(range(100), right, "v"), group(range(100), right), alpha=0.1, delta=0.1, seed=0)
    assert 44 <= found.threshold <= 49
    assert found.bound <= 0.1
    assert found.n_accepted == 99 - found.threshold
    assert found.n_errors == 49 - found.threshold


def test_tied_images_are_accepted_together():
    scores = [np.inf] * 60 + [0.01] * 40
    right = "r" * 60 + "w" * 40
    found = guaranteed_threshold(group(scores, right, "v"), group(scores, right), alpha=0.1, delta=0.1, seed=0)
    assert (found.threshold, found.n_accepted, found.n_errors) == (0.01, 60, 0)


def test_too_few_patients_get_the_number_that_is_needed():
    found = guaranteed_threshold(
        group(range(40), "r" * 40, "v"), group(range(21), "r" * 21), alpha=0.1, delta=0.1, seed=0
    )
    assert found.threshold is None
    assert found.reason == "21 patients are too few: 22 are needed even without an error"
    coverage, risk = coverage_estimate(found, level=0.95), risk_estimate(found)
    assert (coverage.value, coverage.low, coverage.reason) == (None, None, found.reason)
    assert (risk.value, risk.low, risk.reason) == (None, None, "no threshold")


def test_many_errors_get_the_bound_that_fails():
    found = guaranteed_threshold(
        group([1] * 40, "r" * 40, "v"), group([1] * 40, "rw" * 20), alpha=0.1, delta=0.1, seed=0
    )
    assert (found.threshold, found.coverage, found.bound, found.n_patients) == (None, None, None, 40)
    assert found.reason == "20 errors in the 40 patients accepted first bound the risk by 0.61 only"


def test_the_choice_of_an_image_depends_on_seed_and_patient_alone():
    patients = [f"p{number % 30}" for number in range(120)]
    images = make_scored(range(120), "rw" * 60, patients)
    order = np.random.default_rng(0).permutation(120)
    listed = [[values[position] for position in order] for values in (images.image_ids, patients)]
    shuffled = Scored("margin", images.scores[order], images.correct[order], *listed)
    chosen = one_image_per_patient(images, seed=3)
    assert chosen.image_ids == one_image_per_patient(shuffled, seed=3).image_ids
    assert sorted(chosen.patient_ids) == sorted(set(patients))
    assert chosen.image_ids != one_image_per_patient(images, seed=4).image_ids
    for position, image in enumerate(chosen.image_ids):
        assert images.image_ids.index(image) == chosen.scores[position]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"alpha": 0.0}, "guarantee: expected alpha between 0 and 1, got 0.0"),
        ({"delta": 1.0}, "guarantee: expected delta between 0 and 1, got 1.0"),
    ],
)
def test_limits_are_checked(changed, message):
    with pytest.raises(InputError, match=message):
        guaranteed_threshold(group([1], "r", "v"), group([1], "r"), **{"alpha": 0.1, "delta": 0.1, "seed": 0} | changed)


def test_a_patient_in_both_groups_is_refused():
    with pytest.raises(InputError, match="guarantee: expected other patients for the thresholds, got c0000 in both"):
        guaranteed_threshold(group([1], "r"), group([1], "r"), alpha=0.1, delta=0.1, seed=0)


def test_validation_places_the_thresholds_of_every_score_and_test_confirms_them():
    rows = random_rows(seed=1, n=400).assign(predicted=lambda frame: frame["label"])
    found = guaranteed_thresholds(rows, alpha=0.1, delta=0.1, seed=0)
    assert list(found) == ["min_epsilon", "margin", "random"]
    assert {one.n_patients for one in found.values()} == {100}
    assert found["margin"].threshold == -np.inf
    alone = guaranteed_thresholds(rows[rows["split"] == "test"], alpha=0.1, delta=0.1, seed=0)
    assert alone["margin"].threshold is None
    assert alone["margin"].reason == "no validation image has this score"


def test_the_estimates_of_a_guarantee_by_hand():
    found = Guarantee(0.1, 0.05, 0.5, 0.75, 0.0916, 2, 0, 200)
    coverage, risk = coverage_estimate(replace(found, n_accepted=150, n_errors=7), level=0.95), risk_estimate(found)
    width = np.sqrt(np.log(40) / 400)
    assert (coverage.value, coverage.n_patients) == (0.75, 200)
    assert (coverage.low, coverage.high) == pytest.approx((0.75 - width, 0.75 + width))
    assert (risk.value, risk.low, risk.high, risk.level, risk.n_patients) == (0.0, 0.0, 0.0916, 0.95, 2)
    everything = coverage_estimate(replace(found, threshold=-np.inf, coverage=1.0), level=0.95)
    assert (everything.value, everything.low, everything.reason) == (1.0, None, "all images are accepted")


def test_the_interval_of_the_coverage_holds_though_the_threshold_was_chosen_on_the_same_patients():
    population, rng = Population(mean=0.15, useful=2.0, ties=True), np.random.default_rng(3)
    reference, everyone = (population.draw(n, rng, prefix) for n, prefix in ((100, "v"), (20_000, "t")))
    weights = patient_weights(everyone)
    held = []
    for seed in range(100):
        found = guaranteed_threshold(reference, population.draw(100, rng, "c"), alpha=0.1, delta=0.1, seed=seed)
        estimate = coverage_estimate(found, level=0.95)
        if estimate.low is not None:
            held.append(estimate.low <= weights[everyone.scores > found.threshold].sum() <= estimate.high)
    assert len(held) > 30
    assert np.mean(held) >= 0.95


class Population:
    """Patients with 1 to 6 images whose errors are alike; patients with many images have more errors.

    A patient's error rate is beta distributed around a mean that depends on the number of images. Scores lie on a grid
    of 12 values, or all but: `useful` is how much they follow the errors.
    """

    def __init__(self, *, mean: float, useful: float, ties: bool) -> None:
        self.mean, self.useful, self.ties = mean, useful, ties

    def draw(self, n_patients: int, rng: np.random.Generator, prefix: str) -> Scored:
        sizes = rng.integers(1, 7, n_patients)
        mean = self.mean * (0.5 + sizes / 7)
        rates = np.repeat(rng.beta(2 * mean, 2 * (1 - mean)), sizes)
        wrong = rng.random(len(rates)) < rates
        scores = rng.normal(size=len(rates)) - self.useful * wrong - np.repeat(rng.normal(size=n_patients), sizes)
        if self.ties:
            scores = np.where(scores > 1.5, np.inf, np.floor(2 * scores.clip(-4, 1.5)) / 2)
        patients = [f"{prefix}{number:06}" for number in np.repeat(np.arange(n_patients), sizes)]
        return make_scored(scores, ~wrong, patients)


def patient_weights(images: Scored) -> np.ndarray:
    """The probability of each image when one of a random patient is drawn."""
    _, patient, sizes = np.unique(images.patient_ids, return_inverse=True, return_counts=True)
    return 1 / sizes[patient] / len(sizes)


def risks(images: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Scores in decreasing order, and the risk among images of at least that score: one random image per patient."""
    weights, order = patient_weights(images), np.argsort(-images.scores, kind="stable")
    errors = np.cumsum((weights * ~images.correct)[order])
    return images.scores[order], errors / np.cumsum(weights[order])


def violations(
    population: Population, *, n_patients: int, n_cohorts: int, alpha: float, delta: float, n_true: int = 100_000
) -> tuple[int, int]:
    """How many cohorts got a threshold, and for how many its true risk is above alpha."""
    rng = np.random.default_rng(5)
    scores, true_risks = risks(population.draw(n_true, rng, "t"))
    reference = population.draw(100, rng, "v")
    found = violated = 0
    for seed in range(n_cohorts):
        cohort = population.draw(n_patients, rng, "c")
        threshold = guaranteed_threshold(reference, cohort, alpha=alpha, delta=delta, seed=seed).threshold
        if threshold is not None:
            found += 1
            violated += true_risks[np.searchsorted(-scores, -threshold, side="left") - 1] > alpha
    return found, violated


POPULATIONS = {
    "scores that help": Population(mean=0.15, useful=2.0, ties=False),
    "scores that help, tied": Population(mean=0.15, useful=2.0, ties=True),
    "all thresholds just too bad": Population(mean=0.105, useful=0.0, ties=False),
    "all thresholds just too bad, tied": Population(mean=0.105, useful=0.0, ties=True),
}


@pytest.mark.parametrize("name", ["scores that help, tied", "all thresholds just too bad"])
def test_the_guarantee_holds_in_a_hundred_cohorts(name):
    _found, violated = violations(POPULATIONS[name], n_patients=100, n_cohorts=100, alpha=0.1, delta=0.1, n_true=30_000)
    assert violated <= 10


@pytest.mark.statistics
@pytest.mark.parametrize("n_patients", [60, 200])
@pytest.mark.parametrize("name", POPULATIONS)
def test_the_guarantee_holds_in_a_thousand_cohorts(name, n_patients):
    found, violated = violations(POPULATIONS[name], n_patients=n_patients, n_cohorts=1000, alpha=0.1, delta=0.1)
    assert violated <= 100
    if name.startswith("scores that help"):
        assert found > 300
