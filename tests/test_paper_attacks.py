"""Attacks against closed forms on a linear classifier, against ART, and inside their ball and box."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import SHAPE, balanced_weights, linear_model, small_convolutional_net
from msgspec.structs import replace

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.attacks.paper_attacks import perturb
from oncorobust.settings.attacks import Apgd, Attacks, Converged, Fmn, IterativeAttack, Square, Strict

TABLE_S1 = Attacks(
    protocols=("paper", "strict"),
    batch_size=16,
    table_epsilons=(0.002,),
    bim=IterativeAttack(max_iter=10, rel_eps_step=0.1, num_random_init=0),
    pgd=IterativeAttack(max_iter=10, rel_eps_step=0.25, num_random_init=2),
    strict=Strict(
        relative_width=0.05,
        search_precision="float32",
        apgd=Apgd(max_iter=10, num_random_init=1, n_targets=2),
        fmn=Fmn(max_iter=10),
        square=Square(max_queries=20),
        converged=Converged(max_iter=20, rel_eps_step=0.1),
        threats=("tied", "noise"),
        noise="sign",
    ),
)
ONE_HOT = np.eye(2, dtype=np.float32)


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    return balanced_weights()


@pytest.fixture(scope="module")
def linear(weights) -> KerasClassifier:
    return KerasClassifier(linear_model(weights))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.3, 0.7, (40, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("attack", PAPER_ATTACKS)
@pytest.mark.parametrize("epsilon", [0.001, 0.01, 0.05, 0.2])
def test_on_a_linear_classifier_an_image_flips_where_its_margin_is_within_epsilon_times_l1(
    linear, weights, images, attack, epsilon
):
    margin = (images * weights).sum(axis=(1, 2, 3))
    predicted = (margin > 0).astype(int)
    x_adv = perturb(linear, images, ONE_HOT[predicted], attack=attack, epsilon=epsilon, settings=TABLE_S1, seed=0)
    flips = linear.predict(x_adv).argmax(axis=1) != predicted
    reach = epsilon * np.abs(weights).sum()
    clear = np.abs(np.abs(margin) - reach) > 1e-4  # float32 may decide an image on the very border either way
    np.testing.assert_array_equal(flips[clear], (np.abs(margin) < reach)[clear])
    assert clear.sum() > 35


@pytest.mark.parametrize("attack", PAPER_ATTACKS)
@settings(max_examples=8, deadline=None)
@given(epsilon=st.floats(1e-5, 0.9), seed=st.integers(0, 99))
def test_adversarial_examples_stay_in_the_ball_and_the_box(attack, epsilon, seed):
    classifier = curved()
    x = np.random.default_rng(seed).uniform(0, 1, (3, *SHAPE)).astype(np.float32)
    one_hot = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    x_adv = perturb(classifier, x, one_hot, attack=attack, epsilon=epsilon, settings=TABLE_S1, seed=seed)
    assert np.abs(x_adv - x).max() <= epsilon + 1e-6
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1


@cache
def curved() -> KerasClassifier:
    """A small net, made once; hypothesis does not take fixtures of a module."""
    return KerasClassifier(small_convolutional_net())


def test_the_same_seed_gives_the_same_examples_whatever_was_drawn_before(linear, images):
    chosen = {"attack": "pgd", "epsilon": 0.05, "settings": TABLE_S1}
    first = perturb(linear, images, ONE_HOT[np.zeros(40, int)], seed=3, **chosen)
    np.random.rand(7)
    np.testing.assert_array_equal(first, perturb(linear, images, ONE_HOT[np.zeros(40, int)], seed=3, **chosen))


def test_random_starts_depend_on_the_seed():
    classifier = curved()
    x = np.random.default_rng(0).uniform(0.3, 0.7, (3, *SHAPE)).astype(np.float32)
    one_hot = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    few = replace(TABLE_S1, pgd=IterativeAttack(max_iter=1, rel_eps_step=0.01, num_random_init=1))
    chosen = {"attack": "pgd", "epsilon": 0.1, "settings": few}
    assert not np.array_equal(
        perturb(classifier, x, one_hot, seed=1, **chosen), perturb(classifier, x, one_hot, seed=2, **chosen)
    )


def test_an_unknown_attack_is_refused_by_name(linear, images):
    with pytest.raises(ValueError, match="expected one of fgsm, pgd, bim, got 'cw'"):
        perturb(linear, images, ONE_HOT[np.zeros(40, int)], attack="cw", epsilon=0.1, settings=TABLE_S1, seed=0)
