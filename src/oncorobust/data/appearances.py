"""How each image looks before and after preprocessing, noted while the images are converted one by one.

Memory: about 200 bytes per image, the tiles of the images that the contact sheet shows, and per class at most 1 MB of
sampled values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from oncorobust.base.arrays import Image
from oncorobust.base.seeds import child_rng
from oncorobust.data.conversion import Fit, centre_crop, square_side
from oncorobust.data.sheet_tiles import Tile, tile_of
from oncorobust.formats.lesion_boxes import LESION_BOX
from oncorobust.formats.records import NO_LABEL, SPLITS, StoredImage

MOST_CLASSES = 20
"""Number of classes of which the contact sheet shows images."""

COLUMNS = 12
"""Number of images of a class on the sheet."""

_SHARES = {"train": 6, "validation": 2, "test": 4}
_SAMPLED_IMAGES = 4096
_SAMPLED_VALUES = 64
_EXTREME = 0.02


@dataclass(frozen=True, slots=True)
class Look:
    """What one image looks like.

    side: square root of the pixels as stored. kept: side of the square that was resized, pixels. below, above: share of
    its values below the black and above the white value. mean, contrast: of the processed image (0 to 1), its mean and
    the difference of its highest and lowest value. corners: `black` or `white` where all four are, else `other`.
    """

    side: float
    kept: int
    depth: str
    colour: bool
    lossy: bool
    padded: float
    below: float
    above: float
    mean: float
    contrast: float
    corners: str


@dataclass
class Sample:
    """Values of evenly spaced images: every second one is dropped when there are too many."""

    every: int = 1
    seen: int = 0
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, values: np.ndarray) -> None:
        """Add some values of one image."""
        if self.seen % self.every == 0:
            flat = values.ravel()
            # An odd step, so that the values come from all columns of the image.
            self.values.append(flat[:: max(1, len(flat) // _SAMPLED_VALUES) | 1].astype(np.float32))
        self.seen += 1
        if len(self.values) > _SAMPLED_IMAGES:
            self.values = self.values[::2]
            self.every *= 2

    def all(self) -> np.ndarray:
        """Return the values, (n,)."""
        return np.concatenate(self.values) if self.values else np.array([], np.float32)


class Appearances:
    """The looks of all images of a data set, and tiles of those that the contact sheet shows."""

    def __init__(self, chosen: pd.DataFrame, *, low: float, high: float, fit: Fit, crop: float, seed: int) -> None:
        """Start before the first image.

        chosen: columns label, split and, for lesions, those of `lesion_boxes` in stored pixels, one row per image in
        the order of `add`. low, high: stored values that become black and white. crop: crop_fraction.
        """
        self.low, self.high = low, high
        self.fit, self.crop = fit, crop
        self.labels = chosen["label"].to_numpy()
        self.boxes = chosen[list(LESION_BOX)].to_numpy(float) if LESION_BOX[0] in chosen else None
        self.shown = choose_shown(chosen, seed=seed)
        self.looks: list[Look] = []
        self.tiles: dict[int, Tile] = {}
        self.before: dict[int, Sample] = {}
        self.after: dict[int, Sample] = {}
        self.sums: dict[int, np.ndarray] = {}
        self._wanted = {int(position) for positions in self.shown.values() for position in positions}

    def add(self, stored: StoredImage, image: Image) -> None:
        """Add the next image: as stored, and processed (h, w, c) in [0, 1]."""
        position = len(self.looks)
        values = centre_crop(stored.values, fraction=self.crop, fit=self.fit)
        self.looks.append(self._look(stored, values, image))
        label, look = int(self.labels[position]), self.looks[-1]
        self.sums[label] = self.sums.get(label, np.zeros(3)) + np.array((look.below, look.above, look.padded))
        self.before.setdefault(label, Sample()).add(values)
        self.after.setdefault(label, Sample()).add(image)
        if position in self._wanted:
            box = None if self.boxes is None else self.boxes[position]
            self.tiles[position] = tile_of(stored.values, box)

    def mean_shares(self, label: int) -> tuple[float, float, float]:
        """Return the mean shares of a class's values below black and above white, and of padding; 0 without images."""
        below, above, padded = self.sums.get(label, np.zeros(3)) / max(1, int((self.labels == label).sum()))
        return float(below), float(above), float(padded)

    def _look(self, stored: StoredImage, values: np.ndarray, image: Image) -> Look:
        height, width = stored.values.shape[:2]
        corners = image[[0, 0, -1, -1], [0, -1, 0, -1]]
        dark, bright = corners.max() <= _EXTREME, corners.min() >= 1 - _EXTREME
        return Look(
            side=float(np.sqrt(height * width)),
            kept=square_side(stored.values, fraction=self.crop, fit=self.fit),
            depth="" if stored.limits is None else f"{stored.limits[0]:g} to {stored.limits[1]:g}",
            colour=stored.values.ndim == 3,
            lossy=stored.lossy,
            padded=0.0 if stored.padded is None else float(stored.padded.mean()),
            below=float((values < self.low).mean()),
            above=float((values > self.high).mean()),
            mean=float(image.mean()),
            contrast=float(image.max() - image.min()),
            corners="black" if dark else "white" if bright else "other",
        )


def choose_shown(chosen: pd.DataFrame, *, seed: int) -> Mapping[tuple[int, str], np.ndarray]:
    """Return positions of the images to show by class and split, in the order of the splits."""
    shown = {}
    widths = group_widths([split for split in SPLITS if (chosen["split"] == split).any()])
    labels, splits = chosen["label"].to_numpy(), chosen["split"].to_numpy()
    for label in sorted({*labels.tolist()} - {NO_LABEL})[:MOST_CLASSES]:
        for split, width in widths.items():
            members = np.flatnonzero((labels == label) & (splits == split))
            drawn = child_rng(seed, "contact sheet", int(label), split).permutation(members)[:width]
            shown[int(label), split] = np.sort(drawn)
    return shown


def group_widths(splits: Sequence[str]) -> dict[str, int]:
    """Return how many of the COLUMNS each split takes: 6, 2 and 4 for all three, in proportion for fewer."""
    total = sum(_SHARES[split] for split in splits)
    widths = {split: round(COLUMNS * _SHARES[split] / total) for split in splits}
    widths[splits[0]] += COLUMNS - sum(widths.values())
    return widths
