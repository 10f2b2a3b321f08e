"""Coarser pixels and turned patients, against SciPy and numbers by hand."""

import numpy as np
import pytest
from scans import change_named, ct, of, textured
from scipy import ndimage


def test_coarser_pixels_are_means_read_linearly_by_hand() -> None:
    row = np.array([0.0, 2.0, 10.0, 20.0, 30.0, 50.0])  # pairs: 1, 15, 40
    scan = ct(np.tile(row, (4, 1)), spacing=(2.0, 1.0))
    changed = change_named("resampling").apply(scan, 2.0, np.random.default_rng(0))
    expected = [1, 1 + 14 / 4, 15 - 14 / 4, 15 + 25 / 4, 40 - 25 / 4, 40]
    np.testing.assert_allclose(changed, np.tile(expected, (4, 1)), rtol=1e-6)


def test_coarser_pixels_agree_with_scipy_for_whole_factors() -> None:
    scan = ct(textured((96, 72), low=-900.0, high=100.0), spacing=(0.5, 0.5))
    changed = change_named("resampling").apply(scan, 1.5, np.random.default_rng(0))
    blocks = scan.values.astype(np.float64).reshape(32, 3, 24, 3).mean(axis=(1, 3))
    rows, columns = (np.arange(96) - 1) / 3, (np.arange(72) - 1) / 3
    places = np.meshgrid(rows, columns, indexing="ij")
    expected = ndimage.map_coordinates(blocks, places, order=1, mode="nearest")
    np.testing.assert_allclose(changed, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("spacing", [0.65, 0.8, 1.25, 5.0])
def test_coarser_pixels_keep_even_and_sloping_ground(spacing: float) -> None:
    """A plane stays a plane within a tenth of a pixel, apart from the outermost coarse pixel."""
    rows, columns = np.meshgrid(np.arange(120.0), np.arange(110.0), indexing="ij")
    scan = ct(2 * rows - 3 * columns - 200, spacing=(0.6, 0.6))
    changed = change_named("resampling").apply(scan, spacing, np.random.default_rng(0))
    border = int(np.ceil(spacing / 0.6))
    inside = (slice(border, -border), slice(border, -border))
    np.testing.assert_allclose(changed[inside], scan.values[inside], atol=0.4)


def test_pixels_no_finer_than_the_grid_stay_to_the_byte() -> None:
    scan = ct(textured((64, 64), low=-900.0, high=100.0), spacing=(0.98, 0.98))
    changed = change_named("resampling").apply(scan, 0.8, np.random.default_rng(0))
    assert changed.tobytes() == scan.values.tobytes()


@pytest.mark.parametrize("degrees", [-20.0, 3.0, 45.0])
def test_a_turn_agrees_with_scipy(degrees: float) -> None:
    scan = of("other", textured((90, 91), low=0.0, high=255.0), spacing=None)
    changed = change_named("rotation").apply(scan, degrees, np.random.default_rng(0))
    values = scan.values.astype(np.float64)
    expected = ndimage.rotate(values, degrees, reshape=False, order=3, mode="nearest").clip(values.min(), values.max())
    np.testing.assert_allclose(changed, expected, atol=1e-3)


def test_positive_angles_turn_anticlockwise_and_quarters_are_exact() -> None:
    values = np.arange(25.0).reshape(5, 5)
    changed = change_named("rotation").apply(of("other", values, spacing=None), 90.0, np.random.default_rng(0))
    np.testing.assert_allclose(changed, np.rot90(values), atol=1e-4)


def test_a_turn_is_one_in_mm() -> None:
    """A disc stays a disc where rows lie twice as far apart as columns, and a bar of 40 mm keeps its length."""
    rows, columns = np.meshgrid((np.arange(101.0) - 50) * 2, np.arange(201.0) - 100, indexing="ij")
    soft = 2.0
    disc = 1 / (1 + np.exp((np.hypot(rows, columns) - 40) / soft))
    bar = np.exp(-((rows / 20) ** 2) - (columns / 5) ** 2)
    change, spacing = change_named("rotation"), (2.0, 1.0)
    turned = change.apply(of("other", disc, spacing=spacing), 30.0, np.random.default_rng(0))
    np.testing.assert_allclose(turned, disc, atol=0.01)
    turned = change.apply(of("other", bar, spacing=spacing), 90.0, np.random.default_rng(0))
    np.testing.assert_allclose(turned, np.exp(-((columns / 20) ** 2) - (rows / 5) ** 2), atol=0.01)


def test_colours_turn_channel_by_channel() -> None:
    colour = np.stack([textured((60, 70), low=0.0, high=255.0, seed=seed) for seed in range(3)], axis=-1)
    change = change_named("rotation")
    turned = change.apply(of("other", colour), 5.0, np.random.default_rng(0))
    for channel in range(3):
        alone = change.apply(of("other", colour[:, :, channel]), 5.0, np.random.default_rng(0))
        np.testing.assert_array_equal(turned[:, :, channel], alone)
