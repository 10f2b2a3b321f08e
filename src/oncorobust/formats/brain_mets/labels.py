"""Code books of segmentations: which value has which meaning, and how often a tree has each.

Publishers number the same tissues differently. BraTS 2017 to 2021 has 4 for enhancing tumour, BraTS-METS 3; task 1 of
the Medical Segmentation Decathlon has 1 for oedema; UCSF-BMSR has a mask of 0 and 1. Values alone do not say which of
two books with equal values is right, so the notes of a tree state each label's meaning and number of voxels.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.settings.data import SegmentationLabels

PRESETS = {
    "brats_mets": SegmentationLabels(metastasis={"necrosis": 1, "enhancing": 3}, other={"oedema": 2}),
    "brats_mets_2025": SegmentationLabels(
        metastasis={"necrosis": 1, "enhancing": 3}, other={"oedema": 2, "resection_cavity": 4}
    ),
    "brats_2017_to_2021": SegmentationLabels(metastasis={"necrosis": 1, "enhancing": 4}, other={"oedema": 2}),
    "msd_brain": SegmentationLabels(metastasis={"non_enhancing": 2, "enhancing": 3}, other={"oedema": 1}),
    "binary": SegmentationLabels(metastasis={"metastasis": 1}),
}
ROUNDING = 0.01
"""Largest distance of a stored label from a whole number: half a step of 8 bits, if the largest label is 5."""

_MOST_SHOWN = 8


def code_book(labels: str | SegmentationLabels) -> SegmentationLabels:
    """Return the code book that the setting `labels` names or states."""
    return PRESETS[labels] if isinstance(labels, str) else labels


def all_labels(book: SegmentationLabels) -> dict[str, int]:
    """Return the values of all labels by name."""
    return {**book.metastasis, **book.other}


def round_labels(values: np.ndarray, path: Path) -> np.ndarray:
    """Round labels that were stored through a scale (scl_slope), such as 2.9999999993.

    Raises InputError naming the file if a value is more than ROUNDING from a whole number.
    """
    whole = np.rint(values)
    fractions = values[~(np.abs(values - whole) <= ROUNDING)]
    if fractions.size:
        raise InputError(f"expected whole labels (within {ROUNDING}), got {fractions[0]:g} in {path}")
    return whole


def count_labels(values: np.ndarray, book: SegmentationLabels, path: Path) -> dict[str, int]:
    """Count the voxels of each label by its name. Raises InputError naming the file if it has another value."""
    counts = {name: int(np.count_nonzero(values == value)) for name, value in all_labels(book).items()}
    if sum(counts.values()) + np.count_nonzero(values == 0) < values.size:
        found = [float(value) for value in np.unique(values[values != 0])]
        shown = ", ".join(f"{value:g}" for value in found[:_MOST_SHOWN]) + (", ..." if len(found) > _MOST_SHOWN else "")
        raise InputError(f"expected labels 0 and {_text(book)}, got {shown} in {path}{_advice(found)}")
    return counts


def check_all_occur(counts: Iterable[dict[str, int]], labels: str | SegmentationLabels, folder: Path) -> None:
    """Check that a tree has each label of the code book. Raises InputError with the labels that are there."""
    book, totals = code_book(labels), total_counts(counts)
    values = all_labels(book)
    absent = sorted((name for name, count in totals.items() if not count), key=values.__getitem__)
    if absent:
        there = [float(values[name]) for name, count in totals.items() if count]
        found = ", ".join(f"{value:g}" for value in sorted(there)) or "none"
        raise InputError(
            f"expected each of the labels {_text(book)} in some segmentation, got {found} but never "
            f"{' or '.join(f'{values[name]} ({name})' for name in absent)} in {folder}{_advice(there)}"
        )


def total_counts(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Add up the counts of several segmentations (at least one) of the same code book."""
    first, *others = counts
    return {name: count + sum(other[name] for other in others) for name, count in first.items()}


def describe_labels(counts: list[dict[str, int]], book: SegmentationLabels) -> str:
    """Describe what was counted, e.g. `labels of 8 segmentations: 1 necrosis in 8 (264 voxels); ...`."""
    totals = total_counts(counts)
    parts = []
    for name, value in sorted(all_labels(book).items(), key=lambda item: item[1]):
        files = sum(count[name] > 0 for count in counts)
        parts.append(f"{value} {name} in {files} ({totals[name]} voxels)")
    return (
        f"labels of {len(counts)} segmentations: {', '.join(parts)}; "
        f"metastases are the components of {' and '.join(book.metastasis)}"
    )


def _text(book: SegmentationLabels) -> str:
    ordered = sorted(all_labels(book).items(), key=lambda item: item[1])
    return ", ".join(f"{value} ({name})" for name, value in ordered)


def _advice(found: list[float]) -> str:
    """Name the presets that have exactly these values."""
    fitting = [name for name, book in PRESETS.items() if set(all_labels(book).values()) == set(found)]
    preset = f"{' or '.join(fitting)}, if that is this data set, or " if fitting else ""
    return f"; set the format's `labels` to {preset}this tree's own names and values"
