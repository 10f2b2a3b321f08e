"""MR: measured non-uniformity, Rician statistics, ghosts and contrast, against closed forms, SciPy and NumPy."""

import numpy as np
import pytest
from scans import change_named, of, textured
from scipy import stats

from oncorobust.scanner.mri import signal_level, smooth_field


@pytest.mark.parametrize("severity", [10.0, 40.0, 100.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_bias_field_has_the_non_uniformity_asked_for(severity: float, seed: int) -> None:
    water = of("MR", np.full((96, 128), 500.0))
    field = change_named("bias_field").apply(water, severity, np.random.default_rng(seed)).astype(np.float64) / 500
    assert field.min() == pytest.approx(1 - severity / 200, abs=1e-6)
    assert field.max() == pytest.approx(1 + severity / 200, abs=1e-6)
    assert (field.max() - field.min()) * 100 == pytest.approx(severity, rel=1e-5)


def test_a_bias_field_is_a_polynomial_of_degree_3_that_multiplies() -> None:
    field = smooth_field((60, 50), np.random.default_rng(4))
    rows, columns = np.meshgrid(np.arange(60.0), np.arange(50.0), indexing="ij")
    powers = [rows**a * columns**b for a in range(4) for b in range(4 - a)]
    matrix = np.stack([power.ravel() / power.max() for power in powers], axis=1)
    _, residue, rank, _ = np.linalg.lstsq(matrix, field.ravel(), rcond=None)
    assert rank == 10
    assert residue[0] < 1e-18
    head = of("MR", textured((60, 50), low=0.0, high=900.0))
    changed = change_named("bias_field").apply(head, 20.0, np.random.default_rng(4))
    np.testing.assert_allclose(changed, head.values * (1 + 0.1 * field), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("severity", [3.0, 20.0, 50.0])
def test_noise_is_rician(severity: float) -> None:
    """Half air and half water of 400: the signal is 400, the mean of the values above the mean."""
    values = np.zeros((600, 800))
    values[:, 400:] = 400.0
    changed = change_named("rician_noise").apply(of("MR", values), severity, np.random.default_rng(5))
    sigma = 4.0 * severity
    for part, level in ((changed[:, :400], 0.0), (changed[:, 400:], 400.0)):
        expected = stats.rice(level / sigma, scale=sigma)
        assert part.mean(dtype=np.float64) == pytest.approx(expected.mean(), rel=0.005)
        assert part.var(dtype=np.float64) == pytest.approx(expected.var(), rel=0.02)
        assert stats.kstest(part.ravel()[::40].astype(np.float64), expected.cdf).pvalue > 0.001


def test_the_signal_is_the_mean_above_the_mean() -> None:
    assert signal_level(np.array([0.0, 0.0, 0.0, 10.0, 30.0])) == 20.0  # mean 8
    assert signal_level(np.full((2, 2), 7.0)) == 7.0


AXES = {int(np.random.default_rng(seed).integers(2)): seed for seed in range(8)}
"""A seed that draws rows (0) and one that draws columns (1) as the phase encoding."""


@pytest.mark.parametrize("axis", [0, 1])
def test_a_ghost_is_the_image_shifted_by_half_the_field_of_view(axis: int) -> None:
    head = of("MR", textured((64, 80), low=0.0, high=900.0))
    changed = change_named("ghosting").apply(head, 10.0, np.random.default_rng(AXES[axis]))
    half = head.values.shape[axis] // 2
    expected = head.values.astype(np.float64) + 0.1 * np.roll(head.values, half, axis=axis)
    np.testing.assert_allclose(changed, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("count", [15, 16])
def test_ghosting_weighs_the_lines_of_k_space(count: int) -> None:
    """The lines of k-space of the result, real images: even ones 1.2 times, odd ones 0.8 times theirs."""
    head = of("MR", textured((count, 12), low=500.0, high=900.0))
    changed = change_named("ghosting").apply(head, 20.0, np.random.default_rng(AXES[0])).astype(np.float64)
    before, after = (np.fft.fft(one, axis=0) for one in (head.values.astype(np.float64), changed))
    for line in range(count):
        number = line if line <= count // 2 else line - count
        np.testing.assert_allclose(after[line], before[line] * (1.2 if number % 2 == 0 else 0.8), rtol=1e-3, atol=1e-2)


def test_a_longer_echo_darkens_tissue_of_short_t2_as_the_exponential_does() -> None:
    """Tissues of T2 60, 100 and 2000 ms at an echo time of 100 ms, and the same tissues at 128 ms."""
    t2 = np.array([60.0, 100.0, 2000.0, 1e9])
    early, late = (1000 * np.exp(-time / t2) for time in (100.0, 128.0))
    changed = change_named("contrast_shift").apply(of("MR", early[None, :]), 28.0, np.random.default_rng(0))
    np.testing.assert_allclose(changed[0], late, rtol=1e-5)
    air = change_named("contrast_shift").apply(of("MR", np.array([[0.0, 5.0]])), 28.0, np.random.default_rng(0))
    np.testing.assert_allclose(air, [[0.0, 5.0]], rtol=1e-6)
