"""The l_inf loop against closed forms on a linear classifier, and the properties of every image it returns."""

from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import (
    SHAPE,
    UNIT_WEIGHTS,
    WEIGHTS,
    curved,
    images,
    interior_images,
    least_margins,
    linear_model,
    own_predictions,
    scores,
    small_convolutional_net,
)

from oncorobust.attacks.goals import cross_entropy_loss, leave, leave_for, margin_loss
from oncorobust.attacks.linf import Ball, Seen, out_of_reach, pgd, walk, walk_from_image
from oncorobust.attacks.target import Target
from oncorobust.backend.networks import padded_length

BACKEND = keras.backend.backend()
FGSM = {"rel_eps_step": 1.0, "max_iter": 1}
BIM = {"rel_eps_step": 0.1, "max_iter": 10}
PGD = {"rel_eps_step": 0.25, "max_iter": 10}


@cache
def linear() -> Target:
    return Target(linear_model(UNIT_WEIGHTS))


def clean_margins(x: np.ndarray) -> np.ndarray:
    return np.abs(scores(x, UNIT_WEIGHTS))


def ball_around(target: Target, x: np.ndarray, epsilon: float | np.ndarray, reach: np.ndarray | None = None) -> Ball:
    return Ball(x, np.broadcast_to(np.float64(epsilon), (len(x),)), own_predictions(target, x), reach)


@pytest.mark.parametrize("loss", [margin_loss, cross_entropy_loss])
@pytest.mark.parametrize("epsilon", [0.0001, 0.01, 0.1, 0.25])
def test_one_full_step_moves_the_margin_by_epsilon_times_l1(epsilon, loss):
    target, x = Target(linear_model(UNIT_WEIGHTS), loss=loss), interior_images()
    ball = ball_around(target, x, epsilon)
    found = walk(target, ball, x, **FGSM)
    undecided = clean_margins(x) > epsilon
    expected = clean_margins(x) - epsilon
    np.testing.assert_allclose(found.margin, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.flipped, ~undecided)
    away = np.where(ball.goal.own[:, 1] > 0, 1, -1).reshape(-1, 1, 1, 1) * np.sign(UNIT_WEIGHTS)
    np.testing.assert_allclose(found.x_adv, x - epsilon * away, rtol=0, atol=1e-6)


@pytest.mark.parametrize("attack", ["bim", "pgd"])
@pytest.mark.parametrize("epsilon", [0.0001, 0.003, 0.01, 0.05])
def test_an_image_flips_where_its_margin_is_below_epsilon_times_l1_and_ends_there_otherwise(attack, epsilon):
    target, x = linear(), interior_images()
    ball = ball_around(target, x, epsilon)
    if attack == "bim":
        found = walk(target, ball, x, **BIM)
    else:
        found = pgd(target, ball, **PGD, num_random_init=3, rng=np.random.default_rng(0))
    margins = clean_margins(x)
    assert (np.abs(margins - epsilon) > 1e-6).all(), "no image on the very border"
    np.testing.assert_array_equal(found.flipped, margins < epsilon)
    np.testing.assert_allclose(found.margin[~found.flipped], (margins - epsilon)[margins > epsilon], rtol=0, atol=1e-6)


@pytest.mark.parametrize("attack", [FGSM, BIM, PGD], ids=["fgsm", "bim", "pgd"])
def test_with_the_box_in_the_way_every_pixel_moves_as_far_as_it_can(attack):
    x = np.random.default_rng(3).uniform(0, 1, (40, *SHAPE)).astype(np.float32)
    x[:, :3] = np.round(x[:, :3])
    target, epsilon = linear(), 0.003
    ball = ball_around(target, x, epsilon)
    found = walk(target, ball, x, **attack)
    down = np.where(ball.goal.own[:, 1] > 0, 1, -1).reshape(-1, 1, 1, 1) * UNIT_WEIGHTS > 0
    room = np.minimum(np.where(down, x, 1 - x), epsilon)
    optimum = clean_margins(x) - (np.abs(UNIT_WEIGHTS) * room).sum(axis=(1, 2, 3))
    assert (optimum > clean_margins(x) - epsilon + 1e-4).all(), "the box holds some pixels back in every image"
    np.testing.assert_array_equal(found.flipped, optimum < 0)
    np.testing.assert_allclose(found.margin[optimum > 0], optimum[optimum > 0], rtol=0, atol=1e-6)


def test_epsilons_of_one_batch_do_not_mix():
    target, x = curved(), np.random.default_rng(1).uniform(0, 1, (6, *SHAPE)).astype(np.float32)
    epsilons = np.array([0.0, 0.001, 0.01, 0.03, 0.1, 0.3])
    together = walk(target, ball_around(target, x, epsilons), x, **PGD)
    for one, epsilon in enumerate(epsilons):
        part = x[one : one + 1]
        alone = walk(target, ball_around(target, part, epsilon), part, **PGD)
        np.testing.assert_allclose(together.x_adv[one], alone.x_adv[0], rtol=0, atol=1e-6)
        np.testing.assert_allclose(together.margin[one], alone.margin[0], rtol=0, atol=1e-5)


def test_an_images_random_starts_do_not_depend_on_which_others_are_decided():
    target, x = linear(), interior_images(6)
    answers = target.logits(x).argmax(axis=1)
    # Steps so short that the starts decide what is found.
    chosen = {"rel_eps_step": 0.01, "max_iter": 1, "num_random_init": 9}
    found = []
    for labels in (answers, np.where(np.arange(6) < 3, 1 - answers, answers)):
        ball = Ball(x, np.full(6, 0.0005), leave(labels, n_classes=2))
        found.append(pgd(target, ball, **chosen, rng=np.random.default_rng(0)))
    assert not found[0].flipped.any()
    np.testing.assert_array_equal(found[1].flipped, np.arange(6) < 3)
    assert (np.abs(found[0].x_adv - x).max(axis=(1, 2, 3)) > 0.0004).all(), "each image's best is from a random start"
    np.testing.assert_allclose(found[0].x_adv[3:], found[1].x_adv[3:], rtol=0, atol=1e-6)


class Valley(keras.layers.Layer):
    """Logits whose margin for class 0 is 100 (mean - 0.6)^2 - 0.04: below 0 for means from 0.58 to 0.62 alone."""

    def call(self, x):
        mean = keras.ops.mean(x, axis=(1, 2, 3))
        margin = 100 * keras.ops.square(mean - 0.6) - 0.04
        return keras.ops.stack([margin, keras.ops.zeros_like(margin)], axis=1)


@cache
def valley() -> Target:
    return Target(keras.Sequential([keras.Input(SHAPE), Valley()]))


def test_an_adversarial_iterate_is_kept_when_the_walk_leaves_it_again():
    x = np.full((1, *SHAPE), 0.5, dtype=np.float32)
    target, goal = valley(), leave(np.array([0]), n_classes=2)
    within = {"radius": np.full((1, 1, 1, 1), 0.11), "eps_step": np.array([0.11])}
    back = target.walk(x, x, goal, **within, n_steps=2).x_last
    assert back.mean() == pytest.approx(0.5), "0.5, 0.61 and back"
    assert target.margins(back, goal)[0] > 0
    whole = target.walk(x, x, goal, **within, n_steps=3)
    assert whole.x_best.mean() == pytest.approx(0.61)
    assert whole.margin[0] == pytest.approx(-0.03, abs=1e-5)
    found = walk(target, Ball(x, np.array([0.11]), goal), x, rel_eps_step=1.0, max_iter=2)
    assert found.x_adv.mean() == pytest.approx(0.61)
    assert found.margin[0] == pytest.approx(-0.03, abs=1e-5)


def test_of_several_adversarial_iterates_the_first_is_kept():
    target, x, step = linear(), interior_images(), 0.002
    goal = own_predictions(target, x)
    found = target.walk(x, x, goal, radius=np.full((40, 1, 1, 1), 0.1), eps_step=np.full(40, step), n_steps=30)
    margins = clean_margins(x)
    expected = margins - step * np.minimum(np.ceil(margins / step), 29)
    np.testing.assert_allclose(found.margin, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(target.margins(found.x_best, goal), expected, rtol=0, atol=1e-6)


def test_where_no_iterate_is_adversarial_the_one_of_least_margin_is_kept():
    x = np.full((1, *SHAPE), 0.5, dtype=np.float32)
    goal = leave(np.array([0]), n_classes=2)
    found = walk(valley(), Ball(x, np.array([0.15]), goal), x, rel_eps_step=1.0, max_iter=2)
    assert found.x_adv.mean() == pytest.approx(0.65), "0.5, 0.65 and back; the margin at 0.65 is 0.21"
    assert found.margin[0] == pytest.approx(0.21, abs=1e-5)
    assert not found.flipped[0]


def test_an_image_that_is_adversarial_already_costs_one_gradient():
    target, x = Target(linear_model(UNIT_WEIGHTS)), interior_images(5)
    wrong = leave(1 - target.logits(x).argmax(axis=1), n_classes=2)
    target.cost.n_forwards = 0
    found = pgd(target, Ball(x, np.full(5, 0.1), wrong), **PGD, num_random_init=4, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(found.x_adv, x)
    assert (target.cost.n_gradients, target.cost.n_forwards) == (5, 0)


def test_decided_images_leave_at_once():
    """An image of margin m needs k = ceil(m / step) steps, and a gradient more to see that it has arrived."""
    target, x = Target(linear_model(UNIT_WEIGHTS)), interior_images()
    ball = ball_around(target, x, 0.02)
    steps = np.ceil(clean_margins(x) / 0.002)
    target.cost.n_forwards = 0
    found = walk(target, ball, x, **BIM)
    assert target.cost.n_gradients == np.minimum(steps + 1, 10).sum()
    assert target.cost.n_forwards == (steps >= 10).sum(), "the last iterate costs a forward pass alone"
    np.testing.assert_array_equal(found.flipped, steps <= 10)
    assert 5 < found.flipped.sum() < 40


def test_random_starts_are_spent_on_undecided_images_alone():
    x, model = interior_images(), linear_model(UNIT_WEIGHTS)
    alone, target = Target(model), Target(model)
    ball = ball_around(linear(), x, 0.01)
    undecided = ~walk(alone, ball, x, **PGD).flipped
    assert 0 < undecided.sum() < 40
    pgd(target, ball, **PGD, num_random_init=2, rng=np.random.default_rng(0))
    assert target.cost.n_gradients == alone.cost.n_gradients + 2 * 10 * undecided.sum()


@settings(max_examples=50, deadline=None)
@given(epsilon=st.floats(0, 1), spread=st.floats(0, 3), seed=st.integers(0, 999), partial=st.booleans())
def test_projection_is_idempotent_and_never_enlarges(epsilon, spread, seed, partial):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (3, *SHAPE)).astype(np.float32)
    reach = rng.uniform(0, 1, (3, *SHAPE[:2], 1)) if partial else None
    ball = Ball(x, np.full(3, epsilon), leave(np.zeros(3, dtype=np.int64), n_classes=2), reach)
    outside = (x + rng.normal(0, spread, x.shape)).astype(np.float32)
    projected = ball.project(outside)
    np.testing.assert_array_equal(ball.project(projected), projected)
    moved, before = (np.abs(one.astype(np.float64) - x) for one in (projected, outside))
    assert (moved <= before).all()
    assert projected.min() >= 0
    assert projected.max() <= 1
    assert (moved <= epsilon + 1e-6).all()
    np.testing.assert_array_equal(ball.project(x), x)


@settings(max_examples=25, deadline=None)
@given(
    epsilons=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    seed=st.integers(0, 999),
    rel_eps_step=st.floats(0.01, 2),
    restarts=st.integers(0, 2),
)
def test_every_image_returned_lies_in_ball_and_box(epsilons, seed, rel_eps_step, restarts):
    rng, target, n = np.random.default_rng(seed), curved(), len(epsilons)
    x = np.clip(rng.uniform(-0.3, 1.3, (n, *SHAPE)), 0, 1).astype(np.float32)
    goal = leave(rng.integers(0, 3, n), n_classes=3)
    ball = Ball(x, np.array(epsilons), goal)
    found = pgd(target, ball, rel_eps_step=rel_eps_step, max_iter=4, num_random_init=restarts, rng=rng)
    assert (np.abs(found.x_adv.astype(np.float64) - x).max(axis=(1, 2, 3)) <= np.array(epsilons) + 1e-6).all()
    assert found.x_adv.min() >= 0
    assert found.x_adv.max() <= 1
    np.testing.assert_allclose(found.margin, target.margins(found.x_adv, goal), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 9, 3)])
def test_images_of_any_shape_stay_in_ball_and_box(shape):
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)])
    x = np.random.default_rng(0).uniform(0, 1, (3, *shape)).astype(np.float32)
    found = walk(Target(model), ball_around(Target(model), x, 0.1), x, **PGD)
    assert found.x_adv.shape == x.shape
    assert np.abs(found.x_adv.astype(np.float64) - x).max() <= 0.1 + 1e-6


def test_a_start_outside_the_ball_is_drawn_into_it():
    target, x = curved(), interior_images(4)
    found = walk(target, ball_around(target, x, 0.01), np.ones_like(x), rel_eps_step=0.1, max_iter=0)
    np.testing.assert_allclose(found.x_adv, x + np.float32(0.01), rtol=0, atol=1e-6)


@pytest.mark.parametrize("loss", [margin_loss, cross_entropy_loss])
def test_epsilon_zero_is_the_identity(loss):
    target, x = Target(small_convolutional_net(), loss=loss), interior_images(4)
    ball = ball_around(target, x, 0.0)
    for found in (
        walk(target, ball, x, **PGD),
        pgd(target, ball, **PGD, num_random_init=2, rng=np.random.default_rng(0)),
    ):
        np.testing.assert_array_equal(found.x_adv, x)
        np.testing.assert_allclose(found.margin, target.margins(x, ball.goal), rtol=0, atol=1e-6)


def test_reach_says_how_far_each_pixel_may_move():
    target, x, epsilon = linear(), interior_images(), 0.01
    reach = np.zeros((40, *SHAPE[:2], 1))
    reach[:, 1:4, 2:5] = 1.0
    reach[:, 5] = 0.5
    found = walk(target, ball_around(target, x, epsilon, reach), x, **FGSM)
    expected = clean_margins(x) - epsilon * (np.abs(UNIT_WEIGHTS) * reach[0]).sum()
    np.testing.assert_allclose(found.margin, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal((found.x_adv != x)[reach[..., 0] == 0], False)
    start = Ball(x, np.full(40, epsilon), own_predictions(target, x), reach).random_points(np.random.default_rng(0))
    assert (np.abs(start.astype(np.float64) - x) <= epsilon * reach + 1e-6).all()


def test_on_three_classes_the_named_rival_decides_the_direction():
    target, x = curved(), interior_images(6)
    logits = target.logits(x)
    order = np.argsort(logits, axis=1)
    for rank in (0, 1):
        goal = leave_for(order[:, 2], order[:, rank], n_classes=3)
        step = target.walk(x, x, goal, radius=np.full((6, 1, 1, 1), 1e-3), eps_step=np.full(6, 1e-3), n_steps=1)
        after = target.logits(step.x_last)
        rows = np.arange(6)
        gain = after[rows, order[:, rank]] - after[rows, order[:, 2]]
        assert (gain > logits[rows, order[:, rank]] - logits[rows, order[:, 2]]).all()


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch is eager: nothing is traced")
def test_nothing_is_traced_anew_while_the_active_set_shrinks():
    lengths = []

    def loss(logits, own, rivals):
        lengths.append(logits.shape[0])
        return margin_loss(logits, own, rivals)

    target, x = Target(linear_model(UNIT_WEIGHTS), loss=loss), interior_images()
    walk(target, ball_around(target, x, 0.02), x, rel_eps_step=0.1, max_iter=2)
    first = list(lengths)
    walk(target, ball_around(target, x, 0.02), x, **BIM)
    for n in (1, 3, 17):
        walk(target, ball_around(target, x[:n], 0.05), x[:n], **BIM)
    if BACKEND == "tensorflow":
        assert lengths == first, "traced once, for any number of images"
    else:
        assert len(set(lengths)) * len(first) == len(lengths), "traced once a length"
        assert set(lengths) <= {padded_length(n) for n in range(1, 41)}
        assert len(set(lengths)) <= 11


@pytest.mark.parametrize("max_iter", [1, 2, 10])
def test_a_walk_from_images_whose_gradient_was_seen_is_the_same_for_one_gradient_less(max_iter):
    """On a curved net, to the last byte; images that are adversarial already cost nothing."""
    model, x = small_convolutional_net(), interior_images(12)
    target = Target(model)
    labels = target.logits(x).argmax(axis=1)
    goal = leave(np.where(np.arange(12) < 2, (labels + 1) % 3, labels), n_classes=3)
    seen = Seen(*target.margin_gradient(x, goal))
    ball = Ball(x, np.full(12, 0.05), goal)
    spent = {}
    for name, one in {"unseen": ball, "seen": replace(ball, seen=seen)}.items():
        before = target.cost.n_gradients
        spent[name] = (
            walk_from_image(target, one, rel_eps_step=0.2, max_iter=max_iter),
            target.cost.n_gradients - before,
        )
    (plain, cost), (found, less) = spent["unseen"], spent["seen"]
    np.testing.assert_array_equal(found.flipped, plain.flipped)
    np.testing.assert_array_equal(found.x_adv, plain.x_adv)
    np.testing.assert_allclose(found.margin, plain.margin, rtol=0, atol=1e-6)
    assert less == cost - 12


def test_the_reachable_margin_of_a_linear_model_is_the_least_one_in_the_ball():
    """From any point, at any step, also where the box [0, 1] cuts the ball: margin minus room along the gradient."""
    target, x = Target(linear_model(WEIGHTS)), images(-0.2, 1.2)
    goal = leave(target.logits(x).argmax(axis=1), n_classes=2)
    ball = Ball(x, np.full(40, 0.01), goal)
    start = ball.random_points(np.random.default_rng(0))
    for n_steps in (1, 3):
        step = target.walk(start, x, goal, radius=ball.radius, eps_step=np.full(40, 0.002), n_steps=n_steps)
        np.testing.assert_allclose(step.reachable, least_margins(x, ball.epsilon), rtol=0, atol=1e-5)


def test_a_walk_gives_up_at_the_second_step_where_a_linear_margin_is_out_of_reach():
    target, x = Target(linear_model(UNIT_WEIGHTS)), interior_images()
    ball = ball_around(target, x, 0.01)
    found = walk(target, ball, x, **BIM, gives_up=out_of_reach)
    np.testing.assert_array_equal(found.flipped, clean_margins(x) < 0.01)
    failing = (clean_margins(x) > 0.01).sum()
    target = Target(linear_model(UNIT_WEIGHTS))
    hopeless = ball.at(np.flatnonzero(clean_margins(x) > 0.01))
    walk(target, hopeless, hopeless.x, **BIM, gives_up=out_of_reach)
    assert target.cost.n_gradients == 2 * failing


def test_a_walk_goes_on_where_the_linear_margin_falls_from_step_to_step():
    """Out of reach at each single step, but changing by more than what is missing: it may still come within reach."""
    assert not out_of_reach(np.array([0.5]), np.array([0.6]), 8)[0]
    assert out_of_reach(np.array([0.5]), np.array([0.6]), 4)[0]
    assert not out_of_reach(np.array([0.5, np.nan]), np.array([np.inf, 0.5]), 1).any(), "the first step, NaN"
