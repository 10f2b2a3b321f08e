"""What changes MR images from one scanner, coil or protocol to another. Values are magnitudes of at least 0.

The signal of an image is the mean of its values above their mean, which leaves out the air around the patient.

Bias field (non-uniform sensitivity of coils): values times a smooth field from 1 - s / 200 to 1 + s / 200 at s %
    non-uniformity, as BrainWeb defines it; the field is a random polynomial of degree 3.
Rician noise: the magnitude of the value plus complex Gaussian noise, whose standard deviation in each part is s % of
    the signal (Gudbjartsson and Patz 1995).
Ghosting: every second line of k-space along the phase encoding has (1 + s / 100), the others (1 - s / 100) times its
    amplitude. That adds a ghost of s % of the image, shifted by half the field of view (N/2 ghost).
Contrast: a longer echo time. A spin echo of long repetition time has the signal M exp(-TE / T2). If the tissues differ
    in T2 alone, TE (1 + s / 100) turns each value v into M (v / M)^(1 + s / 100), where M is the largest value.
"""

import numpy as np

from oncorobust.formats.records import Scan

_DEGREE = 3


def signal_level(values: np.ndarray) -> float:
    """Return the mean of the values above their mean; the value itself if all are equal."""
    mean = float(values.mean(dtype=np.float64))
    above = values[values > mean]
    return float(above.mean(dtype=np.float64)) if above.size else mean


def smooth_field(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw a field (h, w) of degree 3 whose smallest value is -1 and whose largest is 1."""
    weights = rng.standard_normal((_DEGREE + 1, _DEGREE + 1))
    degrees = np.arange(_DEGREE + 1)
    weights[degrees[:, None] + degrees > _DEGREE] = 0
    weights[0, 0] = 0
    rows, columns = (np.linspace(-1, 1, length) for length in shape)
    field = np.polynomial.legendre.leggrid2d(rows, columns, weights)
    low, high = field.min(), field.max()
    return 2 * (field - low) / (high - low) - 1 if high > low else np.zeros(shape)


def biased(scan: Scan, percent: float, rng: np.random.Generator) -> np.ndarray:
    """Multiply an image (h, w) by a random smooth field of the given non-uniformity in percent."""
    height, width = scan.values.shape
    return scan.values * (1 + percent / 200 * smooth_field((height, width), rng))


def noisy(scan: Scan, percent: float, rng: np.random.Generator) -> np.ndarray:
    """Add Rician noise whose standard deviation is a percentage of the signal."""
    deviation = percent / 100 * signal_level(scan.values)
    real, imaginary = rng.standard_normal((2, *scan.values.shape)) * deviation
    return np.hypot(scan.values + real, imaginary)


def ghosted(scan: Scan, percent: float, rng: np.random.Generator) -> np.ndarray:
    """Add a ghost shifted by half the field of view, along rows or columns as the generator draws."""
    axis = int(rng.integers(2))
    count = scan.values.shape[axis]
    lines = np.rint(np.fft.fftfreq(count) * count)
    amplitude = 1 + percent / 100 * np.where(lines % 2 == 0, 1.0, -1.0)
    spectrum = np.fft.fft(scan.values, axis=axis) * np.expand_dims(amplitude, 1 - axis)
    return np.abs(np.fft.ifft(spectrum, axis=axis))


def longer_echo(scan: Scan, percent: float, _rng: np.random.Generator) -> np.ndarray:
    """Change the contrast as an echo time that is longer by a percentage."""
    largest = float(scan.values.max())
    return largest * (scan.values.astype(np.float64) / largest) ** (1 + percent / 100)
