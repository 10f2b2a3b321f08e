"""Certificates against closed forms, ART's formula, and classifiers whose probabilities under noise are known."""

import re
import sys
from dataclasses import replace
from functools import partial
from types import ModuleType

import numpy as np
import pytest
from art.estimators.certification.randomized_smoothing.randomized_smoothing import RandomizedSmoothingMixin
from scipy.stats import binom, binomtest, norm

from oncorobust.base.errors import InputError
from oncorobust.certificates.certify import Certificate, certify
from oncorobust.certificates.counts import certified_epsilon, l2_radius, lower_bound, needed_probability, samples_needed
from oncorobust.certificates.inputs import check_images, check_masks
from oncorobust.certificates.noise import SmoothingNoise
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.sequential import Schedule, decide, schedule_of
from oncorobust.certificates.smoothed import ABSTAINED, Smoothed
from oncorobust.certificates.vote import wins

EPSILONS = (0.001, 0.002, 0.004, 0.006)
TIED = SmoothingNoise("tied", 0.1)
PIXEL = SmoothingNoise("tied", 0.1)
FREE = 32 * 32
RUNS = 2000
WHOLE_RUNS = 500
"""Runs through forward passes of a model, which take a hundred times longer than counts alone."""


def too_many(alpha: float, runs: int = RUNS) -> int:
    """The largest number of violations that a sound bound has, but for once in 10,000 tests."""
    return int(binom.ppf(0.9999, runs, alpha))


def one_pixel_logits(x: np.ndarray) -> np.ndarray:
    """Class 1 where the pixel is above 0.5: under noise of sigma, with probability Phi((x - 0.5) / sigma)."""
    score = x[:, 0, 0, 0] - 0.5
    return np.stack([-score, score], axis=1)


def pixels_of_probability(p: float, n: int) -> np.ndarray:
    return np.full((n, 1, 1, 1), 0.5 + PIXEL.sigma * norm.ppf(p), dtype=np.float32)


def simulate(schedule: Schedule, p: np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of certified epsilons, bounds, and samples, of runs of classes with probabilities p (runs,)."""
    rng = np.random.default_rng(seed)
    certified, bound, used = np.zeros(len(p), dtype=np.int64), np.zeros(len(p)), np.zeros(len(p), dtype=np.int64)
    n_top, active = np.zeros(len(p), dtype=np.int64), np.arange(len(p))
    for place, step in enumerate(np.diff(schedule.at, prepend=0)):
        n_top[active] += rng.binomial(step, p[active])
        used[active] += step
        if schedule.alphas[place]:
            found = lower_bound(n_top[active], int(schedule.at[place]), float(schedule.alphas[place]))
            bound[active] = np.maximum(bound[active], found)
        certified[active], ends = decide(schedule, place, n_top[active], certified[active])
        active = active[~ends]
    assert len(active) == 0
    return certified, bound, used


class ArtOfCounts(RandomizedSmoothingMixin):
    """ART's certificate of given counts, of the selection and of the estimation."""

    def __init__(self, counts: list[tuple[int, int]], **settings: float) -> None:
        self.scale, self.alpha, self.sample_size = settings["scale"], settings["alpha"], sum(counts[0])
        self._counts = iter(counts)

    def _prediction_counts(self, *_: object, **__: object) -> np.ndarray:
        return np.array(next(self._counts))

    def _predict_classifier(self, *_: object, **__: object) -> np.ndarray:
        raise AssertionError


@pytest.fixture
def statsmodels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one function that ART takes from statsmodels, by SciPy's exact interval."""

    def proportion_confint(count: float, nobs: int, alpha: float, method: str) -> tuple[float, float]:
        assert method == "beta"
        return binomtest(int(count), nobs).proportion_ci(confidence_level=1 - alpha, method="exact")

    proportion = ModuleType("proportion")
    proportion.proportion_confint = proportion_confint  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "statsmodels", ModuleType("statsmodels"))
    monkeypatch.setitem(sys.modules, "statsmodels.stats", ModuleType("stats"))
    monkeypatch.setitem(sys.modules, "statsmodels.stats.proportion", proportion)


@pytest.mark.parametrize(("n_top", "n"), [(100, 100), (99, 100), (998, 1000), (61, 100), (60, 100), (7, 8), (0, 20)])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_the_radius_is_arts_from_equal_counts(n_top: int, n: int, alpha: float, statsmodels: None) -> None:
    art = ArtOfCounts([(1, 9), (n - n_top, n_top)], scale=0.25, alpha=alpha)
    (predicted,), (radius,) = art.certify(np.zeros((1, 1, 1, 1)), n=n)
    found = lower_bound(n_top, n, alpha)
    assert abs(l2_radius(found, sigma=0.25) - radius) < 1e-6
    assert (predicted == -1) == (found < 0.5)


def test_the_bound_is_the_probability_at_which_such_a_count_is_as_rare_as_alpha() -> None:
    assert lower_bound(100, 100, 0.001) == pytest.approx(0.001 ** (1 / 100))
    n_top = np.array([3, 50, 97])
    found = lower_bound(n_top, 100, 0.01)
    np.testing.assert_allclose(binom.sf(n_top - 1, 100, found), 0.01, rtol=1e-9)
    assert lower_bound(0, 100, 0.01) == 0


def test_epsilon_is_the_radius_over_the_root_of_the_free_values() -> None:
    assert l2_radius(norm.cdf(1.6), sigma=0.5) == pytest.approx(0.8)
    assert certified_epsilon(0.8, n_free=64) == pytest.approx(0.1)
    assert l2_radius(0.5, sigma=0.5) == 0
    assert needed_probability(0.1, sigma=0.5, n_free=64) == pytest.approx(norm.cdf(1.6))


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.5])
def test_the_fewest_samples_are_those_of_which_one_fewer_certifies_nothing(alpha: float) -> None:
    for epsilon in (0.0, *EPSILONS):
        needed = samples_needed(epsilon, sigma=0.1, n_free=FREE, alpha=alpha)
        p = needed_probability(epsilon, sigma=0.1, n_free=FREE)
        assert lower_bound(needed, needed, alpha) > p
        assert needed == 1 or not lower_bound(needed - 1, needed - 1, alpha) > p
    assert samples_needed(0.0, sigma=0.1, n_free=FREE, alpha=0.001) == 10, "2^-10 < 0.001 < 2^-9"


def test_the_free_values_are_those_that_the_noise_moves() -> None:
    shape, mask = (6, 5, 3), np.zeros((6, 5), dtype=bool)
    mask[1:3, 2:5] = True
    for kind, pixels, one in (("tied", 1, 1), ("untied", 3, 3)):
        noise = SmoothingNoise(kind, 0.3)
        assert noise.n_free(shape) == 30 * pixels
        assert noise.n_free(shape, mask) == 6 * pixels
        drawn = noise.draw(np.random.default_rng(0), 2000, shape=shape, mask=mask)
        assert drawn.shape == (2000, 6, 5, one) and drawn.dtype == np.float32
        assert not drawn[:, ~mask].any()
        assert abs(drawn[:, mask].std() - 0.3) < 0.01
        rank = np.linalg.matrix_rank(np.broadcast_to(drawn, (2000, *shape)).reshape(2000, -1))
        assert rank == noise.n_free(shape, mask), "as many directions as free values"


def test_noise_does_not_depend_on_how_it_is_cut() -> None:
    noise, rng, other = SmoothingNoise("tied", 0.1), np.random.default_rng(3), np.random.default_rng(3)
    parts = [noise.draw(rng, n, shape=(3, 3, 3)) for n in (1, 3, 4)]
    np.testing.assert_array_equal(np.concatenate(parts), noise.draw(other, 8, shape=(3, 3, 3)))


@pytest.mark.parametrize("sampling", ["fixed", "sequential"])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
@pytest.mark.parametrize("n_samples", [100, 1000, 20000])
def test_the_looks_spend_alpha_and_no_more(sampling: str, alpha: float, n_samples: int) -> None:
    plan = SamplingPlan(n_samples=n_samples, alpha=alpha, sampling=sampling)
    schedule = schedule_of(plan, sigma=0.1, n_free=FREE, epsilons=EPSILONS)
    assert alpha * (1 - 1e-9) <= schedule.alphas.sum() <= alpha * (1 + 1e-9)
    assert schedule.at[-1] == n_samples and (np.diff(schedule.at) > 0).all()
    for place, n in enumerate(schedule.at.tolist()):
        for target, epsilon in enumerate(schedule.epsilons):
            needed, share = int(schedule.needed[place, target]), float(schedule.alphas[place])
            p = needed_probability(epsilon, sigma=0.1, n_free=FREE)
            if share == 0 or needed > n:
                assert needed == n + 1
                assert share == 0 or not lower_bound(n, n, share) > p
            else:
                assert lower_bound(needed, n, share) > p
                assert not lower_bound(needed - 1, n, share) > p


@pytest.mark.parametrize("sampling", ["fixed", "sequential"])
@pytest.mark.parametrize("target", [0, 1, 2, 3, 4])
def test_bounds_of_a_known_probability_fail_in_at_most_alpha_of_the_runs(sampling: str, target: int) -> None:
    alpha = 0.05
    schedule = schedule_of(
        SamplingPlan(n_samples=600, alpha=alpha, sampling=sampling), sigma=0.1, n_free=FREE, epsilons=EPSILONS
    )
    p = float(needed_probability(schedule.epsilons[target], sigma=0.1, n_free=FREE))
    runs = np.full(RUNS, p)
    certified, bound, _ = simulate(schedule, runs, seed=target)
    assert (bound > p).sum() <= too_many(alpha)
    assert (certified > target).sum() <= too_many(alpha), "p just fails to certify this epsilon"
    forgetful = replace(schedule, alphas=np.where(schedule.alphas > 0, 3 * alpha, 0))
    assert (simulate(forgetful, runs, seed=target)[1] > p).sum() > too_many(alpha), "the test sees an unsound bound"


def test_sequential_sampling_certifies_as_much_with_a_third_of_the_samples() -> None:
    certified, used = {}, {}
    probabilities = norm.cdf(np.abs(np.random.default_rng(0).normal(0, 4, 5 * RUNS)))
    for sampling in ("fixed", "sequential"):
        plan = SamplingPlan(n_samples=2000, alpha=0.001, sampling=sampling)
        schedule = schedule_of(plan, sigma=0.1, n_free=FREE, epsilons=EPSILONS)
        found, _, samples = simulate(schedule, probabilities)
        certified[sampling] = [(found > target).mean() for target in range(5)]
        used[sampling] = samples.mean()
    np.testing.assert_allclose(certified["sequential"], certified["fixed"], rtol=0, atol=0.01)
    assert used["sequential"] <= used["fixed"] / 3


@pytest.mark.parametrize("sampling", ["fixed", "sequential"])
def test_certificates_of_a_known_classifier_claim_too_much_in_at_most_alpha_of_the_runs(sampling: str) -> None:
    alpha, p = 0.05, float(norm.cdf(0.8))
    plan = SamplingPlan(n_selection=20, n_samples=100, alpha=alpha, sampling=sampling, batch_size=1024)
    found = certify(
        one_pixel_logits,
        pixels_of_probability(p, WHOLE_RUNS),
        noise=PIXEL,
        plan=plan,
        epsilons=(0.04, 0.08),
        seeds=range(WHOLE_RUNS),
    )
    truth = np.array([0.08 if one.predicted == 1 else 0.0 for one in found])
    assert np.mean([one.predicted for one in found]) > 0.95
    too_large = np.array([one.epsilon for one in found]) > truth
    assert 0 < too_large.sum() <= too_many(alpha, WHOLE_RUNS)


def test_a_coin_is_not_certified_by_the_samples_that_chose_its_side() -> None:
    alpha = 0.25
    plan = SamplingPlan(n_selection=50, n_samples=50, alpha=alpha, sampling="fixed", batch_size=1024)
    found = certify(
        one_pixel_logits,
        pixels_of_probability(0.5, WHOLE_RUNS),
        noise=PIXEL,
        plan=plan,
        epsilons=(0.01,),
        seeds=range(WHOLE_RUNS),
    )
    assert sum(not one.abstained for one in found) <= too_many(alpha, WHOLE_RUNS)
    reused = [lower_bound(one.selection_count, one.n_selection, alpha) > 0.5 for one in found]
    assert sum(reused) > too_many(alpha, WHOLE_RUNS), "samples used twice claim more"


def test_a_certificate_states_the_counts_from_which_it_follows() -> None:
    plan = SamplingPlan(n_selection=30, n_samples=400, alpha=0.01, batch_size=64)
    found = certify(
        one_pixel_logits, pixels_of_probability(0.9, 20), noise=PIXEL, plan=plan, epsilons=(0.05, 0.1), seeds=range(20)
    )
    for one in found:
        assert one.n_top <= one.n_samples <= 400 and one.selection_count <= one.n_selection <= 30
        assert one.look_alpha <= one.alpha == 0.01
        assert one.p_lower == lower_bound(one.look_top, one.look_samples, one.look_alpha)
        assert one.radius == l2_radius(one.p_lower, sigma=PIXEL.sigma) == one.epsilon, "one free value"
        assert one.abstained == (one.radius == 0)
    assert len({one.n_samples for one in found}) > 1


def test_a_certificate_does_not_depend_on_the_images_beside_it() -> None:
    plan = SamplingPlan(n_selection=20, n_samples=200, alpha=0.01, batch_size=64)
    x = np.concatenate([pixels_of_probability(p, 4) for p in (0.6, 0.9, 0.999)])

    def certificates(at: list[int], batch_size: int) -> list[Certificate]:
        return certify(
            one_pixel_logits,
            x[at],
            noise=PIXEL,
            plan=replace(plan, batch_size=batch_size),
            epsilons=(0.05, 0.1),
            seeds=at,
        )

    whole = certificates(list(range(12)), 64)
    assert certificates([3, 8, 9], 64) == [whole[3], whole[8], whole[9]]
    assert certificates(list(range(12)), 40) == whole
    assert len({one.n_top for one in whole}) > 3


def test_fixed_sampling_takes_all_samples_and_every_pass_has_one_length() -> None:
    lengths = set()

    def logits(x: np.ndarray) -> np.ndarray:
        lengths.add(len(x))
        return one_pixel_logits(x)

    plan = SamplingPlan(n_selection=30, n_samples=100, sampling="fixed", batch_size=48)
    found = certify(logits, pixels_of_probability(0.99, 3), noise=PIXEL, plan=plan, epsilons=(0.01,), seeds=range(3))
    assert {(one.n_selection, one.n_samples, one.look_samples) for one in found} == {(30, 100, 100)}
    assert lengths == {48}


def test_the_smoothed_model_predicts_or_abstains() -> None:
    plan = SamplingPlan(n_samples=200, alpha=0.01, batch_size=64)
    smoothed = Smoothed(one_pixel_logits, PIXEL, plan)
    x = np.concatenate([pixels_of_probability(p, 1) for p in (0.05, 0.5, 0.98)])
    assert smoothed.predict(x).tolist() == [0, ABSTAINED, 1]
    np.testing.assert_array_equal(smoothed.predict(x[::-1]), smoothed.predict(x)[::-1])
    coins = 0.5 + np.random.default_rng(0).normal(0, 1e-6, (WHOLE_RUNS, 1, 1, 1)).astype(np.float32)
    assert (smoothed.predict(coins) != ABSTAINED).sum() <= too_many(0.01, WHOLE_RUNS)
    assert smoothed.certify(x, epsilons=(0.05,))[1].abstained
    assert wins(np.array([9, 0, 1]), alpha=0.05) and not wins(np.array([9, 3, 0]), alpha=0.05)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"alpha": 0.6}, "expected alpha above 0 and at most 0.5, got 0.6"),
        ({"alpha": 0.0}, "expected alpha above 0 and at most 0.5, got 0"),
        ({"n_samples": 9}, "expected n_samples of at least 10, .* at alpha 0.001, got 9"),
        ({"n_selection": 0}, "expected n_selection of at least 1, got 0"),
    ],
)
def test_a_plan_that_certifies_nothing_is_refused(values: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        SamplingPlan(**values)


def test_alpha_is_shared_over_the_images_of_a_table() -> None:
    assert SamplingPlan(alpha=0.01).shared(20).alpha == pytest.approx(0.0005)
    with pytest.raises(InputError, match="expected n_samples of at least 18"):
        SamplingPlan(n_samples=12, alpha=0.001).shared(200)


def test_noise_and_free_values_that_do_not_fit_are_refused() -> None:
    for sigma in (0.0, -0.1, float("nan")):
        with pytest.raises(InputError, match=f"expected sigma above 0, got {sigma}"):
            SmoothingNoise("tied", sigma)
    untied, shape = SmoothingNoise("untied", 0.1), (4, 4, 3)
    untied.check_n_free(48, shape=shape)
    with pytest.raises(InputError, match="expected 48 free values of untied noise in images 4 x 4 x 3, got 16"):
        untied.check_n_free(16, shape=shape)
    with pytest.raises(InputError, match="expected at most 48 free values in images 4 x 4 x 3, got 49"):
        untied.check_n_free(49, shape=shape)
    with pytest.raises(InputError, match="expected a mask of 4 x 4 pixels, got 5 x 4"):
        untied.n_free(shape, np.ones((5, 4), dtype=bool))
    with pytest.raises(InputError, match="expected a mask with at least one pixel, got none"):
        untied.n_free(shape, np.zeros((4, 4), dtype=bool))


def test_epsilons_seeds_and_models_that_cannot_be_certified_are_refused() -> None:
    x, plan = pixels_of_probability(0.9, 2), SamplingPlan(n_samples=20)

    def run(logits: object = one_pixel_logits, epsilons: tuple = (0.01,), seeds: tuple = (0, 1)) -> None:
        certify(logits, x, noise=PIXEL, plan=plan, epsilons=epsilons, seeds=seeds)  # type: ignore[arg-type]

    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"expected a model that gives the same logits .* switch dropout"):
        run(lambda noisy: rng.normal(size=(len(noisy), 2)))
    with pytest.raises(InputError, match=r"expected finite logits, got \[nan, nan\] for image 0 under noise"):
        run(lambda noisy: np.full((len(noisy), 2), np.nan))
    with pytest.raises(InputError, match=r"expected increasing epsilons above 0, got \[0.2, 0.1\]"):
        run(epsilons=(0.2, 0.1))
    with pytest.raises(InputError, match="expected one seed for each of 2 images, got 1"):
        run(seeds=(0,))
    with pytest.raises(InputError, match=r"expected an epsilon that samples can certify, got 1.0 .* a larger sigma"):
        samples_needed(1.0, sigma=0.01, n_free=FREE, alpha=0.001)


GREY = np.full((2, 4, 4, 1), 0.5, dtype=np.float32)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (255 * GREY, "expected images with values in [0, 1], got 127.5 in image 0"),
        (np.concatenate([GREY, GREY - 0.6]), "got -0.1 in image 2"),
        (np.where(np.arange(2)[:, None, None, None], np.nan, GREY), "got nan in image 1"),
        ((255 * GREY).astype(np.uint8), "expected images of floats in [0, 1], got uint8"),
        (GREY[0], "expected images (n, h, w, c), got an array of shape (4, 4, 1)"),
    ],
)
def test_images_in_other_units_are_refused(x: np.ndarray, says: str) -> None:
    """Noise of 0.1 on grey levels up to 255 smooths nothing, and would be certified."""
    with pytest.raises(InputError, match=re.escape(says)):
        check_images(x)


@pytest.mark.parametrize(
    ("masks", "says"),
    [
        (np.ones((1, 4, 4), bool), "expected one mask for each of 2 images, got 1"),
        (np.ones((2, 4, 4)), "expected masks of Booleans (2, 4, 4), got float64"),
        (np.ones((2, 4, 5), bool), "expected masks of Booleans (2, 4, 4), got bool of shape (2, 4, 5)"),
        (np.arange(2)[:, None, None] * np.ones((2, 4, 4)) == 0, "got none for image 1"),
    ],
)
def test_masks_of_another_form_are_refused(masks: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        check_masks(masks, GREY)


def test_an_empty_mask_is_refused_by_predict_and_certify() -> None:
    smoothed = Smoothed(lambda x: np.zeros((len(x), 2), np.float32), SmoothingNoise("tied", 0.1), SamplingPlan())
    for answer in (smoothed.predict, partial(smoothed.certify, epsilons=[0.001])):
        with pytest.raises(InputError, match="expected a mask with at least one pixel, got none for image 0"):
            answer(GREY, masks=np.zeros((2, 4, 4), bool))


def test_a_model_with_one_output_is_refused() -> None:
    smoothed = Smoothed(lambda x: np.zeros((len(x), 1), np.float32), SmoothingNoise("tied", 0.1), SamplingPlan())
    with pytest.raises(InputError, match=r"at least two classes, got shape \(128, 1\); of a model with one output z"):
        smoothed.predict(GREY)


def test_a_model_that_looks_at_the_images_beside_it_is_refused() -> None:
    """Each image is told by the mean of its batch: alone it abstains, among brighter ones it would be certified."""

    def logits(x: np.ndarray) -> np.ndarray:
        mean = x.mean(axis=(1, 2, 3))
        return np.stack([mean.mean() - mean, np.zeros(len(x))], axis=1).astype(np.float32)

    smoothed = Smoothed(logits, SmoothingNoise("tied", 0.1), SamplingPlan())
    x = np.concatenate([GREY - 0.3, GREY + 0.3])
    with pytest.raises(InputError, match="whatever is beside them in a batch, got logits that differ by up to"):
        smoothed.certify(x, epsilons=[0.001])


def test_no_plan_takes_more_samples_than_it_states() -> None:
    for alpha in (0.001, 0.02, 0.1, 0.5):
        smallest = samples_needed(0.0, sigma=1.0, n_free=1, alpha=alpha)
        for n in range(smallest, smallest + 60):
            schedule = schedule_of(SamplingPlan(n_samples=n, alpha=alpha), sigma=0.1, n_free=16, epsilons=(0.001,))
            assert schedule.at[-1] == n
            assert (np.diff(schedule.at) > 0).all()
            assert schedule.alphas.sum() <= alpha * (1 + 1e-12)


def test_epsilons_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="expected increasing epsilons above 0"):
        schedule_of(SamplingPlan(), sigma=0.1, n_free=16, epsilons=(float("nan"),))
