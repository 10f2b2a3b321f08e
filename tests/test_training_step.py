"""One compiled step against numbers worked out in NumPy, on the present backend and on each other one installed."""

import keras
import msgspec
import numpy as np
import pytest
import recipes
from backends import BACKEND, BACKENDS, passes_on
from hypothesis import given
from hypothesis import strategies as st
from models import SHAPE, WEIGHTS, interior_images, linear_model, net_of_numpy_weights, small_convolutional_net

from oncorobust.backend.functions import compile_function, compile_logits
from oncorobust.backend.mixed_precision import computing_in
from oncorobust.settings.training import SGD, Mixture, Trades
from oncorobust.training.losses import n_adversarial
from oncorobust.training.step import (
    compile_adversarial_step,
    compile_clean_step,
    make_trainee,
    perturb,
    start_noise,
)

RATE = 0.5
PLAIN = SGD(learning_rate=RATE, decay=0.0, momentum=0.0, nesterov=False, weight_decay=0.0)
replace = msgspec.structs.replace
TRAIN = replace(recipes.TRAIN, epochs=1, keep="last", optimizer=PLAIN)
HARDEN = replace(recipes.HARDEN, rel_eps_step=0.4, max_iter=4, epochs=1, keep="last", optimizer=PLAIN)
X = interior_images(8)
Y = np.arange(8) % 2
ONE_HOT = np.eye(2, dtype=np.float32)[Y]
NOISE = np.random.default_rng(3).uniform(-1, 1, X.shape).astype(np.float32)
EPSILON, EPS_STEP = np.float32(0.1), np.float32(0.04)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_other_backends_pass_too(backend):
    passes_on(backend, __file__)


def linear():
    """A model, and its kernel (pixels, 2) and bias (2,) in float64."""
    model = linear_model(WEIGHTS * 0.1)
    kernel, bias = (one.astype(np.float64) for one in model.get_weights())
    return model, kernel, bias


def log_softmax(scores):
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def logits_of(x, kernel, bias):
    return x.reshape(len(x), -1).astype(np.float64) @ kernel + bias


def cross_entropy_and_gradients(x, one_hot, kernel, bias):
    """Mean cross-entropy of a linear model and its gradients by kernel and bias."""
    scores = log_softmax(logits_of(x, kernel, bias))
    slope = (np.exp(scores) - one_hot) / len(x)
    return -(one_hot * scores).sum() / len(x), x.reshape(len(x), -1).T @ slope, slope.sum(axis=0)


def divergence(x, x_adv, kernel, bias):
    log_p, log_q = log_softmax(logits_of(x, kernel, bias)), log_softmax(logits_of(x_adv, kernel, bias))
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=1)


def worst_of_linear(x, y, start):
    """Four steps of 0.04 in a ball of 0.1 reach its border from any start; zero weights move no pixel."""
    away = np.where(y == 1, -1, 1)[:, None, None, None] * np.sign(WEIGHTS)
    return np.clip(start + 4 * 0.04 * away, x - 0.1, x + 0.1)


def test_a_clean_step_is_gradient_descent_on_the_mean_cross_entropy():
    model, kernel, bias = linear()
    value, kernel_slope, bias_slope = cross_entropy_and_gradients(X, ONE_HOT, kernel, bias)
    right = (logits_of(X, kernel, bias).argmax(axis=1) == Y).sum()
    loss, n_right = compile_clean_step(make_trainee(model, TRAIN), TRAIN)(X, ONE_HOT)
    assert float(loss) == pytest.approx(value, rel=1e-5)
    assert float(n_right) == right
    np.testing.assert_allclose(model.get_weights()[0], kernel - RATE * kernel_slope, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias - RATE * bias_slope, atol=1e-6)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_first_images_of_a_batch_become_adversarial_before_the_update(share):
    model, kernel, bias = linear()
    settings = replace(HARDEN, loss=Mixture(adversarial_share=share))
    n = round(8 * share)
    x_adv = worst_of_linear(X[:n], Y[:n], X[:n] + 0.1 * NOISE[:n])
    value, kernel_slope, _ = cross_entropy_and_gradients(np.concatenate([x_adv, X[n:]]), ONE_HOT, kernel, bias)
    step = compile_adversarial_step(make_trainee(model, settings), settings, settings.loss)
    loss, _ = step(X, ONE_HOT, NOISE[:n], EPSILON, EPS_STEP, np.int32(4))
    assert float(loss) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], kernel - RATE * kernel_slope, atol=1e-6)


def test_without_steps_the_start_is_all_there_is_to_the_attack():
    model, kernel, bias = linear()
    start = np.clip(X[:4] + 0.1 * NOISE[:4], 0, 1)
    value, *_ = cross_entropy_and_gradients(np.concatenate([start, X[4:]]), ONE_HOT, kernel, bias)
    step = compile_adversarial_step(make_trainee(model, HARDEN), HARDEN, HARDEN.loss)
    assert float(step(X, ONE_HOT, NOISE[:4], EPSILON, EPS_STEP, np.int32(0))[0]) == pytest.approx(value, rel=1e-5)


def test_trades_moves_away_from_the_clean_answer_and_weighs_the_divergence():
    model, kernel, bias = linear()
    settings = replace(HARDEN, loss=Trades(beta=6.0))
    # The divergence grows with the distance of the two logits' difference, on whichever side the start lies.
    side = np.sign((NOISE * WEIGHTS).sum(axis=(1, 2, 3))).reshape(-1, 1, 1, 1)
    x_adv = np.clip(X + 0.1 * NOISE + 4 * 0.04 * side * np.sign(WEIGHTS), X - 0.1, X + 0.1)
    clean_loss, *_ = cross_entropy_and_gradients(X, ONE_HOT, kernel, bias)
    expected = clean_loss + 6 * divergence(X, x_adv, kernel, bias).mean()
    right = (logits_of(X, kernel, bias).argmax(axis=1) == Y).sum()
    step = compile_adversarial_step(make_trainee(model, settings), settings, settings.loss)
    loss, n_right = step(X, ONE_HOT, NOISE, EPSILON, EPS_STEP, np.int32(4))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(n_right) == right
    # The gradient of the whole: the cross-entropy's, and beta times the divergence's on both sides.
    p, q = (np.exp(log_softmax(logits_of(one, kernel, bias))) for one in (X, x_adv))
    log_ratio = np.log(p) - np.log(q)
    by_clean = p * (log_ratio - (p * log_ratio).sum(axis=1, keepdims=True))
    flat, flat_adv = X.reshape(8, -1), x_adv.reshape(8, -1)
    slope = flat.T @ ((p - ONE_HOT) + 6 * by_clean) / 8 + flat_adv.T @ (6 * (q - p)) / 8
    np.testing.assert_allclose(model.get_weights()[0], kernel - RATE * slope, atol=2e-6)


def test_weight_perturbation_takes_the_gradient_at_the_worst_weights_and_applies_it_at_the_old():
    model, kernel, bias = linear()
    settings = replace(HARDEN, weight_perturbation=0.2)
    mixed = np.concatenate([np.clip(X[:4] + 0.1 * NOISE[:4], 0, 1), X[4:]])
    value, slope, _ = cross_entropy_and_gradients(mixed, ONE_HOT, kernel, bias)
    moved = kernel + 0.2 * np.linalg.norm(kernel) * slope / np.linalg.norm(slope)
    higher, kernel_slope, bias_slope = cross_entropy_and_gradients(mixed, ONE_HOT, moved, bias)
    assert higher > value + 0.01
    step = compile_adversarial_step(make_trainee(model, settings), settings, settings.loss)
    loss, _ = step(X, ONE_HOT, NOISE[:4], EPSILON, EPS_STEP, np.int32(0))
    assert float(loss) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], kernel - RATE * kernel_slope, atol=2e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias - RATE * bias_slope, atol=2e-6)


def test_the_average_follows_the_weights_with_a_momentum_that_warms_up():
    model, *_ = linear()
    settings = replace(TRAIN, average=0.25)
    trainee = make_trainee(model, settings)
    step = compile_clean_step(trainee, settings)
    expected = model.get_weights()[0]
    for kept in (2 / 11, 0.25, 0.25):  # (1 + 1) / (10 + 1); (1 + 2) / (10 + 2); 4 / 13 is more than 0.25
        step(X, ONE_HOT)
        expected = kept * expected + (1 - kept) * model.get_weights()[0]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(trainee.averages[0].value), expected, atol=1e-6)


def test_weight_decay_and_the_limit_on_norms_are_applied():
    decaying = replace(TRAIN, optimizer=replace(PLAIN, weight_decay=0.1))
    model, kernel, bias = linear()
    _, kernel_slope, _ = cross_entropy_and_gradients(X, ONE_HOT, kernel, bias)
    compile_clean_step(make_trainee(model, decaying), decaying)(X, ONE_HOT)
    np.testing.assert_allclose(model.get_weights()[0], kernel * (1 - RATE * 0.1) - RATE * kernel_slope, atol=1e-6)
    limited = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(2, kernel_constraint=keras.constraints.MaxNorm(0.5)),
        ]
    )
    compile_clean_step(make_trainee(limited, TRAIN), TRAIN)(X, ONE_HOT)
    assert np.linalg.norm(limited.get_weights()[0], axis=0).max() == pytest.approx(0.5, rel=1e-5)


def test_batches_of_several_lengths_are_traced_once(monkeypatch):
    if BACKEND != "tensorflow":
        pytest.skip("JAX traces once a length, PyTorch traces nothing")
    traced = []
    model = small_convolutional_net(n_classes=2)
    layer, inner = model.layers[0], model.layers[0].call
    monkeypatch.setattr(layer, "call", lambda *args, **kwargs: (traced.append(1), inner(*args, **kwargs))[1])
    step = compile_adversarial_step(make_trainee(model, HARDEN), HARDEN, HARDEN.loss)
    counts = []
    for n in (8, 8, 5, 2):
        step(X[:n], ONE_HOT[:n], NOISE[: round(n / 2)], EPSILON, EPS_STEP, np.int32(n))
        counts.append(len(traced))
    assert counts == [2, 2, 2, 2]  # once for the attack's gradient, once for the update's


def test_mixed_precision_spares_weights_images_and_evaluation():
    x, one_hot = X, np.eye(3, dtype=np.float32)[np.arange(8) % 3]
    models = [net_of_three_layers() for _ in range(2)]
    before, logits = models[0].get_weights(), compile_logits(models[0])(x)
    for model, precision in zip(models, ["float32", "mixed"], strict=True):
        settings = replace(TRAIN, precision=precision)
        compile_clean_step(make_trainee(model, settings), settings)(x, one_hot)
    full, mixed = (np.concatenate([one.ravel() for one in model.get_weights()]) for model in models)
    start = np.concatenate([one.ravel() for one in before])
    assert not np.array_equal(full, mixed)
    step, difference = full - start, mixed - full
    assert np.linalg.norm(difference) < 0.02 * np.linalg.norm(step)  # bfloat16 keeps 8 bits: 0.4 % a product
    assert all(variable.dtype == "float32" for variable in models[1].variables if "seed" not in variable.path)
    models[1].set_weights(before)
    np.testing.assert_array_equal(compile_logits(models[1])(x), logits)
    with computing_in("mixed", models[1]):
        assert [layer.compute_dtype for layer in models[1].layers] == ["float32", "bfloat16", "bfloat16", "float32"]


def test_mixed_precision_also_attacks_the_training_images(monkeypatch):
    model = net_of_three_layers()
    layer, inner, seen = model.layers[2], model.layers[2].call, []
    monkeypatch.setattr(
        layer, "call", lambda *args, **kwargs: (seen.append(layer.compute_dtype), inner(*args, **kwargs))[1]
    )
    settings = replace(HARDEN, precision="mixed")
    step = compile_adversarial_step(make_trainee(model, settings), settings, settings.loss)
    step(X, np.eye(3, dtype=np.float32)[np.arange(8) % 3], NOISE, EPSILON, EPS_STEP, np.int32(2))
    assert len(seen) >= 2, "the attack's gradient and the update's"
    assert set(seen) == {"bfloat16"}
    assert layer.compute_dtype == "float32"


def net_of_three_layers():
    layers = [
        keras.layers.Conv2D(4, 3, activation="tanh"),
        keras.layers.Flatten(),
        keras.layers.Dense(6),
        keras.layers.Dense(3),
    ]
    model = keras.Sequential([keras.Input(SHAPE), *layers])
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(0, 0.3, one.shape) for one in model.get_weights()])
    return model


def test_the_attack_of_a_step_is_arts_pgd():
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import TensorFlowV2Classifier

    if BACKEND != "tensorflow":
        pytest.skip("ART's estimator is TensorFlow's; the closed forms above are for all")
    model = net_of_numpy_weights(3)
    x = np.random.default_rng(5).uniform(0, 1, (6, *SHAPE)).astype(np.float32)
    one_hot = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    ours = compile_function(
        model,
        lambda network, x, y, move, epsilon, eps_step, n: perturb(
            network, HARDEN.loss, x, y, move, epsilon, eps_step, n
        ),
    )
    found = ours(x, one_hot, np.zeros_like(x), np.float32(0.1), np.float32(0.03), np.int32(7))
    stock = TensorFlowV2Classifier(
        model, 3, SHAPE, loss_object=keras.losses.CategoricalCrossentropy(from_logits=True), clip_values=(0, 1)
    )
    arts = ProjectedGradientDescent(stock, eps=0.1, eps_step=0.03, max_iter=7, verbose=False).generate(x, one_hot)
    np.testing.assert_allclose(found, arts, atol=1e-6)


def test_starts_are_uniform_in_the_ball_or_the_image_itself():
    x = np.zeros((40, *SHAPE), dtype=np.float32)
    noise = start_noise(x, HARDEN, np.random.default_rng(0))
    assert noise.shape == (20, *SHAPE)
    assert noise.min() < -0.99
    assert noise.max() > 0.99
    assert abs(noise.mean()) < 0.03
    assert not start_noise(x, replace(HARDEN, num_random_init=0), np.random.default_rng(0)).any()


def test_how_many_images_of_a_batch_are_attacked():
    assert [n_adversarial(Mixture(adversarial_share=0.5), n) for n in (8, 5, 1)] == [4, 2, 1]
    assert n_adversarial(Mixture(adversarial_share=1.0), 8) == n_adversarial(Trades(beta=1.0), 8) == 8


@given(n=st.integers(1, 300), share=st.floats(0, 1, exclude_min=True))
def test_at_least_one_image_of_a_batch_is_attacked_and_at_most_all(n, share):
    found = n_adversarial(Mixture(adversarial_share=share), n)
    assert 1 <= found <= n
    assert found == round(n * share) or (found == 1 and n * share <= 0.5)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.99, 1.0])
def test_no_size_of_a_batch_and_no_share_breaks_an_update(share):
    model = small_convolutional_net(2)
    chosen = replace(HARDEN, loss=Mixture(adversarial_share=share))
    step = compile_adversarial_step(make_trainee(model, chosen), chosen, chosen.loss)
    for n in range(1, 9):
        loss, _ = step(
            X[:n], ONE_HOT[:n], start_noise(X[:n], chosen, np.random.default_rng(n)), EPSILON, EPS_STEP, np.int32(2)
        )
        assert np.isfinite(loss)
        assert all(np.isfinite(weights).all() for weights in model.get_weights())


def test_a_batch_of_one_image_is_its_adversarial_example():
    model, kernel, bias = linear()
    x_adv = worst_of_linear(X[:1], Y[:1], X[:1])
    value, _, _ = cross_entropy_and_gradients(x_adv, ONE_HOT[:1], kernel, bias)
    step = compile_adversarial_step(make_trainee(model, HARDEN), HARDEN, HARDEN.loss)
    loss, _ = step(X[:1], ONE_HOT[:1], np.zeros_like(X[:1]), EPSILON, EPS_STEP, np.int32(4))
    assert float(loss) == pytest.approx(value, rel=1e-5)
