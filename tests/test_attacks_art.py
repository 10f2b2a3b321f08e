"""The engine against ART at equal settings and starts, and its PGD in the place of ART's."""

from functools import cache

import numpy as np
import pytest
from art.attacks.evasion import (
    BasicIterativeMethod,
    FastGradientMethod,
    ProjectedGradientDescent,
    ProjectedGradientDescentNumpy,
)
from art.estimators.classification import BlackBoxClassifier
from art.exceptions import EstimatorError
from art.metrics import adversarial_accuracy
from art.utils import random_sphere
from models import SHAPE, balanced_weights, linear_model, net_of_numpy_weights

from oncorobust.attacks.art_attack import LinfPGD
from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.goals import Goal, cross_entropy_loss, leave
from oncorobust.attacks.target import Target

N = 12
EPSILON = 0.1


@cache
def classifier(n_classes: int = 3) -> KerasClassifier:
    return KerasClassifier(net_of_numpy_weights(n_classes))


@cache
def targeted(n_classes: int, sign: int) -> Target:
    """ART climbs the cross-entropy of the label to leave, and descends that of the label to reach."""
    return Target(
        classifier(n_classes).model, loss=lambda logits, own, rivals: sign * cross_entropy_loss(logits, own, rivals)
    )


def images(n: int = N) -> np.ndarray:
    return np.random.default_rng(7).uniform(0, 1, (n, *SHAPE)).astype(np.float32)


def labels(n_classes: int) -> np.ndarray:
    return np.arange(N) % n_classes


def last_iterate(target: Target, start: np.ndarray, goal: Goal, *, eps_step: float, max_iter: int) -> np.ndarray:
    radius = np.full((N, 1, 1, 1), EPSILON)
    return target.walk(start, images(), goal, radius=radius, eps_step=np.full(N, eps_step), n_steps=max_iter).x_last


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("is_targeted", [False, True], ids=["untargeted", "targeted"])
@pytest.mark.parametrize(
    ("arts", "eps_step", "max_iter"),
    [(FastGradientMethod, EPSILON, 1), (BasicIterativeMethod, 0.01, 10), (ProjectedGradientDescentNumpy, 0.03, 7)],
)
def test_with_equal_settings_and_start_arts_adversarial_examples_are_ours(
    arts, eps_step, max_iter, is_targeted, n_classes
):
    y = np.eye(n_classes, dtype=np.float32)[labels(n_classes)]
    chosen = {"eps": EPSILON, "eps_step": eps_step, "targeted": is_targeted}
    if arts is not FastGradientMethod:
        chosen |= {"max_iter": max_iter, "verbose": False}
    expected = arts(classifier(n_classes), **chosen).generate(images(), y)
    target = targeted(n_classes, -1 if is_targeted else 1)
    goal = leave(labels(n_classes), n_classes=n_classes)
    found = last_iterate(target, images(), goal, eps_step=eps_step, max_iter=max_iter)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_from_arts_own_random_start_the_walk_is_arts():
    y = labels(3)
    np.random.seed(5)
    expected = ProjectedGradientDescentNumpy(
        classifier(), eps=EPSILON, eps_step=0.03, max_iter=7, num_random_init=1, verbose=False
    ).generate(images(), y)
    np.random.seed(5)
    noise = random_sphere(N, int(np.prod(SHAPE)), EPSILON, np.inf).reshape(N, *SHAPE).astype(np.float32)
    start = np.clip(images() + noise, 0, 1)
    found = last_iterate(targeted(3, 1), start, leave(y, n_classes=3), eps_step=0.03, max_iter=7)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


SETTINGS = {"eps": 0.03, "eps_step": 0.0075, "max_iter": 10, "batch_size": 5, "verbose": False}


def flipped(x_adv: np.ndarray, y: np.ndarray) -> np.ndarray:
    return classifier().predict(x_adv).argmax(axis=1) != y


@pytest.mark.parametrize("loss", ["margin", "cross_entropy"])
def test_in_arts_place_it_flips_whatever_arts_pgd_flips(loss):
    y = classifier().predict(images()).argmax(axis=1)
    arts = flipped(ProjectedGradientDescent(classifier(), **SETTINGS).generate(images()), y)
    ours = flipped(LinfPGD(classifier(), **SETTINGS, loss=loss).generate(images()), y)
    assert 0 < arts.sum() < N
    assert (ours >= arts).all()


def test_without_labels_it_leaves_the_models_own_predictions():
    y = classifier().predict(images()).argmax(axis=1)
    attack = LinfPGD(classifier(), **SETTINGS, num_random_init=2)
    from_none = attack.generate(images())
    np.testing.assert_array_equal(from_none, attack.generate(images(), y))
    np.testing.assert_array_equal(from_none, attack.generate(images(), np.eye(3)[y]))
    other = attack.generate(images(), (y + 1) % 3)
    np.testing.assert_array_equal(other, images(), err_msg="these labels are left already")


def test_a_targeted_attack_reaches_what_arts_reaches():
    y = (classifier().predict(images()).argmax(axis=1) + 1) % 3
    chosen = SETTINGS | {"eps": 0.04, "eps_step": 0.01, "targeted": True}
    arts = ProjectedGradientDescent(classifier(), **chosen).generate(images(), y)
    reached = ~flipped(arts, y)
    assert 0 < reached.sum() < N
    for loss in ("margin", "cross_entropy"):
        x_adv = LinfPGD(classifier(), **chosen, loss=loss).generate(images(), y)
        assert (~flipped(x_adv, y) >= reached).all()
        assert np.abs(x_adv - images()).max() <= 0.04 + 1e-6
    with pytest.raises(ValueError, match="expected target labels y for a targeted attack, got none"):
        LinfPGD(classifier(), **chosen).generate(images())


def test_a_batch_may_hold_as_many_epsilons_as_images():
    weights = balanced_weights() / np.abs(balanced_weights()).sum()
    linear = KerasClassifier(linear_model(weights))
    x = np.random.default_rng(0).uniform(0.3, 0.7, (N, *SHAPE)).astype(np.float32)
    margins = np.abs((x.astype(np.float64) * weights).sum(axis=(1, 2, 3)))
    eps = margins * np.tile([0.9, 1.1], N // 2)
    for shape in ((N,), (N, 1, 1, 1)):
        attack = LinfPGD(
            linear, eps=eps.reshape(shape), eps_step=eps.reshape(shape) / 4, max_iter=10, batch_size=5, verbose=False
        )
        x_adv = attack.generate(x)
        changed = linear.predict(x_adv).argmax(axis=1) != linear.predict(x).argmax(axis=1)
        np.testing.assert_array_equal(changed, np.tile([False, True], N // 2))
        assert (np.abs(x_adv - x).max(axis=(1, 2, 3)) <= eps + 1e-6).all()


def test_epsilon_zero_and_no_images_give_the_images_back():
    attack = LinfPGD(classifier(), eps=0.0, eps_step=0.1, max_iter=3, num_random_init=1, verbose=False)
    np.testing.assert_array_equal(attack.generate(images()), images())
    assert attack.generate(images(0)).shape == (0, *SHAPE)


def test_masked_pixels_stay_as_they_do_with_art():
    mask = np.zeros(SHAPE)
    mask[2:4, :, 0] = 1
    attack = LinfPGD(classifier(), **SETTINGS, num_random_init=1)
    moved = attack.generate(images(), mask=mask) != images()
    assert not moved[:, mask == 0].any()
    assert moved[:, mask == 1].any()
    whole = attack.generate(images(), mask=np.ones((N, 1, 1, 1)))
    np.testing.assert_allclose(whole, attack.generate(images()), rtol=0, atol=1e-6)


def test_the_seed_decides_the_random_starts_and_arts_generator_does_not():
    chosen = SETTINGS | {"eps": 0.01, "eps_step": 0.001, "max_iter": 1, "num_random_init": 1}
    first = LinfPGD(classifier(), **chosen, seed=1).generate(images())
    np.random.rand(3)
    np.testing.assert_array_equal(first, LinfPGD(classifier(), **chosen, seed=1).generate(images()))
    assert not np.array_equal(first, LinfPGD(classifier(), **chosen, seed=2).generate(images()))


def test_it_is_one_of_arts_attacks_by_its_parameters():
    attack = LinfPGD(classifier(), verbose=False)
    arts = ProjectedGradientDescent(classifier(), verbose=False)
    for name in arts.attack_params:
        if name != "summary_writer":
            assert getattr(attack, name) == (getattr(arts, name) if hasattr(arts, name) else None), name
    assert "LinfPGD(norm=inf, eps=0.3, eps_step=0.1, " in repr(attack)
    attack.set_params(eps=0.05, eps_step=0.01, loss="cross_entropy")
    assert (attack.eps, attack.eps_step, attack.loss) == (0.05, 0.01, "cross_entropy")
    with pytest.raises(ValueError, match='The attribute "epsilon" cannot be set for this attack'):
        attack.set_params(epsilon=0.1)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"norm": 2}, ValueError, "expected norm inf, got 2"),
        ({"norm": 0.5}, ValueError, "Norm order must be"),
        ({"random_eps": True}, ValueError, "random_eps, decay and summary_writer are not supported"),
        ({"loss": "dlr"}, ValueError, "expected loss margin or cross_entropy, got 'dlr'"),
        ({"eps": -0.1}, ValueError, "`eps` has to be nonnegative"),
        ({"eps_step": 0.0}, ValueError, "`eps_step` has to be positive"),
        ({"eps": np.array([0.1, 0.2])}, TypeError, "must have the same type"),
        (
            {"eps": np.array([0.1, 0.2]), "eps_step": np.array([0.1, 0.1])},
            ValueError,
            "expected one ratio of eps_step to eps, got 0.5 to 1.0",
        ),
        ({"max_iter": -1}, ValueError, "`max_iter` has to be a nonnegative"),
        ({"batch_size": 0}, ValueError, "batch size"),
        ({"num_random_init": 1.5}, TypeError, "random initialisations has to be of type integer"),
        ({"targeted": 1}, ValueError, "`targeted` has to be of type bool"),
    ],
)
def test_bad_arguments_are_refused_by_arts_checks_or_ours(wrong, error, message):
    attack = LinfPGD(classifier(), verbose=False)
    with pytest.raises(error, match=message):
        attack.set_params(**wrong)


def test_an_eps_for_another_number_of_images_is_refused():
    two = np.array([0.1, 0.2])
    with pytest.raises(ValueError, match="expected one eps, or one for each of 12 images, got 2"):
        LinfPGD(classifier(), eps=two, eps_step=two, verbose=False).generate(images())


def test_art_itself_refuses_another_estimator():
    with pytest.raises(EstimatorError, match="KerasClassifier"):
        LinfPGD(BlackBoxClassifier(lambda x: x, input_shape=SHAPE, nb_classes=2))


def test_arts_metrics_take_it():
    clean = classifier().predict(images()).argmax(axis=1)
    attack = LinfPGD(classifier(), **SETTINGS)
    expected = 1 - flipped(attack.generate(images()), clean).mean()
    assert adversarial_accuracy(classifier(), images(), attack_crafter=attack) == pytest.approx(expected)
