"""NaN and infinity in images, logits, gradients and results: attacked from beside a tie, or refused by name."""

import keras
import numpy as np
import pytest
from keras import ops
from models import SHAPE, UNIT_WEIGHTS, images_in_memory, interior_images, linear_model
from test_paper_attacks import perturb

from oncorobust.attacks.apgd import apgd
from oncorobust.attacks.art_attack import LinfPGD
from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.finite import beside, checked_result
from oncorobust.attacks.fmn import fmn
from oncorobust.attacks.goals import leave
from oncorobust.attacks.linf import Ball, pgd, walk
from oncorobust.attacks.minimal_epsilon import Stage, search
from oncorobust.attacks.target import Target
from oncorobust.base.errors import InputError
from oncorobust.evaluation.ties import images_at_ties, tie_warning
from oncorobust.settings.load import load_params

LARGEST = 0.5
CONSTANTS = np.stack([np.full(SHAPE, value, dtype=np.float32) for value in (0.0, 0.5, 1.0)])
ATTACKS = load_params("params.yaml").attacks


@keras.saving.register_keras_serializable("tests")
class Normalised(keras.layers.Layer):
    """(x - 0.25) / (norm(x - mean) + c): a constant image has finite logits and no finite gradient."""

    def call(self, x):
        middle = ops.mean(x, axis=(1, 2, 3), keepdims=True)
        size = ops.sqrt(ops.sum(ops.square(x - middle), axis=(1, 2, 3), keepdims=True))
        return (x - 0.25) / (size + 0.05)


@keras.saving.register_keras_serializable("tests")
class TrapBelow(keras.layers.Layer):
    """The root of x - 0.8 above 0.8, 0 below: the gradient is NaN in all of the region below."""

    def call(self, x):
        return ops.where(x > 0.8, ops.power(x - 0.8, 0.5), 0.0)


def behind(layer):
    """A linear model behind a layer; its weights do not sum to 0, so that a norm has a share in the gradient."""
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, linear_model(UNIT_WEIGHTS + 0.001)(layer(inputs)))


def goal_of(target, x):
    return leave(target.logits(x).argmax(axis=1), n_classes=2)


def is_nan_somewhere(model, x):
    gradient = KerasClassifier(model)
    return ~gradient.has_finite_gradient(x, np.zeros(len(x), dtype=int))


def test_the_models_of_these_tests_have_no_gradient_at_constant_images():
    assert is_nan_somewhere(behind(Normalised()), CONSTANTS).all()
    assert not is_nan_somewhere(behind(Normalised()), interior_images(4)).any()


def test_the_point_beside_is_in_the_box_near_not_constant_and_its_own():
    near = beside(CONSTANTS)
    assert near.min() >= 0
    assert near.max() <= 1
    change = np.abs(near - CONSTANTS)
    assert 0 < change.min() < change.max() <= 0.001 + 1e-6
    assert (near.std(axis=(1, 2, 3)) > 1e-5).all()
    np.testing.assert_array_equal(beside(CONSTANTS[1:2]), near[1:2])


def test_an_image_at_a_tie_is_attacked_and_its_neighbours_are_not_changed():
    target = Target(behind(Normalised()))
    others = interior_images(4)
    x = np.concatenate([CONSTANTS, others])
    ball = Ball(x, np.full(len(x), LARGEST), goal_of(target, x))
    within = {"rel_eps_step": 0.25, "max_iter": 10}
    alone = walk(target, ball.at(np.arange(3, 7)), others, **within)
    together = walk(target, ball, x, **within)
    assert together.flipped[:3].all()
    np.testing.assert_array_equal(together.x_adv[3:], alone.x_adv)
    for found in (
        pgd(target, ball, num_random_init=1, rng=np.random.default_rng(0), **within),
        apgd(target, ball, x, max_iter=20, num_random_init=0, rng=np.random.default_rng(0)),
        fmn(target, ball, x, max_iter=20),
    ):
        checked_result(found.x_adv, x, LARGEST, stage="test")
        assert found.flipped[:3].all()


def test_the_search_gives_an_image_at_a_tie_an_interval():
    target = Target(behind(Normalised()))

    def attack(target, ball, start):
        return walk(target, ball, start, rel_eps_step=0.25, max_iter=10)

    stages = [Stage("pgd", attack, attack)]
    goal = goal_of(target, CONSTANTS)
    for _, found in search(target, CONSTANTS, goal, stages=stages, epsilons=[0.001, LARGEST], relative_width=0.05):
        assert np.isfinite(found.last_safe).all()
        assert (found.last_safe <= found.first_flipped).all()
        assert (found.first_flipped <= LARGEST).all()


def test_several_steps_in_one_call_pass_through_a_tie_as_one_by_one():
    target = Target(behind(Normalised()))
    goal = goal_of(target, CONSTANTS)
    within = {"radius": np.full((3, 1, 1, 1), 0.1), "eps_step": np.full(3, 0.03)}
    current = CONSTANTS
    for _ in range(4):
        current = target.walk(current, CONSTANTS, goal, **within, n_steps=1).x_last
    together = target.walk(CONSTANTS, CONSTANTS, goal, **within, n_steps=4)
    np.testing.assert_allclose(together.x_last, current, rtol=0, atol=1e-6)


@pytest.mark.parametrize("attack", ["fgsm", "bim", "pgd"])
def test_the_papers_attacks_leave_a_tie(attack):
    classifier = KerasClassifier(behind(Normalised()))
    answers = np.eye(2, dtype=np.float32)[classifier.predict(CONSTANTS).argmax(axis=1)]
    x_adv = perturb(classifier, CONSTANTS, answers, attack=attack, epsilon=LARGEST, settings=ATTACKS, seed=0)
    assert (np.abs(x_adv - CONSTANTS).max(axis=(1, 2, 3)) > 0.1).all()


def test_a_gradient_that_is_nan_beside_the_image_too_is_refused_by_name():
    model, x = behind(TrapBelow()), interior_images(4)
    target = Target(model)
    named = leave(np.zeros(4, dtype=int), n_classes=2, names=["a", "b", "c", "d"])
    ball = Ball(x, np.full(4, 0.01), named).at(np.array([1, 3]))
    found = r"gradients: expected finite gradients, got values that are not finite at, and beside, image b, d: look for"
    for attack in (
        lambda: walk(target, ball, ball.x, rel_eps_step=0.25, max_iter=2),
        lambda: apgd(target, ball, ball.x, max_iter=2, num_random_init=0, rng=np.random.default_rng(0)),
        lambda: fmn(target, ball, ball.x, max_iter=2),
    ):
        with pytest.raises(InputError, match=found):
            attack()
    classifier = KerasClassifier(model)
    for gradient in (classifier.loss_gradient, classifier.class_gradient):
        with pytest.raises(InputError, match="beside, the image at position 0, 1, 2 and 1 more"):
            gradient(x, np.zeros(4, dtype=int))


def test_logits_that_are_not_finite_are_refused_by_name_during_an_attack():
    target = Target(linear_model(np.full(SHAPE, np.nan)))
    x = interior_images(2)
    ball = Ball(x, np.full(2, 0.01), leave(np.zeros(2, dtype=int), n_classes=2, names=["a", "b"]))
    for attack in (
        lambda: walk(target, ball, x, rel_eps_step=0.25, max_iter=2),
        lambda: target.walk(x, x, ball.goal, radius=ball.radius, eps_step=ball.epsilon, n_steps=3),
        lambda: target.margins(x, ball.goal),
        lambda: target.margin_gradient(x, ball.goal),
        lambda: cascade(KerasClassifier(linear_model(np.full(SHAPE, np.nan))), settings=ATTACKS, seed=0)[5].attack(
            target, ball, x
        ),
    ):
        with pytest.raises(InputError, match="expected finite logits, got a margin of nan for image a, b"):
            attack()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_that_are_not_finite_are_refused_by_position(value):
    classifier, x = KerasClassifier(linear_model(UNIT_WEIGHTS)), interior_images(4)
    x[2, 0, 0, 0] = value
    for ask in (
        lambda: classifier.predict(x),
        lambda: classifier.loss_gradient(x, np.zeros(4, dtype=int)),
        lambda: Target(classifier.model).logits(x),
    ):
        with pytest.raises(InputError, match=r"expected finite pixels.* in the image at position 2"):
            ask()


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01, 0.9])
def test_a_result_that_is_not_finite_or_outside_ball_or_box_is_refused(value):
    x = interior_images(3)
    assert checked_result(x, x, 0.1, stage="fgsm").dtype == np.float32
    x_adv = x.copy()
    x_adv[1, 2, 3, 0] = value
    with pytest.raises(ArithmeticError, match=r"fgsm: expected finite pixels in \[0, 1\] within 0.1 .* at position 1"):
        checked_result(x_adv, x, 0.1, stage="fgsm")


def test_a_search_refuses_what_an_attack_returns_outside_its_ball():
    target, x = Target(linear_model(UNIT_WEIGHTS)), interior_images(2)

    def astray(target, ball, start):
        found = walk(target, ball, start, rel_eps_step=1.0, max_iter=1)
        found.x_adv[0, 0, 0, 0] = np.nan
        return found

    with pytest.raises(ArithmeticError, match=r"astray: .* in the image at position 0"):
        stages = [Stage("astray", astray, astray)]
        list(search(target, x, goal_of(target, x), stages=stages, epsilons=[0.1], relative_width=0.1))


def test_linf_pgd_attacks_an_image_at_a_tie():
    classifier = KerasClassifier(behind(Normalised()))
    attack = LinfPGD(classifier, eps=LARGEST, eps_step=0.1, max_iter=10, verbose=False)
    flipped = classifier.predict(attack.generate(CONSTANTS)).argmax(axis=1) != classifier.predict(CONSTANTS).argmax(
        axis=1
    )
    assert flipped.all()


def test_images_at_ties_are_named_in_a_warning():
    x = np.concatenate([interior_images(2), CONSTANTS])
    data = images_in_memory(x, np.zeros(len(x), dtype=int))
    ids = images_at_ties(KerasClassifier(behind(Normalised())), data)
    assert ids == data.image_ids[2:]
    assert tie_warning([]) is None
    assert f"not finite at 3 images ({', '.join(ids)})" in tie_warning(ids)
    assert "(a, b, c, d, e and 1 more)" in tie_warning(list("abcdef"))
