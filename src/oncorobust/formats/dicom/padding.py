"""Padding of DICOM images: pixels outside the image (PS3.3 C.7.5.1.1.2), also after lossy compression.

Without loss, padded pixels equal PixelPaddingValue or lie in the range up to PixelPaddingRangeLimit. Lossy compression
moves them. There, places where most of 5 x 5 pixels are within 1 % of the contrast of that range are padding; half of
the distance from the range to the other pixels then separates the two, near places where most pixels are on the
padding's side. Compression also moves pixels beside the padding; `fill` limits them to the range of those farther away.
"""

from typing import Any

import numpy as np

from oncorobust.formats.dicom.values import is_lossy

_WINDOW = 5
"""Side of the neighbourhood, pixels."""
_TOLERANCE = 0.01
"""Distance from the padding's range that lossy compression may cause, as a share of the contrast."""
_REACH = 8
"""Distance from padding up to which lossy compression changes other pixels, pixels: a block of JPEG."""


def padded_pixels(file: Any, stored: np.ndarray) -> np.ndarray:
    """Return which stored values (h, w) are padding; none without PixelPaddingValue."""
    first = file.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, dtype=bool)
    last = file.get("PixelPaddingRangeLimit")
    low, high = sorted((_signed(file, first), _signed(file, first if last is None else last)))
    if not is_lossy(file):
        return np.asarray((stored >= low) & (stored <= high))
    return _near_padding(stored.astype(np.float32), low, high)


def fill(values: np.ndarray, padded: np.ndarray, *, lossy: bool) -> np.ndarray:
    """Return values with padding set to the lowest value of the other pixels.

    lossy: only pixels away from the padding decide, and those beside it are limited to their range.
    """
    if not padded.any():
        return values
    others = ~padded
    if not lossy:
        return np.where(padded, values[others].min(), values)
    beside = _grown(padded, by=_REACH)
    reference = values[~beside] if (~beside).any() else values[others]
    low, high = reference.min(), reference.max()
    limited = np.where(beside, np.clip(values, low, high), values)
    return np.where(padded, low, limited)


def _near_padding(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return the pixels of a lossy image near the padding's range low to high, in value and in place."""
    away = np.maximum(0, np.maximum(low - values, values - high))
    tolerance = max(1.0, _TOLERANCE * float(np.percentile(away, 99)))
    if (away <= tolerance).all():
        return np.ones(values.shape, dtype=bool)
    is_below = np.median(values[away > tolerance]) > high  # values beyond the padding are padding, too
    away = np.maximum(0, values - high if is_below else low - values)
    near = _where_most(away <= tolerance)
    if near.all() or not near.any():
        return near & (away <= tolerance)
    limit = max(tolerance, float(np.percentile(away[~near], 1)) / 2)
    return _where_most(away <= limit) & (away <= limit)


def _where_most(mask: np.ndarray) -> np.ndarray:
    """Return the pixels near a place where most of the window is in the mask."""
    from scipy.ndimage import uniform_filter  # takes a tenth of a second, and few trees need it

    share = uniform_filter(mask.astype(np.float32), size=_WINDOW, mode="nearest")
    return _grown(share > 0.5, by=_WINDOW // 2)


def _grown(mask: np.ndarray, *, by: int) -> np.ndarray:
    """Return a mask with all pixels within so many rows and columns of it."""
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(mask, size=2 * by + 1, mode="constant"))


def _signed(file: Any, value: int | bytes) -> int:
    """Interpret a padding value by PixelRepresentation; pydicom may leave it as bytes if its VR is ambiguous."""
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
    if file.PixelRepresentation and number >= 2 ** (file.BitsAllocated - 1):
        return number - int(2**file.BitsAllocated)
    return number
