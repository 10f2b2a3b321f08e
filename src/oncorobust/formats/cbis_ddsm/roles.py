"""Which of a lesion's two images is the crop and which the mask, told by size and then by pixels.

The published files cannot tell: names are exchanged between masses and calcifications, SeriesDescription is right half
of the time, and one row of the CSVs names the series the wrong way round. What the images are can:

    mask: no values but 0 and one other, on the matrix of the whole mammogram
    crop: more than two values, 16 bits, on a smaller matrix

Size needs headers alone, so it decides when a tree is opened; pixels confirm it whenever a crop is read, and a lesion
whose pixels say otherwise is refused, not guessed at. Both images are read then, since a mask that is grey, or empty,
means that something is wrong with the lesion; one pair is in memory at a time. As far as the sizes of the archive's
series tell, each of its 3,568 crops is smaller than its mask, though 79 masks are smaller than their mammogram.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt16

from oncorobust.base.errors import InputError
from oncorobust.formats.image_files import read_image

LIMITS = (0.0, 65535.0)


@dataclass(frozen=True)
class ImageFile:
    """An image by its header: the file, its matrix, BitsAllocated."""

    path: Path
    rows: int
    columns: int
    bits: int

    @property
    def area(self) -> int:
        """Pixels."""
        return self.rows * self.columns

    def __str__(self) -> str:
        """Size and file, for messages."""
        return f"{self.rows} x {self.columns} pixels in {self.path}"


def split_by_size(first: ImageFile, second: ImageFile, *, mammogram: ImageFile | None) -> tuple[ImageFile, ImageFile]:
    """Give crop and mask: the smaller and the larger.

    mammogram: the whole image, where it is on disk. Raises InputError, naming the files, when the images are of equal
    size, or the crop is not of 16 bits or not smaller than the mammogram.
    """
    crop, mask = sorted((first, second), key=lambda file: file.area)
    if crop.area == mask.area:
        raise InputError(f"expected a crop smaller than its mask, got {crop} and {mask}")
    if mammogram is not None and crop.area >= mammogram.area:
        raise InputError(f"expected a crop smaller than its mammogram, got {crop} and {mammogram}")
    if crop.bits != 16:
        raise InputError(f"expected a crop of 16 bits, got {crop.bits} in {crop.path}")
    return crop, mask


def read_crop(crop: Path, *, mask: Path) -> UInt16[np.ndarray, "h w"]:
    """Read a crop whose pixels, and those of its mask, are what their sizes said; values 0 to 65535.

    Raises InputError naming the crop that is constant or not of 16 bits, the mask that is empty, or both files when
    their pixels do not tell a crop from a mask.
    """
    image = read_image(crop)
    if image.limits != LIMITS:
        raise InputError(f"expected a crop of 16 unsigned bits, got values within {image.limits} in {crop}")
    values = image.values
    if values.min() == values.max():
        raise InputError(f"expected a crop of more than one value, got only {values.max():g} in {crop}")
    outline = read_image(mask).values
    if _has_two_values(values) or not _is_mask(outline):
        raise InputError(
            f"expected a crop of more than two values and a mask of 0 and one other, got {_describe(values)} in {crop} "
            f"and {_describe(outline)} in {mask}"
        )
    if not outline.any():
        raise InputError(f"expected a mask that covers the lesion, got nothing but 0 in {mask}")
    return values.astype(np.uint16)


def pad_to_square(values: UInt16[np.ndarray, "h w"]) -> UInt16[np.ndarray, "s s"]:
    """Pad the shorter side with 0 on both sides alike (an odd pixel goes below or to the right): the aspect stays."""
    height, width = values.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(values, ((top, side - height - top), (left, side - width - left)))


def _has_two_values(values: Shaped[np.ndarray, "h w"]) -> bool:
    """Whether there are no more than two; quicker than sorting 20 million pixels."""
    return bool(((values == values.min()) | (values == values.max())).all())


def _is_mask(values: Shaped[np.ndarray, "h w"]) -> bool:
    return _has_two_values(values) and bool(values.min() in (0, values.max()))


def _describe(values: Shaped[np.ndarray, "h w"]) -> str:
    low, high = values.min(), values.max()
    if low == high:
        return f"only {low:g}"
    return f"only {low:g} and {high:g}" if _has_two_values(values) else f"many values from {low:g} to {high:g}"
