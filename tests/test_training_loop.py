"""What the loop keeps, when it ends, what it says, and that after an interruption it goes on as if there was none."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from models import Quiet, balanced_weights, linear_model, small_convolutional_net, two_classes
from recipes import HARDEN, NO_COPIES, TRAIN

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Stopped
from oncorobust.base.run_state import RunState
from oncorobust.settings.training import SGD, NoiseAdversarial, Trades
from oncorobust.training.batches import Batches
from oncorobust.training.loop import Course, best_epoch, fit, how_ended
from oncorobust.training.recipes import harden, train
from oncorobust.training.step import make_trainee

replace = msgspec.structs.replace
ROBUST = replace(HARDEN, epochs=9, keep="validation_robust_accuracy", max_drop=None, patience=None)


def rows_of(robust, losses=None, collapsed=(), floor=0.0, clean=None):
    return [
        {
            "epoch": epoch,
            "validation_loss": (losses or [1.0] * len(robust))[epoch],
            "validation_accuracy": (clean or [0.8] * len(robust))[epoch],
            "validation_floor": floor,
            "collapsed": epoch in collapsed,
            "validation_robust_accuracy": accuracy,
        }
        for epoch, accuracy in enumerate(robust)
    ]


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (rows_of([0.2, 0.5, 0.7, 0.6]), 2),
        (rows_of([0.2, 0.5, 0.5], losses=[1, 0.9, 0.8]), 2),  # equal accuracies: the smaller loss
        (rows_of([0.2, 0.5, 0.5], losses=[1, 0.8, 0.8]), 1),  # and then the earlier epoch
        (rows_of([0.2, 0.1, 0.5], collapsed=[2]), 0),  # looks robust, answers one class
        (rows_of([0.5, 0.5, 0.5], collapsed=[0, 1, 2]), 0),
        (rows_of([0.2, 0.7, 0.6], losses=[3, 2, 1], floor=0.59), 1),
        # None is above what one answer for all gets: the mean with clean accuracy, by which epoch 1 gains nothing.
        (rows_of([0.2, 0.5, 0.4], clean=[0.8, 0.6, 0.8], floor=0.59), 2),
        (rows_of([0.2, 0.7, 0.4], clean=[0.8, 0.5, 0.8], floor=0.59, collapsed=[1]), 2),
        (rows_of([0.5, 0.6, 0.65], clean=[0.9, 0.9, 0.6], floor=0.59), 2),  # above it robust accuracy alone
    ],
)
def test_robust_accuracy_chooses_among_epochs_that_did_not_collapse(rows, kept):
    assert best_epoch(rows, ROBUST) == kept


def test_accuracy_under_noise_chooses_as_robust_accuracy_does():
    rows = [row | {"validation_noise_accuracy": row["validation_robust_accuracy"]} for row in rows_of([0.2, 0.7, 0.6])]
    for row in rows:
        row["validation_robust_accuracy"] = 0.9 - row["validation_noise_accuracy"]
    assert best_epoch(rows, replace(ROBUST, keep="validation_noise_accuracy")) == 1
    assert best_epoch(rows, ROBUST) == 0


def test_the_other_ways_to_keep_weights():
    rows = rows_of([0.2, 0.5, 0.7, 0.6], losses=[0.1, 0.9, 0.8, 0.85])
    assert best_epoch(rows, replace(ROBUST, keep="validation_loss")) == 2  # never the weights before training
    assert best_epoch(rows, replace(ROBUST, keep="last")) == 3


@pytest.mark.parametrize(
    ("robust", "changes", "ended"),
    [
        ([0.2, 0.5], {}, ""),
        ([0.2] * 10, {}, "all epochs"),
        ([0.5, 0.6, 0.41], {"max_drop": 0.2}, ""),
        ([0.5, 0.6, 0.39], {"max_drop": 0.2}, "collapse"),
        ([0.5, 0.2], {"max_drop": 0.2}, "collapse"),
        ([0.5, 0.2], {"max_drop": None}, ""),
        ([0.1, 0.04], {"max_drop": 0.05}, ""),  # below the floor there is nothing to lose
        ([0.2, 0.6, 0.5, 0.4], {"patience": 3}, ""),
        ([0.2, 0.6, 0.5, 0.4, 0.5], {"patience": 3}, "patience"),
    ],
)
def test_when_training_ends(robust, changes, ended):
    rows = rows_of(robust, losses=[1 - one for one in robust], floor=0.1)
    assert how_ended(rows, replace(ROBUST, **changes)) == ended


@pytest.mark.parametrize(("patience", "epochs"), [(0, 2), (1, 2), (3, 4), (None, 6)])
def test_training_stops_after_patience_epochs_without_a_better_loss(patience, epochs):
    # A vanishing step leaves the loss as it is: the first epoch stays the best.
    still = SGD(learning_rate=1e-30, decay=0.0, momentum=0.0, nesterov=False, weight_decay=0.0)
    _, trained = run(replace(TRAIN, patience=patience, optimizer=still))
    assert (trained.best_epoch, len(trained.history)) == (1, 1 + epochs)
    assert trained.ended == ("all epochs" if patience is None else "patience")


def test_the_kept_weights_are_those_of_the_epoch_with_the_smallest_validation_loss():
    wild = SGD(learning_rate=3.0, decay=0.0, momentum=0.9, nesterov=True, weight_decay=0.0)
    model, trained = run(replace(TRAIN, optimizer=wild), model=linear_model(np.zeros((6, 6, 3))))
    after_training = trained.history["validation_loss"].iloc[1:]
    assert trained.best_epoch == after_training.idxmin()
    data = two_classes(1, 24)
    logits = np.asarray(model(data.images(slice(None)), training=False), dtype=np.float64)
    loss = np.mean(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(24), data.labels])
    assert loss == pytest.approx(after_training.min(), rel=1e-5)
    assert after_training.iloc[-1] > loss  # or the test would show nothing


def test_with_an_average_the_average_is_judged_and_kept():
    settings = replace(TRAIN, average=0.9, keep="last", epochs=3)
    model, trained = run(settings)
    plain, _ = run(replace(settings, average=None))
    assert not np.array_equal(model.get_weights()[0], plain.get_weights()[0])
    data = two_classes(1, 24)
    logits = np.asarray(model(data.images(slice(None)), training=False), dtype=np.float64)
    loss = np.mean(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(24), data.labels])
    assert trained.history["validation_loss"].iloc[-1] == pytest.approx(loss, rel=1e-5)


class Heard:
    """A listener that remembers."""

    def __init__(self):
        self.updates, self.said, self.warned = [], [], []
        self.begun = []

    def begin(self, done):
        self.begun.append(done)

    def update(self, done, total, text):
        self.updates.append((done, total, text))

    def say(self, text):
        self.said.append(text)

    def warn(self, text):
        self.warned.append(text)


def scripted(robust, collapsed=()):
    """A course in which epoch n sets all weights to n and validation says what is written."""
    model = linear_model(balanced_weights())

    def step(x, y, epoch, rng):
        model.set_weights([np.full_like(one, epoch) for one in model.get_weights()])
        return 0.5, float(len(y))

    def score(epoch):
        return rows_of(robust, collapsed=collapsed)[epoch]

    return model, Course(step, score)


def test_a_collapse_ends_training_is_said_and_leaves_the_best_weights():
    model, course = scripted([0.3, 0.5, 0.7, 0.1])
    heard, batches = Heard(), Batches(two_classes(0), NO_COPIES, 16, 0)
    settings = replace(ROBUST, max_drop=0.3)
    trained = fit(make_trainee(model, settings), batches, course, settings=settings, checkpoint=None, listener=heard)
    assert (trained.best_epoch, trained.ended) == (2, "collapse")
    assert np.unique(model.get_weights()[0]).tolist() == [2.0]
    assert any(
        "COLLAPSED in epoch 3: robust validation accuracy fell from 0.7000 to 0.1000" in line
        and "the weights of epoch 2 are kept" in line
        for line in heard.warned
    )
    assert heard.updates[-1][:2] == (9, 27)  # 3 of 9 epochs of 3 batches


def test_one_answer_for_all_is_said():
    model, course = scripted([0.3, 0.5, 0.4], collapsed=[1])
    heard, batches = Heard(), Batches(two_classes(0), NO_COPIES, 16, 0)
    settings = replace(ROBUST, epochs=2)
    trained = fit(make_trainee(model, settings), batches, course, settings=settings, checkpoint=None, listener=heard)
    assert "COLLAPSED in epoch 1: validation accuracy is no better than one class for all images" in heard.warned
    assert trained.best_epoch == 2


def test_a_loss_that_is_not_a_number_ends_at_once_and_keeps_the_last_good_state(tmp_path):
    explode = SGD(learning_rate=1e38, decay=0.0, momentum=0.0, nesterov=False, weight_decay=0.0)
    settings = replace(TRAIN, optimizer=explode)
    with pytest.raises(InputError, match=r"expected a finite loss, got (nan|inf) in batch \d of epoch 1: lower learni"):
        run(settings, model=linear_model(np.zeros((6, 6, 3))))
    model, course = scripted([0.3, 0.5, 0.4])
    broken = Course(lambda *batch: (np.nan, 0.0) if batch[2] == 2 else (0.5, 1.0), course.score)
    checkpoint = RunState(tmp_path / ".x.state", fingerprint="a")
    batches = Batches(two_classes(0), NO_COPIES, 16, 0)
    with pytest.raises(InputError, match="got nan in batch 1 of epoch 2"):
        fit(make_trainee(model, ROBUST), batches, broken, settings=ROBUST, checkpoint=checkpoint, listener=Quiet())
    assert RunState(tmp_path / ".x.state", fingerprint="a").load().done == "epoch 1"


class Killed(Exception):
    """Stands for a process that ends between two lines."""


class Killer(Heard):
    """Ends the run in the middle of an epoch."""

    def __init__(self, at, end=Killed):
        super().__init__()
        self.at, self.end = at, end

    def update(self, done, total, text):
        super().update(done, total, text)
        if done == self.at:
            raise self.end


NOISE = NoiseAdversarial(sigma=0.1, noise="tied", copies=2, consistency=2.0)
RECIPES = {
    "train": (train, replace(TRAIN, epochs=4, average=0.5)),
    "mixture": (harden, replace(HARDEN, epochs=4, average=0.5, weight_perturbation=0.01)),
    "trades": (harden, replace(HARDEN, epochs=4, loss=Trades(beta=2.0), patience=2)),
    "noise_adversarial": (harden, replace(HARDEN, epochs=4, loss=NOISE, keep="validation_noise_accuracy", patience=2)),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(name, tmp_path: Path):
    recipe, settings = RECIPES[name]
    untouched, expected = run(settings, recipe, seed=3)
    for at in (3, 8, 15, 19):  # batches; 6 an epoch
        checkpoint = RunState(tmp_path / ".x.state", fingerprint="one run")
        with pytest.raises(Killed):
            run(settings, recipe, seed=3, checkpoint=checkpoint, listener=Killer(at))
    heard = Heard()
    model, trained = run(settings, recipe, seed=3, checkpoint=checkpoint, listener=heard)
    assert "resumed after epoch 3" in heard.said
    assert heard.begun == [18]
    assert heard.updates[0][0] == 19
    assert trained.history.equals(expected.history)
    assert (trained.best_epoch, trained.ended) == (expected.best_epoch, expected.ended)
    for one, other in zip(model.get_weights(), untouched.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # Killed after the last epoch, before the outputs were written: nothing is trained again.
    heard = Heard()
    again, _ = run(settings, recipe, seed=3, checkpoint=checkpoint, listener=heard)
    assert heard.updates == []
    np.testing.assert_array_equal(again.get_weights()[0], untouched.get_weights()[0])


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_that_is_asked_to_end_goes_on_in_the_middle_of_an_epoch(name, tmp_path: Path):
    recipe, settings = RECIPES[name]
    copies = replace(NO_COPIES, copies=1, horizontal_flip=True)  # 12 batches an epoch
    untouched, expected = run(settings, recipe, seed=3, augment_settings=copies)
    checkpoint = RunState(tmp_path / ".x.state", fingerprint="one run")
    heard = []
    for at in (1, 5, 12, 19):  # one is the end of an epoch
        heard.append(Killer(at, Stopped))
        with pytest.raises(Stopped):
            run(settings, recipe, seed=3, augment_settings=copies, checkpoint=checkpoint, listener=heard[-1])
    heard.append(Heard())
    model, trained = run(settings, recipe, seed=3, augment_settings=copies, checkpoint=checkpoint, listener=heard[-1])
    assert [one.updates[0][0] for one in heard] == [1, 2, 6, 13, 20]
    assert "resumed after batch 12 of epoch 1" in heard[3].said
    assert "resumed after batch 7 of epoch 2" in heard[4].said
    assert trained.history.equals(expected.history)
    for one, other in zip(model.get_weights(), untouched.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_state_of_another_run_is_not_taken_up(tmp_path):
    run(replace(TRAIN, epochs=2), checkpoint=RunState(tmp_path / ".x.state", fingerprint="one"))
    heard = Heard()
    _, trained = run(TRAIN, checkpoint=RunState(tmp_path / ".x.state", fingerprint="other"), listener=heard)
    assert "training starts anew" in heard.warned[0]
    assert len(trained.history) == 7


def run(settings, recipe=train, model=None, **changes):
    """The model that a recipe trained on two easy classes, and what it says of it."""
    model = model or small_convolutional_net(n_classes=2)
    chosen = {"augment_settings": NO_COPIES, "seed": 0, "checkpoint": None, "listener": Quiet()} | changes
    return model, recipe(model, two_classes(0), two_classes(1, 24), settings=settings, **chosen)
