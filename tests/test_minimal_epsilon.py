"""The search for the smallest epsilon against the closed form of a linear classifier, and on attacks made by hand."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import SHAPE, WEIGHTS, curved, interior_images, linear_model, own_predictions, scores

from oncorobust.attacks.goals import leave
from oncorobust.attacks.linf import Ball, Found, pgd, walk
from oncorobust.attacks.minimal_epsilon import Intervals, Stage, search
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images
from oncorobust.base.errors import InputError

L1 = np.abs(WEIGHTS).sum()


def fgsm(target: Target, ball: Ball, start: Images) -> Found:
    return walk(target, ball, ball.x, rel_eps_step=1.0, max_iter=1)


def warm(target: Target, ball: Ball, start: Images) -> Found:
    return walk(target, ball, start, rel_eps_step=0.25, max_iter=10)


def restarted(target: Target, ball: Ball, start: Images) -> Found:
    rng = np.random.default_rng(0)
    return pgd(target, ball, rel_eps_step=0.25, max_iter=10, num_random_init=2, rng=rng)


STAGES = (Stage("fgsm", fgsm, fgsm), Stage("bim", partial(warm), warm), Stage("pgd", restarted, warm))


def run(
    target: Target, x: Images, *, stages: tuple[Stage, ...] = STAGES, max_epsilon: float = 0.2, width: float = 0.05
) -> dict[str, Intervals]:
    goal = own_predictions(target, x)
    return dict(search(target, x, goal, stages=stages, epsilons=(max_epsilon,), relative_width=width))


def test_after_every_stage_the_interval_holds_the_closed_form_within_1e_6() -> None:
    x = interior_images()
    exact = np.abs(scores(x)) / L1
    for found in run(Target(linear_model(WEIGHTS)), x, width=1e-6).values():
        np.testing.assert_allclose(found.first_flipped, exact, atol=1e-6)
        np.testing.assert_allclose(found.last_safe, exact, atol=1e-6)
        assert (found.won_by == "fgsm").all(), "the first attack is exact here, so that no other can do better"


def test_the_interval_is_as_narrow_as_asked_and_its_image_flips_at_its_end() -> None:
    target = curved()
    x = np.random.default_rng(3).uniform(0, 1, (24, *SHAPE)).astype(np.float32)
    goal = own_predictions(target, x)
    for width in (0.2, 0.02):
        found = run(target, x, max_epsilon=0.5, width=width)["pgd"]
        flipped = np.isfinite(found.first_flipped)
        assert flipped.sum() > 15
        gap = found.first_flipped - found.last_safe
        assert (gap[flipped] <= width * found.first_flipped[flipped] * (1 + 1e-6)).all()
        assert (found.last_safe[flipped] > 0).all()
        distance = np.abs(found.x_flipped.astype(np.float64) - x).max(axis=(1, 2, 3))
        np.testing.assert_allclose(distance[flipped], found.first_flipped[flipped], atol=1e-6)
        assert (target.margins(found.x_flipped, goal)[flipped] < 0).all()
        assert found.x_flipped.min() >= 0
        assert found.x_flipped.max() <= 1


def test_what_never_flips_is_censored_at_the_largest_epsilon() -> None:
    x = interior_images()
    exact = np.abs(scores(x)) / L1
    limit = float(np.median(exact))
    found = run(Target(linear_model(WEIGHTS)), x, max_epsilon=limit)["pgd"]
    beyond = exact > limit * (1 + 1e-5)
    assert beyond.sum() >= 15
    assert np.isinf(found.first_flipped[beyond]).all()
    np.testing.assert_array_equal(found.last_safe[beyond], limit)
    assert (found.won_by[beyond] == "").all()
    np.testing.assert_array_equal(found.x_flipped[beyond], x[beyond])
    assert np.isfinite(found.first_flipped[exact < limit * (1 - 1e-5)]).all()


def test_an_image_that_has_left_its_answer_flips_at_zero_without_an_attack() -> None:
    target = Target(linear_model(WEIGHTS))
    x = interior_images(6)
    goal = leave(1 - target.logits(x).argmax(axis=1), n_classes=2)
    target.cost.n_gradients = 0
    found = dict(search(target, x, goal, stages=STAGES, epsilons=(0.1,), relative_width=0.1))["pgd"]
    np.testing.assert_array_equal(found.first_flipped, 0)
    np.testing.assert_array_equal(found.last_safe, 0)
    assert target.cost.n_gradients == len(x), "the one gradient of the linear estimate"


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), max_epsilon=st.floats(1e-4, 1.0))
def test_intervals_only_shrink_and_every_curve_is_monotone(seed: int, max_epsilon: float) -> None:
    x = np.random.default_rng(seed).uniform(0, 1, (6, *SHAPE)).astype(np.float32)
    before = None
    for found in run(curved(), x, max_epsilon=max_epsilon).values():
        assert (found.last_safe <= np.minimum(found.first_flipped, max_epsilon)).all()
        reached = found.first_flipped[np.isfinite(found.first_flipped)]
        assert (reached <= max_epsilon).all()
        shares = [np.mean(found.first_flipped <= epsilon) for epsilon in np.linspace(0, max_epsilon, 20)]
        assert shares == sorted(shares)
        if before is not None:
            assert (found.first_flipped <= before.first_flipped).all()
        before = found


def only_within(low: float, high: float) -> Stage:
    """An attack that flips any image, by one pixel, in balls of low <= epsilon < high, and nowhere else."""

    def attack(target: Target, ball: Ball, start: Images) -> Found:
        x_adv = ball.x.copy()
        x_adv[:, 0, 0, 0] += ball.epsilon.astype(np.float32)
        inside = (ball.epsilon >= low) & (ball.epsilon < high)
        return Found(x_adv, np.where(inside, -1.0, 0.5).astype(np.float32))

    return Stage(f"within {low}", attack, attack)


def test_a_later_attack_takes_over_only_where_it_does_better_and_says_so() -> None:
    x = interior_images(4)
    weak, strong = only_within(0.03, 1.0), only_within(0.01, 1.0)
    found = run(Target(linear_model(WEIGHTS)), x, stages=(weak, strong, weak), max_epsilon=0.2, width=0.01)
    assert list(found) == [weak.name, strong.name], "the third has the name of the first"
    last = found[weak.name]
    np.testing.assert_allclose(last.first_flipped, 0.01, rtol=0.011)
    assert (last.won_by == strong.name).all()
    assert (last.last_safe < 0.01).all()


def test_a_model_whose_gradient_is_zero_is_searched_up_to_the_largest_epsilon() -> None:
    target = Target(linear_model(np.zeros(SHAPE), bias=1.0))
    found = run(target, interior_images(3), max_epsilon=0.3)["pgd"]
    np.testing.assert_array_equal(found.last_safe, 0.3)
    assert np.isinf(found.first_flipped).all()


def test_the_search_costs_what_its_undecided_images_cost() -> None:
    """On the linear model FGSM's estimate is exact: a try at it, one above where rounding fails it, and one below."""
    target = Target(linear_model(WEIGHTS))
    run(target, interior_images(), stages=STAGES[:1], width=0.05)
    assert target.cost.n_gradients / 40 <= 5
    before = target.cost.n_gradients
    run(target, interior_images(), stages=STAGES[:2], width=0.05)
    assert target.cost.n_gradients - before <= before + 10 * 40, (
        "one failing walk of ten steps at the last safe epsilon"
    )


def test_no_epsilon_of_the_grid_lies_inside_an_interval() -> None:
    """So that an accuracy read at the grid has no error from the intervals' width, however wide they are."""
    x = interior_images()
    exact = np.abs(scores(x)) / L1
    grid = np.linspace(0.002, 0.05, 25)
    target = Target(linear_model(WEIGHTS))
    stages = search(target, x, own_predictions(target, x), stages=STAGES, epsilons=grid.tolist(), relative_width=0.9)
    for _, found in stages:
        inside = (found.last_safe[:, None] < grid) & (grid < found.first_flipped[:, None])
        assert not inside[np.isfinite(found.first_flipped)].any()
        for epsilon in grid:
            assert np.abs(exact - epsilon).min() > 1e-6
            np.testing.assert_array_equal(found.first_flipped <= epsilon, exact < epsilon)


def test_a_model_that_gives_nan_is_refused_with_the_image() -> None:
    target = Target(linear_model(WEIGHTS))
    x = interior_images(4)
    x[2, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"expected finite pixels, got .* not finite in the image at position 2"):
        next(search(target, x, leave(np.zeros(4, int), n_classes=2), stages=STAGES, epsilons=[0.1], relative_width=0.1))


def test_limits_out_of_range_are_refused() -> None:
    x = interior_images(2)
    target = Target(linear_model(WEIGHTS))
    goal = own_predictions(target, x)
    with pytest.raises(InputError, match=r"got 1\.5 at position 0 in the search's epsilons"):
        list(search(target, x, goal, stages=STAGES, epsilons=(1.5,), relative_width=0.1))
    for width in (0.0, 1.0):
        with pytest.raises(ValueError, match=f"expected relative_width between 0 and 1, got {width}"):
            list(search(target, x, goal, stages=STAGES, epsilons=(0.1,), relative_width=width))
