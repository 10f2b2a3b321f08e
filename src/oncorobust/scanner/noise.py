"""Noise of a CT image at a lower dose: Gaussian, correlated as filtered back projection correlates it.

Filtered back projection with a filter f H(f) gives noise of power N(f) proportional to f H(f)^2, where H is the
modulation transfer of the reconstruction kernel (Riederer, Pelc and Chesler 1978; Kijewski and Judy 1987). With a
Gaussian H (Nickoloff and Riley 1985), which falls to 50 % at F50:

    N(f) = f exp(-2 ln2 (f / F50)^2),    largest at 0.60 F50
"""

import numpy as np

from oncorobust.formats.records import Scan
from oncorobust.scanner.frequencies import Spacing, radial_frequencies, spacing_of

F50 = 0.35
"""Frequency at which the modulation transfer of the kernel is 50 %, cycles per mm: a standard kernel of the body."""


def noise_power(frequency: np.ndarray) -> np.ndarray:
    """Return the noise power at a spatial frequency (cycles per mm), up to a factor."""
    return frequency * np.exp(-2 * np.log(2) * (frequency / F50) ** 2)


def correlated_noise(
    shape: tuple[int, int], spacing_mm: Spacing, standard_deviation: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw noise (h, w) with the power spectrum `noise_power`, mean 0 and the given expected standard deviation."""
    gain = np.sqrt(noise_power(radial_frequencies(shape, spacing_mm)))
    white = np.fft.rfft2(rng.standard_normal(shape))
    whole = np.sqrt(noise_power(_all_frequencies(shape, spacing_mm)))
    scale = standard_deviation / np.sqrt(np.mean(whole**2))
    return scale * np.fft.irfft2(white * gain, s=shape)


def _all_frequencies(shape: tuple[int, int], spacing_mm: Spacing) -> np.ndarray:
    rows, columns = (np.fft.fftfreq(length, step) for length, step in zip(shape, spacing_mm, strict=True))
    return np.hypot(rows[:, None], columns[None, :])


def dose_noise(scan: Scan, standard_deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise of the given standard deviation (HU) to a slice in HU with known spacing."""
    height, width = scan.values.shape
    noise = correlated_noise((height, width), spacing_of(scan), standard_deviation, rng)
    return scan.values + noise
