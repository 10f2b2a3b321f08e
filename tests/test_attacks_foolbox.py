"""Foolbox 3.3.4 as an oracle: at equal settings its l_inf attacks and the engine give the same adversarial examples.

Foolbox runs on the backend of Keras, on the Keras model itself; on TensorFlow it needs no PyTorch. It is installed by
the extra `oracle`.
"""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from models import SHAPE, net_of_numpy_weights

from oncorobust.attacks.goals import Goal, cross_entropy_loss, leave, margin_loss
from oncorobust.attacks.linf import Ball, walk
from oncorobust.attacks.target import Target

foolbox = pytest.importorskip("foolbox", reason="Foolbox is not installed: pip install oncorobust[oracle]")

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gpu_available:DeprecationWarning")

N = 12
EPSILON = 0.1
X = np.random.default_rng(7).uniform(0, 1, (N, *SHAPE)).astype(np.float32)


@cache
def oracle(n_classes: int) -> Any:
    match keras.backend.backend():
        case "tensorflow":
            return foolbox.TensorFlowModel(net_of_numpy_weights(n_classes), bounds=(0, 1), device="/CPU:0")
        case "torch":
            return foolbox.PyTorchModel(net_of_numpy_weights(n_classes).eval(), bounds=(0, 1))
        case _:
            return foolbox.JAXModel(net_of_numpy_weights(n_classes), bounds=(0, 1))


ATTACKS = {
    "fgsm": (foolbox.attacks.LinfFastGradientAttack, {}, {"rel_eps_step": 1.0, "max_iter": 1}),
    "bim": (
        foolbox.attacks.LinfBasicIterativeAttack,
        {"rel_stepsize": 0.1, "steps": 10},
        {"rel_eps_step": 0.1, "max_iter": 10},
    ),
    "pgd": (
        foolbox.attacks.LinfProjectedGradientDescentAttack,
        {"rel_stepsize": 0.25, "steps": 7},
        {"rel_eps_step": 0.25, "max_iter": 7},
    ),
}
"""Foolbox's attack, its settings, and the same ones in the engine's words."""


def foolbox_images(name: str, labels: np.ndarray, *, criterion: type, epsilon: float, n_classes: int) -> np.ndarray:
    kind, theirs, _ = ATTACKS[name]
    tensor = keras.ops.convert_to_tensor
    attack = kind(random_start=False, **theirs)
    raw, *_ = attack(oracle(n_classes), tensor(X), criterion(tensor(labels)), epsilons=[epsilon])
    return keras.ops.convert_to_numpy(raw[0])


def last_iterate(name: str, target: Target, goal: Goal) -> np.ndarray:
    ours = ATTACKS[name][2]
    radius, eps_step = np.full((N, 1, 1, 1), EPSILON), np.full(N, EPSILON * ours["rel_eps_step"])
    return target.walk(X, X, goal, radius=radius, eps_step=eps_step, n_steps=ours["max_iter"]).x_last


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ATTACKS)
def test_foolbox_gives_our_adversarial_examples(name, n_classes):
    labels = np.arange(N) % n_classes
    criterion = foolbox.criteria.Misclassification
    expected = foolbox_images(name, labels, criterion=criterion, epsilon=EPSILON, n_classes=n_classes)
    target = Target(net_of_numpy_weights(n_classes), loss=cross_entropy_loss)
    found = last_iterate(name, target, leave(labels, n_classes=n_classes))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_foolbox_gives_our_targeted_adversarial_examples(n_classes):
    labels = np.arange(N) % n_classes
    criterion = foolbox.criteria.TargetedMisclassification
    expected = foolbox_images("pgd", labels, criterion=criterion, epsilon=EPSILON, n_classes=n_classes)
    target = Target(
        net_of_numpy_weights(n_classes), loss=lambda logits, own, rivals: -cross_entropy_loss(logits, own, rivals)
    )
    found = last_iterate("pgd", target, leave(labels, n_classes=n_classes))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ATTACKS)
def test_whatever_foolbox_flips_the_engine_flips(name, n_classes):
    """On the margin and with any iterate kept: not the same images, but no flip is missed."""
    target = Target(net_of_numpy_weights(n_classes), loss=margin_loss)
    predicted = target.logits(X).argmax(axis=1)
    criterion = foolbox.criteria.Misclassification
    shares = []
    for epsilon in (0.01, 0.03, 0.1):
        x_adv = foolbox_images(name, predicted, criterion=criterion, epsilon=epsilon, n_classes=n_classes)
        theirs = target.logits(x_adv).argmax(axis=1) != predicted
        ball = Ball(X, np.full(N, epsilon), leave(predicted, n_classes=n_classes))
        ours = walk(target, ball, X, **ATTACKS[name][2]).flipped
        assert (ours >= theirs).all()
        shares.append(theirs.mean())
    assert any(0 < share < 1 for share in shares)
