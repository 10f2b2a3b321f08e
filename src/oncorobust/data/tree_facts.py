"""What the files of a raw tree say about the settings that fit them, from the index and a sample of the images."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.data.channels import channel_spread
from oncorobust.data.split import balance, check_given_split, split_images
from oncorobust.formats.dicom.display import Display, read_display
from oncorobust.formats.dicom.stacks import series_files
from oncorobust.formats.records import NO_LABEL, SPLITS, RawImages, StoredImage
from oncorobust.settings.data import Preprocess
from oncorobust.settings.new_dataset_facts import Facts

SAMPLED = 256
"""Images of which the pixels are read, evenly spaced over the index."""
_NEARLY_SQUARE = 0.05
_FAINT_COLOUR = 1 / 16


@dataclass
class _Seen:
    """What the sampled images have in common."""

    sides: list[int] = field(default_factory=list)
    n_long: int = 0
    limits: set[tuple[float, float] | None] = field(default_factory=set)
    lowest: float = float("inf")
    highest: float = float("-inf")
    channels: Counter[str] = field(default_factory=Counter)
    displays: list[Display] = field(default_factory=list)

    def add(self, stored: StoredImage, display: Display | None) -> None:
        height, width = stored.values.shape[:2]
        self.sides.append(min(height, width))
        self.n_long += min(height, width) < (1 - _NEARLY_SQUARE) * max(height, width)
        self.limits.add(stored.limits)
        self.lowest = min(self.lowest, float(stored.values.min()))
        self.highest = max(self.highest, float(stored.values.max()))
        self.channels[_colour(stored)] += 1
        if display is not None:
            self.displays.append(display)


def read_facts(raw: RawImages, tree: Path, *, on_progress: Notify) -> Facts:
    """Read a sample of the images of an opened raw tree. Raises InputError naming an image that cannot be read."""
    seen, positions = _Seen(), _evenly(len(raw.index))
    for number, position in enumerate(positions, start=1):
        seen.add(raw.read(position), _display(tree, str(raw.index["source"].iloc[position])))
        on_progress(number, len(positions), "sampled images")
    names, labels = raw.class_names, raw.index["label"]
    return Facts(
        images={name: int((labels == label).sum()) for label, name in enumerate(names)},
        patients=_patients(raw),
        splits=_splits(raw),
        n_sampled=len(positions),
        side=int(np.median(seen.sides)),
        long_share=seen.n_long / len(positions),
        limits=tuple(sorted(seen.limits, key=str)),
        values=(seen.lowest, seen.highest),
        unit=raw.intensity_unit,
        channels=tuple(sorted(seen.channels)),
        windows=tuple(_windows(seen.displays)),
        modalities=tuple(sorted({one.modality for one in seen.displays if one.modality})),
        class_order=raw.class_order,
        synthetic=raw.synthetic,
    )


def count_splits(raw: RawImages, settings: Preprocess, *, seed: int, where: str) -> dict[str, int]:
    """Return the number of labelled images in each split by the settings, identical images aside. Raises InputError.

    where: folder of the raw tree, for messages.
    """
    check_given_split(raw.index, settings, where=where)
    rows = raw.index[raw.index["label"] != NO_LABEL]
    try:
        split = split_images(rows, settings.split, names=raw.class_names, seed=seed)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    kept = split[balance(rows, split, which=settings.balance, seed=seed)]
    return {name: int((kept == name).sum()) for name in SPLITS}


def _evenly(n: int) -> list[int]:
    return sorted({int(position) for position in np.linspace(0, n - 1, min(n, SAMPLED))})


def _colour(stored: StoredImage) -> str:
    """Return `grey`, `faint` where channels differ as after lossy compression, or `colour`."""
    spread = channel_spread(stored.values)
    if spread == 0:
        return "grey"
    low, high = stored.limits or (float(stored.values.min()), float(stored.values.max()))
    return "faint" if spread <= _FAINT_COLOUR * (high - low) else "colour"


def _display(tree: Path, source: str) -> Display | None:
    with suppress(OSError):  # sources of MNIST and CIFAR-10 are no files of their own
        file = tree / source
        return read_display(series_files(file)[0] if file.is_dir() else file)
    return None


def _windows(displays: list[Display]) -> Iterator[tuple[float, float]]:
    """Yield the windows that the sampled DICOM files state, each once; none where a file states none."""
    windows = [one.window for one in displays]
    if all(window is not None for window in windows):
        yield from sorted({window for window in windows if window is not None})


def _patients(raw: RawImages) -> dict[str, int]:
    counts = raw.index.groupby("label")["patient_id"].nunique()
    return {name: int(counts.get(label, 0)) for label, name in enumerate(raw.class_names)}


def _splits(raw: RawImages) -> dict[str, int]:
    if "given_split" not in raw.index:
        return {}
    counts = raw.index["given_split"].value_counts()
    return {name: int(counts[name]) for name in SPLITS if name in counts}
