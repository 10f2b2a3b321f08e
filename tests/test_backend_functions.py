"""Gradients against finite differences and hand-computed values, and the ART estimator that serves them."""

import keras
import numpy as np
import pytest
from art.attacks.evasion import DeepFool, ProjectedGradientDescent, SquareAttack
from models import SHAPE, balanced_weights, linear_model, small_convolutional_net

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.backend.functions import compile_gradient, compile_logits, cross_entropy, selected_logits


@pytest.fixture(scope="module")
def net() -> keras.Model:
    return small_convolutional_net()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.2, 0.8, (5, *SHAPE)).astype(np.float32)


def test_loss_gradient_of_a_linear_model_is_the_closed_form(images):
    weights = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    model = linear_model(weights, bias=-0.1)
    labels = np.array([0, 1, 1, 0, 1])
    found = compile_gradient(model, cross_entropy)(images, np.eye(2, dtype=np.float32)[labels])
    malignant = 1 / (1 + np.exp(-((images * weights).sum(axis=(1, 2, 3)) - 0.1)))
    expected = (malignant - labels)[:, None, None, None] * weights
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("margin", [1.0, 16.0, 30.0, 80.0])
def test_a_confident_answer_keeps_the_direction_of_its_gradient(margin):
    weights = balanced_weights()
    model = linear_model(weights * margin / (0.5 * np.abs(weights).sum()))
    x = (0.5 + 0.5 * np.sign(weights)).astype(np.float32)[np.newaxis]
    assert np.asarray(model(x))[0, 1] == pytest.approx(margin, rel=1e-4)
    found = compile_gradient(model, cross_entropy)(x, np.array([[0, 1]], dtype=np.float32))
    np.testing.assert_array_equal(np.sign(found[0]), -np.sign(weights))


def test_the_loss_is_the_usual_cross_entropy():
    logits = np.random.default_rng(0).normal(0, 3, (7, 5)).astype(np.float32)
    targets = np.eye(5, dtype=np.float32)[[0, 1, 2, 3, 4, 0, 1]]
    expected = keras.ops.sum(keras.ops.categorical_crossentropy(targets, logits, from_logits=True))
    assert float(cross_entropy(logits, targets)) == pytest.approx(float(expected), rel=1e-5)


def test_gradients_of_a_net_meet_central_differences(net, images):
    classifier = KerasClassifier(net)
    labels = np.array([0, 1, 2, 0, 1])
    step = 1e-2
    for position in [(0, 0, 0), (1, 2, 1), (3, 3, 2)]:
        nudge = np.zeros(SHAPE, dtype=np.float32)
        nudge[position] = step
        loss = (classifier.compute_loss(images + nudge, labels) - classifier.compute_loss(images - nudge, labels)) / (
            2 * step
        )
        logits = (classifier.predict(images + nudge) - classifier.predict(images - nudge)) / (2 * step)
        np.testing.assert_allclose(classifier.loss_gradient(images, labels)[:, *position], loss, atol=1e-4)
        np.testing.assert_allclose(classifier.class_gradient(images)[:, :, *position], logits, atol=1e-4)


def test_an_images_gradient_does_not_depend_on_its_batch(net, images):
    labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
    whole = KerasClassifier(net, batch_size=5).loss_gradient(images, labels)
    single = KerasClassifier(net, batch_size=1).loss_gradient(images, labels)
    np.testing.assert_allclose(whole, single, atol=1e-6)


def test_class_gradient_of_chosen_classes_is_a_slice_of_all(net, images):
    classifier = KerasClassifier(net)
    chosen = np.array([2, 0, 1, 1, 2])
    every = classifier.class_gradient(images)
    np.testing.assert_allclose(classifier.class_gradient(images, chosen)[:, 0], every[np.arange(5), chosen], atol=1e-6)
    np.testing.assert_allclose(classifier.class_gradient(images, 1)[:, 0], every[:, 1], atol=1e-6)


def test_gradients_follow_the_weights_as_they_train(images):
    model = linear_model(np.ones(SHAPE))
    gradient = compile_gradient(model, selected_logits)
    target = np.tile(np.array([[0, 1]], dtype=np.float32), (5, 1))
    assert np.allclose(gradient(images, target), 1)
    model.layers[-1].set_weights([2 * model.layers[-1].get_weights()[0], np.zeros(2, dtype=np.float32)])
    assert np.allclose(gradient(images, target), 2)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="PyTorch is eager, JAX traces once a shape")
def test_gradients_are_traced_once_whatever_the_batch_size(net, images):
    traced = []

    def scalar(logits, targets):
        traced.append(logits.shape)
        return cross_entropy(logits, targets)

    gradient = compile_gradient(net, scalar)
    for size in (1, 2, 5, 3):
        gradient(images[:size], np.eye(3, dtype=np.float32)[np.zeros(size, dtype=int)])
    assert len(traced) == 1


def test_prediction_is_in_inference_mode_and_in_batches(net, images):
    classifier = KerasClassifier(net)
    whole = compile_logits(net)(images)
    np.testing.assert_array_equal(whole, compile_logits(net)(images))  # dropout would differ
    np.testing.assert_allclose(classifier.predict(images, batch_size=2), whole, atol=1e-6)
    assert classifier.predict(images[:0]).shape == (0, 3)


def test_the_estimator_reads_like_one_of_arts_own(net, images):
    classifier = KerasClassifier(net)
    assert (classifier.nb_classes, classifier.input_shape, classifier.channels_first) == (3, SHAPE, False)
    np.testing.assert_array_equal(classifier.clip_values, [0, 1])
    assert classifier.get_activations(images, 0).shape == (5, 4, 4, 4)
    assert classifier.get_activations(images, classifier.layer_names[0]).shape == (5, 4, 4, 4)


@pytest.mark.parametrize(
    "attack",
    [
        lambda classifier: ProjectedGradientDescent(classifier, eps=0.3, eps_step=0.1, max_iter=5, verbose=False),
        lambda classifier: DeepFool(classifier, max_iter=20, verbose=False),
        lambda classifier: SquareAttack(classifier, eps=0.5, max_iter=50, p_init=0.2, verbose=False),
    ],
    ids=["loss gradient", "class gradient", "predictions"],
)
def test_arts_attacks_of_every_kind_change_predictions_through_it(net, images, attack):
    classifier = KerasClassifier(net)
    clean = classifier.predict(images).argmax(axis=1)
    found = attack(classifier).generate(images)
    assert (classifier.predict(found).argmax(axis=1) != clean).any()
    assert found.min() >= 0
    assert found.max() <= 1


def test_fit_learns_and_is_traced_once(images):
    model = linear_model(np.zeros(SHAPE))
    classifier = KerasClassifier(model)
    labels = np.array([0, 1, 1, 0, 1])
    before = classifier.compute_loss(images, labels).mean()
    model.compile(keras.optimizers.Adam(0.05), keras.losses.CategoricalCrossentropy(from_logits=True))
    classifier.fit(images, labels, batch_size=5, nb_epochs=20)
    step = model.train_function
    classifier.fit(images, labels, batch_size=5, nb_epochs=20)
    assert model.train_function is step
    assert classifier.compute_loss(images, labels).mean() < before / 2


def test_arts_adversarial_trainer_trains_it(images):
    from art.attacks.evasion import ProjectedGradientDescent
    from art.defences.trainer import AdversarialTrainer

    classifier = KerasClassifier(small_convolutional_net())
    before = classifier.model.get_weights()
    attack = ProjectedGradientDescent(classifier, eps=0.01, eps_step=0.005, max_iter=2, verbose=False)
    AdversarialTrainer(classifier, attack, ratio=0.5).fit(
        images, np.eye(3)[np.arange(len(images)) % 3], batch_size=8, nb_epochs=1
    )
    assert any(not np.array_equal(old, new) for old, new in zip(before, classifier.model.get_weights(), strict=True))
