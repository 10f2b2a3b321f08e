"""Regions that an attack may change: the lesion's box, or everything outside it.

An attack on the lesion alone tests whether the model's evidence can be erased; an attack on the background tests
whether pixels that a radiologist would not look at can mislead the model. `Ball.reach` is 1 where pixels may move and 0
elsewhere. Every pixel that the box touches belongs to the lesion, so a box smaller than a pixel still has one, and
lesion and background together make up the image.

Boxes come from the readers (`formats.lesion_boxes`) in the columns lesion_top, lesion_left, lesion_bottom, lesion_right
of index.csv, edges in pixels of the processed image: the readers' consensus (LIDC-IDRI), the segmented component or a
sphere of the listed diameter (brain metastases). Images without a lesion have no box, nor have formats that give none
(CBIS-DDSM's crops are all lesion).
"""

import numpy as np
import pandas as pd
from jaxtyping import Float

from oncorobust.base.arrays import Flags
from oncorobust.base.errors import InputError
from oncorobust.formats.lesion_boxes import LESION_BOX

Reach = Float[np.ndarray, "n h w 1"]
"""1 where a pixel may move, 0 where not."""

_ROUNDING = 1e-6
"""Pixels; an edge that lies this close to that of a pixel is on it."""


def has_lesion_box(index: pd.DataFrame) -> Flags:
    """Return which images (n,) have a lesion box; none if index.csv has no such columns."""
    return np.asarray(~np.isnan(_boxes(index)).any(axis=1))


def lesion_reach(index: pd.DataFrame, shape: tuple[int, int]) -> Reach:
    """Return the pixels (n, h, w, 1) that the lesion box touches; every image needs a box and this height and width.

    Raises InputError naming the image whose box is missing or lies outside the image.
    """
    for name in index.loc[~has_lesion_box(index), "image_id"]:
        raise InputError(f"{name}: no lesion box")
    boxes = _boxes(index)
    limits = np.array([*shape, *shape])
    outside = (boxes < -_ROUNDING) | (boxes > limits + _ROUNDING)
    outside[:, :2] |= boxes[:, :2] >= boxes[:, 2:]
    for place in np.flatnonzero(outside.any(axis=1)):
        found = ", ".join(f"{edge:g}" for edge in boxes[place])
        wanted = f"expected a lesion box inside {shape[0]} x {shape[1]} pixels"
        raise InputError(f"{wanted}, got top, left, bottom, right {found} in {index['image_id'].iloc[place]}")
    first, end = np.floor(boxes[:, :2] + _ROUNDING), np.ceil(boxes[:, 2:] - _ROUNDING)
    rows, columns = (
        (np.arange(length) >= first[:, axis, None]) & (np.arange(length) < end[:, axis, None])
        for axis, length in enumerate(shape)
    )
    return (rows[:, :, None, None] & columns[:, None, :, None]).astype(np.float32)


def background_reach(index: pd.DataFrame, shape: tuple[int, int]) -> Reach:
    """Return all pixels outside `lesion_reach`."""
    return 1 - lesion_reach(index, shape)


def _boxes(index: pd.DataFrame) -> Float[np.ndarray, "n 4"]:
    """Return the boxes as numbers, NaN where there is none; index.csv is read with empty cells as text."""
    edges = index.reindex(columns=list(LESION_BOX))
    return np.stack([pd.to_numeric(edges[name]).to_numpy(dtype=np.float64) for name in LESION_BOX], axis=1)
