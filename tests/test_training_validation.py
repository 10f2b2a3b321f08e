"""What validation patients say of a model, against the closed form of a linear one."""

import msgspec
import numpy as np
import pytest
from models import SHAPE, UNIT_WEIGHTS, images_in_memory, interior_images, linear_model, scores
from recipes import HARDEN

from oncorobust.settings.training import Mixture, Trades
from oncorobust.training.validation import Validation, cross_entropies, one_answer_for_all

X = interior_images()
SCORES = scores(X, UNIT_WEIGHTS)
LABELS = np.where(np.arange(40) % 8 == 0, SCORES < 0, SCORES > 0).astype(np.int64)
DATA = images_in_memory(X, LABELS)
SIGNED = np.where(LABELS == 1, SCORES, -SCORES)
"""Margins by label: the weights' l1 norm is 1, so an attack of radius epsilon takes epsilon off."""
SETTINGS = msgspec.structs.replace(HARDEN, epsilon=0.01, validation_max_iter=5)


def losses(margins):
    return np.logaddexp(0, -margins)


def judge(batch_size=16):
    return Validation(linear_model(UNIT_WEIGHTS), DATA, batch_size=batch_size)


def test_clean_scores():
    found = judge().clean()
    assert found["validation_loss"] == pytest.approx(losses(SIGNED).mean(), rel=1e-5)
    assert found["validation_accuracy"] == pytest.approx(np.mean(SIGNED > 0))
    assert not found["collapsed"]
    assert found["validation_floor"] == one_answer_for_all(LABELS) < found["validation_accuracy"]
    always = Validation(linear_model(np.zeros(SHAPE), bias=1.0), DATA, batch_size=16)
    assert always.clean()["collapsed"]


def test_what_a_model_has_to_beat_by_hand():
    # 3 of 4 labels are the same: 0.75, and a standard error of sqrt(0.75 x 0.25 / 4).
    assert one_answer_for_all(np.array([0, 1, 1, 1])) == pytest.approx(0.75 + 0.21650635)
    assert one_answer_for_all(np.arange(100) % 10) == pytest.approx(0.1 + 0.03)


def test_robust_accuracy_leaves_clean_errors_out_and_has_a_closed_form():
    found = judge().hardened(SETTINGS, seed=0)
    assert found["validation_robust_accuracy"] == pytest.approx(np.mean(SIGNED > 0.01))
    assert found["validation_accuracy"] == pytest.approx(np.mean(SIGNED > 0))
    assert np.mean(SIGNED > 0.01) < np.mean(SIGNED > 0)  # or the test would show nothing


def test_scores_do_not_depend_on_the_batch_size():
    first, second = (judge(size).hardened(SETTINGS, seed=0) for size in (7, 40))
    assert first == pytest.approx(second, rel=1e-6)


@pytest.mark.parametrize("loss", [Mixture(adversarial_share=0.5), Mixture(adversarial_share=1.0), Trades(beta=5.0)])
def test_the_validation_loss_is_that_of_the_update(loss):
    # Steep enough to matter; all images go the whole way, those that turned and those that were wrong too.
    epsilon, steep = 0.01, 100
    clean, worst = steep * SIGNED, steep * (SIGNED - epsilon)
    if isinstance(loss, Trades):
        p, q = (1 / (1 + np.exp(-one)) for one in (clean, worst))
        divergence = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
        expected = losses(clean).mean() + loss.beta * divergence.mean()
        assert loss.beta * divergence.mean() > 1e-4
    else:
        share = loss.adversarial_share
        expected = (1 - share) * losses(clean).mean() + share * losses(worst).mean()
    validation = Validation(linear_model(steep * UNIT_WEIGHTS), DATA, batch_size=16)
    found = validation.hardened(msgspec.structs.replace(SETTINGS, loss=loss, epsilon=epsilon), seed=0)
    assert found["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_cross_entropies_by_hand():
    logits = np.log(np.array([[1.0, 3.0], [2.0, 2.0]]))
    np.testing.assert_allclose(cross_entropies(logits, np.array([0, 1])), [np.log(4), np.log(2)])
