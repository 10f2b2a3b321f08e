"""What certificates take: images in [0, 1] with their masks, and logits of two classes at least."""

import numpy as np

from oncorobust.base.errors import InputError


def check_images(x: np.ndarray) -> None:
    """Refuse anything but images (n, h, w, c) of finite floats in [0, 1]: sigma and epsilon are in these units.

    Raises InputError naming the first image that is another.
    """
    if x.ndim != 4:
        raise InputError(f"certificate: expected images (n, h, w, c), got an array of shape {x.shape}")
    if not np.issubdtype(x.dtype, np.floating):
        raise InputError(
            f"certificate: expected images of floats in [0, 1], got {x.dtype}: divide by the largest value"
        )
    outside = ~((x >= 0) & (x <= 1))  # True for NaN, too
    if outside.any():
        place = int(np.flatnonzero(outside.any(axis=(1, 2, 3)))[0])
        value = float(x[place][outside[place]][0])
        raise InputError(f"certificate: expected images with values in [0, 1], got {value:g} in image {place}")


def check_masks(masks: np.ndarray | None, x: np.ndarray) -> None:
    """Refuse masks other than one array of Booleans (n, h, w), with a pixel in each. Raises InputError."""
    if masks is None:
        return
    if len(masks) != len(x):
        raise InputError(f"certificate: expected one mask for each of {len(x)} images, got {len(masks)}")
    if masks.dtype != bool or masks.shape != x.shape[:3]:
        raise InputError(
            f"certificate: expected masks of Booleans {x.shape[:3]}, got {masks.dtype} of shape {masks.shape}"
        )
    empty = np.flatnonzero(~masks.any(axis=(1, 2)))
    if len(empty):
        raise InputError(f"certificate: expected a mask with at least one pixel, got none for image {empty[0]}")


def check_classes(logits: np.ndarray, n_images: int) -> None:
    """Refuse logits other than (n, classes) of two classes or more. Raises InputError."""
    if logits.ndim != 2 or len(logits) != n_images or logits.shape[1] < 2:
        raise InputError(
            f"certificate: expected logits ({n_images}, classes) of at least two classes, got shape {logits.shape}; "
            "of a model with one output z, give the logits 0 and z"
        )
