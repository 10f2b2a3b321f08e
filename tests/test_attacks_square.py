"""Square through ART against closed forms on linear classifiers, its cost, and its independence of the batch."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from art.attacks.evasion import SquareAttack
from hypothesis import given, settings
from hypothesis import strategies as st
from models import SHAPE, WEIGHTS, images, least_margins, linear_model, scores, small_convolutional_net

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.goals import Goal, leave
from oncorobust.attacks.linf import Ball
from oncorobust.attacks.square import square


class Counting(KerasClassifier):
    """Counts the images it predicts."""

    n_forwards = 0

    def predict(self, x: np.ndarray, batch_size: int | None = None, **kwargs: Any) -> np.ndarray:
        self.n_forwards += len(x)
        return super().predict(x, batch_size, **kwargs)


@cache
def linear() -> Counting:
    return Counting(linear_model(WEIGHTS))


@cache
def curved() -> Counting:
    return Counting(small_convolutional_net())


def own_predictions(classifier: KerasClassifier, x: np.ndarray) -> Goal:
    return leave(classifier.predict(x).argmax(axis=1), n_classes=classifier.nb_classes)


def test_on_a_linear_classifier_an_image_flips_where_its_margin_is_within_epsilon_times_l1():
    x = images(0.3, 0.7, n=20)
    exact = np.abs(scores(x)) / np.abs(WEIGHTS).sum()
    epsilon = exact * np.where(np.arange(20) % 2, 1.0002, 0.9998)
    found = square(linear(), Ball(x, epsilon, own_predictions(linear(), x)), max_queries=2000, seed=0)
    np.testing.assert_array_equal(found.flipped, np.arange(20) % 2 == 1)


def test_with_the_box_in_the_way_the_closest_try_is_the_best_corner():
    x, epsilon = images(-0.5, 1.5, n=20), np.linspace(0.005, 0.05, 20)
    found = square(linear(), Ball(x, epsilon, own_predictions(linear(), x)), max_queries=2000, seed=0)
    best = least_margins(x, epsilon)
    np.testing.assert_array_equal(found.flipped, best < 0)
    np.testing.assert_allclose(found.margin[best > 0], best[best > 0], atol=1e-5)
    assert 3 < found.flipped.sum() < 17


def test_every_pixel_can_be_moved_the_last_row_and_column_too():
    weights = np.zeros(SHAPE, dtype=np.float32)
    weights[-1, :], weights[:, -1] = 1, 1
    classifier = KerasClassifier(linear_model(weights, bias=float(-0.5 * weights.sum() - 0.05)))
    x = np.full((1, *SHAPE), 0.5, dtype=np.float32)
    ball = Ball(x, np.array([0.01]), leave(np.array([0]), n_classes=2))
    found = square(classifier, ball, max_queries=2000, seed=0)
    assert found.margin[0] < 0.05
    assert found.flipped[0]  # 33 values by 0.01 against 0.05


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1), (3, 9, 2), (12, 4, 1)])
def test_any_shape_of_image_can_be_attacked(shape):
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)])
    kernel = np.stack([np.zeros(np.prod(shape)), np.ones(np.prod(shape))], axis=1).astype(np.float32)
    model.layers[-1].set_weights([kernel, np.float32([0, -0.4 * np.prod(shape)])])
    x = np.full((2, *shape), 0.5, dtype=np.float32)
    ball = Ball(x, np.array([0.09, 0.11]), leave(np.array([1, 1]), n_classes=2))
    np.testing.assert_array_equal(square(KerasClassifier(model), ball, max_queries=1500, seed=0).flipped, [False, True])


def test_an_image_finds_the_same_alone_in_another_place_and_after_other_draws():
    x, epsilon = images(0, 1, n=9), np.array([0.002, 0.004, 0.008] * 3)
    goal = own_predictions(curved(), x)
    together = square(curved(), Ball(x, epsilon, goal), max_queries=60, seed=5)
    np.random.rand(11)
    for some in (np.array([3]), np.array([5]), np.array([8, 1, 4, 7, 2])):
        alone = square(curved(), Ball(x, epsilon, goal).at(some), max_queries=60, seed=5)
        np.testing.assert_allclose(alone.x_adv, together.x_adv[some], atol=1e-7)
        np.testing.assert_allclose(alone.margin, together.margin[some], atol=1e-5)
    other = square(curved(), Ball(x, epsilon, goal), max_queries=60, seed=6)
    assert not np.allclose(other.x_adv, together.x_adv)


@settings(max_examples=8, deadline=None)
@given(epsilon=st.floats(0, 1), seed=st.integers(0, 99), with_reach=st.booleans())
def test_what_is_found_lies_in_the_ball_and_the_box(epsilon, seed, with_reach):
    x = images(-0.2, 1.2, n=3, seed=seed)
    reach = np.random.default_rng(seed).choice([0, 0.5, 1], size=(3, 6, 6, 1)).astype(np.float32)
    labels = np.array([0, 1, 2])
    ball = Ball(x, np.array([0, epsilon, epsilon / 2]), leave(labels, n_classes=3), reach if with_reach else None)
    found = square(curved(), ball, max_queries=12, seed=seed)
    assert (np.abs(found.x_adv - x) <= ball.radius + 1e-6).all()
    assert found.x_adv.min() >= 0
    assert found.x_adv.max() <= 1
    logits = curved().predict(found.x_adv)
    np.testing.assert_array_equal(found.flipped, logits.argmax(axis=1) != labels)


def test_a_query_is_a_forward_pass_and_an_adversarial_image_costs_no_more():
    x = images(0.3, 0.7, n=10)
    labels = linear().predict(x).argmax(axis=1)
    labels[:4] = 1 - labels[:4]  # true labels that the model gets wrong: adversarial from the first query on
    ball = Ball(x, np.full(10, 1e-6), leave(labels, n_classes=2))
    linear().n_forwards = 0
    found = square(linear(), ball, max_queries=50, seed=0)
    np.testing.assert_array_equal(found.flipped, np.arange(10) < 4)
    assert 10 + 6 * 40 < linear().n_forwards <= 10 + 6 * 49


def test_it_flips_at_least_what_arts_square_attack_flips_on_the_images_themselves():
    x, epsilon = images(0, 1, n=30), 0.03
    labels = curved().predict(x).argmax(axis=1)
    np.random.seed(0)
    art_attack = SquareAttack(curved(), max_iter=800, eps=epsilon, batch_size=30, verbose=False)
    arts = curved().predict(art_attack.generate(x, np.eye(3, dtype=np.float32)[labels])).argmax(axis=1) != labels
    ours = square(curved(), Ball(x, np.full(30, epsilon), leave(labels, n_classes=3)), max_queries=800, seed=0)
    assert ours.flipped.sum() >= arts.sum()
    assert 0 < arts.sum() < 30


def test_fewer_than_two_queries_are_refused():
    x = images(0.3, 0.7, n=1)
    ball = Ball(x, np.array([0.1]), leave(np.array([0]), n_classes=2))
    with pytest.raises(ValueError, match="expected max_queries of 2 or more, got 1"):
        square(linear(), ball, max_queries=1, seed=0)
