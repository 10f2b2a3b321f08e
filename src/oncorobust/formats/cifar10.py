"""Reader of CIFAR-10 as published: the binary version (`data_batch_1.bin` ... `test_batch.bin`) or the Python version.

A binary batch is a sequence of 3,073-byte records: the label, then 32 x 32 red, green and blue bytes. A Python batch is
a pickled dictionary with the same planes under `data` and the labels under `labels`. Both versions hold the same
records, so one list of checksums covers both. Each image counts as its own patient.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, and its download page.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.array_pickles import PickledArray, read_pickle
from oncorobust.formats.records import RawImages, StoredImage, describe_sums
from oncorobust.formats.synthetic_mark import is_synthetic

SIDE = 32
RECORD_BYTES = 1 + 3 * SIDE * SIDE
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDERS = (".", "cifar-10-batches-bin", "cifar-10-batches-py")

SHA256 = {
    "data_batch_1": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
"""Checksums of the records of each batch, as in the files of the binary version."""


def open_cifar10(folder: Path) -> RawImages:
    """Open a folder of CIFAR-10 batches. Raises InputError naming the file that is missing or wrong."""
    paths = _find_batches(folder)
    batches = {path.stem: _read_batch(path) for path in paths}
    frames = [_index(path, batches[path.stem][:, 0], folder) for path in paths]
    starts = np.cumsum([0, *(len(batch) for batch in batches.values())])

    def read(position: int) -> StoredImage:
        batch = int(np.searchsorted(starts, position, side="right")) - 1
        record = batches[paths[batch].stem][position - starts[batch]]
        planes = np.asarray(record[1:]).reshape(3, SIDE, SIDE)
        return StoredImage(values=planes.transpose(1, 2, 0), limits=(0.0, 255.0))

    return RawImages(
        index=pd.concat(frames, ignore_index=True),
        class_names=_class_names(paths[0].parent),
        read=read,
        synthetic=is_synthetic(folder),
        verified=describe_sums({name: _sha256(batch) == SHA256[name] for name, batch in batches.items()}),
        intensity_unit="grey level",
    )


def _find_batches(folder: Path) -> list[Path]:
    """Find the batches of one version in reading order; a subset must be data_batch_1 to some k, and test_batch."""
    found = [
        (place, suffix)
        for place in (folder / name for name in FOLDERS)
        for suffix in (".bin", "")
        if any((place / f"{name}{suffix}").is_file() for name in SHA256)
    ]
    if not found:
        raise InputError(f"expected data_batch_1.bin or data_batch_1, got neither in {folder}")
    if len(found) > 1:
        raise InputError(f"expected one version of CIFAR-10, got the binary and the Python version in {folder}")
    place, suffix = found[0]
    present = [name for name in SHA256 if (place / f"{name}{suffix}").is_file()]
    last = max((int(name[-1]) for name in present if name != "test_batch"), default=1)
    for name in [f"data_batch_{number}" for number in range(1, last + 1)] + ["test_batch"]:
        if name not in present:
            raise InputError(f"expected {name}{suffix}, got no such file in {place}")
    return [place / f"{name}{suffix}" for name in present]


def _read_batch(path: Path) -> np.ndarray:
    """Read records (n, 3073) of unsigned bytes, label first; a binary batch stays on disk."""
    records = _read_binary(path) if path.suffix == ".bin" else _read_pickled(path)
    labels = records[:, 0]
    if labels.max() > 9:
        row = int(np.argmax(labels > 9))
        raise InputError(f"expected labels from 0 to 9, got {labels[row]} in record {row} of {path}")
    return records


def _read_binary(path: Path) -> np.ndarray:
    length = path.stat().st_size
    if length == 0 or length % RECORD_BYTES:
        raise InputError(f"expected records of {RECORD_BYTES} bytes, got {length} bytes in {path}")
    return np.memmap(path, dtype=np.uint8, mode="r").reshape(-1, RECORD_BYTES)


def _read_pickled(path: Path) -> np.ndarray:
    batch = read_pickle(path)
    if b"fine_labels" in batch:
        raise InputError(f"expected CIFAR-10, got CIFAR-100 (fine_labels) in {path}")
    data, labels = batch.get(b"data"), batch.get(b"labels")
    data = data.values if isinstance(data, PickledArray) else data
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (RECORD_BYTES - 1,):
        raise InputError(f"expected data of n x 3072 unsigned bytes, got another array in {path}")
    if not isinstance(labels, list) or len(labels) != len(data) or not len(data):
        raise InputError(f"expected {len(data)} labels, one per image and at least one, got another list in {path}")
    if not all(isinstance(label, int) and 0 <= label < 256 for label in labels):
        raise InputError(f"expected whole numbers from 0 to 9 as labels, got other values in {path}")
    return np.column_stack([np.array(labels, dtype=np.uint8), data])


def _class_names(place: Path) -> tuple[str, ...]:
    text, pickled = place / "batches.meta.txt", place / "batches.meta"
    if text.is_file():
        names = tuple(text.read_text(encoding="utf-8", errors="replace").split())
    elif pickled.is_file():
        found = read_pickle(pickled).get(b"label_names", ())
        names = tuple(name.decode(errors="replace") for name in found if isinstance(name, bytes))
    else:
        return CLASS_NAMES
    if len(set(names)) != 10:
        raise InputError(f"expected ten class names, got {len(set(names))} in {text if text.is_file() else pickled}")
    return names


def _index(path: Path, labels: np.ndarray, folder: Path) -> pd.DataFrame:
    names = [f"{path.stem}-{position:05d}" for position in range(len(labels))]
    return pd.DataFrame(
        {
            "image_id": names,
            "patient_id": names,
            "label": np.asarray(labels, dtype=np.int64),
            "source": path.relative_to(folder).as_posix(),
            "given_split": "test" if path.stem == "test_batch" else "train",
        }
    )


def _sha256(records: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(records).data).hexdigest()
