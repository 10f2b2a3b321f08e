"""Separation of a lesion's crop from its mask, first by image size and then by pixel values.

Names and descriptions in the published files are unreliable: file names are swapped between masses and calcifications,
SeriesDescription is right half of the time, and one row of the CSVs has the two series swapped. The images themselves
differ:

    mask: only 0 and one other value, on the matrix of the whole mammogram
    crop: more than two values, 16 bits, on a smaller matrix

Sizes are in the headers, so they decide when a tree is opened. Pixel values confirm the decision whenever a crop is
read, and a lesion whose pixels contradict it is rejected. Both images are read then, because a mask that is grey or
empty means that something is wrong with the lesion; only one pair is in memory at a time. According to the sizes of the
archive's series, each of its 3,568 crops is smaller than its mask, although 79 masks are smaller than their mammogram.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from oncorobust.base.errors import InputError
from oncorobust.formats.image_files import read_image
from oncorobust.formats.records import StoredImage

LIMITS = (0.0, 65535.0)


@dataclass(frozen=True)
class ImageFile:
    """An image as its header describes it: file, rows, columns and BitsAllocated."""

    path: Path
    rows: int
    columns: int
    bits: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.rows * self.columns

    def __str__(self) -> str:
        """Return size and file, for messages."""
        return f"{self.rows} x {self.columns} pixels in {self.path}"


def split_by_size(first: ImageFile, second: ImageFile, *, mammogram: ImageFile | None) -> tuple[ImageFile, ImageFile]:
    """Return crop and mask: the smaller and the larger image.

    mammogram: the whole image, if it is on disk. Raises InputError, naming the files, when the images have the same
    size, or the crop does not have 16 bits or is not smaller than the mammogram.
    """
    crop, mask = sorted((first, second), key=lambda file: file.area)
    if crop.area == mask.area:
        raise InputError(f"expected a crop smaller than its mask, got {crop} and {mask}")
    if mammogram is not None and crop.area >= mammogram.area:
        raise InputError(f"expected a crop smaller than its mammogram, got {crop} and {mammogram}")
    if crop.bits != 16:
        raise InputError(f"expected a crop of 16 bits, got {crop.bits} in {crop.path}")
    return crop, mask


def read_crop(crop: Path, *, mask: Path) -> StoredImage:
    """Read a crop, values (h, w) uint16, after checking that its pixels and those of its mask agree with their roles.

    Raises InputError naming the crop if it is constant or does not have 16 bits, the mask if it is empty, or both files
    if their pixels are not those of a crop and a mask.
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
            f"expected a crop with more than two values and a mask with 0 and one other value, "
            f"got {_describe(values)} in {crop} and {_describe(outline)} in {mask}"
        )
    if not outline.any():
        raise InputError(f"expected a mask that covers the lesion, got only 0 in {mask}")
    return replace(image, values=values.astype(np.uint16))


def pad_to_square(values: Shaped[np.ndarray, "h w"]) -> Shaped[np.ndarray, "s s"]:
    """Pad the shorter side equally on both ends with 0, or False; an odd pixel goes below or to the right."""
    height, width = values.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(values, ((top, side - height - top), (left, side - width - left)))


def _has_two_values(values: Shaped[np.ndarray, "h w"]) -> bool:
    """Return whether there are at most two values; faster than sorting 20 million pixels."""
    return bool(((values == values.min()) | (values == values.max())).all())


def _is_mask(values: Shaped[np.ndarray, "h w"]) -> bool:
    return _has_two_values(values) and bool(values.min() in (0, values.max()))


def _describe(values: Shaped[np.ndarray, "h w"]) -> str:
    low, high = values.min(), values.max()
    if low == high:
        return f"only {low:g}"
    return f"only {low:g} and {high:g}" if _has_two_values(values) else f"many values from {low:g} to {high:g}"
