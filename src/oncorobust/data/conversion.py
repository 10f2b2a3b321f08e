"""Conversion of stored values to a square image in [0, 1]: crop or pad, scale, resize.

`Conversion.convert` is the one way from stored values to the images that models see: stage `preprocess` makes a data
set by it, and stage `rescan` converts changed values of the same images by it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import PIL.Image
from jaxtyping import Float

from oncorobust.base.arrays import Image
from oncorobust.data.channels import Channels, with_channels
from oncorobust.formats.lesion_boxes import cropped_side

Fit = Literal["crop", "pad"]


@dataclass(frozen=True)
class Conversion:
    """How the images of one data set are converted.

    size: side of a processed image, pixels. n_channels: of a processed image, 1 or 3. channels: how images of another
    number are treated (`data.channels`). low, high: stored values that become 0 and 1. fit, crop_fraction: as in
    `settings.Preprocess`.
    """

    size: int
    n_channels: int
    channels: Channels
    low: float
    high: float
    fit: Fit
    crop_fraction: float

    def convert(self, values: np.ndarray, *, source: str) -> Float[np.ndarray, "{self.size} {self.size} c"]:
        """Convert stored values (h, w) or (h, w, 3), float32 in [0, 1]. Raises InputError naming `source`."""
        cropped = centre_crop(values, fraction=self.crop_fraction, fit=self.fit)
        image = to_unit_interval(
            with_channels(cropped, self.n_channels, self.channels, source=source), low=self.low, high=self.high
        )
        return resize(pad_square(image) if self.fit == "pad" else image, size=self.size)


def square_side(values: np.ndarray, *, fraction: float, fit: Fit) -> int:
    """Return the side of the square that becomes the processed image, pixels.

    It is the given fraction of the shorter side of values (h, w) or (h, w, c); with `pad` of the longer side.
    """
    return cropped_side((max if fit == "pad" else min)(values.shape[:2]), fraction)


def centre_crop(values: np.ndarray, *, fraction: float, fit: Fit = "crop") -> np.ndarray:
    """Return the part of values (h, w) or (h, w, c) inside the central square (`square_side`).

    With `pad` the square may be higher or wider than the image; `pad_square` then completes it.
    """
    side = square_side(values, fraction=fraction, fit=fit)
    height, width = (min(length, side) for length in values.shape[:2])
    top, left = (values.shape[0] - height) // 2, (values.shape[1] - width) // 2
    return values[top : top + height, left : left + width]


def pad_square(image: Image) -> Float[np.ndarray, "side side c"]:
    """Return an image (h, w, c) in the middle of a black square (zeros); its side is the longer side."""
    height, width, _ = image.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(image, ((top, side - height - top), (left, side - width - left), (0, 0)))


def to_unit_interval(values: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """Map low to 0 and high to 1 and clip to [0, 1], in float32."""
    scaled = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(scaled, 0, 1)


def resize(image: Image, *, size: int) -> Float[np.ndarray, "{size} {size} c"]:
    """Resize an image in [0, 1] to (size, size, c), bilinearly with antialiasing; the result stays in [0, 1]."""
    if image.shape[:2] == (size, size):
        return image
    channels = [
        np.asarray(PIL.Image.fromarray(image[:, :, channel]).resize((size, size), PIL.Image.Resampling.BILINEAR))
        for channel in range(image.shape[2])
    ]
    return np.clip(np.stack(channels, axis=-1), 0, 1)
