"""Grey or colour: the number of channels of a data set, and its images with that number.

Most programs that export grey images as JPEG or PNG store them in colour, as three equal channels. Such images are
grey: with one channel, the threat models of grey images apply to them, and noise has no colour.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from oncorobust.base.errors import InputError

Channels = Literal["auto", "grey", "colour"]

_LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601), as in JPEG."""


def channel_spread(values: np.ndarray) -> float:
    """Return the largest difference between two channels of a pixel; 0 for values (h, w)."""
    return 0.0 if values.ndim == 2 else float((values.max(axis=2).astype(np.float64) - values.min(axis=2)).max())


def without_equal_channels(values: np.ndarray) -> np.ndarray:
    """Return values (h, w, 3) with three equal channels as (h, w), and all others unchanged."""
    return values[:, :, 0] if values.ndim == 3 and not (values != values[:, :, :1]).any() else values


def count_channels(images: Iterable[np.ndarray], wanted: Channels) -> int:
    """Return the number of channels of a data set.

    `auto` reads images up to the first that is stored in one channel, which makes the data set grey, or that has
    colour; without such an image the data set is grey.
    """
    if wanted != "auto":
        return 1 if wanted == "grey" else 3
    for values in images:
        if values.ndim == 2:
            return 1
        if without_equal_channels(values).ndim == 3:
            return 3
    return 1


def with_channels(values: np.ndarray, channels: int, wanted: Channels, *, source: str) -> np.ndarray:
    """Return values (h, w) or (h, w, 3) as (h, w, channels).

    `grey` makes colour grey by its luminance, `colour` repeats the one channel of grey images; with `auto` both raise
    InputError.
    """
    values = without_equal_channels(values) if channels == 1 else values
    found = 1 if values.ndim == 2 else 3
    if found != channels and wanted == "auto":
        raise InputError(
            f"{source}: expected {channels} channels, as in the first image, got {found} (for images of which some are "
            "grey and some in colour, set preprocess.channels to grey or colour)"
        )
    if found > channels:
        return (values.astype(np.float32) @ np.array(_LUMINANCE, dtype=np.float32))[:, :, None]
    return np.repeat(values.reshape(*values.shape[:2], found), channels // found, axis=2)
