"""The result of opening a raw tree: an index with one row per image, the class names, and a function that reads pixels.

A reader opens a tree (`RawImages`) without reading its pixels. `RawImages.read(position)` then returns the stored
values of one image, so memory use does not grow with the number of images. Values stay as the format stores them (grey
levels, Hounsfield units), with the format's own limits where it has any; preprocessing scales them to [0, 1].

`RawImages.scan(position)` returns the same image as its scanner made it: the whole slice, before the crop of the
format, with spacing and neighbouring slices where the files state them. `Scan.cut` then gives the values of `read`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import refused_character, same_but_for_spelling
from oncorobust.formats.class_order import ClassOrder

INDEX_COLUMNS = ("image_id", "patient_id", "label", "source")
SPLITS = ("train", "validation", "test")
UNVERIFIED = "unverified"
GREY_LEVEL = "grey level"
"""Unit of pictures, which hold what a screen shows."""

STACK_MM = 6.0
"""How far from an image its neighbouring slices reach, mm; thicker slices than twice this are not made from them."""

Modality = Literal["CT", "MR", "MG", "other"]
"""Scanners whose physics is known here, by the codes of DICOM's Modality; `other` also where a file states none."""

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
class Stack:
    """The slices beside an image, on the same rows and columns, with the image's own.

    values: float32 (k, h, w). positions_mm: of each slice along the normal, (k,), increasing; the own slice is at 0.
    """

    values: np.ndarray
    positions_mm: np.ndarray


def _same(values: np.ndarray) -> np.ndarray:
    return values


@dataclass(frozen=True)
class Scan:
    """One image in the units of its scanner, before crop, window and resize.

    values: float32 (h, w), or (h, w, 3) for colours and for three planes. unit: of the values, as `intensity_unit`.
    limits: what stored values can hold; None where the format has no limits. spacing_mm: distance of neighbouring rows
    and of neighbouring columns; None where unknown. cut: returns the part of such values, changed or not, that the
    format takes as its image; for unchanged values, those of `RawImages.read`.
    """

    values: np.ndarray
    modality: Modality
    unit: str
    limits: tuple[float, float] | None
    spacing_mm: tuple[float, float] | None
    stack: Stack | None = None
    cut: Callable[[np.ndarray], np.ndarray] = _same


@dataclass(frozen=True)
class RawImages:
    """An opened raw tree.

    index: one row per image, with columns image_id, patient_id, label (from 0, or NO_LABEL), source (file, relative to
        the tree) and optionally given_split. Other columns are kept unchanged, except the boxes of `lesion_boxes`,
        which follow crop and resize.
    read: returns the stored image at a row's position. Raises InputError naming the file.
    verified: text that says which files match their publisher's checksum.
    intensity_unit: unit of the values that `read` returns: "grey level", "HU", another unit that the files state,
        "rescaled value" (DICOM with a transform that states no unit) or "stored value".
    class_order: where the order of class_names comes from.
    notes: sentences for the user that say what was left out or decided while the tree was opened.
    read_scan: returns the image at a row's position as its scanner made it; None where `read` returns all there is.
    """

    index: pd.DataFrame
    class_names: tuple[str, ...]
    read: Callable[[int], StoredImage]
    synthetic: bool
    verified: str
    intensity_unit: str
    notes: tuple[str, ...] = ()
    class_order: ClassOrder = "stated"
    read_scan: Callable[[int], Scan] | None = None

    def scan(self, position: int) -> Scan:
        """Return the image at a row's position in the units of its scanner. Raises InputError naming the file."""
        if self.read_scan is not None:
            return self.read_scan(position)
        stored = self.read(position)
        values = stored.values.astype(np.float32)
        return Scan(values, modality="other", unit=self.intensity_unit, limits=stored.limits, spacing_mm=None)

    def __post_init__(self) -> None:
        """Check the rules that every format has to follow. Raises InputError."""
        check_index(self.index, self.class_names)


def stack_of(own: int, positions_mm: np.ndarray, read: Callable[[int], np.ndarray], values: np.ndarray) -> Stack | None:
    """Return the slices of a volume within STACK_MM of one of them; None where no other is so near.

    own, positions_mm: number of the slice, and the increasing positions of all slices. read: returns another slice, of
    the same shape as `values`, those of the own one.
    """
    offsets = np.asarray(positions_mm, dtype=np.float64) - positions_mm[own]
    near = [int(at) for at in np.flatnonzero(np.abs(offsets) <= STACK_MM)]
    if len(near) < 2:
        return None
    slices = [values if at == own else np.asarray(read(at), dtype=np.float32) for at in near]
    return Stack(np.stack(slices), offsets[near])


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
