"""Training under noise against numbers worked out in NumPy, on the present backend and on each other one installed."""

import keras
import msgspec
import numpy as np
import pytest
import recipes
from backends import BACKENDS, passes_on
from models import SHAPE, UNIT_WEIGHTS, Quiet, images_in_memory, interior_images, linear_model, scores
from scipy.stats import norm

from oncorobust.base.seeds import child_rng
from oncorobust.settings.training import SGD, Noise, NoiseAdversarial
from oncorobust.training.losses import noise_loss, smoothed_attack_loss, with_noise
from oncorobust.training.noise_step import compile_noise_adversarial_step, compile_noise_step, standard_noise
from oncorobust.training.recipes import harden, train
from oncorobust.training.step import make_trainee
from oncorobust.training.validation import Validation

RATE, SIGMA, COPIES = 0.5, 0.2, 3
PLAIN = SGD(learning_rate=RATE, decay=0.0, momentum=0.0, nesterov=False, weight_decay=0.0)
NOISE = Noise(sigma=SIGMA, noise="tied", copies=COPIES)
CONSISTENT = Noise(sigma=SIGMA, noise="untied", copies=COPIES, consistency=5.0, entropy=0.5)
ATTACKED = NoiseAdversarial(sigma=SIGMA, noise="untied", copies=COPIES)
replace = msgspec.structs.replace
HARDEN = replace(recipes.HARDEN, epochs=1, keep="last", optimizer=PLAIN)
X = interior_images(8)
Y = np.arange(8) % 3
ONE_HOT = np.eye(3, dtype=np.float32)[Y]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_other_backends_pass_too(backend):
    passes_on(backend, __file__)


def draws(loss):
    return standard_noise(X, loss, np.random.default_rng(3), copies=loss.copies)


def three_classes():
    """A linear model of three classes, with its kernel (pixels, 3) in float64."""
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)])
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(0, 0.4, one.shape) for one in model.get_weights()])
    kernel, bias = (one.astype(np.float64) for one in model.get_weights())
    return model, kernel, bias


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def loss_of(loss, x, noise, kernel, bias):
    """The loss of an update as the papers write it, from each copy's probabilities."""
    copies = (x[:, None] + loss.sigma * noise).reshape(len(x), loss.copies, -1).astype(np.float64)
    p = np.exp(log_softmax(copies @ kernel + bias))
    mean = p.mean(axis=1, keepdims=True)
    cross_entropy = -np.log(p[np.arange(8), :, Y]).mean()
    divergence = (mean * np.log(mean / p)).sum(axis=-1).mean()
    entropy = -(mean * np.log(mean)).sum(axis=-1).mean()
    return cross_entropy + loss.consistency * divergence + loss.entropy * entropy


def slope_of(function, kernel):
    """The gradient of a function of the kernel, by central differences in float64."""
    found = np.zeros_like(kernel)
    for place in np.ndindex(kernel.shape):
        step = np.zeros_like(kernel)
        step[place] = 1e-5
        found[place] = (function(kernel + step) - function(kernel - step)) / 2e-5
    return found


@pytest.mark.parametrize("loss", [NOISE, replace(NOISE, noise="untied", copies=1), CONSISTENT])
def test_an_update_descends_the_mean_loss_of_the_noisy_copies(loss):
    (model, kernel, bias), noise = three_classes(), draws(loss)
    expected = loss_of(loss, X, noise, kernel, bias)
    slope = slope_of(lambda moved: loss_of(loss, X, noise, moved, bias), kernel)
    copies = (X[:, None] + SIGMA * noise).reshape(8, loss.copies, -1)
    right = ((copies @ kernel + bias).argmax(axis=2) == Y[:, None]).mean(axis=1).sum()
    value, n_right = compile_noise_step(make_trainee(model, HARDEN), HARDEN, loss)(X, ONE_HOT, noise)
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert float(n_right) == pytest.approx(right)
    np.testing.assert_allclose(model.get_weights()[0], kernel - RATE * slope, atol=3e-6)


def test_the_terms_of_the_loss_by_hand():
    # Copies that answer 0.9 : 0.1 and 0.5 : 0.5 have the mean 0.7 : 0.3.
    logits = np.log([[0.9, 0.1], [0.5, 0.5]]).astype(np.float32)
    divergence = (0.7 * np.log(0.7 / 0.9) + 0.3 * np.log(3) + 0.7 * np.log(1.4) + 0.3 * np.log(0.6)) / 2
    entropy = -0.7 * np.log(0.7) - 0.3 * np.log(0.3)
    cross_entropy = -(np.log(0.9) + np.log(0.5)) / 2
    weighted = Noise(sigma=SIGMA, noise="tied", copies=2, consistency=10.0, entropy=0.5)
    first = np.array([[1.0, 0.0]], dtype=np.float32)
    found = float(noise_loss(weighted, keras.ops.convert_to_tensor(logits), first))
    assert found == pytest.approx(cross_entropy + 10 * divergence + 0.5 * entropy, rel=1e-5)
    # The attack sees the mean answer: 0.7 for the first class, not the mean of two cross-entropies.
    climbed = float(smoothed_attack_loss(2, first)(keras.ops.convert_to_tensor(logits)))
    assert climbed + np.log(2) == pytest.approx(-np.log(0.7), rel=1e-5)


def test_the_attack_climbs_the_smoothed_answer_and_the_update_takes_the_same_copies():
    loss = replace(ATTACKED, sigma=1.0)
    (model, kernel, bias), noise = three_classes(), draws(loss)
    p = np.exp(log_softmax((X[:, None] + noise).reshape(8, COPIES, -1).astype(np.float64) @ kernel + bias))
    own = p[np.arange(8), :, Y]
    # d/dx -log mean p_y: each copy by its share of the mean.
    share = own / own.sum(axis=1, keepdims=True)
    slope = np.einsum("nm,nmk,dk->nd", share, p - ONE_HOT[:, None], kernel).reshape(X.shape)
    plain = ((np.exp(log_softmax(X.reshape(8, -1) @ kernel + bias)) - ONE_HOT) @ kernel.T).reshape(X.shape)
    expected = loss_of(loss, X + 0.1 * np.sign(slope), noise, kernel, bias)
    step = compile_noise_adversarial_step(make_trainee(model, HARDEN), HARDEN, loss)
    value, _ = step(X, ONE_HOT, noise, np.zeros_like(X), np.float32(0.1), np.float32(0.1), np.int32(1))
    assert float(value) == pytest.approx(expected, rel=1e-5)
    # An attack without the noise would have ended elsewhere.
    assert loss_of(loss, X + 0.1 * np.sign(plain), noise, kernel, bias) != pytest.approx(expected, rel=1e-3)


def test_noise_is_tied_or_not_and_not_clipped():
    tied, untied = draws(NOISE), draws(ATTACKED)
    assert tied.shape == (8, COPIES, 6, 6, 1)
    assert untied.shape == (8, COPIES, *SHAPE)
    for noise in (tied, untied):
        assert noise.std() == pytest.approx(1, abs=0.05)
        copies = keras.ops.convert_to_numpy(with_noise(keras.ops.convert_to_tensor(X), noise, SIGMA))
        np.testing.assert_allclose(copies, (X[:, None] + SIGMA * noise).reshape(-1, *SHAPE), atol=1e-6)
    assert copies.min() < 0
    assert copies.max() > 1


def test_validation_under_noise_has_a_closed_form():
    x = interior_images(200)
    labels = (scores(x, UNIT_WEIGHTS) > 0).astype(np.int64)
    loss = Noise(sigma=0.05, noise="untied", copies=2, consistency=3.0, entropy=0.5)
    settings = replace(HARDEN, loss=loss, epsilon=0.01)
    model, data = linear_model(100 * UNIT_WEIGHTS), images_in_memory(x, labels)
    found = Validation(model, data, batch_size=64).hardened(settings, seed=7)
    margins = np.abs(scores(x, UNIT_WEIGHTS))
    expected = norm.cdf(margins / (0.05 * np.linalg.norm(UNIT_WEIGHTS)))
    spread = np.sqrt((expected * (1 - expected)).mean() / (200 * 8))
    assert abs(found["validation_noise_accuracy"] - expected.mean()) < 3 * spread < 0.1 < 1 - expected.mean()
    assert found["validation_robust_accuracy"] == pytest.approx(np.mean(margins > 0.01))  # without noise
    assert found["validation_accuracy"] == 1
    # Neither the batches nor an earlier call change the draws; another seed does.
    again = Validation(model, data, batch_size=9).hardened(settings, seed=7)
    assert again == pytest.approx(found, rel=1e-5)
    other = Validation(model, data, batch_size=64).hardened(settings, seed=8)
    assert other["validation_noise_accuracy"] != found["validation_noise_accuracy"]
    noise = [standard_noise(x[[i]], loss, child_rng(7, "validation noise", i), copies=8)[0] for i in range(200)]
    signed = 100 * np.stack([scores(image + 0.05 * one, UNIT_WEIGHTS) for image, one in zip(x, noise, strict=True)])
    p = 1 / (1 + np.exp(-np.where(labels == 1, signed.T, -signed.T).T))
    mean = p.mean(axis=1, keepdims=True)
    divergence = mean * np.log(mean / p) + (1 - mean) * np.log((1 - mean) / (1 - p))
    entropy = -mean * np.log(mean) - (1 - mean) * np.log(1 - mean)
    by_hand = (-np.log(p)).mean() + 3 * divergence.mean() + 0.5 * entropy.mean()
    assert found["validation_loss"] == pytest.approx(by_hand, rel=1e-4)


def test_the_validation_loss_with_an_attack_is_that_of_noisy_adversarial_examples():
    x = interior_images(40)
    labels = (scores(x, UNIT_WEIGHTS) > 0).astype(np.int64)
    settings = replace(HARDEN, loss=replace(ATTACKED, sigma=1e-6), epsilon=0.01)
    model, data = linear_model(100 * UNIT_WEIGHTS), images_in_memory(x, labels)
    found = Validation(model, data, batch_size=16).hardened(settings, seed=0)
    worst = 100 * (np.abs(scores(x, UNIT_WEIGHTS)) - 0.01)
    assert found["validation_loss"] == pytest.approx(np.logaddexp(0, -worst).mean(), rel=1e-4)
    assert found["validation_noise_accuracy"] == 1  # of the clean images


def test_mixed_precision_changes_an_update_a_little():
    found = []
    for precision in ("float32", "mixed"):
        model = keras.Sequential([keras.Input(SHAPE), *(layers_of_four())])
        rng = np.random.default_rng(2)
        model.set_weights([rng.normal(0, 0.3, one.shape) for one in model.get_weights()])
        before = np.concatenate([one.ravel() for one in model.get_weights()])
        settings = replace(HARDEN, precision=precision)
        step = compile_noise_adversarial_step(make_trainee(model, settings), settings, ATTACKED)
        step(X, ONE_HOT, draws(ATTACKED), np.zeros_like(X), np.float32(0.01), np.float32(0.01), np.int32(1))
        found.append(np.concatenate([one.ravel() for one in model.get_weights()]) - before)
    assert 0 < np.linalg.norm(found[0] - found[1]) < 0.05 * np.linalg.norm(found[0])


def layers_of_four():
    return (
        keras.layers.Conv2D(4, 3, activation="tanh"),
        keras.layers.Flatten(),
        keras.layers.Dense(6),
        keras.layers.Dense(3),
    )


def test_a_model_trained_under_noise_answers_better_under_noise_than_one_trained_without():
    training, validation = with_one_bright_value(0), with_one_bright_value(1)
    start = np.zeros(SHAPE)
    start[0, 0, 0] = 20  # as if trained before, on that value alone
    settings = replace(
        recipes.HARDEN,
        epsilon=0.01,
        validation_max_iter=1,
        loss=Noise(sigma=0.5, noise="untied", copies=2),
        epochs=6,
        keep="validation_noise_accuracy",
        optimizer=PLAIN,
    )
    chosen = {"augment_settings": recipes.NO_COPIES, "seed": 0, "checkpoint": None, "listener": Quiet()}
    clean, noisy = linear_model(start, bias=-10.0), linear_model(start, bias=-10.0)
    train(clean, training, validation, settings=replace(recipes.TRAIN, epochs=6, optimizer=PLAIN), **chosen)
    harden(noisy, training, validation, settings=settings, **chosen)
    found, trained = (Validation(one, validation, batch_size=48).hardened(settings, seed=0) for one in (clean, noisy))
    assert found["validation_accuracy"] == trained["validation_accuracy"] == 1
    assert found["validation_noise_accuracy"] < 0.8
    assert trained["validation_noise_accuracy"] > found["validation_noise_accuracy"] + 0.1, (found, trained)


def with_one_bright_value(seed, n=48):
    """Classes told apart by one bright value, which noise hides, and by a weak pattern over all, which it does not."""
    rng, labels = np.random.default_rng(seed), np.arange(n) % 2
    sign = (2 * labels - 1)[:, None, None, None]
    x = 0.5 + 0.08 * sign * np.sign(UNIT_WEIGHTS) + rng.normal(0, 0.02, (n, *SHAPE))
    x[:, 0, 0, 0] = 0.5 + 0.3 * sign[:, 0, 0, 0]
    return images_in_memory(x.clip(0, 1).astype(np.float32), labels)
