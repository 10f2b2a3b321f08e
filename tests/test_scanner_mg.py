"""Mammography: blur in mm, and quantum noise whose variance grows with brightness as that of fewer photons does."""

import numpy as np
import pytest
from scans import change_named, of

from oncorobust.scanner.mammography import FLUENCE


def test_blur_spreads_a_point_to_the_width_asked_for() -> None:
    point = np.zeros((201, 201))
    point[100, 100] = 1000.0
    blurred = change_named("blur").apply(of("MG", point, spacing=(0.05, 0.1)), 1.0, np.random.default_rng(0))
    for profile, spacing in ((blurred[:, 100], 0.05), (blurred[100], 0.1)):
        half = profile.max() / 2
        edge = 100 + np.argmax(profile[100:] < half)
        inside = (profile[edge - 1] - half) / (profile[edge - 1] - profile[edge])
        assert 2 * (edge - 1 + inside - 100) * spacing == pytest.approx(1.0, rel=0.01)
    assert blurred.sum(dtype=np.float64) == pytest.approx(1000, rel=1e-4)


@pytest.mark.parametrize("severity", [50.0, 75.0])
@pytest.mark.parametrize("spacing", [(0.05, 0.05), (0.1, 0.07)])
def test_noise_is_that_of_the_photons_that_the_dose_leaves(severity: float, spacing: tuple[float, float]) -> None:
    """Three fields: the darkest, the middle and the brightest value, 0, 2000 and 4000."""
    values = np.repeat(np.array([0.0, 2000.0, 4000.0]), 300)[None, :] * np.ones((700, 1))
    mammogram = of("MG", values, spacing=spacing)
    changed = change_named("quantum_noise").apply(mammogram, severity, np.random.default_rng(1)).astype(np.float64)
    kept = 1 - severity / 100
    for field, exposure in enumerate((1000.0, 100.0, 10.0)):  # uGy, a factor of 100 over the range
        photons = 4300 * exposure * spacing[0] * spacing[1]
        expected = 4000 / np.log(100) * np.sqrt(1 / (kept * photons) - 1 / photons)
        part = changed[:, 300 * field : 300 * (field + 1)]
        assert part.std() == pytest.approx(expected, rel=0.02)
        assert part.mean() == pytest.approx(2000.0 * field, abs=expected / 50)


def test_the_noise_agrees_with_poisson_draws_at_both_doses() -> None:
    """Logarithms of Poisson counts: their variance at half the dose less that at the full dose is what is added."""
    rng, photons = np.random.default_rng(2), 4300 * 100 * 0.1 * 0.1
    full, half = (-np.log(rng.poisson(photons * share, 400_000) / share) for share in (1.0, 0.5))
    expected = np.sqrt(half.var() - full.var()) * 4000 / np.log(100)
    values = np.full((400, 400), 2000.0)
    values[0, 0], values[0, 1] = 0.0, 4000.0
    mammogram = of("MG", values, spacing=(0.1, 0.1))
    changed = change_named("quantum_noise").apply(mammogram, 50.0, np.random.default_rng(3)).astype(np.float64)
    assert changed[1:].std() == pytest.approx(expected, rel=0.02)


def test_the_photons_of_an_air_kerma_follow_from_the_absorption_of_air() -> None:
    """NIST: mass energy-absorption coefficient of air 1.334 (15 keV) and 0.5389 cm^2/g (20 keV), straight in logs."""
    coefficient = np.exp(np.interp(np.log(17.5), np.log([15.0, 20.0]), np.log([1.334, 0.5389])))
    energy = 17.5e3 * 1.602176634e-19
    assert 1e-6 / (energy * coefficient * 0.1) * 1e-6 == pytest.approx(FLUENCE, rel=0.02)
