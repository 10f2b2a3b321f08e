"""Rows from NumPy archives of images and labels, as MedMNIST publishes them.

Keys are `train_images`, `train_labels`, `val_images`, ..., `test_labels` (MedMNIST v2, doi 10.1038/s41597-022-01721-8),
or `images` and `labels` (or `x` and `y`, with and without `_train` and `_test`). Labels are read, images are not.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue, ProposedRow
from oncorobust.formats.proposals.request import Notes

_PAIRS = (
    ("train_images", "train_labels", "train"),
    ("val_images", "val_labels", "validation"),
    ("test_images", "test_labels", "test"),
    ("x_train", "y_train", "train"),
    ("x_val", "y_val", "validation"),
    ("x_test", "y_test", "test"),
    ("images", "labels", ""),
    ("imgs", "labels", ""),
    ("x", "y", ""),
    ("X", "y", ""),
    ("data", "labels", ""),
)


def propose_arrays(catalogue: Catalogue, folder: Path, notes: Notes) -> None:
    """Propose a row for every image of the only archive with images and labels. Raises InputError naming it."""
    paths = list(catalogue.query("select path from files where kind = 'npz' order by path limit 100"))
    shapes = {path: _shapes(folder / path) for path in paths}
    held = {
        path: pairs for path, found in shapes.items() if (pairs := [one for one in _PAIRS if {*one[:2]} <= set(found)])
    }
    if len(held) != 1:
        keys = ", ".join(sorted({key for found in shapes.values() for key in found}))[:300]
        found = f"{len(held)} ({', '.join(held)}): give the folder of one" if held else f"none with these keys: {keys}"
        raise InputError(
            f"{folder}: expected one .npz file with images and labels (train_images and train_labels, or images and "
            f"labels), got {found}"
        )
    ((path, pairs),) = held.items()
    for images, labels, split in pairs:
        shape = shapes[path][images]
        _check_shape(shape, f"{folder / path}, {images}")
        catalogue.propose(_rows(folder / path, path, images, labels, split, shape))
    notes.told.append(f"{path} holds {', '.join(f'{images} {_text(shapes[path][images])}' for images, _, _ in pairs)}")
    notes.unsure.append("the labels are numbers; write their names in order into classes.txt beside the manifest")


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array from its header."""
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as stream:
                    version = np.lib.format.read_magic(stream)
                    read: Any = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    found[name.removesuffix(".npy")] = read(stream)[0]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: expected an .npz file of arrays, got {error}") from error
    return found


def _check_shape(shape: tuple[int, ...], where: str) -> None:
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise InputError(
            f"{where}: expected images (n, h, w) or (n, h, w, 3), got {_text(shape)} (volumes are not read)"
        )


def _rows(file: Path, path: str, images: str, labels: str, split: str, shape: tuple[int, ...]) -> Iterator[ProposedRow]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            values = archive[labels]
    except ValueError as error:
        raise InputError(f"{file}, {labels}: expected an array of numbers or text, got {error}") from error
    if len(values) != shape[0]:
        raise InputError(
            f"{file}: expected as many labels as images, got {len(values)} in {labels} and {shape[0]} in {images}"
        )
    values = values.reshape(len(values), -1)
    if values.shape[1] != 1:
        raise InputError(
            f"{file}, {labels}: expected one label for each image, got {values.shape[1]} (several findings in "
            "one image, "
            "or one-hot); save one column of class numbers"
        )
    for number, label in enumerate(values[:, 0].tolist()):
        text = str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
        yield ProposedRow(path, text.strip(), split=split, array=images, array_index=str(number))


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
