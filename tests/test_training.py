"""Training: the optimisers' formulas, what a batch holds, what is kept, and that it learns."""

import keras
import msgspec
import numpy as np
import pytest
from models import SHAPE, balanced_weights, images_in_memory, linear_model, small_convolutional_net

from oncorobust.attacks import linf_pgd
from oncorobust.errors import InputError
from oncorobust.gradients import compile_gradient, compile_logits, cross_entropy
from oncorobust.settings.data import Augment
from oncorobust.settings.training import SGD, Adam, Harden, Train
from oncorobust.training import adversarial_positions, harden, make_optimizer, train

NO_COPIES = Augment(copies=0, horizontal_flip=False, vertical_flip=False, max_rotation_degrees=0)
TRAIN = Train(epochs=6, batch_size=8, patience=None, optimizer=Adam(learning_rate=0.02))
HARDEN = Harden(
    epsilon=0.1,
    eps_step=0.05,
    max_iter=3,
    num_random_init=1,
    adversarial_share=0.5,
    epochs=8,
    batch_size=8,
    patience=None,
    optimizer=Adam(learning_rate=0.02),
)


def two_classes(seed: int, n: int = 48):
    """Images that carry a pattern or its negative, easy to tell apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    sign = (2 * labels - 1)[:, None, None, None]
    images = 0.5 + 0.1 * sign * np.sign(balanced_weights()) + rng.normal(0, 0.1, (n, *SHAPE))
    return images_in_memory(images.clip(0, 1).astype(np.float32), labels)


def _quiet(done: int, total: int, text: str) -> None:
    assert 0 < done <= total
    assert text


def _run(settings, recipe=train, model=None, **changes):
    model = model or small_convolutional_net(n_classes=2)
    chosen = {"settings": settings, "augment_settings": NO_COPIES, "seed": 0, "notify": _quiet} | changes
    return model, recipe(model, two_classes(0), two_classes(1, 24), **chosen)


def test_decay_is_old_keras_per_update():
    optimizer = make_optimizer(SGD(learning_rate=0.1, decay=0.5, momentum=0.9, nesterov=True))
    for updates, rate in ((0, 0.1), (1, 0.1 / 1.5), (4, 0.1 / 3)):
        optimizer.iterations.assign(updates)
        assert float(optimizer.learning_rate) == pytest.approx(rate)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)
    plain = make_optimizer(SGD(learning_rate=0.01, decay=0.0, momentum=0.0, nesterov=False))
    assert float(plain.learning_rate) == pytest.approx(0.01)


def test_nesterov_steps_as_the_formula_says():
    variable = keras.Variable([1.0])
    optimizer = make_optimizer(SGD(learning_rate=0.1, decay=1.0, momentum=0.9, nesterov=True))
    velocity, weight = 0.0, 1.0
    for step in range(3):
        rate, slope = 0.1 / (1 + step), 2 * weight
        velocity = 0.9 * velocity - rate * slope
        weight += 0.9 * velocity - rate * slope
        optimizer.apply([keras.ops.convert_to_tensor([2 * float(variable.numpy()[0])])], [variable])
        assert float(variable.numpy()[0]) == pytest.approx(weight, rel=1e-5)


def test_training_learns_and_tells_every_epoch():
    model, trained = _run(TRAIN)
    assert trained.history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert trained.history["validation_accuracy"].iloc[-1] > 0.9
    assert trained.history["loss"].iloc[-1] < trained.history["loss"].iloc[0]
    assert not model.compiled  # the saved model holds no optimiser


def test_the_kept_weights_are_those_of_the_epoch_with_the_smallest_validation_loss():
    wild = msgspec.structs.replace(TRAIN, optimizer=SGD(learning_rate=3.0, decay=0.0, momentum=0.9, nesterov=True))
    model, trained = _run(wild, model=linear_model(np.zeros(SHAPE)))
    best = trained.history["validation_loss"].idxmin()
    assert trained.best_epoch == best + 1
    data = two_classes(1, 24)
    logits = np.asarray(model(data.images(slice(None)), training=False), dtype=np.float64)
    loss = np.mean(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(24), data.labels])
    assert loss == pytest.approx(trained.history["validation_loss"][best], rel=1e-5)
    assert trained.history["validation_loss"].iloc[-1] > loss  # or the test would show nothing


@pytest.mark.parametrize(("patience", "epochs"), [(0, 2), (1, 2), (3, 4), (None, 6)])
def test_training_stops_after_patience_epochs_without_a_better_loss(patience, epochs):
    # A vanishing step leaves the loss as it is: the first epoch stays the best.
    still = msgspec.structs.replace(
        TRAIN, patience=patience, optimizer=SGD(learning_rate=1e-30, decay=0.0, momentum=0.0, nesterov=False)
    )
    _, trained = _run(still)
    assert (trained.best_epoch, len(trained.history)) == (1, epochs)


def test_an_epoch_sees_each_image_and_each_copy_once(monkeypatch):
    seen = []

    def spy(image, *, settings, image_id, copy, seed):
        seen.append((image_id, copy))
        return image

    monkeypatch.setattr("oncorobust.training.augment", spy)
    _run(msgspec.structs.replace(TRAIN, epochs=1), augment_settings=msgspec.structs.replace(NO_COPIES, copies=2))
    assert sorted(seen) == sorted((f"image-{number}", copy) for number in range(48) for copy in range(3))


def test_the_loss_told_is_the_mean_over_the_epochs_images():
    # With a vanishing step every batch meets the same weights, so the mean over batches is the loss on all images.
    still = SGD(learning_rate=1e-30, decay=0.0, momentum=0.0, nesterov=False)
    model = linear_model(balanced_weights())
    uneven = msgspec.structs.replace(TRAIN, epochs=1, batch_size=20, optimizer=still)
    _, trained = _run(uneven, model=model)
    data = two_classes(0)
    logits = np.asarray(model(data.images(), training=False), dtype=np.float64)
    losses = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(48), data.labels]
    assert trained.history["loss"][0] == pytest.approx(losses.mean(), rel=1e-5)
    assert trained.history["accuracy"][0] == pytest.approx(np.mean(logits.argmax(axis=1) == data.labels))


def test_the_same_seed_trains_the_same_weights():
    first, again = (_run(TRAIN)[0].get_weights() for _ in range(2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    other = _run(TRAIN, seed=1)[0].get_weights()
    assert not np.array_equal(first[0], other[0])


def test_half_of_each_batch_is_adversarial_and_the_other_half_clean(monkeypatch):
    attacked = []

    def spy(x, one_hot, **settings):
        attacked.append((len(x), settings["epsilon"], settings["eps_step"], settings["max_iter"]))
        assert settings["random_start"]
        return x

    monkeypatch.setattr("oncorobust.training.linf_pgd", spy)
    _run(msgspec.structs.replace(HARDEN, epochs=1), harden)
    batches, validation = attacked[:6], attacked[6:]
    assert batches == [(4, 0.1, 0.05, 3)] * 6
    assert [number for number, *_ in validation] == [8, 8, 8]
    assert adversarial_positions(5, 0.5) == slice(0, 2)
    assert adversarial_positions(8, 1.0) == slice(0, 8)


def test_hardening_raises_robust_accuracy():
    model, _ = _run(TRAIN)
    before = _robust_accuracy(model)
    _, hardened = _run(HARDEN, harden, model)
    assert _robust_accuracy(model) > before + 0.2
    assert hardened.history["validation_robust_accuracy"].iloc[-1] > 0.6


def _robust_accuracy(model: keras.Model) -> float:
    data, one_hot = two_classes(2), np.eye(2, dtype=np.float32)
    x, y = data.images(), data.labels
    gradient = compile_gradient(model, cross_entropy)
    chosen = {"epsilon": 0.1, "eps_step": 0.025, "max_iter": 10, "random_start": False}
    x_adv = linf_pgd(x, one_hot[y], loss_gradient=gradient, rng=np.random.default_rng(0), **chosen)
    return float(np.mean(compile_logits(model)(x_adv).argmax(axis=1) == y))


def test_no_step_is_traced_again_for_each_batch():
    model = small_convolutional_net(n_classes=2)
    calls, layer = [], model.layers[0]
    inner = layer.call
    layer.call = lambda *args, **kwargs: (calls.append(1), inner(*args, **kwargs))[1]
    _run(msgspec.structs.replace(HARDEN, epochs=1), harden, model)
    after_one = len(calls)
    calls.clear()
    layer_model = small_convolutional_net(n_classes=2)
    inner_again = layer_model.layers[0].call
    layer_model.layers[0].call = lambda *args, **kwargs: (calls.append(1), inner_again(*args, **kwargs))[1]
    _run(msgspec.structs.replace(HARDEN, epochs=4), harden, layer_model)
    assert len(calls) == after_one


def test_a_loss_that_is_not_a_number_ends_with_the_epoch_and_the_way_out():
    explode = msgspec.structs.replace(TRAIN, optimizer=SGD(learning_rate=1e38, decay=0.0, momentum=0.0, nesterov=False))
    with pytest.raises(InputError, match=r"expected a finite loss, got .*nan.* in epoch \d: lower learning_rate"):
        _run(explode, model=linear_model(np.zeros(SHAPE)))
