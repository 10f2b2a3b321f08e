"""Moves of a given l2 size in the box, and noise of the size of a change, against hand-computed values."""

import numpy as np
import pytest
from scipy.optimize import minimize

from oncorobust.attacks.box_l2 import factor_of_gain, factor_of_size, farthest, l2_distance, move
from oncorobust.attacks.equal_noise import gaussian_noise, sign_noise


def one(*values: float) -> np.ndarray:
    """An image of a row of values, alone in its batch."""
    return np.array(values, dtype=np.float32).reshape(1, 1, -1, 1)


def test_away_from_the_box_the_factor_is_the_size_by_the_norm() -> None:
    x, direction = one(0.5, 0.5), one(3, -4)
    np.testing.assert_allclose(factor_of_size(x, direction, np.array([0.1])), [0.02])
    np.testing.assert_allclose(factor_of_gain(x, direction, np.array([0.5])), [0.02])
    np.testing.assert_allclose(move(x, direction, np.array([0.02])), one(0.56, 0.42))


def test_a_value_that_meets_the_box_leaves_its_part_to_the_others() -> None:
    x, direction = one(0.75, 0.5), one(1, 1)
    # The first value ends after 0.25: 0.2225 = 0.25^2 + 0.4^2, and the gain is 0.25 + 0.4.
    factor = factor_of_size(x, direction, np.sqrt([0.2225]))
    np.testing.assert_allclose(factor, [0.4])
    np.testing.assert_allclose(factor_of_gain(x, direction, np.array([0.65])), [0.4])
    np.testing.assert_allclose(move(x, direction, factor), one(1, 0.9))


def test_beyond_the_box_a_move_ends_in_its_corner() -> None:
    x, direction = one(0.75, 0.5, 0.2), one(1, -2, 0)
    assert factor_of_size(x, direction, np.array([0.6])) == np.inf
    assert factor_of_gain(x, direction, np.array([1.26])) == np.inf
    np.testing.assert_array_equal(move(x, direction, np.array([np.inf])), one(1, 0, 0.2))


def test_a_direction_of_zeros_goes_nowhere() -> None:
    x, direction = one(0.3, 0.4), one(0, 0)
    np.testing.assert_array_equal(factor_of_size(x, direction, np.array([0.1])), [np.inf])
    np.testing.assert_array_equal(factor_of_size(x, direction, np.array([0.0])), [0])
    np.testing.assert_array_equal(move(x, direction, np.array([np.inf])), x)


def test_sizes_and_gains_are_reached_on_random_images_that_meet_the_box() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-0.5, 1.5, (20, 7, 7, 3)).clip(0, 1).astype(np.float32)
    direction = rng.standard_normal(x.shape).astype(np.float32)
    size = rng.uniform(0.1, 4, 20)
    moved = move(x, direction, factor_of_size(x, direction, size))
    np.testing.assert_allclose(l2_distance(x, moved), size, rtol=1e-6)
    gain = rng.uniform(0.1, 15, 20)
    moved = move(x, direction, factor_of_gain(x, direction, gain))
    np.testing.assert_allclose((direction * (moved.astype(np.float64) - x)).sum(axis=(1, 2, 3)), gain, rtol=1e-5)


def test_no_image_in_the_box_with_the_same_gain_is_nearer() -> None:
    rng = np.random.default_rng(1)
    x, direction = (values.astype(np.float32).reshape(1, 1, 6, 1) for values in (rng.random(6), rng.normal(size=6)))
    gain = 0.7 * (np.abs(direction) * np.where(direction > 0, 1 - x, x)).sum()
    moved = move(x, direction, factor_of_gain(x, direction, np.array([gain])))
    start, along = x.ravel().astype(float), direction.ravel().astype(float)
    oracle = minimize(
        lambda y: ((y - start) ** 2).sum(),
        start,
        jac=lambda y: 2 * (y - start),
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda y: along @ (y - start) - gain, "jac": lambda _: along},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    assert oracle.success
    np.testing.assert_allclose(l2_distance(x, moved)[0], np.sqrt(oracle.fun), rtol=1e-6)


def test_the_farthest_corner_is_the_one_across_the_box() -> None:
    np.testing.assert_allclose(farthest(one(0.2, 0.9)), [np.sqrt(0.8**2 + 0.9**2)])


def test_sign_noise_moves_every_value_by_l_inf_away_from_the_box() -> None:
    image = np.random.default_rng(2).uniform(0.2, 0.8, (16, 16, 1)).astype(np.float32)
    noise = sign_noise(image, 0.125, np.random.default_rng(0)) - image
    np.testing.assert_allclose(np.abs(noise), 0.125, atol=1e-7)
    assert 0.3 < (noise > 0).mean() < 0.7


def test_at_the_box_sign_noise_keeps_its_size_at_the_values_that_have_room() -> None:
    image = np.zeros((16, 16, 1), dtype=np.float32)
    noise = sign_noise(image, 0.125, np.random.default_rng(0))
    assert set(np.unique(noise)) == {0, np.float32(0.125)}


@pytest.mark.parametrize(("low", "high"), [(0.4, 0.6), (-1.0, 2.0)])
def test_gaussian_noise_has_the_l2_size_after_clipping(low: float, high: float) -> None:
    image = np.random.default_rng(3).uniform(low, high, (16, 16, 3)).clip(0, 1).astype(np.float32)
    noisy = gaussian_noise(image, 1.5, np.random.default_rng(0))
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    np.testing.assert_allclose(np.linalg.norm(noisy.astype(np.float64) - image), 1.5, rtol=1e-6)


def test_gaussian_noise_has_the_shape_of_its_draw() -> None:
    image = np.full((64, 64, 1), 0.5, dtype=np.float32)
    noise = (gaussian_noise(image, 2.0, np.random.default_rng(0)) - 0.5).ravel()
    drawn = np.random.default_rng(0).standard_normal(64 * 64)
    np.testing.assert_allclose(noise, 2 * drawn / np.linalg.norm(drawn), atol=1e-6)


def test_gaussian_noise_larger_than_the_box_ends_in_a_corner() -> None:
    image = np.full((4, 4, 1), 0.5, dtype=np.float32)
    noisy = gaussian_noise(image, 3.0, np.random.default_rng(0))
    assert set(np.unique(noisy)) == {0, 1}
    assert np.linalg.norm(noisy - image) == 2.0
