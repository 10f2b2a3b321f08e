"""Which columns of a table hold file, label, patient and split: as stated, or guessed from names and cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.file_column import TableHead, check_rival, choose_fit, fits_well
from oncorobust.formats.proposals.folders import SPLIT_WORDS
from oncorobust.formats.proposals.request import Notes, Request
from oncorobust.formats.proposals.text_tables import read_lines

_SAMPLE_ROWS = 1000
_LABEL = (
    "label",
    "class",
    "diagnosis",
    "diagnosis_label",
    "dx",
    "target",
    "pathology",
    "malignancy",
    "category",
    "group",
    "y",
)
_PATIENT = (
    re.compile(
        r"(?:.*_)?(?:patient(?:en|s)?|pat|subject|subj|participant|person|proband(?:en)?)"
        r"(?:_?(?:id|ids|no|nr|num|number|nummer|code|uid|key|pseudonym|identifier|name))?"
    ),
    re.compile(r"(?:id|no|nr|num|number|code)_(?:of_)?(?:patient|subject|participant|person)|mrn|pid"),
    re.compile(r"case(?:_?(?:id|no|nr|num|number))?"),
)
"""Names of columns that say who an image is of, the surest first."""

_LESION = re.compile(r"lesion(?:_?(?:id|no|nr|num|number))?")

_MISSING = frozenset(
    [
        "#n/a",
        "#na",
        "#nv",
        "nan",
        "na",
        "n/a",
        "<na>",
        "null",
        "#null!",
        "#value!",
        "#wert!",
        "#ref!",
        "#bezug!",
        "#div/0!",
        "#name?",
        "#num!",
        "#zahl!",
    ]
)
_SPLIT = ("split", "set", "fold", "subset", "partition", "dataset")
_MOST_LABELS = 50


@dataclass(frozen=True)
class Columns:
    """Positions of the columns, and how the file column is joined; None for a column that the table does not have.

    folders: leading folders of the paths in the table that the files' paths do not have.
    """

    file: int
    label: int
    patient: int | None
    split: int | None
    mode: str
    folders: tuple[str, ...] = ()


def find_columns(catalogue: Catalogue, table: Path, request: Request, notes: Notes) -> Columns:
    """Return the columns of a table. Raises InputError where no column fits the files or the label is unclear."""
    head = _head(table, request)
    header, rows = head.header, head.rows
    names = {
        "file": request.file_column,
        "label": request.label_column,
        "patient": request.patient_column,
        "split": request.split_column,
    }
    stated = {
        key: None if name is None else stated_column(header, name, f"--{key}-column", table)
        for key, name in names.items()
    }
    fit, rivals = choose_fit(catalogue, head, stated["file"], ignore_zeros=request.ignore_zeros)
    file = fit.column
    split = stated["split"] if stated["split"] is not None else _split(head, file, request, notes)
    patient = stated["patient"] if stated["patient"] is not None else _patient(head, file, fit.mode)
    label = stated["label"] if stated["label"] is not None else guess_label(header, rows, {file, split, patient}, table)
    for rival in rivals:
        check_rival(catalogue, head, fit, rival, label, ignore_zeros=request.ignore_zeros)
    chosen = {"file": file, "label": label, "patient": patient, "split": split}
    for name, position in chosen.items():
        if position is not None and stated[name] is None:
            notes.unsure.append(f"the column of the {name} is {header[position]!r} of {table.name} (--{name}-column)")
    notes.told.append(f"{table.name} is joined to the files by {fit.mode}: column {header[file]!r}")
    return Columns(file, label, patient, split, fit.mode, fit.folders)


def _head(table: Path, request: Request) -> TableHead:
    lines = read_lines(table, sheet=request.sheet)
    header = next(lines)[1]
    rows = [cells for _, cells in islice(lines, _SAMPLE_ROWS)]
    if not rows:
        raise InputError(f"{table}: expected at least one row, got only a header")
    return TableHead(table, header, rows)


def has_labels(catalogue: Catalogue, table: Path, request: Request) -> bool:
    """Return whether a table has a column with a name for labels and one that names at least half of its files."""
    try:
        head = _head(table, request)
        return _named(head.header, _LABEL) is not None and fits_well(catalogue, head)
    except InputError:
        return False


def stated_column(header: Sequence[str], name: str, option: str, table: Path) -> int:
    """Return the position of a column that the user names. Raises InputError if the table has none or several."""
    if header.count(name) != 1:
        raise InputError(f"{table}: expected one of the columns {', '.join(header)}, got {option} {name!r}")
    return header.index(name)


def is_missing(cell: str) -> bool:
    """Return whether a cell is empty or holds a word for a missing value, such as #N/A or nan."""
    return not cell or cell.lower() in _MISSING


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.lower()).strip("_")


def _named(header: Sequence[str], names: Sequence[str]) -> int | None:
    plain = [_plain(cell) for cell in header]
    return next((plain.index(name) for name in names if name in plain), None)


def _patient(head: TableHead, file: int, mode: str) -> int | None:
    """Return the column of patients: by its name, the fullest of several, or the folder by which files are joined.

    An id of a DICOM exam or image is no patient. A lesion is a patient where no image has two, because images of one
    lesion are of one patient.
    """
    taken = {file} if mode.endswith("UID") or mode == "AccessionNumber" else set()
    plain = [_plain(cell) for cell in head.header]
    for form in _PATIENT:
        found = [place for place, name in enumerate(plain) if form.fullmatch(name) and place not in taken]
        if found:
            return max(found, key=lambda place: sum(not is_missing(row[place]) for row in head.rows))
    if mode in ("folder", "top folder"):
        return file
    lesion = next((place for place, name in enumerate(plain) if _LESION.fullmatch(name)), None)
    pairs = set() if lesion is None else {(row[file], row[lesion]) for row in head.rows}
    return lesion if len(pairs) == len({cell for cell, _ in pairs}) else None


def _split(head: TableHead, file: int, request: Request, notes: Notes) -> int | None:
    """Return a column of a name for splits in which a cell says train, validation or test."""
    position = None if request.no_split else _named(head.header, _SPLIT)
    if position is None or position == file:
        return None
    if any(row[position].lower() in SPLIT_WORDS for row in head.rows):
        return position
    notes.told.append(f"column {head.header[position]!r} of {head.table.name} names no train, val or test")
    return None


def guess_label(header: Sequence[str], rows: Sequence[Sequence[str]], taken: set[int | None], table: Path) -> int:
    """Return the column of labels by its name, or the only one with few values. Raises InputError."""
    named = _named(header, _LABEL)
    if named is not None and named not in taken:
        return named
    counts = {
        position: len({row[position] for row in rows}) for position in range(len(header)) if position not in taken
    }
    fitting = {
        position: count for position, count in counts.items() if 2 <= count <= min(_MOST_LABELS, max(2, len(rows) // 2))
    }
    if len(fitting) != 1:
        found = ", ".join(header[position] for position in fitting) or "none"
        raise InputError(
            f"{table}: expected one column of labels, got {found} that could be among {', '.join(header)[:300]}; "
            "state it with --label-column"
        )
    return next(iter(fitting))
