"""Preprocessing: from a raw tree to images of one size in [0, 1], split, balanced and described.

Each image is cropped to its central square (`fit: crop`) or padded with black to a square (`fit: pad`), scaled by two
stored values that hold for the whole data set, and resized:

    pixel = clip((stored - low) / (high - low), 0, 1)

low and high are constants of the format (0 and 255), two given numbers (a Hounsfield window), or the 0.5 and 99.5
percentiles of the training images. They never depend on the single image, because one epsilon would then have many
physical sizes. The resize is bilinear over the area that an output pixel covers, so it does not alias and stays in the
range. Images of a data set may differ in size, but not in the number of channels (`data.channels`) or, if the format
sets the limits, in bit depth.

Source of the training percentiles: Isensee et al., nnU-Net, Nature Methods 18, 2021.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base import layout
from oncorobust.base.arrays import Image
from oncorobust.base.errors import InputError
from oncorobust.data.appearance_warnings import WARNING, warn
from oncorobust.data.appearances import Appearances
from oncorobust.data.channels import count_channels
from oncorobust.data.choice import advice, choose, of_classes
from oncorobust.data.conversion import Conversion, centre_crop
from oncorobust.data.dataset import COLUMNS, POSITION
from oncorobust.data.duplicates import Fingerprints, check_identical, notes_on_images, without_common
from oncorobust.data.seen_images import SeenImages
from oncorobust.data.split import check_given_split
from oncorobust.formats.lesion_boxes import resize_boxes
from oncorobust.formats.records import NO_LABEL, SPLITS, RawImages, StoredImage
from oncorobust.settings.data import Preprocess

PERCENTILES = (0.5, 99.5)
_SAMPLED_PIXELS = 10_000_000


@dataclass(frozen=True)
class Processed:
    """Hold a processed data set before it is written.

    index: columns image_id, patient_id, label, class_name, split, source, then the format's own; row i is image i.
        Training images without a label are the last rows; label and class_name of them are empty.
        A lesion's box (`lesion_boxes.LESION_BOX`) is in pixels of the processed image.
    images: the images in that order, computed one at a time, float32 (size, size, c).
    shape: (n, size, size, c). summary: the content of summary.json, without notes that depend on all pixels.
    more_notes: returns these notes once `images` has been consumed. Raises InputError for identical images in two
        splits, unless the settings allow them.
    looks: what the images look like before and after; complete once `images` has been consumed.
    """

    index: pd.DataFrame
    images: Iterator[Image]
    shape: tuple[int, int, int, int]
    summary: dict[str, Any]
    more_notes: Callable[[], list[str]]
    looks: Appearances

    def complete_summary(self) -> dict[str, Any]:
        """Return the content of summary.json once `images` has been consumed. Raises InputError as `more_notes`."""
        return self.summary | {"notes": [*self.summary["notes"], *self.more_notes()]}


def process(raw: RawImages, settings: Preprocess, *, dataset: str, seed: int, is_trained_on: bool = True) -> Processed:
    """Select, split and balance the images of a raw tree, and prepare their conversion image by image.

    is_trained_on: whether training images are needed; a finished model needs only test images. Raises InputError naming
    an image that does not fit, here or while `images` is consumed, and where there are no training images to train on.
    """
    n_raw, raw = len(raw.index), of_classes(raw, settings.classes)
    rows = raw.index.assign(**{POSITION: np.arange(len(raw.index))})
    notes = check_given_split(rows, settings, where=layout.raw(dataset))
    chosen, more = choose(raw, rows, settings, seed)
    if is_trained_on and not (chosen["split"] == "train").any():
        split = "given split" if settings.split.use_given else "split, because split.test_one_in is 1"
        raise InputError(
            f"expected training images, got none in the {split}: to evaluate a finished model on its test images "
            f"alone, set datasets.{dataset}.model to your file with fine_tune: false, and datasets.{dataset}.harden "
            "to null"
        )
    low, high = _intensity_range(raw, chosen, settings)
    channels = count_channels((raw.read(int(position)).values for position in chosen[POSITION]), settings.channels)
    conversion = conversion_of(settings, n_channels=channels, intensity_range=(low, high))
    index = resize_boxes(chosen, crop_fraction=settings.crop_fraction, size=settings.size)
    index = index.assign(class_name=["" if label == NO_LABEL else raw.class_names[label] for label in chosen["label"]])
    index = index[[*COLUMNS, *(name for name in raw.index if name not in {*COLUMNS, "given_split"})]]
    summary = {
        "dataset": dataset,
        "format": type(settings.format).__struct_config__.tag,
        "synthetic": raw.synthetic,
        "verified": raw.verified,
        "class_names": list(raw.class_names),
        "class_order": raw.class_order,
        "n_raw": n_raw,
        "n_images": len(index),
        "n_patients": int(index["patient_id"].nunique()),
        "size": settings.size,
        "channels": channels,
        "intensity_range": [low, high],
        "intensity_unit": raw.intensity_unit,
        "counts": _counts(index, raw.class_names),
        "patients": {name: int(index["patient_id"][index["split"] == name].nunique()) for name in SPLITS},
        "split_unit": settings.split.unit,
        "notes": [*raw.notes, *notes, *more],
    }
    prints, seen = Fingerprints(), SeenImages()
    looks = Appearances(chosen, low=low, high=high, fit=settings.fit, crop=settings.crop_fraction, seed=seed)

    def see(stored: StoredImage, image: Image, source: str) -> None:
        prints.add(stored.values, image)
        seen.add(stored, source)
        looks.add(stored, image)

    def more_notes() -> list[str]:
        warnings = [WARNING + text for text in warn(looks, chosen, raw.class_names, size=settings.size)]
        if settings.duplicates != "allow":
            digests = without_common(prints.digests, chosen["patient_id"])
            check_identical(chosen, digests, advice=advice(settings))
        return [*warnings, *seen.notes(settings, channels=channels), *notes_on_images(chosen, prints)]

    return Processed(
        index=_as_written(index.reset_index(drop=True)),
        images=_images(raw, chosen, settings, conversion, see=see),
        shape=(len(index), settings.size, settings.size, channels),
        summary=summary,
        more_notes=more_notes,
        looks=looks,
    )


def conversion_of(settings: Preprocess, *, n_channels: int, intensity_range: tuple[float, float]) -> Conversion:
    """Return the conversion of a data set; n_channels and intensity_range are `channels` and that of summary.json."""
    low, high = intensity_range
    return Conversion(
        size=settings.size,
        n_channels=n_channels,
        channels=settings.channels,
        low=low,
        high=high,
        fit=settings.fit,
        crop_fraction=settings.crop_fraction,
    )


def _intensity_range(raw: RawImages, chosen: pd.DataFrame, settings: Preprocess) -> tuple[float, float]:
    if settings.intensity_range == "training":
        return _training_range(raw, chosen, settings)
    if settings.intensity_range == "format":
        limits = raw.read(int(chosen[POSITION].iloc[0])).limits
        if limits is None:
            raise InputError(
                f"{chosen['source'].iloc[0]}: intensity_range is `format`, but the format sets no limits for "
                f"{raw.intensity_unit} values (expected two numbers or `training`)"
            )
        return float(limits[0]), float(limits[1])
    return settings.intensity_range


def _training_range(raw: RawImages, chosen: pd.DataFrame, settings: Preprocess) -> tuple[float, float]:
    """Return percentiles of the cropped training images, from at most ten million evenly spaced pixels."""
    positions = chosen[POSITION][chosen["split"] == "train"]
    if positions.empty:
        raise InputError(
            "expected two numbers as preprocess.intensity_range, got training, but there are no training images: take "
            "intensity_range from summary.json of the data that the model was trained on"
        )
    share = max(1, _SAMPLED_PIXELS // len(positions))
    pixels = []
    for position in positions:
        stored = raw.read(int(position)).values
        values = centre_crop(stored, fraction=settings.crop_fraction, fit=settings.fit).ravel()
        pixels.append(values[:: -(-len(values) // share)].astype(np.float32))
    low, high = (float(value) for value in np.percentile(np.concatenate(pixels), PERCENTILES))
    if low == high:
        raise InputError(f"training images: {low} from percentile 0.5 to 99.5 (expected more than one value)")
    return low, high


def _images(
    raw: RawImages,
    chosen: pd.DataFrame,
    settings: Preprocess,
    conversion: Conversion,
    *,
    see: Callable[[StoredImage, Image, str], None],
) -> Iterator[Image]:
    low, high = conversion.low, conversion.high
    for position, source in zip(chosen[POSITION], chosen["source"], strict=True):
        stored = raw.read(int(position))
        if settings.intensity_range == "format" and stored.limits != (low, high):
            raise InputError(
                f"{source}: expected limits {low:g} to {high:g}, as in the first image, got {stored.limits}"
            )
        image = conversion.convert(stored.values, source=source)
        see(stored, image, source)
        yield image


def _as_written(index: pd.DataFrame) -> pd.DataFrame:
    """Return the index with empty labels instead of NO_LABEL, which makes a column of text."""
    without = index["label"] == NO_LABEL
    return index.assign(label=index["label"].astype(str).where(~without, "")) if without.any() else index


def _counts(index: pd.DataFrame, class_names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    return {
        split: {name: int(((index["split"] == split) & (index["class_name"] == name)).sum()) for name in class_names}
        for split in SPLITS
    }
