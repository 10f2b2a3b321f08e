"""Which pixels an attack may move: the lesion's box, or all the others.

An attack on the lesion alone asks whether the model's evidence can be erased; one on the background, whether the model
can be led by pixels that a radiologist would not look at. `Ball.reach` is 1 where pixels may move and 0 elsewhere. A
pixel that the box touches at all is the lesion's, so that a box of less than a pixel still has one, and lesion and
background together are the image.

Boxes come from the readers (`data.lesion_boxes`) in the columns lesion_top, lesion_left, lesion_bottom, lesion_right of
index.csv, edges in pixels of the processed image: the readers' consensus (LIDC-IDRI), the segmented component or a
sphere of the listed diameter (brain metastases). There is none for images without a lesion and for formats that do not
tell (CBIS-DDSM's crops are all lesion).
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
    """Which images (n,) have a lesion box; none where index.csv has no such columns."""
    return np.asarray(~np.isnan(_boxes(index)).any(axis=1))


def lesion_reach(index: pd.DataFrame, shape: tuple[int, int]) -> Reach:
    """The pixels (n, h, w, 1) that the lesion box touches, for images that all have one, of this height and width.

    Raises InputError naming the image that has no box, or one outside of the image.
    """
    for name in index.loc[~has_lesion_box(index), "image_id"]:
        raise InputError(f"expected a lesion box, got none in {name}")
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
    """All pixels that `lesion_reach` leaves out."""
    return 1 - lesion_reach(index, shape)


def _boxes(index: pd.DataFrame) -> Float[np.ndarray, "n 4"]:
    """The boxes as numbers, NaN where there is none; index.csv is read with empty cells as text."""
    edges = index.reindex(columns=list(LESION_BOX))
    return np.stack([pd.to_numeric(edges[name]).to_numpy(dtype=np.float64) for name in LESION_BOX], axis=1)
