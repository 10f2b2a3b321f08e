"""Sharper and smoother images: the modulation transfer of a reconstruction kernel, or of blur, changed.

Filtering a CT image by the ratio of two kernels' modulation transfer functions gives nearly the image that the other
kernel reconstructs (Ohkubo et al. 2016). The point spread of CT kernels is close to Gaussian (Nickoloff and Riley
1985), so the transfer of the image's own kernel is taken as 2^-(f / F50)^2 (`noise.F50`).

    smoother by a width w (FWHM, mm):   gain exp(-(pi f w)^2 / (4 ln2)), the transfer of a Gaussian of that width
    sharper by a ratio r:               gain 2^(g^2 (1 - 1 / r^2) / F50^2) with g = min(f, r F50)

After sharpening, the transfer is 50 % at r F50; beyond it the gain stays what it is there, 2^(r^2 - 1).
"""

import numpy as np

from oncorobust.formats.records import Scan
from oncorobust.scanner.frequencies import filtered, spacing_of
from oncorobust.scanner.noise import F50


def smoothing_gain(frequency: np.ndarray, width_mm: float) -> np.ndarray:
    """Return the gain of a Gaussian blur of a full width at half maximum, at frequencies in cycles per mm."""
    return np.exp(-((np.pi * frequency * width_mm) ** 2) / (4 * np.log(2)))


def sharpening_gain(frequency: np.ndarray, ratio: float) -> np.ndarray:
    """Return the gain that moves the 50 % frequency of the transfer to `ratio` times itself (ratio at least 1)."""
    held = np.minimum(frequency, ratio * F50)
    return 2.0 ** (held**2 * (1 - 1 / ratio**2) / F50**2)


def smoothed(scan: Scan, width_mm: float, _rng: np.random.Generator) -> np.ndarray:
    """Blur an image (h, w) by a Gaussian of a full width at half maximum in mm."""
    return filtered(scan.values, spacing_of(scan), lambda frequency: smoothing_gain(frequency, width_mm))


def sharpened(scan: Scan, ratio: float, _rng: np.random.Generator) -> np.ndarray:
    """Sharpen an image (h, w) as a kernel whose 50 % frequency is `ratio` times higher."""
    return filtered(scan.values, spacing_of(scan), lambda frequency: sharpening_gain(frequency, ratio))
