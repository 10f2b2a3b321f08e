"""The result of opening a raw tree: an index with one row per image, the class names, and a function that reads pixels.

A reader opens a tree (`RawImages`) without reading its pixels. `RawImages.read(position)` then returns the stored
values of one image, so memory use does not grow with the number of images. Values stay as the format stores them (grey
levels, Hounsfield units), with the format's own limits where it has any; preprocessing scales them to [0, 1].
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import refused_character, same_but_for_spelling
from oncorobust.formats.class_order import ClassOrder

INDEX_COLUMNS = ("image_id", "patient_id", "label", "source")
SPLITS = ("train", "validation", "test")
UNVERIFIED = "unverified"
NO_LABEL = -1
"""Label of an image without one, in memory; an empty cell in files. Only training images may lack a label."""


@dataclass(frozen=True)
class StoredImage:
    """One image as stored: values (h, w) or (h, w, 3), and the format's own limits (None where it has none).

    oriented: whether the values were turned or mirrored as an orientation tag of the file says.
    padded: pixels outside the image, (h, w), which hold its lowest value; None if the file states no padding.
    lossy: whether these pixels were found in an image compressed with loss.
    """

    values: np.ndarray
    limits: tuple[float, float] | None
    oriented: bool = False
    padded: np.ndarray | None = None
    lossy: bool = False


@dataclass(frozen=True)
class RawImages:
    """An opened raw tree.

    index: one row per image, with columns image_id, patient_id, label (from 0, or
        NO_LABEL), source (file, relative to the tree) and
        optionally given_split. Other columns are kept unchanged, except the boxes of `lesion_boxes`, which follow crop
        and resize.
    read: returns the stored image at a row's position. Raises InputError naming the file.
    verified: text that says which files match their publisher's checksum.
    intensity_unit: unit of the values that `read` returns: "grey level", "HU", another unit that the files state,
        "rescaled value" (DICOM with a transform that states no unit) or "stored value".
    class_order: where the order of class_names comes from.
    notes: sentences for the user that say what was left out or decided while the tree was opened.
    """

    index: pd.DataFrame
    class_names: tuple[str, ...]
    read: Callable[[int], StoredImage]
    synthetic: bool
    verified: str
    intensity_unit: str
    notes: tuple[str, ...] = ()
    class_order: ClassOrder = "stated"

    def __post_init__(self) -> None:
        """Check the rules that every format has to follow. Raises InputError."""
        check_index(self.index, self.class_names)


def check_index(index: pd.DataFrame, class_names: tuple[str, ...]) -> None:
    """Check names, unique ids, labels within the classes, and at least two classes. Raises InputError."""
    missing = [column for column in INDEX_COLUMNS if column not in index.columns]
    if missing:
        raise InputError(f"missing column {missing[0]} (expected {', '.join(INDEX_COLUMNS)})")
    _check_names(index, class_names)
    repeated = index.loc[index["image_id"].duplicated(), "image_id"]
    if len(repeated):
        raise InputError(f"expected each image_id once, got {repeated.iloc[0]!r} twice")
    labelled = index.loc[index["label"] != NO_LABEL, "label"]
    outside = labelled[~labelled.between(0, len(class_names) - 1)]
    if len(outside):
        raise InputError(f"expected labels from 0 to {len(class_names) - 1}, got {outside.iloc[0]}")
    if labelled.nunique() < 2:
        found = ", ".join(class_names[label] for label in sorted(labelled.unique())) or "none"
        raise InputError(f"expected images of at least two classes, got {found}")


def _check_names(index: pd.DataFrame, class_names: tuple[str, ...]) -> None:
    """Reject names that outputs cannot hold (`safe_text`).

    Messages about ids name the file instead of the id, because a patient_id may be a person's name.
    """
    for name in class_names:
        if found := refused_character(name):
            raise InputError(f"expected a class name of plain characters, got {found} in {name!r}")
    for column in ("source", "image_id", "patient_id"):
        for name, source in zip(index[column], index["source"], strict=True):
            if found := refused_character(name):
                raise InputError(f"expected {column} of plain characters, got {found} in that of {source!r}")
    if pair := same_but_for_spelling(index["patient_id"].unique()):
        files = (index["source"][index["patient_id"] == name].iloc[0] for name in pair)
        raise InputError(
            f"expected one spelling of each patient_id, got two that differ only in Unicode normalization: those of "
            f"{' and '.join(repr(file) for file in files)}"
        )


def describe_sums(verified: Mapping[str, bool]) -> str:
    """Describe which files match their publisher's checksum, e.g. `t10k images: SHA-256 as published`."""
    parts = []
    for wanted, text in ((True, "SHA-256 as published"), (False, UNVERIFIED)):
        names = [name for name, found in verified.items() if found is wanted]
        if names:
            parts.append(f"{', '.join(names)}: {text}")
    return "; ".join(parts) if any(verified.values()) else UNVERIFIED
