"""Scores of certainty: from logits by hand, under dropout, shifts and noise on models whose answers are known."""

import keras
import numpy as np
import pytest
from backends import BACKENDS, passes_on
from models import SHAPE, WEIGHTS, images, images_in_memory, linear_model, net_of_numpy_weights

from oncorobust.attacks.goals import certainty_loss, leave
from oncorobust.attacks.linf import Ball
from oncorobust.attacks.target import Target
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.certainty_gradients import climb, of_margin, over_copies, over_dropout, over_noise
from oncorobust.evaluation.certainty_scores import ScoreSettings, logit_scores, score_rows, shifted_copies
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.models.dropout import dropout_logits, dropout_model

SETTINGS = ScoreSettings(n_dropout=5, max_shift=1, n_noise=8, noise_epsilon=0.01)


def rows_of(model, x, *, size=16, settings=SETTINGS, blocks=None):
    data = images_in_memory(x, np.zeros(len(x), dtype=int))
    return score_rows(
        model,
        data,
        blocks if blocks is not None else blocks_of(len(x), size),
        settings=settings,
        seed=0,
        resumable=ResumableRows(lambda *_: None),
    )


def test_scores_of_logits_by_hand():
    found = logit_scores(np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], dtype=np.float32)))
    assert found["confidence"] == pytest.approx([0.5, 0.8])
    assert found["margin"] == pytest.approx([np.log(2), np.log(8)], rel=1e-6)
    entropy = [0.5 * np.log(0.5) + 0.5 * np.log(0.25), 0.8 * np.log(0.8) + 0.2 * np.log(0.1)]
    assert found["entropy"] == pytest.approx(entropy, rel=1e-6)
    huge = logit_scores(np.array([[1000.0, -1000.0]], dtype=np.float32))
    assert [float(values[0]) for values in huge.values()] == [1.0, 2000.0, 0.0]


def test_copies_are_shifted_by_hand():
    x = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    copies = [copy[0, :, :, 0].tolist() for copy in shifted_copies(x, max_shift=1)]
    assert len(copies) == 10
    assert copies[0] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert copies[1] == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]  # down
    assert copies[4] == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]  # to the left
    assert copies[5] == [[2, 1, 0], [5, 4, 3], [8, 7, 6]]  # mirrored


def test_the_rows_of_a_linear_model_have_closed_forms():
    x = images(0.3, 0.7, n=20)
    model = linear_model(WEIGHTS)
    rows = rows_of(model, x)
    assert rows.columns.tolist() == [
        *("split", "image_id", "patient_id", "label", "predicted"),
        *("confidence", "margin", "entropy", "augmentation", "noise_flips", "random"),
    ]
    difference = (x.astype(np.float64) * WEIGHTS).sum(axis=(1, 2, 3))
    assert rows["predicted"].tolist() == (difference > 0).astype(int).tolist()
    assert rows["margin"].to_numpy() == pytest.approx(np.abs(difference), abs=1e-5)
    mean = np.mean([(copy * WEIGHTS).sum(axis=(1, 2, 3)) for copy in shifted_copies(x, max_shift=1)], axis=0)
    assert rows["augmentation"].to_numpy() == pytest.approx(1 / (1 + np.exp(-np.sign(difference) * mean)), abs=1e-5)
    safe = np.abs(difference) > 0.011 * np.abs(WEIGHTS).sum()
    assert (rows["noise_flips"][safe] == 1).all()
    assert rows["random"].is_unique


def test_large_noise_flips_uncertain_images():
    x = images(0.3, 0.7, n=40)
    rows = rows_of(
        linear_model(WEIGHTS), x, settings=ScoreSettings(n_dropout=1, max_shift=1, n_noise=20, noise_epsilon=0.3)
    )
    assert (rows["noise_flips"] < 1).any()
    assert rows["noise_flips"].corr(rows["margin"], method="spearman") > 0.5


def test_a_block_has_the_same_rows_alone_and_after_others():
    x, model = images(0, 1, n=24), net_of_numpy_weights(3)
    whole = rows_of(model, x, size=8)
    alone = rows_of(model, x, blocks=blocks_of(24, 8)[1:2])
    assert alone.equals(whole.iloc[8:16].reset_index(drop=True))
    assert whole["mc_dropout"].between(0, 1).all()


def test_dropout_is_active_seeded_and_right_on_average():
    model = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    )
    x = images(0.2, 0.8, n=4)
    logits = dropout_logits(model)
    first = logits(x, 1)
    np.testing.assert_array_equal(logits(x, 1), first)
    assert not np.allclose(logits(x, 2), first)
    plain = keras.ops.convert_to_numpy(model(x, training=False))
    mean = np.mean([logits(x, seed) for seed in range(400)], axis=0)
    spread = np.std([logits(x, seed) for seed in range(50)], axis=0) / 20
    assert (np.abs(mean - plain) < 5 * spread).all()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x, training=False)), plain)


def nested_model(rate):
    """Dropout and batch normalisation in a model inside the model."""
    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(rate), keras.layers.BatchNormalization()])
    inputs = keras.Input(SHAPE)
    features = keras.layers.Dense(8)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(2)(inner(features)))


def test_dropout_inside_a_model_is_active():
    x, logits = images(0, 1, n=6), dropout_logits(nested_model(0.5))
    assert not np.allclose(logits(x, 1), logits(x, 2))


def test_batch_normalisation_stays_in_inference():
    model, x = nested_model(1e-7), images(0, 1, n=6)  # a rate at which no unit is dropped
    plain = keras.ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_allclose(dropout_logits(model)(x, 1), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [[], [keras.layers.Dropout(0.0)]])
def test_a_model_without_dropout_has_no_such_score(layers):
    assert dropout_logits(keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), *layers])) is None


def test_the_gradient_over_copies_is_that_of_the_mean_margin():
    """On a linear model the margin of a copy is linear in the pixels of the image, edges that repeat among them."""
    x, direction = images(0.2, 0.8, n=3), images(-1, 1, n=3, seed=1)
    target = Target(linear_model(WEIGHTS), loss=certainty_loss)
    goal = leave(np.array([1, 0, 1]), n_classes=2)
    found = over_copies(target, goal, max_shift=2)(x)
    slopes = sum((copy * WEIGHTS).sum(axis=(1, 2, 3)) for copy in shifted_copies(direction, max_shift=2))
    expected = np.array([1, -1, 1]) * slopes
    assert (found * direction).sum(axis=(1, 2, 3)) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert over_noise(target, goal, epsilon=0.1, seed=0)(x) == pytest.approx(of_margin(target, goal)(x), abs=1e-6)


def test_the_gradient_under_dropout_is_that_of_the_model_on_average():
    model = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    )
    copy, x, goal = dropout_model(model), images(0.2, 0.8, n=2), leave(np.array([1, 0]), n_classes=2)
    gradient = over_dropout(Target(copy.model, loss=certainty_loss), goal, dropout=copy, seed=0)
    passes = np.array([gradient(x) for _ in range(150)])
    assert not np.allclose(passes[0], passes[1])
    plain = of_margin(Target(model, loss=certainty_loss), goal)(x)
    assert np.abs(passes.mean(axis=0) - plain).max() < 6 * np.abs(plain).max() / np.sqrt(600)


def test_a_climb_stays_in_ball_and_box_and_ends_at_the_corner_of_a_linear_model():
    x, epsilon = images(-0.2, 1.2, n=6), np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3])
    ball = Ball(x, epsilon, leave(np.zeros(6, int), n_classes=2))
    gradient = of_margin(Target(linear_model(WEIGHTS), loss=certainty_loss), leave(np.ones(6, int), n_classes=2))
    found = climb(gradient, ball, 1 - x, rel_eps_step=0.5, max_iter=4)
    wanted = x + epsilon.reshape(-1, 1, 1, 1) * np.sign(WEIGHTS)
    assert found == pytest.approx(wanted.clip(0, 1), abs=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_scores_are_right_on_other_backends(backend: str) -> None:
    passes_on(backend, __file__)
