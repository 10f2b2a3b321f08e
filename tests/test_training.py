"""The recipes: optimisers' formulas, what an epoch holds, schedules, determinism, refusals, and that they learn."""

import keras
import msgspec
import numpy as np
import pytest
from models import Quiet, balanced_weights, images_in_memory, linear_model, small_convolutional_net, two_classes
from recipes import HARDEN, NO_COPIES, TRAIN
from schema_check import table_problems

from oncorobust.attacks.goals import leave
from oncorobust.attacks.linf import Ball, walk
from oncorobust.attacks.target import Target
from oncorobust.base.errors import InputError
from oncorobust.base.files import write_csv
from oncorobust.base.schema.training import HISTORY
from oncorobust.settings.own_models import OwnModel
from oncorobust.settings.training import SGD, Adam, Constant, Noise, NoiseAdversarial, Stages, Trades, WarmUp
from oncorobust.training.optimizers import make_optimizer
from oncorobust.training.recipes import harden, measure, train
from oncorobust.training.schedule import epsilon_at

replace = msgspec.structs.replace
NOISE = Noise(sigma=0.1, noise="tied", copies=1)
NOISE_ADVERSARIAL = NoiseAdversarial(sigma=0.1, noise="untied", copies=2)
STILL = SGD(learning_rate=1e-30, decay=0.0, momentum=0.0, nesterov=False, weight_decay=0.0)


def run(settings, recipe=train, model=None, data=None, **changes):
    model = model or small_convolutional_net(n_classes=2)
    training, validation = data or (two_classes(0), two_classes(1, 24))
    chosen = {"augment_settings": NO_COPIES, "seed": 0, "checkpoint": None, "listener": Quiet()} | changes
    return model, recipe(model, training, validation, settings=settings, **chosen)


def test_decay_is_old_keras_per_update():
    optimizer = make_optimizer(SGD(learning_rate=0.1, decay=0.5, momentum=0.9, nesterov=True, weight_decay=0.0))
    for updates, rate in ((0, 0.1), (1, 0.1 / 1.5), (4, 0.1 / 3)):
        optimizer.iterations.assign(updates)
        assert float(optimizer.learning_rate) == pytest.approx(rate)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)
    plain = make_optimizer(SGD(learning_rate=0.01, decay=0.0, momentum=0.0, nesterov=False, weight_decay=0.0))
    assert float(plain.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_nesterov_and_weight_decay_step_as_the_formula_says(weight_decay):
    variable = keras.Variable([1.0])
    settings = SGD(learning_rate=0.1, decay=1.0, momentum=0.9, nesterov=True, weight_decay=weight_decay)
    optimizer = make_optimizer(settings)
    velocity, weight = 0.0, 1.0
    for step in range(3):
        rate, slope = 0.1 / (1 + step), 2 * weight
        weight *= 1 - weight_decay * rate
        velocity = 0.9 * velocity - rate * slope
        weight += 0.9 * velocity - rate * slope
        optimizer.apply([keras.ops.convert_to_tensor([2 * float(variable.numpy()[0])])], [variable])
        assert float(variable.numpy()[0]) == pytest.approx(weight, rel=1e-5)


def test_training_learns_and_tells_every_epoch():
    model, trained = run(TRAIN)
    assert trained.history["epoch"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert trained.history["loss"].isna().tolist() == [True] + 6 * [False]
    assert trained.history["validation_accuracy"].iloc[-1] > 0.9
    assert trained.history["loss"].iloc[-1] < trained.history["loss"].iloc[1]
    assert not model.compiled  # the saved model holds no optimiser


def test_an_epoch_sees_each_image_and_each_copy_once(monkeypatch):
    seen = []

    def spy(image, *, settings, image_id, copy, seed):
        seen.append((image_id, copy))
        return image

    monkeypatch.setattr("oncorobust.training.batches.augment", spy)
    run(replace(TRAIN, epochs=1), augment_settings=replace(NO_COPIES, copies=2))
    assert sorted(seen) == sorted((f"image-{number}", copy) for number in range(48) for copy in range(3))


def test_the_loss_told_is_the_mean_over_the_epochs_images():
    # With a vanishing step every batch meets the same weights, so the mean over batches is the loss on all images.
    model = linear_model(balanced_weights())
    _, trained = run(replace(TRAIN, epochs=1, batch_size=20, optimizer=STILL), model=model)
    data = two_classes(0)
    logits = np.asarray(model(data.images(), training=False), dtype=np.float64)
    losses = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(48), data.labels]
    assert trained.history["loss"][1] == pytest.approx(losses.mean(), rel=1e-5)
    assert trained.history["accuracy"][1] == pytest.approx(np.mean(logits.argmax(axis=1) == data.labels))


@pytest.mark.parametrize("recipe", [train, harden])
def test_the_same_seed_trains_the_same_weights(recipe):
    settings = replace(TRAIN if recipe is train else HARDEN, epochs=2)
    first, again = (run(settings, recipe)[0].get_weights() for _ in range(2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    other = run(settings, recipe, seed=1)[0].get_weights()
    assert not np.array_equal(first[0], other[0])


def test_epsilon_follows_its_schedule():
    def of(schedule):
        return [epsilon_at(replace(HARDEN, schedule=schedule), epoch) for epoch in range(1, 6)]

    assert of(Constant()) == [0.1] * 5
    assert of(WarmUp(epochs=4)) == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    assert of(Stages(first_epsilon=0.02, epochs=2)) == [0.02, 0.02, 0.1, 0.1, 0.1]
    _, trained = run(replace(HARDEN, epochs=3, schedule=WarmUp(epochs=2)), harden)
    assert trained.history["epsilon"].iloc[1:].tolist() == [0.05, 0.1, 0.1]


def test_a_smaller_epsilon_has_a_smaller_step(monkeypatch):
    taken = []

    def note(*arrays):
        taken.append([float(one) for one in arrays[3:]])
        return 0.5, 0.0

    monkeypatch.setattr("oncorobust.training.recipes.compile_adversarial_step", lambda *_: note)
    run(replace(HARDEN, epochs=2, batch_size=24, schedule=WarmUp(epochs=2)), harden)
    np.testing.assert_allclose(taken, 2 * [(0.05, 0.025, 3)] + 2 * [(0.1, 0.05, 3)], rtol=1e-6)


@pytest.mark.parametrize("changes", [{}, {"loss": Trades(beta=4.0)}, {"weight_perturbation": 0.01}, {"average": 0.8}])
def test_hardening_raises_robust_accuracy(changes):
    model, _ = run(TRAIN)
    before = robust_accuracy(model)
    _, hardened = run(replace(HARDEN, keep="validation_robust_accuracy", **changes), harden, model)
    assert robust_accuracy(model) > before + 0.2
    accuracies = hardened.history["validation_robust_accuracy"]
    assert accuracies[hardened.best_epoch] == accuracies.max()


def test_the_fast_mode_hardens_against_longer_attacks_too():
    model, _ = run(TRAIN)
    before = robust_accuracy(model)
    fast = replace(HARDEN, max_iter=1, rel_eps_step=1.0, keep="validation_robust_accuracy", max_drop=0.3)
    run(fast, harden, model)
    assert robust_accuracy(model) > before + 0.2


def robust_accuracy(model: keras.Model) -> float:
    data = two_classes(2)
    ball = Ball(data.images(), np.full(48, 0.1), leave(data.labels, n_classes=2))
    return float(np.mean(~walk(Target(model), ball, ball.x, rel_eps_step=0.25, max_iter=10).flipped))


@pytest.mark.parametrize(
    ("recipe", "settings", "of_its_own"),
    [
        (train, TRAIN, set()),
        (harden, HARDEN, {"epsilon", "validation_robust_accuracy"}),
        (harden, replace(HARDEN, loss=NOISE), {"validation_robust_accuracy", "validation_noise_accuracy"}),
        (
            harden,
            replace(HARDEN, loss=NOISE_ADVERSARIAL),
            {"epsilon", "validation_robust_accuracy", "validation_noise_accuracy"},
        ),
    ],
)
def test_a_history_fits_its_schema(tmp_path, recipe, settings, of_its_own):
    _, trained = run(replace(settings, epochs=1, schedule=Constant()) if recipe is harden else settings, recipe)
    write_csv(tmp_path / "history.csv", trained.history)
    assert table_problems(tmp_path / "history.csv", HISTORY) == []
    of_some = {"epsilon", "validation_robust_accuracy", "validation_noise_accuracy"}
    assert set(trained.history.columns) & of_some == of_its_own


OWN = OwnModel(path="own/mine.keras", input_range=(0.0, 1.0), fine_tune=False)


def test_a_model_taken_as_it_is_is_only_measured():
    model = linear_model(balanced_weights())
    before = model.get_weights()
    measured = measure(model, two_classes(1, 24), settings=OWN, batch_size=7)
    assert (measured.best_epoch, measured.ended, len(measured.history)) == (0, "not trained", 1)
    data = two_classes(1, 24)
    accuracy = np.mean(np.asarray(model(data.images())).argmax(axis=1) == data.labels)
    assert measured.history["validation_accuracy"][0] == pytest.approx(accuracy)
    assert all(np.array_equal(one, two) for one, two in zip(before, model.get_weights(), strict=True))


def test_a_finished_model_with_reversed_classes_is_refused_unless_that_is_allowed():
    reversed_classes = linear_model(-balanced_weights())
    with pytest.raises(
        InputError, match=r"^expected own/mine\.keras to do better than chance .* model\.allow_chance: true"
    ):
        measure(reversed_classes, two_classes(1, 24), settings=OWN, batch_size=7)
    allowed = msgspec.structs.replace(OWN, allow_chance=True)
    measured = measure(reversed_classes, two_classes(1, 24), settings=allowed, batch_size=7)
    assert measured.history["validation_accuracy"][0] < 0.2


@pytest.mark.parametrize("split", ["training", "validation"])
def test_a_class_without_images_is_refused_by_its_name(split):
    whole = two_classes(0)
    lacking = images_in_memory(whole.pixels[::2], whole.labels[::2])
    data = (lacking, whole) if split == "training" else (whole, lacking)
    with pytest.raises(InputError, match=f"in memory: no {split} images of class 'malignant'"):
        run(HARDEN, harden, data=data)


def test_batches_larger_than_an_epoch_are_refused():
    with pytest.raises(InputError, match="in memory: batch_size 49 exceeds the 48 training images"):
        run(replace(TRAIN, batch_size=49))
    _, trained = run(
        replace(TRAIN, batch_size=49, epochs=1), augment_settings=replace(NO_COPIES, copies=1)
    )  # copies count
    assert len(trained.history) == 2


def test_an_optimizer_with_weight_decay_is_adamw():
    assert make_optimizer(Adam(learning_rate=0.01, weight_decay=0.1)).weight_decay == 0.1
    assert make_optimizer(Adam(learning_rate=0.01, weight_decay=0.0)).weight_decay is None


def test_a_model_whose_layers_are_all_frozen_is_refused():
    model = small_convolutional_net(n_classes=2)
    model.trainable = False
    with pytest.raises(InputError, match=r"model 'sequential.*': all layers are frozen"):
        run(TRAIN, model=model)
