"""Quantum noise of a mammogram at a lower dose.

A mammogram shows the logarithm of the exposure: dense tissue is bright and lets few photons through. Files do not state
the exposure, so it is assumed: the range of an image's values spans a factor of 100 in exposure, and the middle of that
range stands for 100 uGy air kerma at the detector. With u from 0 (darkest) to 1 (brightest value),

    photons per pixel   N(u) = 4300 photons per mm^2 and uGy x 100 uGy x 100^(0.5 - u) x pixel area
    added noise         range / ln(100) x sqrt((1 / d - 1) / N(u)) at the share d of the dose

The relative variance of N photons is 1 / N; at the dose d N it is 1 / (d N), and the difference is added. 4300 is
1 / (E mu) at 17.5 keV, with the mass energy-absorption coefficient of air from Hubbell and Seltzer (NIST). The noise is
white: no detector blur.
"""

import numpy as np

from oncorobust.formats.records import Scan
from oncorobust.scanner.frequencies import spacing_of

FLUENCE = 4300.0
"""Photons of 17.5 keV per mm^2 and uGy air kerma."""

KERMA = 100.0
"""Air kerma at the detector behind tissue of middle brightness, uGy."""

LATITUDE = 100.0
"""Ratio of the exposures of the darkest and the brightest value."""


def noise_deviation(scan: Scan, percent: float) -> np.ndarray:
    """Return the standard deviation of the added noise at each value (h, w), when a percentage of dose is removed."""
    values = scan.values.astype(np.float64)
    span = values.max() - values.min()
    height, width = spacing_of(scan)
    brightness = (values - values.min()) / span
    photons = FLUENCE * KERMA * LATITUDE ** (0.5 - brightness) * height * width
    dose = 1 - percent / 100
    return span / np.log(LATITUDE) * np.sqrt((1 / dose - 1) / photons)


def with_less_dose(scan: Scan, percent: float, rng: np.random.Generator) -> np.ndarray:
    """Add the quantum noise of a mammogram (h, w) taken with a percentage of the dose removed."""
    return scan.values + noise_deviation(scan, percent) * rng.standard_normal(scan.values.shape)
