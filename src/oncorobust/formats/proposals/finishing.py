"""From labelled files to whole rows: slices of volumes, frames, ids, patients and checks."""

from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.checks import (
    check_identical,
    check_patients_of_classes,
    join_spellings,
    keep_classes,
    settle_splits,
)
from oncorobust.formats.proposals.header_patients import patients_from_headers
from oncorobust.formats.proposals.label_values import read_labels
from oncorobust.formats.proposals.patients import one_patient_per_file, settle_alike
from oncorobust.formats.proposals.patterns import fill_from_pattern
from oncorobust.formats.proposals.reading import stem_of
from oncorobust.formats.proposals.request import Notes, Request

_DEEP = "(select path from files where depth > 1 and kind {} 'DICOM')"


def finish(catalogue: Catalogue, request: Request, notes: Notes, *, on_progress: Notify) -> None:
    """Complete and check the rows of a proposal. Reads the masks of volumes. Raises InputError."""
    join_spellings(catalogue)
    keep_classes(catalogue, request, notes)
    _leave_empty_masks(catalogue, request, notes, on_progress)
    _choose_slices(catalogue, notes)
    _name_images(catalogue)
    if request.pattern is not None and notes.kind != "pattern":
        fill_from_pattern(catalogue, request, notes)
    patients_from_headers(catalogue, notes)
    settle_alike(catalogue, request, notes)
    _patients_from_cases(catalogue, notes)
    one_patient_per_file(catalogue, notes)
    check_identical(catalogue, request, notes)
    settle_splits(catalogue, request, notes)
    check_patients_of_classes(catalogue, request)
    catalogue.run("create index by_label on rows (label, image_id)")


def _leave_empty_masks(catalogue: Catalogue, request: Request, notes: Notes, on_progress: Notify) -> None:
    """Forget the masks of volumes without a value other than 0, as of healthy cases: they have no largest slice."""
    volumes = f"select path from rows where slice = '' and array = '' and path in {_DEEP.format('<>')}"
    masks = list(catalogue.query(f"select distinct mask from masks where image in ({volumes}) order by mask"))
    empty = []
    for number, mask in enumerate(masks, start=1):
        if not _holds_any(request.folder / mask):
            empty.append(mask)
            catalogue.run("delete from masks where mask = ?", mask)
        on_progress(number, len(masks), "masks")
    if empty:
        notes.unsure.append(
            f"{len(empty):,} masks of volumes hold only 0 or cannot be read, for example {empty[0]!r}, and choose no "
            "slice"
        )


def _holds_any(mask: Path) -> bool:
    try:
        return bool((read_labels(mask) != 0).any())
    except InputError:
        return False


def _choose_slices(catalogue: Catalogue, notes: Notes) -> None:
    volumes = f"slice = '' and array = '' and path in {_DEEP.format('<>')}"
    masked = catalogue.run(
        "update rows set slice = 'largest', segmentation = (select min(mask) from masks where image = rows.path) where "
        f"{volumes} and path in (select image from masks)"
    )
    if masked:
        notes.unsure.append(
            f"{masked:,} volumes give the slice with the largest area of the mask beside them (column slice)"
        )
    middle = catalogue.run(f"update rows set slice = 'middle' where {volumes}")
    if middle:
        notes.unsure.append(
            f"{middle:,} volumes give their middle slice, which may not show the finding (column slice: write "
            "its number)"
        )
    frames = catalogue.run(
        "update rows set frame = (select (f.depth + 1) / 2 from files f where f.path = rows.path) where frame = '' and "
        f"path in {_DEEP.format('=')}"
    )
    if frames:
        notes.unsure.append(f"{frames:,} DICOM files of several frames give their middle frame (column frame)")


def _patients_from_cases(catalogue: Catalogue, notes: Notes) -> None:
    """Give rows without a patient the case of their sequence, or what the images of their segmentation have."""
    count = catalogue.run(
        "update rows set patient_id = (select name from cases where cases.path = rows.path) where patient_id = '' and "
        "path in (select path from cases)"
    )
    shared = "select segmentation from rows where segmentation <> '' group by segmentation having count(*) > 1"
    count += catalogue.run(
        "update rows set patient_id = (select min(o.image_id) from rows o where o.segmentation = rows.segmentation) "
        f"where patient_id = '' and segmentation in ({shared})"
    )
    if count:
        notes.unsure.append(f"the patients of {count:,} volumes are their cases, by the names that sequences share")


def _name_images(catalogue: Catalogue) -> None:
    """Give each row an image_id: the path without suffix, and the place within the file where there are several."""
    catalogue.define("id_of", _image_id, arguments=4)
    catalogue.run("update rows set image_id = id_of(path, array, array_index, slice)")
    catalogue.run("create index by_id on rows (image_id)")
    repeated = "select image_id from rows group by image_id having count(*) > 1"
    catalogue.run(f"update rows set image_id = path || ' ' || slice where image_id in ({repeated})")
    again = catalogue.one(f"select image_id from rows where image_id in ({repeated}) limit 1")
    if again:
        raise InputError(f"expected each image once, got {again!r} again")


def _image_id(path: str, array: str, index: str, chosen: str) -> str:
    folder, slash, name = path.rpartition("/")
    parts = [stem_of(name), array, index, f"slice-{chosen}" if chosen.isdigit() else ""]
    return f"{folder}{slash}{'-'.join(part for part in parts if part)}".strip()
