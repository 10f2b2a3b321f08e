"""Reader of your own images: a `manifest.csv` with one row per image, beside image files of any supported kind.

Columns: `image_id`, `path` (relative to the tree, with forward slashes), `label` (any text), `patient_id`; optionally
`split` (train, validation, test) and a crop in pixels of the upright image: either `crop_top, crop_left, crop_height,
crop_width`, or `center_row, center_col, crop_size`. Every cell of these columns must be filled. Other columns are
ignored.

Classes are the labels in alphabetical order, with numbers as numbers (`class_order`), so that benign is 0 and malignant
1. A `classes.txt` beside the manifest may list them in another order, one class per line; a label that it does not list
is an error. Paths must stay inside
the tree, and so must links, except those that DVC makes; the tree itself may be a link. A file `SYNTHETIC.txt` beside
the manifest, or the SyntheticData tag of DICOM files, marks synthetic images; real and synthetic ones are never mixed.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.class_order import ClassOrder, order_of, sort_labels
from oncorobust.formats.csv_text import check_columns, check_filled, read_table, read_text
from oncorobust.formats.dicom.values import RESCALED, STORED
from oncorobust.formats.image_files import FileKind, describe_image, read_image
from oncorobust.formats.records import SPLITS, UNVERIFIED, RawImages, StoredImage
from oncorobust.formats.synthetic_mark import is_synthetic

NAME = "manifest.csv"
REQUIRED = ("image_id", "path", "label", "patient_id")
BOX = ("crop_top", "crop_left", "crop_height", "crop_width")
CENTER = ("center_row", "center_col", "crop_size")

_IN_DVC_CACHE = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")
"""Target of a link made by `dvc checkout`; the name is the MD5 of the content."""

Box = tuple[int, int, int, int]
"""Top, left, height and width of a crop, pixels."""


@dataclass(frozen=True)
class Listed:
    """What a manifest says of its images.

    class_names: in order. splits: number of images in each split; empty without a column `split`.
    """

    n_images: int
    class_names: tuple[str, ...]
    class_order: ClassOrder
    splits: dict[str, int]


def read_listed(path: Path, *, classes: Sequence[str] | None = None) -> Listed:
    """Read a manifest alone, no image file. classes and errors as for `open_manifest`."""
    table = _read_table(path)
    class_names, class_order = _classes(table, path, classes)
    _check_splits(table, path)
    splits = {name: int((table["split"] == name).sum()) for name in SPLITS} if "split" in table else {}
    return Listed(len(table), class_names, class_order, splits)


def open_manifest(folder: Path, *, file: str = NAME, classes: Sequence[str] | None = None) -> RawImages:
    """Open a tree with a manifest: read every file's header, but no pixels.

    file: name of the manifest. classes: names of all classes in order; None takes classes.txt, or sorts the labels.
    Raises InputError naming the line of the manifest or the file, and what is wrong with it.
    """
    path = folder / file
    table = _read_table(path)
    files = [folder / _inside(entry, path, line) for line, entry in table["path"].items()]
    kinds = _describe(files, table, path)
    class_names, class_order = _classes(table, path, classes)
    boxes = _boxes(table, path)
    _check_splits(table, path)
    index = pd.DataFrame(
        {
            "image_id": table["image_id"],
            "patient_id": table["patient_id"],
            "label": table["label"].map({name: number for number, name in enumerate(class_names)}).astype("int64"),
            "source": table["path"],
        }
    )
    if "split" in table:
        index["given_split"] = table["split"]

    def read(position: int) -> StoredImage:
        image = read_image(files[position])
        return image if boxes is None else _crop(image, boxes[position], files[position])

    return RawImages(
        index=index.reset_index(drop=True),
        class_names=class_names,
        class_order=class_order,
        read=read,
        synthetic=is_synthetic(folder, (kind.synthetic for kind in kinds)),
        verified=UNVERIFIED,
        intensity_unit=_unit(kinds, path),
    )


def _read_table(path: Path) -> pd.DataFrame:
    """Read the manifest's cells as stripped text; the frame's index is the line in the file."""
    table = read_table(path)
    names = [name for name in table.columns if name and name not in REQUIRED]
    check_columns(table, [*REQUIRED, *names], path)
    check_filled(table, [name for name in (*REQUIRED, "split", *BOX, *CENTER) if name in table], path)
    for line in table.index[table["image_id"].duplicated()]:
        raise InputError(f"expected each image_id once, got {table['image_id'][line]!r} again in {path}, line {line}")
    return table


def _inside(entry: str, path: Path, line: object) -> str:
    """Return a path that stays inside the raw tree: a manifest from elsewhere must not reach other files."""
    parts = PurePosixPath(entry.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or PureWindowsPath(entry).drive:
        raise InputError(f"expected a path inside the raw tree, got {entry!r} in {path}, line {line}")
    return entry


def _describe(files: list[Path], table: pd.DataFrame, path: Path) -> list[FileKind]:
    tree = path.parent.resolve()
    for file, line in zip(files, table.index, strict=True):
        try:
            found = file.is_file()
        except OSError:  # the file system rejects the name, for example because it is too long
            found = False
        if not found:
            raise InputError(f"{path}, line {line}: expected a file at {file}, got none")
        place = file.resolve()
        if not (place.is_relative_to(tree) or _IN_DVC_CACHE.search(place.as_posix())):
            raise InputError(f"{path}, line {line}: {file} links to {place} (expected a file inside the raw tree)")
    return [describe_image(file) for file in files]


def _classes(table: pd.DataFrame, path: Path, stated: Sequence[str] | None) -> tuple[tuple[str, ...], ClassOrder]:
    """Return the class names in order, and where that order comes from."""
    listed = path.with_name("classes.txt")
    if stated is None and listed.is_file():
        stated = _listed_classes(listed)
    names = _sorted_classes(table, path) if stated is None else list(stated)
    for line in table.index[~table["label"].isin(names)]:
        found = table["label"][line]
        raise InputError(f"{path}, line {line}: unknown label {found!r} (known: {', '.join(names)})")
    if table["label"].nunique() < 2:
        raise InputError(f"expected images of at least two classes, got only {table['label'].iloc[0]} in {path}")
    return tuple(names), order_of(names) if stated is None else "stated"


def _listed_classes(path: Path) -> list[str]:
    names = [name.strip() for name in read_text(path).splitlines() if name.strip()]
    if len(set(names)) != len(names):
        raise InputError(f"expected each class once, got a class twice in {path}")
    return names


def _sorted_classes(table: pd.DataFrame, path: Path) -> list[str]:
    try:
        return sort_labels(set(table["label"]))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _check_splits(table: pd.DataFrame, path: Path) -> None:
    if "split" not in table:
        return
    for line in table.index[~table["split"].isin(SPLITS)]:
        found = table["split"][line]
        raise InputError(f"{path}, line {line}: unknown split {found!r} (known: {', '.join(SPLITS)})")
    several = table.groupby("patient_id")["split"].unique()
    for patient, splits in several[several.map(len) > 1].items():
        lines = [table.index[(table["patient_id"] == patient) & (table["split"] == split)][0] for split in splits[:2]]
        raise InputError(
            f"expected each patient in one split, got the same patient in {splits[0]} (line {lines[0]}) and "
            f"{splits[1]} (line {lines[1]}) of {path}"
        )


def _boxes(table: pd.DataFrame, path: Path) -> list[Box] | None:
    given = [names for names in (BOX, CENTER) if any(name in table for name in names)]
    if not given:
        return None
    if len(given) == 2:
        raise InputError(f"expected crops given by box or by centre, got columns of both in {path}")
    for name in given[0]:
        if name not in table:
            raise InputError(f"{path}: no column {name} (expected all of {', '.join(given[0])})")
    boxes = []
    for line, cells in table[list(given[0])].iterrows():
        numbers = [_number(cell, path, line) for cell in cells]
        box = _from_center(*numbers) if given[0] is CENTER else _from_box(*numbers)
        if box[0] < 0 or box[1] < 0 or box[2] < 1 or box[3] < 1:
            raise InputError(f"expected a crop inside the image, got {_text(box)} in {path}, line {line}")
        boxes.append(box)
    return boxes


def _number(cell: str, path: Path, line: object) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"expected a number of pixels, got {cell!r} in {path}, line {line}")
    return number


def _from_box(top: float, left: float, height: float, width: float) -> Box:
    return round(top), round(left), round(height), round(width)


def _from_center(row: float, col: float, size: float) -> Box:
    """Return the square whose middle is nearest to the centre; ties go up and left."""
    side = round(size)
    return math.floor(row - (side - 1) / 2), math.floor(col - (side - 1) / 2), side, side


def _text(box: Box) -> str:
    return f"rows {box[0]} to {box[0] + box[2] - 1}, columns {box[1]} to {box[1] + box[3] - 1}"


def _crop(image: StoredImage, box: Box, file: Path) -> StoredImage:
    top, left, height, width = box
    rows, columns = image.values.shape[:2]
    if top + height > rows or left + width > columns:
        raise InputError(f"expected a crop inside {rows} x {columns} pixels, got {_text(box)} in {file}")
    rows_kept, columns_kept = slice(top, top + height), slice(left, left + width)
    padded = None if image.padded is None else image.padded[rows_kept, columns_kept]
    return replace(image, values=image.values[rows_kept, columns_kept], padded=padded)


def _unit(kinds: list[FileKind], path: Path) -> str:
    units = sorted({kind.unit for kind in kinds})
    if units == [RESCALED, STORED]:  # a file without a transform has the identity
        return RESCALED
    if len(units) > 1:
        raise InputError(f"expected all images in one unit, got {' and '.join(units)} in {path}")
    return units[0]
