"""Hardening with images without a label against numbers worked out in NumPy, on each backend that is installed."""

import dataclasses
from pathlib import Path

import keras
import msgspec
import numpy as np
import pytest
from backends import BACKENDS, passes_on
from models import SHAPE, Quiet, small_convolutional_net, two_classes
from recipes import HARDEN, NO_COPIES, TRAIN
from test_left_out_labels import GIVEN, relabelled, tree, written
from test_preprocess import make_settings

from oncorobust.attacks.target import Target
from oncorobust.base.errors import InputError
from oncorobust.base.run_state import RunState
from oncorobust.data.dataset import LabelledImages, load
from oncorobust.data.preprocess import process
from oncorobust.data.unlabelled import UnlabelledImages, load_unlabelled
from oncorobust.formats.records import StoredImage
from oncorobust.pipeline.model_training import ModelTraining
from oncorobust.settings.training import SGD, Unlabelled
from oncorobust.training.losses import divergence_from, n_adversarial
from oncorobust.training.recipes import harden, train
from oncorobust.training.step import make_trainee
from oncorobust.training.unlabelled_step import (
    UnlabelledDraws,
    attack_loss,
    combined_loss,
    compile_unlabelled_step,
    given_classes,
    targets_of,
)

replace = msgspec.structs.replace
tensor = keras.ops.convert_to_tensor
RATE = 0.1
STEPS = SGD(learning_rate=RATE, decay=0.0, momentum=0.0, nesterov=False, weight_decay=0.0)
LOSS = Unlabelled(targets="fixed", weight=2.0, unlabelled_ratio=2, adversarial_share=0.5)
TARGETS = ("online", "fixed", "both")


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_other_backends_pass_too(backend):
    passes_on(backend, __file__)


def softmax(logits):
    found = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return found / found.sum(axis=-1, keepdims=True)


def test_the_terms_of_the_loss_by_hand():
    # Answers 0.8 : 0.2 to a labelled image and 0.6 : 0.4, 0.5 : 0.5 to the adversarial examples of two others.
    logits = np.log(np.array([[0.8, 0.2], [0.6, 0.4], [0.5, 0.5]], dtype=np.float32))
    one_hot = np.array([[1, 0]], dtype=np.float32)
    for targets, others in (
        ([[1.0, 0.0], [0.0, 1.0]], -np.log(0.6) - np.log(0.5)),
        ([[0.9, 0.1], [0.5, 0.5]], 0.9 * np.log(0.9 / 0.6) + 0.1 * np.log(0.1 / 0.4)),
    ):
        found = combined_loss(LOSS, tensor(logits), tensor(one_hot), tensor(np.array(targets, np.float32)))
        assert float(found) == pytest.approx(-np.log(0.8) + 2.0 * others / 2, rel=1e-5)


def test_the_targets_by_hand():
    logits, classes = tensor(np.log(np.array([[0.7, 0.3]], np.float32))), tensor(np.array([[0, 1]], np.float32))
    for name, expected in (("online", [0.7, 0.3]), ("fixed", [0, 1]), ("both", [0.35, 0.65])):
        found = targets_of(replace(LOSS, targets=name), logits, classes)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), [expected], rtol=1e-5)


def test_the_attack_climbs_the_divergence_from_the_targets():
    logits = np.log(np.array([[0.8, 0.2], [0.6, 0.4]], np.float32))
    one_hot, soft = np.array([[0, 1]], np.float32), np.array([[0.9, 0.1]], np.float32)
    for name in ("online", "both"):
        found = attack_loss(replace(LOSS, targets=name), tensor(one_hot), tensor(soft))(tensor(logits))
        expected = -np.log(0.2) + 0.9 * np.log(0.9 / 0.6) + 0.1 * np.log(0.1 / 0.4)
        assert float(found) == pytest.approx(expected, rel=1e-5)
    fixed = attack_loss(LOSS, tensor(one_hot), tensor(one_hot))(tensor(logits))
    assert float(fixed) == pytest.approx(-np.log(0.2) - np.log(0.4), rel=1e-5)
    assert float(divergence_from(tensor(one_hot), tensor(logits[:1]))[0]) == pytest.approx(-np.log(0.2), rel=1e-5)


def linear(seed=0):
    rng = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(2)])
    kernel, bias = rng.normal(0, 0.3, (108, 2)).astype(np.float32), np.array([0.1, -0.1], np.float32)
    model.layers[-1].set_weights([kernel, bias])
    return model, kernel.astype(np.float64), bias.astype(np.float64)


@pytest.mark.parametrize("name", TARGETS)
def test_an_update_attacks_and_descends_as_the_formula_says(name):
    loss, rng = replace(LOSS, targets=name), np.random.default_rng(1)
    x, others = (rng.uniform(0.2, 0.8, (n, *SHAPE)).astype(np.float32) for n in (4, 8))
    one_hot = np.eye(2, dtype=np.float32)[[0, 1, 1, 0]]
    classes = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 8)]
    model, kernel, bias = linear()
    settings = replace(HARDEN, loss=loss, optimizer=STEPS)
    start = rng.uniform(-1, 1, (10, *SHAPE)).astype(np.float32)  # 2 of the 4 labelled images, and the 8 others
    assert n_adversarial(loss, 4) == 10
    epsilon, eps_step = 0.1, 0.05

    def logits_of(images, moved=kernel):
        return images.reshape(len(images), -1) @ moved + bias

    share = {"online": 0.0, "fixed": 1.0, "both": 0.5}[name]
    targets = share * classes + (1 - share) * softmax(logits_of(others))
    attacked, goal = np.concatenate([x[:2], others]).astype(np.float64), np.concatenate([one_hot[:2], targets])
    x_adv = np.clip(attacked + epsilon * start, 0, 1)
    for _ in range(3):
        slope = ((softmax(logits_of(x_adv)) - goal) @ kernel.T).reshape(x_adv.shape)
        x_adv = np.clip(x_adv + eps_step * np.sign(slope), attacked - epsilon, attacked + epsilon).clip(0, 1)

    def value_at(moved):
        log_q = np.log(softmax(logits_of(np.concatenate([x_adv[:2], x[2:], x_adv[2:]]), moved)))
        own = np.where(targets > 0, targets * np.log(np.maximum(targets, 1e-300)), 0).sum(axis=1)
        return -(one_hot * log_q[:4]).sum(axis=1).mean() + 2.0 * (own - (targets * log_q[4:]).sum(axis=1)).mean()

    expected = np.zeros_like(kernel)
    for place in np.ndindex(kernel.shape):
        moved = np.zeros_like(kernel)
        moved[place] = 1e-5
        expected[place] = (value_at(kernel + moved) - value_at(kernel - moved)) / 2e-5
    update = compile_unlabelled_step(make_trainee(model, settings), settings, loss)
    arguments = (start, np.float32(epsilon), np.float32(eps_step), np.int32(3))
    value, right = update(x, one_hot, others, classes, *arguments)
    answers = logits_of(np.concatenate([x_adv[:2], x[2:]])).argmax(axis=1)
    assert float(value) == pytest.approx(value_at(kernel), rel=1e-4)
    assert float(right) == (answers == one_hot.argmax(axis=1)).sum()
    np.testing.assert_allclose(model.get_weights()[0], kernel - RATE * expected, atol=1e-5)


def parts(n_labelled=12):
    """Labelled images and, without their labels, the others of a data set of two classes."""
    data = two_classes(0)
    others = data.rows.iloc[n_labelled:][["image_id", "patient_id", "position"]]
    return data.take(np.arange(n_labelled)), UnlabelledImages(others, data.pixels, "in memory")


def run(loss, *, data=None, model=None, **changes):
    labelled, others = data or parts()
    chosen = {"augment_settings": NO_COPIES, "seed": 0, "checkpoint": None, "listener": Quiet(), "unlabelled": others}
    settings = replace(HARDEN, loss=loss, epochs=3, batch_size=4, average=0.5, weight_perturbation=0.01)
    model = model or small_convolutional_net(n_classes=2)
    return model, harden(model, labelled, two_classes(1, 24), settings=settings, **(chosen | changes))


def same(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(first, second) for first, second in pairs)


def test_weight_0_trains_as_the_labelled_images_alone_do():
    alone, expected = run(LOSS.supervised, unlabelled=None)
    ignored, found = run(replace(LOSS, weight=0.0))
    used, _ = run(LOSS)
    assert same(alone, ignored)
    assert found.history.equals(expected.history)
    assert not same(alone, used)


def test_a_loss_with_labels_alone_leaves_the_others_out():
    assert same(run(LOSS.supervised)[0], run(LOSS.supervised, unlabelled=None)[0])


def test_no_image_without_a_label_is_refused():
    told = (
        r"^in memory: expected training images without a label for the loss unlabelled, got none: set "
        r"preprocess.labelled_share below 1, or leave the label of images empty in the manifest$"
    )
    for weight in (0.0, 1.0):
        with pytest.raises(InputError, match=told):
            run(replace(LOSS, weight=weight), unlabelled=None)


def test_the_fixed_classes_are_those_of_the_model_before_hardening():
    model, (_, others) = small_convolutional_net(n_classes=2), parts()
    found = given_classes(Target(model), others, batch_size=7)
    answers = np.asarray(model(others.images(np.arange(36)), training=False)).argmax(axis=1)
    np.testing.assert_array_equal(found, np.eye(2)[answers])


def test_a_batch_draws_each_image_at_most_once_and_its_own_class():
    _, others = parts()
    classes = np.eye(36, dtype=np.float32)
    copies = replace(NO_COPIES, copies=1, horizontal_flip=True)
    draws = UnlabelledDraws(others, classes, 2, copies, 0)
    images, given = draws.draw(18, np.random.default_rng(0))
    assert given.sum(axis=0).tolist() == [1.0] * 36
    whole = others.images(given.argmax(axis=1))
    plain = (images == whole).all(axis=(1, 2, 3))
    flipped = (images == whole[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (plain | flipped).all()
    assert 0 < plain.sum() < 36
    more, _ = draws.draw(30, np.random.default_rng(0))
    assert len(more) == 60


def planted(folder: Path, labels: dict[str, int]):
    """The parts of a processed data set whose raw tree has other labels for some patients."""
    pixels = np.round(255 * two_classes(0).pixels).astype(np.uint8)
    raw = tree(48)
    raw = type(raw)(**{**vars(raw), "read": lambda row: StoredImage(values=pixels[row], limits=(0.0, 255.0))})
    settings = make_settings(split=GIVEN, labelled_share=0.5, size=6, duplicates="allow")
    folder.mkdir()
    written(folder, process(relabelled(raw, labels), settings, dataset="x", seed=0))
    others = load_unlabelled(folder, name="x")
    assert others is not None
    return load(folder), others


def trained_and_hardened(data: LabelledImages, others: UnlabelledImages) -> tuple[keras.Model, list[bytes]]:
    model, training, validation = small_convolutional_net(n_classes=2), data.select("train"), data.select("validation")
    shared = {"augment_settings": NO_COPIES, "seed": 0, "checkpoint": None, "listener": Quiet()}
    train(model, training, validation, settings=replace(TRAIN, epochs=2), **shared)
    weights = [one.tobytes() for one in model.get_weights()]
    settings = replace(HARDEN, epochs=2, loss=replace(LOSS, targets="both"))
    harden(model, training, validation, settings=settings, unlabelled=others, **shared)
    return model, weights + [one.tobytes() for one in model.get_weights()]


def test_wrong_labels_in_the_withheld_part_change_no_weight(tmp_path: Path):
    data, others = planted(tmp_path / "true", {})
    withheld = sorted(set(others.rows["patient_id"]))
    assert len(withheld) == 8
    _, expected = trained_and_hardened(data, others)
    for name, label in (("first", 0), ("second", 1)):
        again = planted(tmp_path / name, dict.fromkeys(withheld, label))
        assert trained_and_hardened(*again)[1] == expected
    # The same plant among the labelled patients does change them.
    known = data.select("train").rows.iloc[0]
    turned = planted(tmp_path / "known", {known["patient_id"]: 1 - int(known["label"])})
    assert trained_and_hardened(*turned)[1] != expected


class Killed(Exception):
    """Stands for a process that ends between two lines."""


class Killer(Quiet):
    """Ends the run after a number of batches."""

    def __init__(self, at):
        self.at = at

    def update(self, done, total, text):
        super().update(done, total, text)
        if done == self.at:
            raise Killed


def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(tmp_path: Path):
    loss = replace(LOSS, targets="both")
    untouched, expected = run(loss)
    checkpoint = RunState(tmp_path / ".x.state", fingerprint="one run")
    for at in (2, 7):  # batches; 3 an epoch
        with pytest.raises(Killed):
            run(loss, checkpoint=checkpoint, listener=Killer(at))
    model, trained = run(loss, checkpoint=checkpoint)
    assert trained.history.equals(expected.history)
    assert same(model, untouched)


def test_the_validation_loss_is_that_of_the_labelled_part():
    _, trained = run(LOSS)
    start = small_convolutional_net(n_classes=2)
    _, alone = run(LOSS.supervised, unlabelled=None, model=start)
    assert trained.history["validation_loss"][0] == alone.history["validation_loss"][0]
    assert set(trained.history) == set(alone.history)


def test_training_json_counts_what_had_a_label_and_what_was_used_without():
    labelled, others = parts()
    opened = ModelTraining(
        stage="harden",
        dataset="x",
        model="adversarial",
        data=labelled,
        unlabelled=others,
        augment=NO_COPIES,
        backend="tensorflow",
        threads=1,
        seed=0,
        folder=".",
    )
    known = {"labelled_patients": 6, "labelled_images": 12}
    used, unused = ({"unlabelled_patients": n // 2, "unlabelled_images": n} for n in (36, 0))
    assert opened._labels(replace(HARDEN, loss=LOSS)) == known | used
    for settings in (TRAIN, HARDEN, replace(HARDEN, loss=replace(LOSS, weight=0.0))):
        assert opened._labels(settings) == known | unused
    assert dataclasses.replace(opened, unlabelled=None)._labels(TRAIN) == {}
