"""Rows from NumPy archives of images and labels, as MedMNIST publishes them.

Keys are `train_images`, `train_labels`, `val_images`, ..., `test_labels` (MedMNIST v2, doi 10.1038/s41597-022-01721-8),
or `images` and `labels` (or `x` and `y`), with a split before or behind, in any case. `patient_id` beside them, of the
same length, gives the patients. Labels are read, images are not.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue, ProposedRow
from oncorobust.formats.proposals.request import Notes

_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_IMAGES = {"images": "labels", "imgs": "labels", "data": "labels", "x": "y"}
"""Names of arrays of images, and of the labels beside them."""

_PATIENTS = ("patient_id", "patient_ids", "patientid", "patients", "patient", "subject_id", "subjects", "subject")


class Held(NamedTuple):
    """Names of the arrays of images, labels and patients (empty without any) of one split of an archive."""

    images: str
    labels: str
    patients: str
    split: str


def propose_arrays(catalogue: Catalogue, folder: Path, notes: Notes) -> None:
    """Propose a row for every image of the only archive with images and labels. Raises InputError naming it."""
    paths = list(catalogue.query("select path from files where kind = 'npz' order by path limit 100"))
    shapes = {path: _shapes(folder / path) for path in paths}
    held = {path: parts for path, found in shapes.items() if (parts := _parts(found))}
    if len(held) != 1:
        keys = ", ".join(sorted({key for found in shapes.values() for key in found}))[:300]
        found = f"{len(held)} ({', '.join(held)}): give the folder of one" if held else f"none with these keys: {keys}"
        raise InputError(
            f"{folder}: expected one .npz file with images and labels (train_images and train_labels, or images and "
            f"labels), got {found}"
        )
    ((path, parts),) = held.items()
    numbers = False
    for part in parts:
        shape = shapes[path][part.images]
        _check_shape(shape, f"{folder / path}, {part.images}")
        rows = list(_rows(folder / path, path, part, shape[0]))
        numbers |= all(row.label.lstrip("-").isdigit() for row in rows)
        catalogue.propose(rows)
    _tell(path, shapes[path], parts, notes)
    if numbers:
        notes.unsure.append("the labels are numbers; write their names in order into classes.txt beside the manifest")


def _tell(path: str, shapes: dict[str, tuple[int, ...]], parts: list[Held], notes: Notes) -> None:
    notes.told.append(f"{path} holds {', '.join(f'{part.images} {_text(shapes[part.images])}' for part in parts)}")
    if patients := [part.patients for part in parts if part.patients]:
        notes.unsure.append(f"the patients are in {', '.join(patients)}")
    used = {name for part in parts for name in part}
    rest = sorted(set(shapes) - used)
    notes.leave_out(f"arrays of {path} are not used", len(rest), rest)


def _parts(shapes: dict[str, tuple[int, ...]]) -> list[Held]:
    """Return the arrays of images with labels of their name, in the order of the splits, whatever case they have."""
    keys = {key.lower(): key for key in shapes}
    found = []
    for split, name in {**_SPLITS, "": ""}.items():
        for images, labels in _IMAGES.items():
            pairs = [(join(images, split), join(labels, split), join) for join in (_before, _behind)]
            for one, other, join in pairs if split else pairs[:1]:
                if one in keys and other in keys:
                    length = shapes[keys[one]][:1]
                    ids = [keys[key] for patient in _PATIENTS if (key := join(patient, split)) in keys]
                    fitting = next((key for key in ids if shapes[key][:1] == length), "")
                    found.append(Held(keys[one], keys[other], fitting, name))
    return found


def _before(name: str, split: str) -> str:
    return f"{split}_{name}" if split else name


def _behind(name: str, split: str) -> str:
    return f"{name}_{split}"


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
        first = len(shape) == 4 and shape[1] in (1, 3)
        why = "channels come first: move them to the end" if first else "volumes are not read"
        raise InputError(f"{where}: expected images (n, h, w) or (n, h, w, 3), got {_text(shape)} ({why})")


def _rows(file: Path, path: str, part: Held, count: int) -> Iterator[ProposedRow]:
    labels = _cells(file, part.labels, count, what="label")
    patients = _cells(file, part.patients, count, what="patient") if part.patients else [""] * count
    empty = [number for number, label in enumerate(labels) if label in ("", "nan")]
    if empty:
        raise InputError(
            f"{file}, {part.labels}: expected a label for each image, got none (NaN or empty) for {len(empty):,} of "
            f"{count:,}, the first at {empty[0]}; leave these images out of the file"
        )
    for number, (label, patient) in enumerate(zip(labels, patients, strict=True)):
        given = "" if patient == "nan" else patient
        yield ProposedRow(path, label, given, split=part.split, array=part.images, array_index=str(number))


def _cells(file: Path, name: str, count: int, *, what: str) -> list[str]:
    """Return the text of each value of an array of `count` numbers or texts. Raises InputError."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            values = archive[name]
    except ValueError as error:
        raise InputError(f"{file}, {name}: expected an array of numbers or text, got {error}") from error
    if len(values) != count:
        raise InputError(f"{file}: expected as many {what}s as images, got {len(values)} in {name} and {count} images")
    values = values.reshape(count, -1)
    if values.shape[1] != 1:
        raise InputError(
            f"{file}, {name}: expected one {what} for each image, got {values.shape[1]} (several findings in "
            "one image, or one-hot); save one column of class numbers"
        )
    return [_cell(value) for value in values[:, 0].tolist()]


def _cell(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
