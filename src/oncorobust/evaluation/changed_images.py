"""Images under changes of their acquisition, as an evaluation takes them: one image at a time, every change and level.

A change has increasing severities, numbered from level 1. An image that a change does not apply to, such as a grey
picture for a change in HU, has a reason instead of changed images.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from oncorobust.base.arrays import Image
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages, check_images


@dataclass(frozen=True)
class ChangeLevel:
    """One change at one severity. title: for people. unit: of severity. level: from 1, in the order of severities."""

    change: str
    title: str
    severity: float
    unit: str
    level: int


@dataclass(frozen=True)
class Rescanned:
    """One image under every change.

    images: float32 (h, w, c) in [0, 1] by change and level, with the channels of the processed images: 1 for grey
    images, 3 for colour. not_possible: the reason by change, for changes that do not apply to this image.
    """

    images: Mapping[ChangeLevel, Image]
    not_possible: Mapping[str, str]


Rescan = Callable[[int], Rescanned]
"""Position of an image in its `LabelledImages` -> the image under every change; the same at every call."""


def rescanned(rescan: Rescan, data: LabelledImages, position: int) -> Rescanned:
    """Return one image under every change, checked. Raises InputError naming image, change and severity."""
    found, shape = rescan(position), data.pixels.shape[1:]
    image_id = str(data.image_ids[position])
    if not (found.images or found.not_possible):
        raise InputError(f"{data.name}, image {image_id}: expected a change, or the reason for none, got neither")
    for level, image in found.images.items():
        where = f"{data.name}, {level.change} {level.severity:g} {level.unit}"
        if image.shape != shape or image.dtype != np.float32:
            expected = f"expected float32 values of shape {shape}"
            raise InputError(f"{where}, image {image_id}: {expected}, got {image.dtype} {image.shape}")
        check_images(image[np.newaxis], image_ids=[image_id], where=where)
    return found
