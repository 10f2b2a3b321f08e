"""Spatial frequencies of an image in cycles per mm, and filters given by their gain at each frequency."""

from collections.abc import Callable

import numpy as np
from scipy import fft

from oncorobust.formats.records import Scan

Spacing = tuple[float, float]
"""Distance of neighbouring rows and of neighbouring columns, mm."""


def spacing_of(scan: Scan) -> Spacing:
    """Return the pixel spacing of an image; 1 by 1 where it is unknown, as for a turn of square pixels."""
    return scan.spacing_mm or (1.0, 1.0)


def radial_frequencies(shape: tuple[int, int], spacing_mm: Spacing) -> np.ndarray:
    """Return the magnitude of the spatial frequency of each coefficient of `np.fft.rfft2`, cycles per mm."""
    rows = np.fft.fftfreq(shape[0], spacing_mm[0])
    columns = np.fft.rfftfreq(shape[1], spacing_mm[1])
    return np.hypot(rows[:, None], columns[None, :])


def filtered(values: np.ndarray, spacing_mm: Spacing, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Multiply the spectrum of an image (h, w) by a gain, a function of the radial frequency in cycles per mm.

    The image is continued by mirroring it at its edges (cosine transform), so that opposite edges do not mix. Returns
    float64 (h, w).
    """
    rows, columns = (np.arange(n) / (2 * n * step) for n, step in zip(values.shape, spacing_mm, strict=True))
    spectrum = fft.dctn(values.astype(np.float64), norm="ortho")
    return fft.idctn(spectrum * gain(np.hypot(rows[:, None], columns[None, :])), norm="ortho")
