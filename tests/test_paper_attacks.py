"""Attacks against closed forms on a linear classifier, against ART, and inside their ball and box."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from art.attacks.evasion import BasicIterativeMethod, FastGradientMethod, ProjectedGradientDescent
from hypothesis import given, settings
from hypothesis import strategies as st
from models import SHAPE, balanced_weights, linear_model, small_convolutional_net
from msgspec.structs import replace

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.attacks.paper_attacks import PaperAttacks
from oncorobust.base.seeds import child_seed
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


def perturb(
    classifier: KerasClassifier,
    x: np.ndarray,
    one_hot: np.ndarray,
    *,
    attack: str,
    epsilon: float,
    settings: Attacks,
    seed: int,
) -> np.ndarray:
    attacks = PaperAttacks(classifier, x, one_hot, classifier.predict(x).argmax(axis=1), seed=seed)
    return attacks.examples(attack, epsilon=epsilon, settings=settings)


def by_art(
    classifier: KerasClassifier, x: np.ndarray, one_hot: np.ndarray, *, attack: str, epsilon: float, pgd, seed: int
) -> np.ndarray:
    """The examples of ART's own attack objects, all images in one batch."""
    common = {"eps": epsilon, "batch_size": len(x)}
    if attack == "fgsm":
        return FastGradientMethod(classifier, **common).generate(x, one_hot)
    if attack == "bim":
        bim = TABLE_S1.bim
        steps = {"eps_step": epsilon * bim.rel_eps_step, "max_iter": bim.max_iter, "verbose": False}
        return BasicIterativeMethod(classifier, **common, **steps).generate(x, one_hot)
    np.random.seed(child_seed(seed, "pgd", epsilon))
    steps = {"eps_step": epsilon * pgd.rel_eps_step, "max_iter": pgd.max_iter, "verbose": False}
    starts = {"num_random_init": pgd.num_random_init}
    return ProjectedGradientDescent(classifier, **common, **steps, **starts).generate(x, one_hot)


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


@pytest.mark.parametrize("attack", PAPER_ATTACKS)
@settings(max_examples=12, deadline=None)
@given(
    epsilon=st.sampled_from([0.003, 0.05, 0.1, 0.2, 0.4]),
    seed=st.integers(0, 99),
    n_starts=st.integers(0, 5),
    away_from_answer=st.booleans(),
)
def test_the_examples_are_those_of_art_to_the_byte(attack, epsilon, seed, n_starts, away_from_answer):
    """Black and white pixels, restarts of which some change an answer, labels that the model does not give."""
    classifier = curved()
    x = np.random.default_rng(seed).uniform(-0.2, 1.2, (12, *SHAPE)).clip(0, 1).astype(np.float32)
    answers = classifier.predict(x).argmax(axis=1)
    labels = answers if away_from_answer else (answers + 1) % 3
    one_hot = np.eye(3, dtype=np.float32)[labels]
    pgd = replace(TABLE_S1.pgd, num_random_init=n_starts)
    expected = by_art(classifier, x, one_hot, attack=attack, epsilon=epsilon, pgd=pgd, seed=seed)
    found = perturb(
        classifier, x, one_hot, attack=attack, epsilon=epsilon, settings=replace(TABLE_S1, pgd=pgd), seed=seed
    )
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


class Counting(KerasClassifier):
    n_gradients = 0

    def loss_gradient(self, x: np.ndarray, y: np.ndarray, **others: Any) -> np.ndarray:
        self.n_gradients += len(x)
        return super().loss_gradient(x, y, **others)


def test_a_grid_of_epsilons_takes_the_gradient_at_the_images_once(weights, images):
    classifier = Counting(linear_model(weights))
    attacks = PaperAttacks(classifier, images, ONE_HOT[np.zeros(40, int)], np.zeros(40, int), seed=0)
    for epsilon in (0.001, 0.002, 0.004):
        attacks.examples("fgsm", epsilon=epsilon, settings=TABLE_S1)
    assert classifier.n_gradients == 40
    attacks.examples("bim", epsilon=0.004, settings=TABLE_S1)
    assert classifier.n_gradients == 40 + 9 * 40


def test_an_image_that_the_last_restart_changes_is_not_attacked_from_the_starts_before(weights, images):
    """On a linear model a restart changes all images within reach, or none of the others."""
    classifier = Counting(linear_model(weights))
    margin = (images * weights).sum(axis=(1, 2, 3))
    answers = (margin > 0).astype(int)
    epsilon = float(np.median(np.abs(margin)) / np.abs(weights).sum())
    pgd = replace(TABLE_S1.pgd, num_random_init=5)
    PaperAttacks(classifier, images, ONE_HOT[answers], answers, seed=0).pgd(epsilon=epsilon, settings=pgd)
    assert classifier.n_gradients == 10 * (20 + 5 * 20)
