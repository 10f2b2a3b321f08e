"""Fast minimum norm in l2 against exact distances on linear classifiers, a two-layer net, and Foolbox's attacks."""

from functools import cache

import keras
import numpy as np
import pytest
from backends import BACKENDS, passes_on
from models import SHAPE, WEIGHTS, curved, images, linear, linear_model, own_predictions, scores

from oncorobust.attacks.box_l2 import l2_distance
from oncorobust.attacks.coarse_target import CoarseTarget
from oncorobust.attacks.fmn_l2 import fmn_l2
from oncorobust.attacks.goals import Goal, leave
from oncorobust.attacks.input_layers import tied_channels
from oncorobust.attacks.target import Target


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_other_backends_pass_too(backend: str) -> None:
    passes_on(backend, __file__)


def exact_distance(x: np.ndarray) -> float:
    """The least l2 norm that flips one image of `linear()` in the box, by bisection of the factor of the move."""
    margin = scores(x[np.newaxis])[0]
    falling = -np.sign(margin) * WEIGHTS

    def change(factor: float) -> np.ndarray:
        return np.clip(x + factor * falling, 0, 1) - x

    low, high = 0.0, 1e6
    if abs(margin) > (falling * change(high)).sum():
        return np.inf
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (falling * change(middle)).sum() < abs(margin) else (low, middle)
    return float(np.linalg.norm(change(high)))


def test_on_a_linear_classifier_the_distance_is_the_margin_by_the_l2_norm() -> None:
    x = images(0.3, 0.7)
    exact = np.abs(scores(x)) / np.linalg.norm(WEIGHTS)
    found = fmn_l2(linear(), x, own_predictions(linear(), x), max_iter=10)
    np.testing.assert_allclose(found.distance, exact, rtol=1e-4, atol=1e-6)
    assert (found.distance >= exact * (1 - 1e-5)).all()


def test_with_the_box_in_the_way_the_distance_is_the_exact_optimum() -> None:
    x = images(-0.5, 1.5)
    exact = np.array([exact_distance(one.astype(np.float64)) for one in x])
    assert (exact > 1.1 * np.abs(scores(x)) / np.linalg.norm(WEIGHTS)).sum() > 30, "the box does matter"
    found = fmn_l2(linear(), x, own_predictions(linear(), x), max_iter=20)
    np.testing.assert_array_equal(np.isfinite(found.distance), np.isfinite(exact))
    np.testing.assert_allclose(found.distance, exact, rtol=1e-3)


def test_a_grey_image_counts_once_and_its_channels_stay_tied() -> None:
    x = images(0.3, 0.7)[..., :1]
    grey_weights = WEIGHTS.sum(axis=2)
    target = Target(tied_channels(linear_model(WEIGHTS)))
    found = fmn_l2(target, x, own_predictions(target, x), max_iter=10)
    exact = np.abs((x[..., 0].astype(np.float64) * grey_weights).sum(axis=(1, 2))) / np.linalg.norm(grey_weights)
    np.testing.assert_allclose(found.distance, exact, rtol=1e-4, atol=1e-6)


def test_what_is_found_is_adversarial_in_the_box_and_as_far_as_stated() -> None:
    x = images(-0.2, 1.2)
    goal = own_predictions(curved(), x)
    found = fmn_l2(curved(), x, goal, max_iter=30)
    assert (curved().margins(found.x_adv, goal) < 0).all()
    assert found.x_adv.min() >= 0
    assert found.x_adv.max() <= 1
    np.testing.assert_array_equal(found.distance, l2_distance(x, found.x_adv))


def test_an_image_that_is_already_adversarial_is_its_own_nearest() -> None:
    x = images(0.3, 0.7, n=4)
    wrong = leave(1 - linear().logits(x).argmax(axis=1), n_classes=2)
    found = fmn_l2(linear(), x, wrong, max_iter=4)
    np.testing.assert_array_equal(found.distance, 0)
    np.testing.assert_array_equal(found.x_adv, x)


def test_without_a_gradient_nothing_is_found() -> None:
    target = Target(linear_model(np.zeros(SHAPE), bias=1.0))
    x = images(0, 1, n=3)
    found = fmn_l2(target, x, own_predictions(target, x), max_iter=4)
    np.testing.assert_array_equal(found.distance, np.inf)
    np.testing.assert_array_equal(found.x_adv, x)


@pytest.mark.parametrize("max_iter", [7, 31])
def test_an_image_costs_the_gradients_it_was_given_and_at_most_12_forward_passes(max_iter: int) -> None:
    x = images(0, 1, n=6)
    target = Target(linear_model(WEIGHTS))
    goal = own_predictions(target, x)
    forwards = target.cost.n_forwards
    fmn_l2(target, x, goal, max_iter=max_iter)
    assert target.cost.n_gradients == max_iter * 6
    assert 0 < target.cost.n_forwards - forwards <= 12 * 6


def test_an_image_gets_in_a_batch_what_it_gets_alone() -> None:
    x = images(0, 1, n=6)
    goal = own_predictions(curved(), x)
    together = fmn_l2(curved(), x, goal, max_iter=12)
    alone = fmn_l2(curved(), x[2:3], goal.at(np.array([2])), max_iter=12)
    np.testing.assert_allclose(together.distance[2], alone.distance[0], rtol=1e-4)


class Overconfident(CoarseTarget):
    """A coarse target whose own margins are far too low: everything seems adversarial to it."""

    def _confirmed(self, x: np.ndarray, margin: np.ndarray, goal: Goal) -> np.ndarray:
        return super()._confirmed(x, margin - 10, goal)


def test_what_only_a_coarse_precision_calls_adversarial_does_not_count() -> None:
    x = images(0.3, 0.7, n=8)
    target = Overconfident(linear_model(WEIGHTS), precision="bfloat16")
    found = fmn_l2(target, x, own_predictions(linear(), x), max_iter=20)
    exact = np.abs(scores(x)) / np.linalg.norm(WEIGHTS)
    assert (found.distance >= exact * (1 - 1e-5)).all()
    assert (linear().margins(found.x_adv, own_predictions(linear(), x)) < 0).all()
    np.testing.assert_allclose(found.distance, exact, rtol=0.02)


class TwoSided(Target):
    """One-pixel images at 0.5 whose class changes at 0.8 and, behind a hill of the margin at 0.49, at 0.4."""

    def __init__(self) -> None:
        """Nothing to compile."""

    def margins(self, x: np.ndarray, goal: Goal) -> np.ndarray:
        """Fall from 0.49 to both sides."""
        assert len(x) == len(goal)
        at = x[:, 0, 0, 0]
        return np.where(at > 0.49, 0.8 - at, 0.31 * (at - 0.4) / 0.09).astype(np.float32)

    def margin_gradient(self, x: np.ndarray, goal: Goal) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of the loss, minus that of the margin."""
        return self.margins(x, goal), np.where(x > 0.49, 1, -0.31 / 0.09).astype(np.float32)


def test_the_second_half_looks_on_the_other_side_of_the_image() -> None:
    x = np.full((1, 1, 1, 1), 0.5, dtype=np.float32)
    goal = leave(np.zeros(1, dtype=int), n_classes=2)
    np.testing.assert_allclose(fmn_l2(TwoSided(), x, goal, max_iter=29).distance, [0.3], rtol=1e-3)
    np.testing.assert_allclose(fmn_l2(TwoSided(), x, goal, max_iter=30).distance, [0.1], rtol=1e-3)


class Flat(Target):
    """One-pixel images at 0.5 whose class changes at 0.6, and whose margin hardly falls on the way there, and deep."""

    def __init__(self, edge: float = 0.6) -> None:
        """Nothing to compile."""
        self.edge = edge

    def margins(self, x: np.ndarray, goal: Goal) -> np.ndarray:
        """Fall by 10 at the edge."""
        assert len(x) == len(goal)
        at = x[:, 0, 0, 0]
        return np.where(at < self.edge, 0.05 - 0.1 * (at - 0.5), -10).astype(np.float32)

    def margin_gradient(self, x: np.ndarray, goal: Goal) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of the loss, minus that of the margin."""
        return self.margins(x, goal), np.full_like(x, 0.1)


def test_the_first_adversarial_iterate_is_drawn_in_by_bisection() -> None:
    x = np.full((1, 1, 1, 1), 0.5, dtype=np.float32)
    goal = leave(np.zeros(1, dtype=int), n_classes=2)
    found = fmn_l2(Flat(), x, goal, max_iter=2)
    # The linear estimate is the edge of the box at 0.5; bisected, the excess is at most 0.5 / 2^5.
    assert 0.1 <= found.distance[0] <= 0.1 + 0.5 / 2**5


def test_before_the_first_adversarial_iterate_the_ball_grows_fast() -> None:
    """The margin is underestimated so far that the estimate is of no use: 0.01, 0.013, 0.0169, ... reach 0.1."""

    class Underestimated(Flat):
        def margin_gradient(self, x: np.ndarray, goal: Goal) -> tuple[np.ndarray, np.ndarray]:
            return self.margins(x, goal), np.full_like(x, 5)

    x = np.full((1, 1, 1, 1), 0.5, dtype=np.float32)
    goal = leave(np.zeros(1, dtype=int), n_classes=2)
    assert np.isinf(fmn_l2(Underestimated(), x, goal, max_iter=3).distance[0])
    assert 0.1 <= fmn_l2(Underestimated(), x, goal, max_iter=12).distance[0] <= 0.13


@cache
def two_layers(n_classes: int) -> keras.Model:
    """Two dense layers with ReLU, the same weights on each backend."""
    rng = np.random.default_rng(n_classes)
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(24, activation="relu"),
            keras.layers.Dense(n_classes),
        ]
    )
    model.set_weights([rng.normal(0, 0.2, one.shape) for one in model.get_weights()])
    return model


def test_on_two_layers_it_comes_as_close_as_the_nearest_piece_of_the_boundary() -> None:
    """Within the cell of its active units the net is linear: there no point of the boundary is nearer than stated."""
    x = images(0.2, 0.8, n=12)
    target = Target(two_layers(2))
    found = fmn_l2(target, x, own_predictions(target, x), max_iter=60)
    kernel, bias, out, out_bias = (one.astype(np.float64) for one in two_layers(2).get_weights())
    n_exact = 0
    for one, near, distance in zip(x, found.x_adv, found.distance, strict=True):
        start, active = one.ravel().astype(np.float64), near.ravel() @ kernel + bias > 0
        weights = (kernel * active) @ (out[:, 0] - out[:, 1])
        offset = (bias * active) @ (out[:, 0] - out[:, 1]) + out_bias[0] - out_bias[1]
        assert distance >= 0.999 * abs(start @ weights + offset) / np.linalg.norm(weights)
        if near.min() > 0 and near.max() < 1 and _same_cell(start, weights, offset, kernel, bias, active):
            np.testing.assert_allclose(distance, abs(start @ weights + offset) / np.linalg.norm(weights), rtol=2e-3)
            n_exact += 1
    assert n_exact >= 3


def _same_cell(
    start: np.ndarray,
    weights: np.ndarray,
    offset: float,
    kernel: np.ndarray,
    bias: np.ndarray,
    active: np.ndarray,
) -> bool:
    """Whether the foot of the perpendicular on the boundary of a cell lies in that cell."""
    foot = start - (start @ weights + offset) / (weights @ weights) * weights
    return bool(((foot @ kernel + bias > 0) == active).all())


@pytest.mark.filterwarnings("ignore:.*is_gpu_available:DeprecationWarning")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_foolbox_finds_nothing_nearer(n_classes: int) -> None:
    foolbox = pytest.importorskip("foolbox", reason="Foolbox is not installed: pip install oncorobust[oracle]")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Foolbox runs here on TensorFlow")
    import tensorflow as tf

    x, model = images(-0.2, 1.2, n=6), two_layers(n_classes)
    target, peer = Target(model), foolbox.TensorFlowModel(model, bounds=(0, 1), device="/CPU:0")
    goal = own_predictions(target, x)
    own = fmn_l2(target, x, goal, max_iter=40)
    for attack in (
        foolbox.attacks.DDNAttack(steps=40),
        foolbox.attacks.L2FMNAttack(steps=40),
        foolbox.attacks.L2DeepFoolAttack(steps=20),
        foolbox.attacks.L2CarliniWagnerAttack(steps=30, binary_search_steps=3, stepsize=0.02),
    ):
        _, x_adv, _ = attack(peer, tf.constant(x), tf.constant(goal.own.argmax(axis=1)), epsilons=None)
        theirs = np.where(target.margins(x_adv.numpy(), goal) < 0, l2_distance(x, x_adv.numpy()), np.inf)
        assert np.isfinite(theirs).any(), attack
        assert (own.distance <= 1.02 * theirs).all(), (attack, own.distance / theirs)


def test_the_last_point_is_checked_too() -> None:
    x = images(0.3, 0.7, n=3)
    found = fmn_l2(linear(), x, own_predictions(linear(), x), max_iter=1)
    assert np.isfinite(found.distance).all()
