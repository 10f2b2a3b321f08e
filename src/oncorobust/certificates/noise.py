"""Gaussian noise of randomized smoothing, and the number of values of an image that it moves freely.

    tied      one value per pixel, the same in all channels         h w free values
    untied    one value per pixel and channel                       h w c free values
    mask      noise inside a region only, such as a lesion box      the region's pixels in place of h w

A certificate covers the changes that the noise can make: tied noise those that move all channels of a pixel alike, as
every change of a grey image does; a mask those inside the region. In the free values, such a change of l_inf size
epsilon has an l2 norm of at most epsilon sqrt(free values).

Noisy images are not clipped to [0, 1], because the theorem of Cohen, Rosenfeld and Kolter 2019 needs Gaussian noise at
the model's input; a model that should see [0, 1] only clips as its first layer.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from oncorobust.base.errors import InputError

Kind = Literal["tied", "untied"]
"""Whether the channels of a pixel share one value of the noise."""

Mask = Bool[np.ndarray, "h w"]
"""The pixels of one image that the noise moves."""

Masks = Bool[np.ndarray, "n h w"]
"""The pixels of each image that the noise moves."""


@dataclass(frozen=True)
class SmoothingNoise:
    """Gaussian noise with standard deviation sigma, in [0, 1] units. Raises InputError for sigma not above 0."""

    kind: Kind
    sigma: float

    def __post_init__(self) -> None:
        """Check kind and sigma."""
        if self.kind not in ("tied", "untied"):
            raise InputError(f"noise: expected kind tied or untied, got {self.kind!r}")
        if not 0 < self.sigma < np.inf:
            raise InputError(f"noise: expected sigma above 0, got {self.sigma}")

    def n_free(self, shape: tuple[int, ...], mask: Mask | None = None) -> int:
        """Return the number of values that the noise moves freely in an image (h, w, c).

        Raises InputError for a mask of another size or without a pixel.
        """
        height, width, channels = shape
        pixels = height * width
        if mask is not None:
            if mask.shape != (height, width):
                found = " x ".join(map(str, mask.shape))
                raise InputError(f"noise: expected a mask of {height} x {width} pixels, got {found}")
            pixels = int(mask.sum())
            if pixels == 0:
                raise InputError("noise: expected a mask with at least one pixel, got none")
        return pixels if self.kind == "tied" else pixels * channels

    def draw(
        self, rng: np.random.Generator, n: int, *, shape: tuple[int, ...], mask: Mask | None = None
    ) -> Float[np.ndarray, "n h w channels"]:
        """Draw noise for n images (h, w, c): (n, h, w, 1) if tied, else (n, h, w, c); float32, 0 outside the mask.

        The values follow each other in the stream of `rng`, so that 3 and then 5 draws are the same as 8.
        """
        height, width, channels = shape
        own = 1 if self.kind == "tied" else channels
        sigma = np.float32(self.sigma)
        if mask is None:
            return sigma * rng.standard_normal((n, height, width, own), dtype=np.float32)
        noise = np.zeros((n, height, width, own), dtype=np.float32)
        noise[:, mask] = sigma * rng.standard_normal((n, int(mask.sum()), own), dtype=np.float32)
        return noise

    def check_n_free(self, n_free: int, *, shape: tuple[int, ...], mask: Mask | None = None) -> None:
        """Refuse a number of free values other than this noise's in images (h, w, c), such as one read from a file.

        Raises InputError: fewer free values than the noise moves would make every certified epsilon too large.
        """
        values, expected = int(np.prod(shape)), self.n_free(shape, mask)
        size = " x ".join(map(str, shape))
        if n_free > values:
            raise InputError(f"certificate: expected at most {values} free values in images {size}, got {n_free}")
        if n_free != expected:
            raise InputError(
                f"certificate: expected {expected} free values of {self.kind} noise in images {size}, got {n_free}"
            )
