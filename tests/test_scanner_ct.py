"""CT: measured noise, noise power, modulation transfer and thickness, against closed forms and numbers by hand."""

import numpy as np
import pytest
from scans import change_named, ct, textured
from scipy import ndimage

from oncorobust.formats.records import STACK_MM, Stack
from oncorobust.scanner.kernels import sharpening_gain
from oncorobust.scanner.noise import F50, correlated_noise
from oncorobust.scanner.thickness import slice_weights

SPACINGS = [(0.5, 0.5), (0.7, 0.7), (0.98, 0.98), (0.6, 0.9)]


def radial(spectrum: np.ndarray, spacing: tuple[float, float], edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean frequency and the mean of a spectrum in each ring between radial frequencies."""
    rows, columns = (np.fft.fftfreq(length, step) for length, step in zip(spectrum.shape, spacing, strict=True))
    frequency = np.hypot(rows[:, None], columns[None, :]).ravel()
    ring = np.digitize(frequency, edges)
    count = np.bincount(ring, minlength=len(edges) + 1)[1:-1]
    sums = [np.bincount(ring, weights=one, minlength=len(edges) + 1)[1:-1] for one in (frequency, spectrum.ravel())]
    return sums[0] / count, sums[1] / count


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("severity", [3.0, 20.0, 150.0])
def test_noise_has_the_standard_deviation_asked_for(spacing: tuple[float, float], severity: float) -> None:
    water = ct(np.zeros((1024, 900)), spacing=spacing)
    changed = change_named("dose_noise").apply(water, severity, np.random.default_rng(1)).astype(np.float64)
    assert changed.std() == pytest.approx(severity, rel=0.02)
    assert abs(changed.mean()) < 0.01 * severity


@pytest.mark.parametrize("spacing", SPACINGS)
def test_noise_power_rises_with_frequency_and_falls_as_the_kernel_does(spacing: tuple[float, float]) -> None:
    rng, shape = np.random.default_rng(2), (256, 200)
    power = np.mean([np.abs(np.fft.fft2(correlated_noise(shape, spacing, 10.0, rng))) ** 2 for _ in range(40)], axis=0)
    edges = np.linspace(0.04, 0.5, 13)  # cycles per mm, below the highest frequency of the coarsest pixels
    frequency, measured = radial(power, spacing, edges)
    expected = frequency * np.exp(-2 * np.log(2) * (frequency / 0.35) ** 2)
    np.testing.assert_allclose(measured / measured.sum(), expected / expected.sum(), rtol=0.04)
    assert frequency[np.argmax(measured)] == pytest.approx(0.21, abs=0.03)  # 0.60 F50


def test_noise_is_added_to_the_image_and_the_same_at_its_edges() -> None:
    body = ct(textured((512, 512), low=-900.0, high=100.0))
    added = change_named("dose_noise").apply(body, 20.0, np.random.default_rng(3)).astype(np.float64) - body.values
    border = np.concatenate([added[:8].ravel(), added[-8:].ravel(), added[:, :8].ravel(), added[:, -8:].ravel()])
    assert border.std() == pytest.approx(20.0, rel=0.05)
    assert abs(np.corrcoef(added.ravel(), body.values.ravel())[0, 1]) < 0.02


def transfer(name: str, severity: float, spacing: tuple[float, float]) -> np.ndarray:
    """Return the transfer (256, 256) that a change gives a point of 500 HU in water, by its Fourier transform."""
    point = np.zeros((256, 256))
    point[128, 128] = 500.0
    changed = change_named(name).apply(ct(point, spacing=spacing), severity, np.random.default_rng(0))
    return np.abs(np.fft.fft2(changed.astype(np.float64))) / 500


def frequencies(spacing: tuple[float, float]) -> np.ndarray:
    rows, columns = (np.fft.fftfreq(256, step) for step in spacing)
    return np.hypot(rows[:, None], columns[None, :])


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("width", [1.0, 2.0, 3.0])
def test_a_smoother_kernel_has_the_transfer_of_a_gaussian_of_that_width(
    spacing: tuple[float, float], width: float
) -> None:
    sigma = width / 2.3548200450309493  # 2 sqrt(2 ln2)
    expected = np.exp(-2 * (np.pi * frequencies(spacing) * sigma) ** 2)
    measured = transfer("kernel_smooth", width, spacing)
    np.testing.assert_allclose(measured, expected, atol=0.01)


@pytest.mark.parametrize("width", [2.0, 3.0])
def test_smoothing_agrees_with_scipy_on_a_body(width: float) -> None:
    body = ct(textured((200, 180), low=-900.0, high=100.0), spacing=(0.7, 0.6))
    sigmas = [width / 2.3548200450309493 / step for step in (0.7, 0.6)]
    expected = ndimage.gaussian_filter(body.values.astype(np.float64), sigmas, mode="reflect", truncate=8)
    changed = change_named("kernel_smooth").apply(body, width, np.random.default_rng(0))
    np.testing.assert_allclose(changed, expected, atol=0.5)


@pytest.mark.parametrize("ratio", [1.1, 1.35, 1.7])
def test_a_sharper_kernel_moves_the_50_percent_frequency(ratio: float) -> None:
    edge_of_field = np.arange(0, 2, 1e-4)
    after = 2 ** -((edge_of_field / F50) ** 2) * sharpening_gain(edge_of_field, ratio)
    assert edge_of_field[np.argmax(after < 0.5)] == pytest.approx(ratio * 0.35, rel=1e-3)
    spacing = (0.5, 0.5)
    rings = np.linspace(0.02, 0.9, 23)
    point = radial(transfer("kernel_sharp", ratio, spacing), spacing, rings)
    frequency = frequencies(spacing)
    held = np.minimum(frequency, ratio * 0.35)
    expected = np.exp(np.log(2) * held**2 * (1 / 0.35**2 - 1 / (ratio * 0.35) ** 2))
    np.testing.assert_allclose(point[1], radial(expected, spacing, rings)[1], rtol=0.03)


@pytest.mark.parametrize("ratio", [1.2, 1.5])
def test_the_50_percent_frequency_measured_from_an_edge_is_the_one_asked_for(ratio: float) -> None:
    """An edge as the assumed kernel shows it, between lung and water: its differences are the line spread."""
    spacing = 0.25
    sigma = np.sqrt(np.log(2) / 2) / (np.pi * 0.35) / spacing
    step = ndimage.gaussian_filter1d(np.where(np.arange(512) < 256, -800.0, 0.0), sigma, truncate=10)
    edge = ct(np.tile(step, (64, 1)), spacing=(spacing, spacing))
    for severity, expected in ((1.0, 0.35), (ratio, ratio * 0.35)):
        changed = change_named("kernel_sharp").apply(edge, severity, np.random.default_rng(0)).astype(np.float64)
        frequency = np.fft.rfftfreq(8192, spacing)
        measured = np.abs(np.fft.rfft(np.diff(changed[32]), n=8192)) / 800
        assert frequency[np.argmax(measured < 0.5)] == pytest.approx(expected, rel=0.01)
        np.testing.assert_allclose(changed[:, :60], -800, atol=1.0)
        np.testing.assert_allclose(changed[:, -60:], 0, atol=1.0)


def test_weights_of_slices_by_hand() -> None:
    regular = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    np.testing.assert_allclose(slice_weights(regular, 1.0), [0, 0, 1, 0, 0])
    np.testing.assert_allclose(slice_weights(regular, 3.0), [0, 1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(slice_weights(regular, 2.0), [0, 1 / 4, 1 / 2, 1 / 4, 0])
    np.testing.assert_allclose(slice_weights(regular, 6.0), [1.5 / 6, 1 / 6, 1 / 6, 1 / 6, 1.5 / 6])
    uneven = np.array([-2.5, 0.0, 1.0])  # middles at -1.25 and 0.5
    np.testing.assert_allclose(slice_weights(uneven, 4.0), [0.75 / 4, 1.75 / 4, 1.5 / 4])
    last = np.array([-1.0, 0.0])  # the last slice of a series stands for what would follow
    np.testing.assert_allclose(slice_weights(last, 3.0), [1 / 3, 2 / 3])


def test_a_thicker_slice_is_the_weighted_mean_of_its_neighbours() -> None:
    values = np.array([10.0, 20.0, 40.0, 80.0, 160.0])[:, None, None] * np.ones((1, 3, 4))
    stack = Stack(values.astype(np.float32), np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    scan = ct(values[2], stack=stack)
    change = change_named("slice_thickness")
    for thickness, expected in ((0.5, 40.0), (1.0, 40.0), (2.0, 45.0), (3.0, 140 / 3), (5.0, 62.0)):
        changed = change.apply(scan, thickness, np.random.default_rng(0))
        np.testing.assert_allclose(changed, np.full((3, 4), expected), rtol=1e-6)


def test_the_thickest_slice_is_as_thick_as_the_slices_that_are_read() -> None:
    assert change_named("slice_thickness").quantity.highest == 2 * STACK_MM


def test_a_shift_adds_hounsfield_units() -> None:
    scan = ct(np.array([[-1000.0, 0.0], [40.0, 1000.0]]))
    for severity in (-23.0, 8.4):
        changed = change_named("hu_shift").apply(scan, severity, np.random.default_rng(0))
        np.testing.assert_allclose(changed, scan.values + severity)
