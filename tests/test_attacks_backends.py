"""The closed forms that every backend has to meet, run here on the present backend and on each other one installed."""

from functools import partial

import keras
import numpy as np
import pytest
from backends import BACKENDS, passes_on
from models import SHAPE, UNIT_WEIGHTS, interior_images, linear_model, scores, small_convolutional_net
from test_paper_attacks import TABLE_S1

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.coarse_target import CoarseTarget, target_of
from oncorobust.attacks.goals import cross_entropy_loss, leave, margin_loss
from oncorobust.attacks.linf import Ball, pgd, walk
from oncorobust.attacks.minimal_epsilon import search
from oncorobust.attacks.target import Target
from oncorobust.backend.precision import check_full_float32

X = interior_images()
SCORES = scores(X, UNIT_WEIGHTS)
GOAL = leave((SCORES > 0).astype(np.int64), n_classes=2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_other_backends_pass_too(backend):
    assert "skipped" not in passes_on(backend, __file__)


@pytest.mark.parametrize("loss", [margin_loss, cross_entropy_loss])
@pytest.mark.parametrize(
    "kind", [Target, partial(CoarseTarget, precision="tf32"), partial(CoarseTarget, precision="bfloat16")]
)
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


def deep_net() -> keras.Model:
    """Five layers with kernels, of which the inner three compute in bfloat16; weights as after initialisation."""
    layers = [
        keras.layers.Conv2D(16, 3, padding="same", activation="relu", kernel_initializer=glorot(place))
        for place in range(4)
    ]
    return keras.Sequential(
        [keras.Input(SHAPE), *layers, keras.layers.Flatten(), keras.layers.Dense(2, kernel_initializer=glorot(9))]
    )


def glorot(seed: int) -> keras.initializers.Initializer:
    return keras.initializers.GlorotNormal(seed=seed)


def at_the_boundary(net: keras.Model, x: np.ndarray) -> np.ndarray:
    """Shift the bias so that the images lie on both sides of the boundary, closely."""
    difference = np.asarray(net(x))
    shift = np.median(difference[:, 1] - difference[:, 0])
    net.layers[-1].bias.assign([shift, 0.0])
    return x


def test_bfloat16_alone_would_have_reported_false_flips():
    """Near the boundary it calls images adversarial that float32 does not; with the confirmation none is left."""
    net = deep_net()
    x = X[0] + np.random.default_rng(1).uniform(-1e-3, 1e-3, (200, *SHAPE)).astype(np.float32)
    at_the_boundary(net, x)
    exact, coarse = Target(net), CoarseTarget(net, precision="bfloat16")
    goal = leave(exact.logits(x).argmax(axis=1), n_classes=2)
    truth = exact.margins(x, goal)
    within = {"radius": np.zeros((200, 1, 1, 1)), "eps_step": np.zeros(200), "n_steps": 1}
    alone = Target.walk(coarse, x, x, goal, **within).margin
    assert (truth >= 0).all()
    assert (alone < 0).sum() > 10, "false flips"
    assert (coarse.walk(x, x, goal, **within).margin >= 0).all()
    assert (coarse.margin_gradient(x, goal)[0] >= 0).all()


def test_a_search_in_bfloat16_finds_only_examples_that_float32_confirms_and_no_larger_ones():
    net, x = deep_net(), X[:24]
    at_the_boundary(net, x)
    exact = Target(net)
    goal = leave(exact.logits(x).argmax(axis=1), n_classes=2)
    settings = {"stages": cascade(KerasClassifier(net), settings=TABLE_S1, seed=0)[:3], "relative_width": 0.05}
    ends = {}
    for precision in ("float32", "bfloat16"):
        *_, (_, found) = search(target_of(net, precision=precision), x, goal, epsilons=(0.01, 0.1), **settings)
        assert (exact.margins(found.x_flipped, goal) < 0)[np.isfinite(found.first_flipped)].all()
        ends[precision] = found.first_flipped
    np.testing.assert_array_equal(np.isfinite(ends["bfloat16"]), np.isfinite(ends["float32"]))
    ratio = (ends["bfloat16"] / ends["float32"])[np.isfinite(ends["float32"])]
    assert len(ratio) > 12
    assert np.median(ratio) <= 1.005
    assert np.quantile(ratio, 0.95) <= 1.05
