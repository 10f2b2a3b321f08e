"""Small PNG pictures of images and perturbations for the page.

Images larger than `LARGEST_SIDE` are reduced by a whole factor: each pixel of an image is then the mean of a square of
its pixels, and of a perturbation the pixel of the square that changes most. Browsers enlarge pictures without smoothing
(`image-rendering: pixelated`).
"""

import io

import numpy as np
import PIL.Image
from jaxtyping import Float

from oncorobust.base.arrays import Image
from oncorobust.report.page.parts import embedded

LARGEST_SIDE = 64
"""Largest height and width of a picture in pixels."""


def picture(image: Image) -> str:
    """Return an image (h, w, 1 or 3) in [0, 1] as the source of an HTML image."""
    return embedded(_png(_squares(image).mean(axis=(1, 3))))


def perturbation_picture(difference: Float[np.ndarray, "h w c"], *, epsilon: float) -> str:
    """Return a difference in [-epsilon, epsilon] as the source of an HTML image, magnified about middle grey.

    shown = 0.5 + difference / (2 epsilon), so that plus or minus epsilon spans the scale (`magnification`).
    """
    squares = _squares(difference)
    largest, smallest = squares.max(axis=(1, 3)), squares.min(axis=(1, 3))
    kept = np.where(largest >= -smallest, largest, smallest)
    return embedded(_png(0.5 + kept / (2 * epsilon)))


def magnification(epsilon: float) -> str:
    """Return by how much `perturbation_picture` magnifies differences, as text."""
    return f"{0.5 / epsilon:.3g}"


def reduction(height: int, width: int) -> int:
    """Return the whole factor by which an image is reduced."""
    return -(-max(height, width) // LARGEST_SIDE)


def _squares(image: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "rows k columns k c"]:
    """Divide an image into squares of `reduction` pixels; a rest at the right and lower edge is left out."""
    k = reduction(*image.shape[:2])
    rows, columns, channels = image.shape[0] // k, image.shape[1] // k, image.shape[2]
    return image[: rows * k, : columns * k].reshape(rows, k, columns, k, channels)


def _png(image: Float[np.ndarray, "h w c"]) -> bytes:
    levels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    grey = bool((levels == levels[..., :1]).all())
    stream = io.BytesIO()
    PIL.Image.fromarray(levels[..., 0] if grey else np.ascontiguousarray(levels)).save(stream, "PNG", optimize=True)
    return stream.getvalue()
