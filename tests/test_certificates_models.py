"""Certificates of models: the linear model's exact answer, attacks on the smoothed model, and interval bounds."""

from functools import cache

import keras
import numpy as np
import pytest
from backends import BACKENDS, passes_on
from models import SHAPE, WEIGHTS, interior_images, linear, linear_model, scores, two_classes

from oncorobust.attacks.goals import leave
from oncorobust.attacks.linf import Ball, pgd
from oncorobust.attacks.target import Target
from oncorobust.base.errors import InputError
from oncorobust.certificates.interval_bounds import interval_certified_epsilon, margins_within
from oncorobust.certificates.noise import Kind, SmoothingNoise
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.smoothed import ABSTAINED, Smoothed
from oncorobust.certificates.smoothed_attack import SmoothedPgd, smoothed_first_flipped

X = interior_images(12)
LABELS = (scores(X) > 0).astype(np.int64)
MASK = np.zeros(SHAPE[:2], dtype=bool)
MASK[1:4, 2:6] = True
GRID = tuple(0.01 * np.arange(1, 21))
PLAN = SamplingPlan(n_selection=50, n_samples=2000, alpha=0.001, sampling="fixed", batch_size=256)


def free_weights(kind: Kind, mask: np.ndarray | None) -> np.ndarray:
    """The linear model's weights of the values that noise and changes may move."""
    weights = WEIGHTS if mask is None else WEIGHTS[mask]
    found: np.ndarray = weights.sum(axis=-1) if kind == "tied" else weights
    return found


@cache
def network() -> keras.Model:
    """Random features of a convolution, with a last layer fitted to tell two patterns apart by least squares."""
    layers, rng = keras.layers, np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Rescaling(2.0, offset=-1.0),
            layers.ZeroPadding2D(1),
            layers.Conv2D(6, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.AveragePooling2D(2),
            layers.MaxPooling2D(2, strides=1),
            layers.Flatten(),
            layers.Dropout(0.2, seed=0),
            layers.Dense(16, activation="leaky_relu"),
            layers.Dense(2),
        ]
    )
    weights = [rng.normal(0, 0.3, one.shape) for one in model.get_weights()]
    weights[2], weights[5] = (
        rng.normal(1, 0.3, 6),
        rng.uniform(0.5, 1.5, 6),
    )  # scales and variances of the normalisation
    model.set_weights(weights)
    data = two_classes(1, n=300)
    features = keras.ops.convert_to_numpy(keras.Sequential(model.layers[:-1])(data.images()))
    with_bias = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    fitted = np.linalg.lstsq(with_bias, 2.0 * np.eye(2)[data.labels], rcond=None)[0]
    model.layers[-1].set_weights([fitted[:-1], fitted[-1]])
    return model


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_other_backends_pass_too(backend: str) -> None:
    assert "skipped" not in passes_on(backend, __file__)


@pytest.mark.parametrize(("kind", "mask"), [("tied", None), ("untied", None), ("tied", MASK), ("untied", MASK)])
def test_the_radius_of_a_linear_model_is_the_distance_to_its_plane(kind: Kind, mask: np.ndarray | None) -> None:
    weights = free_weights(kind, mask)
    distance = np.abs(scores(X)) / np.sqrt((weights**2).sum())
    noise = SmoothingNoise(kind, float(np.median(distance)))
    masks = None if mask is None else np.repeat(mask[None], len(X), axis=0)
    found = Smoothed(linear().logits, noise, PLAN).certify(X, epsilons=GRID, masks=masks)
    assert all(one.n_free == weights.size for one in found)
    radius, near = np.array([one.radius for one in found]), distance < 2 * noise.sigma
    assert near.sum() >= 4
    assert (radius <= distance).all()
    assert (radius[near] >= distance[near] - 0.3 * noise.sigma).all(), "up to the error of 2,000 samples"
    # For an l_inf change the least epsilon is the margin over the l1 norm, never below the certified one.
    assert ([one.epsilon for one in found] <= np.abs(scores(X)) / np.abs(weights).sum()).all()
    assert [one.predicted for one in found if not one.abstained] == LABELS[
        [not one.abstained for one in found]
    ].tolist()


@pytest.mark.parametrize(("kind", "mask"), [("tied", None), ("untied", None), ("tied", MASK)])
def test_the_attack_on_a_smoothed_linear_model_finds_its_least_epsilon(kind: Kind, mask: np.ndarray | None) -> None:
    weights = free_weights(kind, mask)
    least = np.abs(scores(X)) / np.abs(weights).sum()
    masks = None if mask is None else np.repeat(mask[None], len(X), axis=0)
    sigma = 0.2 * float(np.median(np.abs(scores(X)))) / np.sqrt((weights**2).sum())
    found = smoothed_first_flipped(
        linear(),
        X,
        LABELS,
        noise=SmoothingNoise(kind, float(sigma)),
        plan=SamplingPlan(n_samples=500, batch_size=256),
        attack=SmoothedPgd(max_iter=5, n_draws=4),
        epsilons=GRID,
        seeds=range(len(X)),
        masks=masks,
    )
    inside = least < 0.15
    assert inside.sum() >= 4
    assert (found >= least).all()
    assert (found[inside] <= 1.2 * least[inside] + 0.01).all(), "the next epsilon of the grid but for the noise"


def test_no_attack_on_the_smoothed_network_flips_an_image_inside_its_certificate() -> None:
    data, target = two_classes(2, n=24), Target(network())
    x, labels = data.images(), data.labels
    noise = SmoothingNoise("tied", 0.15)
    plan = SamplingPlan(n_selection=32, n_samples=600, alpha=0.01, batch_size=256)
    lower = Smoothed(target.logits, noise, plan).certify(x, epsilons=GRID)
    upper = smoothed_first_flipped(
        target,
        x,
        labels,
        noise=noise,
        plan=plan,
        attack=SmoothedPgd(max_iter=5, n_draws=8),
        epsilons=GRID,
        seeds=range(len(x)),
    )
    certified = np.array(
        [one.epsilon if one.predicted == label else 0 for one, label in zip(lower, labels, strict=True)]
    )
    assert (certified > 0).sum() >= 15
    assert np.isfinite(upper).sum() >= 15
    assert (certified <= upper).all()
    answers = Smoothed(target.logits, noise, plan).predict(x)
    np.testing.assert_array_equal(upper == 0, (answers != labels) & (answers != ABSTAINED))


def test_intervals_are_exact_for_a_linear_model() -> None:
    model = linear_model(WEIGHTS)
    least = np.abs(scores(X)) / np.abs(WEIGHTS).sum()
    found = interval_certified_epsilon(model, X, LABELS, largest=0.2)
    np.testing.assert_allclose(found, least, rtol=0, atol=0.2 * 2**-16 + 1e-5)
    np.testing.assert_array_equal(interval_certified_epsilon(model, X, 1 - LABELS, largest=0.2), 0)
    np.testing.assert_allclose(margins_within(model, X, LABELS, epsilon=np.zeros(12)), np.abs(scores(X)), atol=1e-5)


def test_intervals_need_images_in_their_units_and_two_classes() -> None:
    """Beyond 1 the interval of a pixel would end below its beginning, and certify six times the true epsilon."""
    with pytest.raises(InputError, match=r"expected images with values in \[0, 1\], got 2 in image 0"):
        interval_certified_epsilon(linear_model(WEIGHTS), np.full_like(X, 2.0), LABELS, largest=0.2)
    one = keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(1)])
    with pytest.raises(InputError, match=r"of at least two classes, got shape \(1, 1\)"):
        interval_certified_epsilon(one, X, np.zeros_like(LABELS), largest=0.2)


def test_intervals_of_a_network_hold_for_every_change_and_are_not_empty() -> None:
    model, data = network(), two_classes(2, n=24)
    x, target = data.images(), Target(model)
    labels = target.logits(x).argmax(axis=1)
    found = interval_certified_epsilon(model, x, labels, largest=0.1)
    assert (found > 1e-4).mean() > 0.9
    goal = leave(labels, n_classes=2)
    attacked = pgd(
        target,
        Ball(x, np.maximum(found, 1e-6), goal),
        rel_eps_step=0.25,
        max_iter=10,
        num_random_init=2,
        rng=np.random.default_rng(0),
    )
    assert not attacked.flipped.any()
    epsilon = np.full(len(x), 0.01)
    changed = np.clip(x + np.random.default_rng(1).choice([-0.01, 0.01], x.shape), 0, 1).astype(np.float32)
    margins = np.diff(target.logits(changed), axis=1)[:, 0] * (2 * labels - 1)
    assert (margins >= margins_within(model, x, labels, epsilon=epsilon) - 1e-5).all()


def test_intervals_of_a_deep_network_certify_nothing_and_say_so() -> None:
    layers = keras.layers
    hidden = [layers.Conv2D(16, 3, padding="same", activation="relu") for _ in range(8)]
    model = keras.Sequential([keras.Input(SHAPE), *hidden, layers.Flatten(), layers.Dense(2)])
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.normal(0, np.sqrt(2 / max(1, np.prod(one.shape[:-1]))), one.shape) for one in model.get_weights()]
    )
    labels = Target(model).logits(X).argmax(axis=1)
    assert (interval_certified_epsilon(model, X, labels, largest=0.01) < 1e-5).all()


def test_a_layer_without_bounds_and_a_model_with_shortcuts_are_refused() -> None:
    layers = keras.layers
    normalised = keras.Sequential(
        [keras.Input(SHAPE), layers.Flatten(), layers.LayerNormalization(name="norm"), layers.Dense(2)]
    )
    with pytest.raises(InputError, match="such as Dense, Conv2D, ReLU and pooling, got LayerNormalization 'norm'"):
        interval_certified_epsilon(normalised, X, LABELS, largest=0.1)
    curved = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(2, activation="gelu", name="top")])
    with pytest.raises(InputError, match="got Dense 'top' with activation gelu"):
        interval_certified_epsilon(curved, X, LABELS, largest=0.1)
    inputs = keras.Input(SHAPE)
    flat = layers.Flatten()(inputs)
    inner = layers.Dense(int(np.prod(SHAPE)), activation="relu")(flat)
    shortcut = keras.Model(inputs, layers.Dense(2)(layers.ReLU()(inner) + flat), name="shortcut")
    with pytest.raises(InputError, match=r"got Add 'add.*'|expected a chain of layers, got 'shortcut'"):
        interval_certified_epsilon(shortcut, X, LABELS, largest=0.1)


@pytest.mark.parametrize(
    ("values", "says"),
    [({"max_iter": 0}, "expected max_iter of at least 1"), ({"rel_eps_step": 0.0}, "expected rel_eps_step in")],
)
def test_an_attack_without_steps_is_refused(values: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        SmoothedPgd(**values)
