"""Fast minimum norm against exact distances on linear classifiers, with and without the box, and against PGD."""

import numpy as np
import pytest
from backends import BACKENDS, passes_on
from hypothesis import given, settings
from hypothesis import strategies as st
from models import WEIGHTS, curved, images, linear, own_predictions, scores

from oncorobust.attacks.fmn import fmn
from oncorobust.attacks.goals import Goal, leave
from oncorobust.attacks.linf import Ball, pgd
from oncorobust.attacks.target import Target


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_other_backends_pass_too(backend: str) -> None:
    passes_on(backend, __file__)


def distances(x_adv: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.abs(x_adv.astype(np.float64) - x).max(axis=(1, 2, 3))


def exact_distance(x: np.ndarray) -> float:
    """The least epsilon that flips one image, pixel rooms sorted: between two rooms the margin falls in a line."""
    margin = scores(x[np.newaxis])[0]
    falling = -np.sign(margin) * WEIGHTS
    room = np.where(falling > 0, 1 - x, x).astype(np.float64).ravel()
    order = np.argsort(room)
    room, slopes = room[order], np.abs(WEIGHTS).ravel()[order]
    left = abs(margin)
    for place in range(len(room)):
        before = room[place - 1] if place else 0.0
        slope = slopes[place:].sum()
        if left <= slope * (room[place] - before):
            return before + left / slope
        left -= slope * (room[place] - before)
    return np.inf


def test_on_a_linear_classifier_the_distance_is_the_margin_by_the_l1_norm():
    x = images(0.3, 0.7)
    exact = np.abs(scores(x)) / np.abs(WEIGHTS).sum()
    found = fmn(linear(), Ball(x, np.full(40, 0.1), own_predictions(linear(), x)), x, max_iter=10)
    assert found.flipped.all()
    np.testing.assert_allclose(distances(found.x_adv, x), exact, rtol=0, atol=1e-6)


def test_with_the_box_in_the_way_the_distance_is_the_exact_optimum():
    x = images(-0.5, 1.5)
    exact = np.array([exact_distance(one) for one in x])
    without_box = np.abs(scores(x)) / np.abs(WEIGHTS).sum()
    assert (exact > 1.1 * without_box).all(), "the box does matter"
    found = fmn(linear(), Ball(x, np.ones(40), own_predictions(linear(), x)), x, max_iter=10)
    np.testing.assert_array_equal(found.flipped, np.isfinite(exact))
    np.testing.assert_allclose(distances(found.x_adv, x)[found.flipped], exact[found.flipped], rtol=0, atol=1e-6)


def test_it_finds_what_lies_within_epsilon_and_elsewhere_tries_the_best_corner():
    x = images(0.3, 0.7)
    exact = np.abs(scores(x)) / np.abs(WEIGHTS).sum()
    epsilon = exact * np.where(np.arange(40) % 2, 1.0001, 0.9999)
    found = fmn(linear(), Ball(x, epsilon, own_predictions(linear(), x)), x, max_iter=10)
    np.testing.assert_array_equal(found.flipped, np.arange(40) % 2 == 1)
    best = np.abs(scores(x)) - epsilon * np.abs(WEIGHTS).sum()
    np.testing.assert_allclose(found.margin[::2], best[::2], atol=1e-5)


def test_under_a_reach_distance_is_the_epsilon_that_allows_the_change():
    x = images(0.4, 0.6)
    reach = np.random.default_rng(4).choice([0, 0.5, 1], size=(40, 6, 6, 1)).astype(np.float32)
    exact = np.abs(scores(x)) / (reach * np.abs(WEIGHTS)).sum(axis=(1, 2, 3))
    found = fmn(linear(), Ball(x, np.full(40, 0.3), own_predictions(linear(), x), reach), x, max_iter=10)
    assert found.flipped.all()
    change = np.abs(found.x_adv - x)
    assert (change <= exact.reshape(-1, 1, 1, 1) * reach + 1e-6).all()


def test_a_batch_of_many_epsilons_gives_each_image_what_its_own_epsilon_gives():
    x, epsilons = images(0, 1, n=12), np.array([0.002, 0.02, 0.2])
    goal, which = own_predictions(curved(), x), np.arange(12) % 3
    together = fmn(curved(), Ball(x, epsilons[which], goal), x, max_iter=15)
    for number, epsilon in enumerate(epsilons):
        here = which == number
        alone = fmn(curved(), Ball(x[here], np.full(4, epsilon), goal.at(here)), x[here], max_iter=15)
        np.testing.assert_array_equal(together.flipped[here], alone.flipped)
        np.testing.assert_allclose(together.x_adv[here], alone.x_adv, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(epsilon=st.floats(0, 1), seed=st.integers(0, 99), with_reach=st.booleans())
def test_what_is_found_lies_in_the_ball_and_the_box(epsilon, seed, with_reach):
    x = images(-0.2, 1.2, n=3, seed=seed)
    reach = np.random.default_rng(seed).choice([0, 0.5, 1], size=(3, 6, 6, 1)).astype(np.float32)
    goal = leave(np.array([0, 1, 2]), n_classes=3)
    ball = Ball(x, np.array([0, epsilon, epsilon / 2]), goal, reach if with_reach else None)
    found = fmn(curved(), ball, images(0, 1, n=3, seed=seed + 1), max_iter=9)
    assert (np.abs(found.x_adv - x) <= ball.radius + 1e-6).all()
    assert found.x_adv.min() >= 0
    assert found.x_adv.max() <= 1
    np.testing.assert_allclose(found.margin, curved().margins(found.x_adv, goal), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(epsilon=st.floats(0, 2), far=st.floats(0, 2), seed=st.integers(0, 99))
def test_projection_never_enlarges_a_change_and_done_twice_is_done_once(epsilon, far, seed):
    x = images(-0.2, 1.2, n=2, seed=seed)
    ball = Ball(x, np.array([epsilon, epsilon / 3]), leave(np.array([0, 1]), n_classes=2))
    point = (x + far * np.random.default_rng(seed).uniform(-1, 1, x.shape)).astype(np.float32)
    projected = ball.project(point)
    assert (np.abs(projected - x) <= np.abs(point - x)).all()
    np.testing.assert_array_equal(ball.project(projected), projected)


def test_an_image_that_is_already_adversarial_is_its_own_nearest():
    x = images(0.3, 0.7, n=4)
    wrong = leave(1 - linear().logits(x).argmax(axis=1), n_classes=2)
    found = fmn(linear(), Ball(x, np.full(4, 0.1), wrong), x, max_iter=3)
    assert found.flipped.all()
    np.testing.assert_array_equal(found.x_adv, x)


class Scripted(Target):
    """One-pixel images whose margins are a script, a row an image, and whose gradients are 1."""

    def __init__(self, margins: np.ndarray) -> None:
        self.script, self.points = margins.astype(np.float32), []

    def margins(self, x: np.ndarray, goal: Goal) -> np.ndarray:
        assert len(x) == len(goal)
        self.points.append(x[:, 0, 0, 0])
        return self.script[:, len(self.points) - 1]

    def margin_gradient(self, x: np.ndarray, goal: Goal) -> tuple[np.ndarray, np.ndarray]:
        return self.margins(x, goal), np.ones_like(x)


def test_the_closest_adversarial_iterate_is_kept_whatever_follows():
    script = np.array([[1, 0.1, -1, 1, 1, -2], [1, 0.1, 0.3, 0.05, 0.2, 1], [1, 0.1, -1, -1, 0.2, 1]])
    target = Scripted(script)
    x = np.full((3, 1, 1, 1), 0.5, dtype=np.float32)
    found = fmn(target, Ball(x, np.full(3, 0.25), leave(np.zeros(3, dtype=int), n_classes=2)), x, max_iter=5)
    points = np.array(target.points)
    np.testing.assert_array_equal(found.flipped, [True, False, True])
    assert found.x_adv[0, 0, 0, 0] == min(points[2, 0], points[5, 0])
    assert found.x_adv[1, 0, 0, 0] == points[3, 1], "nothing adversarial: the least margin"
    assert found.x_adv[2, 0, 0, 0] == points[3, 2] < points[2, 2]


def test_on_a_curved_net_it_comes_as_close_as_a_bisected_pgd():
    x = images(0, 1)
    goal = own_predictions(curved(), x)
    safe, flipped = np.zeros(40), np.ones(40)
    for _ in range(14):
        middle = (safe + flipped) / 2
        won = pgd(
            curved(),
            Ball(x, middle, goal),
            rel_eps_step=0.1,
            max_iter=30,
            num_random_init=0,
            rng=np.random.default_rng(0),
        ).flipped
        safe, flipped = np.where(won, safe, middle), np.where(won, middle, flipped)
    found = fmn(curved(), Ball(x, np.ones(40), goal), x, max_iter=30)
    assert found.flipped.all()
    np.testing.assert_array_less(distances(found.x_adv, x), flipped * 1.005 + 1e-6)
