"""The closed forms that every backend has to meet, run here on the present backend and on each other one installed."""

import numpy as np
import pytest
from backends import BACKENDS, passes_on
from models import UNIT_WEIGHTS, interior_images, linear_model, scores, small_convolutional_net

from oncorobust.attacks.goals import cross_entropy_loss, leave, margin_loss
from oncorobust.attacks.linf import Ball, pgd, walk
from oncorobust.attacks.target import Target
from oncorobust.attacks.tf32_target import Tf32Target
from oncorobust.backend.precision import check_full_float32

X = interior_images()
SCORES = scores(X, UNIT_WEIGHTS)
GOAL = leave((SCORES > 0).astype(np.int64), n_classes=2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_other_backends_pass_too(backend):
    assert "skipped" not in passes_on(backend, __file__)


@pytest.mark.parametrize("loss", [margin_loss, cross_entropy_loss])
@pytest.mark.parametrize("kind", [Target, Tf32Target])
def test_the_margin_after_an_attack_is_the_clean_one_less_epsilon_times_l1(kind, loss):
    target = kind(linear_model(UNIT_WEIGHTS), loss=loss)
    margins = np.abs(SCORES)
    np.testing.assert_allclose(target.margins(X, GOAL), margins, rtol=0, atol=1e-6)
    epsilons = np.resize([0.0001, 0.003, 0.01, 0.05], len(X))
    ball = Ball(X, epsilons, GOAL)
    one_step = walk(target, ball, X, rel_eps_step=1.0, max_iter=1)
    np.testing.assert_allclose(one_step.margin, margins - epsilons, rtol=0, atol=1e-6)
    found = pgd(target, ball, rel_eps_step=0.25, max_iter=10, num_random_init=2, rng=np.random.default_rng(0))
    assert (np.abs(margins - epsilons) > 1e-6).all(), "no image on the very border"
    np.testing.assert_array_equal(found.flipped, margins < epsilons)
    np.testing.assert_allclose(found.margin[~found.flipped], (margins - epsilons)[~found.flipped], rtol=0, atol=1e-6)


def test_the_gradient_is_the_closed_form():
    margin, gradient = Target(linear_model(UNIT_WEIGHTS)).margin_gradient(X, GOAL)
    np.testing.assert_allclose(margin, np.abs(SCORES), rtol=0, atol=1e-6)
    expected = -np.sign(SCORES).reshape(-1, 1, 1, 1) * UNIT_WEIGHTS
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-7)


def test_several_steps_in_one_call_are_the_same_as_one_by_one():
    target, x = Target(small_convolutional_net()), X[:5]
    goal = leave(target.logits(x).argmax(axis=1), n_classes=3)
    within = {"radius": np.full((5, 1, 1, 1), 0.1), "eps_step": np.full(5, 0.03)}
    together = target.walk(x, x, goal, **within, n_steps=4)
    current = x
    for _ in range(4):
        current = target.walk(current, x, goal, **within, n_steps=1).x_last
    np.testing.assert_allclose(together.x_last, current, rtol=0, atol=1e-6)


def test_this_backend_computes_in_full_float32():
    check_full_float32(linear_model(UNIT_WEIGHTS))
