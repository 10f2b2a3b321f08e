"""Access to a processed data set: images in [0, 1] that stay on disk, and one table row per image.

Pixels are memory-mapped and read on access, so training works on data sets larger than memory. Grey images are stored
with one channel and returned with three, as VGG16 expects. Images are checked when they are read, so that no value that
is not a number in [0, 1] reaches a model.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.arrays import Image, Images, Labels
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results
from oncorobust.base.seeds import child_rng
from oncorobust.formats.records import NO_LABEL, SPLITS

COLUMNS = ("image_id", "patient_id", "label", "class_name", "split", "source")
POSITION = "position"
"""Column of frames in memory, never written: position of the row's image in its array or raw tree."""


@dataclass(frozen=True)
class LabelledImages:
    """Images with one row each.

    rows: the columns of index.csv, and `position`, the position of the row's image in `pixels`, so that parts of a
        data set share one array.
    pixels: float32 (n, h, w, c) with c = 1 or 3, usually a memory map.
    """

    rows: pd.DataFrame
    pixels: np.ndarray
    class_names: tuple[str, ...]
    synthetic: bool
    name: str

    def __post_init__(self) -> None:
        """Check shapes, ids, labels and splits; pixel values are checked when read. Raises InputError."""
        shape = " x ".join(map(str, self.pixels.shape))
        if self.pixels.ndim != 4 or self.pixels.shape[3] not in (1, 3) or self.pixels.dtype != np.float32:
            raise InputError(
                f"{self.name}: expected float32 images of shape n x h x w x 1 or 3, got {self.pixels.dtype} {shape}"
            )
        if len(self.rows) and not 0 <= self.rows[POSITION].min() <= self.rows[POSITION].max() < len(self.pixels):
            raise InputError(
                f"{self.name}: a row has a position outside 0 to {len(self.pixels) - 1}, those of the images"
            )
        if not self.rows["image_id"].is_unique:
            raise InputError(f"{self.name}: an image_id occurs twice (expected once)")
        if not self.rows["label"].between(0, len(self.class_names) - 1).all():
            raise InputError(f"{self.name}: a label is not between 0 and {len(self.class_names) - 1}")
        if not self.rows["split"].isin(SPLITS).all():
            raise InputError(f"{self.name}: an unknown split (known: {', '.join(SPLITS)})")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.rows)

    @property
    def labels(self) -> Labels:
        """Class of each image, int64."""
        return self.rows["label"].to_numpy(dtype=np.int64)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image as a model takes it: (h, w, 3)."""
        return (self.pixels.shape[1], self.pixels.shape[2], 3)

    @property
    def image_ids(self) -> list[str]:
        """Id of each image."""
        return self.rows["image_id"].tolist()

    def images(self, positions: slice | np.ndarray = slice(None)) -> Images:
        """Read images (n, h, w, 3), float32, by position in this part. Raises InputError on values outside [0, 1]."""
        places, ids = (self.rows[name].to_numpy()[positions] for name in (POSITION, "image_id"))
        return read_images(self.pixels, places, image_ids=ids.tolist(), where=self.name)

    def take(self, positions: np.ndarray) -> "LabelledImages":
        """Return the images at these positions, in this order."""
        return replace(self, rows=self.rows.iloc[positions])

    def has(self, split: str) -> bool:
        """Return whether any image is in a split: train, validation or test."""
        return bool((self.rows["split"] == split).any())

    def select(self, split: str) -> "LabelledImages":
        """Return the images of one split: train, validation or test. Raises InputError if there are none."""
        part = replace(self, rows=self.rows[self.rows["split"] == split])
        if not len(part):
            raise InputError(f"{self.name}: no {split} images")
        return part

    def subset(self, max_images: int | None, *, seed: int) -> "LabelledImages":
        """Draw at most `max_images` images with the seed, in the classes' proportions; None keeps all."""
        if max_images is None or max_images >= len(self):
            return self
        labels = self.labels
        chosen = [
            child_rng(seed, "subset", label).permutation(np.flatnonzero(labels == label))[:count]
            for label, count in enumerate(_shares(np.bincount(labels), max_images))
        ]
        return self.take(np.sort(np.concatenate(chosen)))


def read_images(pixels: np.ndarray, places: np.ndarray, *, image_ids: Sequence[str], where: str) -> Images:
    """Read images (n, h, w, 3) at these places of `pixels`. Raises InputError on values outside [0, 1]."""
    images = np.asarray(pixels[places])
    check_images(images, image_ids=image_ids, where=where)
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def check_images(x: Images, *, image_ids: Sequence[str], where: str) -> None:
    """Raise InputError naming the first pixel of images (n, h, w, c) that is outside [0, 1] or not a number."""
    # NaN fails both comparisons.
    wrong = ~((x >= 0) & (x <= 1))
    if wrong.any():
        position = np.unravel_index(wrong.argmax(), x.shape)
        place = ", ".join(str(int(one)) for one in position[1:])
        raise InputError(
            f"{where}, image {image_ids[int(position[0])]}, pixel ({place}): expected a value in [0, 1], "
            f"got {x[position]}"
        )


def load(folder: str | Path) -> LabelledImages:
    """Open the labelled images of a processed data set in its folder; they stay on disk.

    `unlabelled.load_unlabelled` opens the others. Raises InputError naming an unusable file.
    """
    folder = Path(folder)
    return read_dataset(folder / "images.npy", folder / "index.csv", folder / "summary.json")


def read_dataset(images: Path, index: Path, summary: Path) -> LabelledImages:
    """Open the labelled images of a processed data set from its files. Raises InputError naming an unusable file."""
    pixels, frame = open_pixels(images), read_index(index)
    if len(frame) != len(pixels):
        raise InputError(f"{index}: {len(frame)} rows for {len(pixels)} images in {images} (expected one per image)")
    content = read_results(summary)
    frame = frame.assign(**{POSITION: np.arange(len(frame))})
    return LabelledImages(
        rows=frame[frame["label"] != NO_LABEL],
        pixels=pixels,
        class_names=tuple(_entry(content, "class_names", summary)),
        synthetic=bool(_entry(content, "synthetic", summary)),
        name=str(_entry(content, "dataset", summary)),
    )


def open_pixels(path: Path) -> np.ndarray:
    """Open an array of images, which stays on disk. Raises InputError where it cannot be read."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: expected an array of images, got {error}") from error


def write_images(
    path: Path, images: Iterable[Image], *, shape: tuple[int, ...], on_progress: Callable[[int, int, str], None]
) -> None:
    """Write images one by one to a float32 npy file of this shape, so that memory does not grow with their number.

    on_progress: called after each image with the number done, the total, and the unit.
    """
    form = {"descr": "<f4", "fortran_order": False, "shape": shape}
    # Not through a memory map: there a full disk does not raise an error, but kills the process (SIGBUS).
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, form)
        for position, image in enumerate(images):
            file.write(np.broadcast_to(image, shape[1:]).astype("<f4").tobytes())
            on_progress(position + 1, shape[0], "images")


def read_index(path: Path) -> pd.DataFrame:
    """Read index.csv; an empty label is NO_LABEL. Raises InputError naming the file."""
    try:
        # Ids such as 007, NA or 1e5 stay text.
        frame = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS, str), keep_default_na=False, encoding="utf-8")
        if "label" in frame:
            frame["label"] = frame["label"].replace("", str(NO_LABEL)).astype("int64")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a CSV with one row per image, got {error}") from error
    for name in COLUMNS:
        if name not in frame:
            raise InputError(f"{path}: no column {name} (found: {', '.join(frame.columns)})")
    return frame


def _entry(content: dict[str, Any], key: str, path: Path) -> Any:
    if key not in content:
        raise InputError(f"{path}: no key {key} (found: {', '.join(content)})")
    return content[key]


def _shares(sizes: np.ndarray, total: int) -> np.ndarray:
    """Divide `total` in proportion to `sizes`, by largest remainders; of equal remainders the lower index wins."""
    exact = sizes * (total / sizes.sum())
    shares = np.floor(exact).astype(int)
    order = np.argsort(-(exact - shares), kind="stable")
    shares[order[: total - shares.sum()]] += 1
    return shares
