"""Auto-PGD against closed forms on linear classifiers, a schedule computed by hand, and ART's Auto-PGD."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import (
    SHAPE,
    WEIGHTS,
    curved,
    images,
    least_margins,
    linear,
    linear_model,
    own_predictions,
    scores,
    small_convolutional_net,
)

from oncorobust.attacks.apgd import apgd, apgd_targeted
from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.goals import Goal, cross_entropy_loss, leave, leave_for
from oncorobust.attacks.linf import Ball, Found
from oncorobust.attacks.target import Target


def climb(target: Target, ball: Ball, *, max_iter: int = 10, num_random_init: int = 0, seed: int = 0) -> Found:
    rng = np.random.default_rng(seed)
    return apgd(target, ball, ball.x, max_iter=max_iter, num_random_init=num_random_init, rng=rng)


@pytest.mark.parametrize("loss", [None, cross_entropy_loss])
@pytest.mark.parametrize("epsilon", [0.001, 0.01, 0.05, 0.2])
def test_on_a_linear_classifier_an_image_flips_where_its_margin_is_within_epsilon_times_l1(epsilon, loss):
    target = linear() if loss is None else Target(linear_model(WEIGHTS), loss=loss)
    x = images(0.3, 0.7)
    margin = np.abs(scores(x))
    reach = epsilon * np.abs(WEIGHTS).sum()
    found = climb(target, Ball(x, np.full(40, epsilon), own_predictions(target, x)))
    clear = np.abs(margin - reach) > 1e-4 * reach
    np.testing.assert_array_equal(found.flipped[clear], (margin < reach)[clear])
    assert clear.sum() > 35


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.4, 1.0])
def test_with_the_box_in_the_way_the_closest_try_is_the_best_corner(epsilon):
    x = images(-0.5, 1.5)
    found = climb(linear(), Ball(x, np.full(40, epsilon), own_predictions(linear(), x)))
    best = least_margins(x, np.full(40, epsilon))
    np.testing.assert_array_equal(found.flipped, best < 0)
    assert np.abs(best).min() > 1e-4, "no image on the very border"
    kept = ~found.flipped
    np.testing.assert_allclose(found.margin[kept], best[kept], atol=1e-5)


def test_a_batch_of_many_epsilons_gives_each_image_what_its_own_epsilon_gives():
    x, epsilons = images(0, 1, n=12), np.array([0.002, 0.01, 0.03])
    goal, which = own_predictions(curved(), x), np.arange(12) % 3
    together = climb(curved(), Ball(x, epsilons[which], goal), num_random_init=2)
    for number, epsilon in enumerate(epsilons):
        alone = climb(curved(), Ball(x, np.full(12, epsilon), goal), num_random_init=2)
        np.testing.assert_array_equal(together.flipped[which == number], alone.flipped[which == number])
        np.testing.assert_allclose(together.x_adv[which == number], alone.x_adv[which == number], atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(epsilon=st.floats(0, 1), seed=st.integers(0, 99), with_reach=st.booleans())
def test_what_is_found_lies_in_the_ball_and_the_box(epsilon, seed, with_reach):
    x = images(-0.2, 1.2, n=3, seed=seed)
    rng = np.random.default_rng(seed)
    share = rng.choice([0, 0.5, 1], size=(3, 6, 6, 1)).astype(np.float32) if with_reach else None
    labels = np.array([0, 1, 2])
    ball = Ball(x, np.array([0, epsilon, epsilon / 2]), leave(labels, n_classes=3), share)
    start = images(0, 1, n=3, seed=seed + 1)
    chosen = {"max_iter": 9, "rng": rng}
    for found in (
        apgd(curved(), ball, start, num_random_init=1, **chosen),
        apgd_targeted(curved(), ball, start, n_targets=2, **chosen),
    ):
        assert (np.abs(found.x_adv - x) <= ball.radius + 1e-6).all()
        assert found.x_adv.min() >= 0
        assert found.x_adv.max() <= 1
        np.testing.assert_allclose(found.margin, curved().margins(found.x_adv, ball.goal), atol=1e-5)


class Scripted(Target):
    """One-pixel images whose margins are a script, a row an image; gradients are +1, -1, +1, ... in turn."""

    def __init__(self, margins: np.ndarray) -> None:
        self.script, self.points, self.gone = margins, [], np.zeros(len(margins), dtype=bool)
        self.n_classes, self.n_gradients = 2, 0

    def margins(self, x: np.ndarray, goal: Goal) -> np.ndarray:
        rows = np.flatnonzero(~self.gone)
        assert len(rows) == len(x) == len(goal)
        margin = self.script[rows, len(self.points)].astype(np.float32)
        self.points.append(np.full(len(self.script), np.nan, dtype=np.float32))
        self.points[-1][rows] = x[:, 0, 0, 0]
        self.gone[rows] = margin < 0
        return margin

    def margin_gradient(self, x: np.ndarray, goal: Goal) -> tuple[np.ndarray, np.ndarray]:
        self.n_gradients += len(x)
        sign = (-1.0) ** len(self.points)
        return self.margins(x, goal), np.full_like(x, sign)


def scripted_ball(n: int) -> Ball:
    x = np.full((n, 1, 1, 1), 0.5, dtype=np.float32)
    return Ball(x, np.full(n, 0.25), leave(np.zeros(n, dtype=int), n_classes=2))


def test_an_adversarial_iterate_is_kept_at_once_whatever_would_follow():
    target = Scripted(np.array([[1, 1, -1, 9, 9, 9, 9, 9], [1, 1, 1, 1, 0.5, 1, 1, 1.0]]))
    found = climb(target, scripted_ball(2), max_iter=7)
    np.testing.assert_array_equal(found.flipped, [True, False])
    np.testing.assert_array_equal(found.margin, np.float32([-1, 0.5]))
    assert found.x_adv[0, 0, 0, 0] == target.points[2][0]
    assert found.x_adv[1, 0, 0, 0] == target.points[4][1]
    assert target.n_gradients == 3 + 7
    assert len(target.points) == 8, "one look without gradient, at the last iterate"


CHECKPOINTS = [22, 41, 57, 70, 80, 87, 93, 99]
"""ceil(100 p) for p = .22, .22 + .19, + .16, + .13, + .1, + .07, + .06, + .06."""


def trajectory(back_to: dict[int, int]) -> list[float]:
    """The points of a climb of 100 steps in [0.25, 0.75] that halves its step at the given checkpoints.

    back_to: checkpoint -> number of the best point so far.
    """
    points, step = [0.5], 0.5
    x, before, sign = 0.5, 0.5, 1.0
    for number in range(1, 101):
        ahead = min(max(x + step * sign, 0.25), 0.75)
        after = min(max(x + 0.75 * (ahead - x) + 0.25 * (x - before), 0.25), 0.75)
        x, before, sign = after, x, (-1.0) ** number
        points.append(x)
        if number in back_to:
            step, x, sign = step / 2, points[back_to[number]], (-1.0) ** back_to[number]
    return points


def falls(*segments: tuple[float, int, int]) -> np.ndarray:
    """101 margins: the first 5; then for each (first, n_falls, n_rises) so many a little lower, so many higher."""
    margins = [5.0]
    for first, n_falls, n_rises in segments:
        margins += [*(first - 0.01 * np.arange(n_falls)), *(50 + np.arange(n_rises))]
    return np.array([*margins, *([60.0] * (101 - len(margins)))])[np.newaxis]


@pytest.mark.parametrize(
    ("margins", "back_to"),
    [
        pytest.param(np.ones((1, 101)), dict.fromkeys(CHECKPOINTS, 0), id="no progress: halved at every checkpoint"),
        pytest.param(np.linspace(2, 1, 101)[np.newaxis], {}, id="steady progress: never halved"),
        pytest.param(
            falls((4.9, 16, 6)), dict.fromkeys(CHECKPOINTS, 16), id="condition 1: 16 of 22 are fewer than 16.5"
        ),
        pytest.param(falls((4.9, 17, 5)), dict.fromkeys(CHECKPOINTS[1:], 17), id="condition 1: 17 of 22 are enough"),
        pytest.param(
            # The second and third run of steps fall all the way, but from 40 and so never below the best of the first.
            falls((4.9, 22, 0), (40, 19, 0), (30, 16, 0), (20, 13, 0)),
            {41: 22, 70: 22, **dict.fromkeys(CHECKPOINTS[4:], 22)},
            id="condition 2: nothing better since a checkpoint that did not halve",
        ),
    ],
)
def test_the_step_halves_where_a_schedule_by_hand_halves_it(margins, back_to):
    target = Scripted(margins)
    climb(target, scripted_ball(1), max_iter=100)
    np.testing.assert_allclose(np.array(target.points)[:, 0], trajectory(back_to), atol=1e-5)


def three_classes() -> tuple[np.ndarray, Target]:
    kernel = np.random.default_rng(3).normal(size=(108, 3)).astype(np.float32)
    kernel -= kernel.mean(axis=0)
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.layers[-1].set_weights([kernel, np.zeros(3, dtype=np.float32)])
    return kernel, Target(model)


@pytest.mark.parametrize("epsilon", [0.004, 0.008, 0.012])
def test_against_each_target_a_linear_classifier_of_three_classes_has_its_closed_form(epsilon):
    kernel, target = three_classes()
    x = images(0.3, 0.7)
    logits = x.reshape(40, -1).astype(np.float64) @ kernel
    labels = logits.argmax(axis=1)
    norms = np.abs(kernel[:, labels].T[:, :, np.newaxis] - kernel).sum(axis=1)
    norms[np.arange(40), labels] = 1
    ratios = (logits.max(axis=1, keepdims=True) - logits) / norms
    ratios[np.arange(40), labels] = np.inf
    ball = Ball(x, np.full(40, epsilon), leave(labels, n_classes=3))
    found = apgd_targeted(target, ball, x, max_iter=2, n_targets=2, rng=np.random.default_rng(0))
    least = ratios.min(axis=1)
    assert np.abs(least / epsilon - 1).min() > 1e-4
    np.testing.assert_array_equal(found.flipped, least < epsilon)
    assert 3 < found.flipped.sum() < 37


def test_a_target_is_tried_only_for_images_that_the_likelier_ones_left_undecided():
    _, target = three_classes()
    x = images(0.3, 0.7)
    ball = Ball(x, np.full(40, 0.02), own_predictions(target, x))
    likeliest = np.argsort(target.logits(x), axis=1)[:, -2]
    towards = leave_for(ball.goal.own.argmax(axis=1), likeliest, n_classes=3)
    flipped = climb(target, Ball(x, ball.epsilon, towards), max_iter=1).flipped
    target.cost.n_gradients = 0
    apgd_targeted(target, ball, x, max_iter=1, n_targets=2, rng=np.random.default_rng(0))
    assert target.cost.n_gradients == 40 + (~flipped).sum()
    assert 0 < flipped.sum() < 40


@pytest.mark.parametrize(("target", "n_targets"), [(linear, 1), (curved, 3), (curved, 0)])
def test_two_classes_or_too_many_targets_are_refused(target, n_targets):
    ball = Ball(images(0.3, 0.7, n=2), np.full(2, 0.1), leave(np.array([0, 1]), n_classes=target().n_classes))
    with pytest.raises(ValueError, match=rf"expected more than two classes .* got \d classes and {n_targets} targets"):
        apgd_targeted(target(), ball, ball.x, max_iter=2, n_targets=n_targets, rng=np.random.default_rng(0))


def bowl() -> Target:
    """Margin 0.1 - mean of (x - 0.5)^2 for class 0: flat at 0.5."""
    x = keras.Input(SHAPE)
    away = keras.layers.Rescaling(1.0, offset=-0.5)(x)
    flat = keras.layers.Flatten()(keras.layers.Multiply()([away, away]))
    dense = keras.layers.Dense(2)
    model = keras.Model(x, dense(flat))
    kernel = np.stack([np.zeros(108), np.full(108, 1 / 108)], axis=1).astype(np.float32)
    dense.set_weights([kernel, np.array([0.1, 0.0], dtype=np.float32)])
    return Target(model)


def test_random_starts_win_where_the_gradient_at_the_image_is_zero_and_cost_the_undecided_only():
    target = bowl()
    x = np.full((4, *SHAPE), 0.5, dtype=np.float32)
    epsilon = np.array([0.4, 0.4, 0.3, 0.4])  # 0.3^2 < 0.1 < 0.4^2
    ball = Ball(x, epsilon, leave(np.zeros(4, dtype=int), n_classes=2))
    assert not climb(target, ball, max_iter=5).flipped.any()
    target.cost.n_gradients = 0
    found = climb(target, ball, max_iter=5, num_random_init=3)
    np.testing.assert_array_equal(found.flipped, [True, True, False, True])
    assert found.margin[2] == pytest.approx(0.1 - 0.09, abs=1e-6)
    assert target.cost.n_gradients <= 4 * 5 + 4 * 5 + 2 * 5


@pytest.mark.parametrize("epsilon", [0.01, 0.02, 0.04])
@pytest.mark.parametrize("max_iter", [5, 20])
def test_at_equal_epsilon_and_iterations_it_flips_at_least_what_arts_auto_pgd_flips(epsilon, max_iter):
    from art.attacks.evasion import AutoProjectedGradientDescent

    classifier = KerasClassifier(small_convolutional_net())
    x = images(0, 1, n=60)
    labels = classifier.predict(x).argmax(axis=1)
    np.random.seed(0)
    # Without a loss named, the estimator's own: cross-entropy on logits.
    art_attack = AutoProjectedGradientDescent(
        classifier, eps=epsilon, eps_step=2 * epsilon, max_iter=max_iter, nb_random_init=1, verbose=False
    )
    arts = classifier.predict(art_attack.generate(x, np.eye(3, dtype=np.float32)[labels])).argmax(axis=1) != labels
    ours = climb(curved(), Ball(x, np.full(60, epsilon), leave(labels, n_classes=3)), max_iter=max_iter).flipped
    assert ours.sum() >= arts.sum()
    assert 0 < arts.sum() < 60


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="ART's own losses need TensorFlowV2Classifier")
@pytest.mark.parametrize("epsilon", [0.01, 0.02, 0.04])
def test_it_flips_at_least_what_arts_difference_of_logits_ratio_flips(epsilon):
    from art.attacks.evasion import AutoProjectedGradientDescent
    from art.estimators.classification import TensorFlowV2Classifier

    classifier = TensorFlowV2Classifier(
        small_convolutional_net(),
        nb_classes=3,
        input_shape=SHAPE,
        clip_values=(0, 1),
        loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    x = images(0, 1, n=60)
    labels = classifier.predict(x).argmax(axis=1)
    np.random.seed(0)
    art_attack = AutoProjectedGradientDescent(
        classifier,
        eps=epsilon,
        eps_step=2 * epsilon,
        max_iter=10,
        nb_random_init=1,
        batch_size=60,
        loss_type="difference_logits_ratio",
        verbose=False,
    )
    arts = classifier.predict(art_attack.generate(x, np.eye(3, dtype=np.float32)[labels])).argmax(axis=1) != labels
    ours = climb(curved(), Ball(x, np.full(60, epsilon), leave(labels, n_classes=3)), max_iter=10).flipped
    assert ours.sum() >= arts.sum()
    assert 0 < ours.sum() < 60
