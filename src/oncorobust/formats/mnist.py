"""Reader of MNIST as published: images and labels of a training and a t10k (test) part in idx files, plain or gzipped.

Both `train-images-idx3-ubyte` and `train-images.idx3-ubyte` are read, with or without `.gz`. Either part may be absent.
Fashion-MNIST, KMNIST and others have the same headers, so only the published checksums show that a file is MNIST; where
they differ (for example for a subset) the data are reported as unverified. The writers of the digits are unknown, so
each image counts as its own patient.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.formats.idx import IMAGES_MAGIC, LABELS_MAGIC, read_idx
from oncorobust.formats.records import RawImages, StoredImage, describe_sums
from oncorobust.formats.synthetic_mark import is_synthetic

SIDE = 28
CLASS_NAMES = tuple(str(digit) for digit in range(10))
PARTS = {"train": "train", "t10k": "test"}
"""The split of each published part."""

SHA256 = {
    "train images": {
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",  # gzipped, as published
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",  # the same, unpacked
    },
    "train labels": {
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    "t10k images": {
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    },
    "t10k labels": {
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
}


def open_mnist(folder: Path) -> RawImages:
    """Open a folder of MNIST files. Raises InputError naming the file that is missing or wrong."""
    parts = [part for part in PARTS if _find(folder, part, "images") or _find(folder, part, "labels")]
    if not parts:
        raise InputError(f"expected train-images-idx3-ubyte or t10k-images-idx3-ubyte (or .gz), got none in {folder}")
    pixels, frames, verified = [], [], {}
    for part in parts:
        images_path, labels_path = _require(folder, part, "images"), _require(folder, part, "labels")
        images, labels = _read_part(images_path, labels_path)
        pixels.append(images)
        frames.append(_index(part, labels, images_path.relative_to(folder).as_posix()))
        for kind, path in (("images", images_path), ("labels", labels_path)):
            verified[f"{part} {kind}"] = file_sha256(path) in SHA256[f"{part} {kind}"]
    values = np.concatenate(pixels)
    return RawImages(
        index=pd.concat(frames, ignore_index=True),
        class_names=CLASS_NAMES,
        read=lambda position: StoredImage(values=values[position], limits=(0.0, 255.0)),
        synthetic=is_synthetic(folder),
        verified=describe_sums(verified),
        intensity_unit="grey level",
    )


def _read_part(images_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
    images = read_idx(images_path, magic=IMAGES_MAGIC)
    labels = read_idx(labels_path, magic=LABELS_MAGIC)
    if images.shape[1:] != (SIDE, SIDE):
        raise InputError(f"expected images of 28 x 28, got {images.shape[1]} x {images.shape[2]} in {images_path}")
    if len(images) != len(labels):
        raise InputError(f"expected {len(images)} labels as in {images_path.name}, got {len(labels)} in {labels_path}")
    if len(labels) and labels.max() > 9:
        row = int(np.argmax(labels > 9))
        raise InputError(f"expected labels from 0 to 9, got {labels[row]} at position {row} in {labels_path}")
    return images, labels


def _index(part: str, labels: np.ndarray, source: str) -> pd.DataFrame:
    names = [f"{part}-{position:05d}" for position in range(len(labels))]
    return pd.DataFrame(
        {
            "image_id": names,
            "patient_id": names,
            "label": labels.astype(np.int64),
            "source": source,
            "given_split": PARTS[part],
        }
    )


def _names(part: str, kind: str) -> list[str]:
    axes = {"images": "idx3", "labels": "idx1"}[kind]
    return [f"{part}-{kind}{joint}{axes}-ubyte{suffix}" for joint in "-." for suffix in ("", ".gz")]


def _find(folder: Path, part: str, kind: str) -> Path | None:
    found = [folder / name for name in _names(part, kind) if (folder / name).is_file()]
    if len(found) > 1:
        raise InputError(f"expected one file for {part} {kind}, got {found[0].name} and {found[1].name} in {folder}")
    return found[0] if found else None


def _require(folder: Path, part: str, kind: str) -> Path:
    path = _find(folder, part, kind)
    if path is None:
        raise InputError(f"expected {_names(part, kind)[0]} (or .gz), got no such file in {folder}")
    return path
