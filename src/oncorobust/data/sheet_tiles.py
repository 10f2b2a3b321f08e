"""Tiles of the contact sheet: small square pictures of images as stored and as processed, with lesion boxes."""

from dataclasses import dataclass

import numpy as np
import PIL.Image
from jaxtyping import UInt8

from oncorobust.base.arrays import Image

SIDE = 72
"""Height and width of a tile, pixels: its size on the sheet."""

_GROUND = 235  # grey beside an image that is not square


_BOX = (255, 159, 28)


@dataclass(frozen=True)
class Tile:
    """A tile (SIDE, SIDE, 3) with the lesion's box drawn around the lesion, if there is one."""

    pixels: UInt8[np.ndarray, "side side 3"]


def tile_of(values: np.ndarray, box: np.ndarray | None) -> Tile:
    """Return the tile of an image (h, w) or (h, w, 3), scaled from its lowest to its highest value.

    box: top, left, bottom, right in pixels of the image; NaN, or None, without a lesion.
    """
    height, width = values.shape[:2]
    finite = values.astype(np.float32)
    low, high = float(finite.min()), float(finite.max())
    share = (finite - low) / (high - low) if high > low else np.full_like(finite, 0.5)
    return _tile(share.reshape(height, width, -1), box)


def tile_of_processed(image: Image, box: np.ndarray | None) -> Tile:
    """Return the tile of a processed image (h, w, c): 0 is black and 1 white."""
    return _tile(image, box)


def _tile(share: np.ndarray, box: np.ndarray | None) -> Tile:
    """Draw values from 0 to 1, (h, w, 1 or 3), as large as they fit, in the middle of the tile."""
    height, width = share.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(scale * width)), max(1, round(scale * height))
    grey = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    picture = PIL.Image.fromarray(grey[:, :, 0] if grey.shape[2] == 1 else grey).convert("RGB")
    way = PIL.Image.Resampling.BOX if scale < 1 else PIL.Image.Resampling.NEAREST
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    pixels = np.full((SIDE, SIDE, 3), _GROUND, np.uint8)
    pixels[top : top + size[1], left : left + size[0]] = np.asarray(picture.resize(size, way))
    if box is not None and not np.isnan(box).any():
        _draw_box(pixels, np.rint(scale * np.array(box)).astype(int) + np.array((top, left, top, left)))
    return Tile(pixels)


def _draw_box(pixels: np.ndarray, edges: np.ndarray) -> None:
    """Draw a line of one pixel around the box (top, left, bottom, right), just outside where there is room."""
    upper, first = (max(0, int(edge) - 1) for edge in edges[:2])
    lower, last = (min(SIDE - 1, int(edge)) for edge in edges[2:])
    pixels[[upper, lower], first : last + 1] = _BOX
    pixels[upper : lower + 1, [first, last]] = _BOX
