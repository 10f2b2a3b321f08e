"""The numbers that masks and segmentations hold, as stored, for proposals that depend on them."""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from oncorobust.formats.image_files import VOLUME_FILES, kind_of
from oncorobust.formats.outside import only_input_errors
from oncorobust.formats.planes import order_for, turn
from oncorobust.formats.volume_files import describe_volume, read_volume


def read_labels(path: Path) -> Shaped[np.ndarray, "slices rows columns"]:
    """Return the stored numbers of a picture (one slice), or of a volume with slices from the feet. Raises InputError.

    A palette is not looked up, because its places are the labels.
    """
    with only_input_errors(path, "a segmentation that can be read"):
        kind = kind_of(path)
        if kind in VOLUME_FILES:
            grid = next(iter(describe_volume(path).forms.values()))
            return turn(read_volume(path, index=0), order_for(grid, None))
        if kind == "npy":
            stored: np.ndarray = np.load(path, allow_pickle=False)
            return stored if stored.ndim == 3 else stored[None]
        return _read_picture(path)


def _read_picture(path: Path) -> Shaped[np.ndarray, "1 rows columns"]:
    from PIL import Image

    with Image.open(path) as picture:
        values: np.ndarray = np.asarray(picture)
    return (values if values.ndim == 2 else values[..., 0])[None]
