"""Reader of your own images: a `manifest.csv` with one row per image, beside image files of any supported kind.

Columns: `image_id`, `path` (relative to the tree, with forward slashes), `label` (any text), `patient_id`; optionally
`split` (train, validation, test) and a crop in pixels of the upright image: either `crop_top, crop_left, crop_height,
crop_width`, or `center_row, center_col, crop_size`. Every cell of these columns must be filled, except `label`: a
training image may have none. A row may name a part of its file (`parts`): a frame, an entry of an array, a slice of a
volume. Other columns are ignored, but a known one in another spelling, such as `Split`, is an error.

Classes are the labels in alphabetical order, with numbers as numbers (`class_order`), so that benign is 0 and malignant
1. A `classes.txt` beside the manifest may list them in another order, one class per line; a label that it does not list
is an error. Paths must stay inside the tree, and so must links, except those that DVC makes; the tree itself may be a
link. A file `SYNTHETIC.txt` beside the manifest, or the SyntheticData tag of DICOM files, marks synthetic images; real
and synthetic ones are never mixed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import plain_spelling
from oncorobust.formats.class_order import ClassOrder, order_of, sort_labels
from oncorobust.formats.csv_text import check_columns, check_filled, read_table, read_text
from oncorobust.formats.dicom.values import RESCALED, STORED
from oncorobust.formats.image_files import FileKind
from oncorobust.formats.manifest_crops import BOX, CENTER, crop, crop_scan, read_boxes
from oncorobust.formats.manifest_files import check_parts, describe_files, row_files
from oncorobust.formats.part_reading import PartReader
from oncorobust.formats.parts import COLUMNS as PART_COLUMNS
from oncorobust.formats.parts import read_parts
from oncorobust.formats.records import NO_LABEL, SPLITS, UNVERIFIED, RawImages, Scan, StoredImage
from oncorobust.formats.synthetic_mark import is_synthetic

NAME = "manifest.csv"
REQUIRED = ("image_id", "path", "label", "patient_id")


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
    """Read a manifest of images to evaluate, no image file; each has a label.

    classes and errors as for `open_manifest`.
    """
    table = _read_table(path)
    check_filled(table, ["label"], path)
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
    table = _together(_read_table(path))
    files = row_files(table, path)
    parts = read_parts(table, path)
    kinds = describe_files(files, table, path)
    notes = check_parts(files, parts, kinds, table, path)
    class_names, class_order = _classes(table, path, classes)
    boxes = read_boxes(table, path)
    _check_splits(table, path)
    index = pd.DataFrame(
        {
            "image_id": table["image_id"],
            "patient_id": table["patient_id"],
            "label": table["label"].map(_numbers(class_names)).astype("int64"),
            "source": table["path"],
        }
    )
    if "split" in table:
        index["given_split"] = table["split"]
    reader = PartReader()

    def read(position: int) -> StoredImage:
        image = reader.read(files[position], parts[position])
        return image if boxes is None else crop(image, boxes[position], files[position])

    def read_scan(position: int) -> Scan:
        file = files[position]
        scan = reader.read_scan(file, parts[position], kinds[position])
        return scan if boxes is None else crop_scan(scan, boxes[position], file)

    return RawImages(
        index=index.reset_index(drop=True),
        class_names=class_names,
        class_order=class_order,
        read=read,
        read_scan=read_scan,
        synthetic=is_synthetic(folder, (kind.synthetic for kind in kinds)),
        verified=UNVERIFIED,
        intensity_unit=_unit(kinds, path),
        notes=notes,
    )


def _read_table(path: Path) -> pd.DataFrame:
    """Read the manifest's cells as stripped text; the frame's index is the line in the file."""
    table = read_table(path)
    _check_spelling(table.columns, path)
    names = [name for name in table.columns if name and name not in REQUIRED]
    check_columns(table, [*REQUIRED, *names], path)
    filled = [name for name in REQUIRED if name != "label"]
    check_filled(table, [name for name in (*filled, "split", *BOX, *CENTER) if name in table], path)
    for line in table.index[table["image_id"].duplicated()]:
        raise InputError(f"expected each image_id once, got {table['image_id'][line]!r} again in {path}, line {line}")
    return table


def _check_spelling(columns: Iterable[str], path: Path) -> None:
    """Refuse a column that would be a known one in another spelling, and would be ignored. Raises InputError."""
    found = list(columns)
    known = {_plain(name): name for name in (*REQUIRED, "split", *BOX, *CENTER, *PART_COLUMNS) if name not in found}
    for name in found:
        if wanted := known.get(_plain(name)):
            raise InputError(f"expected the column `{wanted}` in this spelling, got {name!r} in {path}")


def _plain(name: str) -> str:
    return plain_spelling(name).replace(" ", "_").replace("-", "_")


def _together(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in their order, but those of one file together, and entries of an array in ascending order.

    Only where rows name parts of files, which are then decoded once.
    """
    if not any(name in table for name in PART_COLUMNS):
        return table
    first = {path: place for place, path in reversed(list(enumerate(table["path"])))}
    arrays = table["array"] if "array" in table else [""] * len(table)
    entries = table["array_index"] if "array_index" in table else [""] * len(table)
    keys = [
        (first[path], array, int(entry) if entry.isascii() and entry.isdigit() else 0)
        for path, array, entry in zip(table["path"], arrays, entries, strict=True)
    ]
    return table.iloc[sorted(range(len(table)), key=keys.__getitem__)]


def _classes(table: pd.DataFrame, path: Path, stated: Sequence[str] | None) -> tuple[tuple[str, ...], ClassOrder]:
    """Return the class names in order, and where that order comes from."""
    listed = path.with_name("classes.txt")
    if stated is None and listed.is_file():
        stated = _listed_classes(listed)
    names = _sorted_classes(table, path) if stated is None else list(stated)
    labelled = table["label"][table["label"] != ""]
    for line in labelled.index[~labelled.isin(names)]:
        found = table["label"][line]
        raise InputError(f"{path}, line {line}: unknown label {found!r} (known: {', '.join(names)})")
    if labelled.nunique() < 2:
        found = f"only {labelled.iloc[0]}" if len(labelled) else "no label"
        raise InputError(f"expected images of at least two classes, got {found} in {path}")
    return tuple(names), order_of(names) if stated is None else "stated"


def _numbers(class_names: Sequence[str]) -> dict[str, int]:
    """Return the number of each label; an empty cell is NO_LABEL."""
    return {"": NO_LABEL} | {name: number for number, name in enumerate(class_names)}


def _listed_classes(path: Path) -> list[str]:
    names = [name.strip() for name in read_text(path).splitlines() if name.strip()]
    if len(set(names)) != len(names):
        raise InputError(f"expected each class once, got a class twice in {path}")
    return names


def _sorted_classes(table: pd.DataFrame, path: Path) -> list[str]:
    try:
        return sort_labels({*table["label"]} - {""})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _check_splits(table: pd.DataFrame, path: Path) -> None:
    if "split" not in table:
        return
    for line in table.index[~table["split"].isin(SPLITS)]:
        found = table["split"][line]
        raise InputError(f"{path}, line {line}: unknown split {found!r} (known: {', '.join(SPLITS)})")
    for line in table.index[(table["label"] == "") & (table["split"] != "train")]:
        found = table["split"][line]
        raise InputError(f"{path}, line {line}: expected a label, which a {found} image needs, got an empty cell")
    several = table.groupby("patient_id")["split"].unique()
    for patient, splits in several[several.map(len) > 1].items():
        lines = [table.index[(table["patient_id"] == patient) & (table["split"] == split)][0] for split in splits[:2]]
        raise InputError(
            f"expected each patient in one split, got the same patient in {splits[0]} (line {lines[0]}) and "
            f"{splits[1]} (line {lines[1]}) of {path}"
        )


def _unit(kinds: Iterable[FileKind], path: Path) -> str:
    units = sorted({kind.unit for kind in kinds})
    if units == [RESCALED, STORED]:  # a file without a transform has the identity
        return RESCALED
    if len(units) > 1:
        raise InputError(f"expected all images in one unit, got {' and '.join(units)} in {path}")
    return units[0]
