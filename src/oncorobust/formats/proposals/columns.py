"""Which columns of a table hold file, label, patient and split: as stated, or guessed from names and cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.folders import SPLIT_WORDS
from oncorobust.formats.proposals.recognition import USABLE
from oncorobust.formats.proposals.request import Notes, Request
from oncorobust.formats.proposals.text_tables import read_lines

MODES = {
    "path": "f.path",
    "file name": "f.name",
    "file name without suffix": "f.stem",
    "SOPInstanceUID": "d.sop",
    "SeriesInstanceUID": "d.series",
    "StudyInstanceUID": "d.study",
    "AccessionNumber": "d.accession",
    "PatientID": "d.patient",
    "folder": "f.folder",
    "top folder": "f.top",
}
"""Ways to join a table to files, the most specific first: what is compared with the cells of the file column."""

FILES = "files f left join dicom d on d.path = f.path"
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
    "patient_id",
    "patient",
    "patientid",
    "subject_id",
    "subject",
    "participant_id",
    "case_id",
    "mrn",
    "pid",
    "person_id",
)
_SPLIT = ("split", "set", "fold", "subset", "partition", "dataset")
_MOST_LABELS = 50


@dataclass(frozen=True)
class Columns:
    """Positions of the columns, and how the file column is joined; None for a column that the table does not have.

    drop: leading folders of a path in the table that the folder's own paths do not have.
    """

    file: int
    label: int
    patient: int | None
    split: int | None
    mode: str
    drop: int = 0


def find_columns(catalogue: Catalogue, table: Path, request: Request, notes: Notes) -> Columns:
    """Return the columns of a table. Raises InputError where no column fits the files or the label is unclear."""
    lines = read_lines(table, sheet=request.sheet)
    header = next(lines)[1]
    rows = [cells for _, cells in islice(lines, _SAMPLE_ROWS)]
    if not rows:
        raise InputError(f"{table}: expected at least one row, got only a header")
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
    file, mode, drop = _file(catalogue, header, rows, stated["file"], table, ignore_zeros=request.ignore_zeros)
    split = stated["split"] if stated["split"] is not None else _split(header, rows, {file})
    patient = stated["patient"] if stated["patient"] is not None else _named(header, _PATIENT)
    label = stated["label"] if stated["label"] is not None else guess_label(header, rows, {file, split, patient}, table)
    chosen = {"file": file, "label": label, "patient": patient, "split": split}
    for name, position in chosen.items():
        if position is not None and stated[name] is None:
            notes.unsure.append(f"the column of the {name} is {header[position]!r} of {table.name} (--{name}-column)")
    notes.told.append(f"{table.name} is joined to the files by {mode}: column {header[file]!r}")
    return Columns(file, label, patient, split, mode, drop)


def has_labels(catalogue: Catalogue, table: Path, request: Request) -> bool:
    """Return whether a table has a column with a name for labels and one that names at least half of its files."""
    try:
        lines = read_lines(table, sheet=request.sheet)
        header = next(lines)[1]
        rows = [cells for _, cells in islice(lines, _SAMPLE_ROWS)]
        if not rows or _named(header, _LABEL) is None:
            return False
        return _file(catalogue, header, rows, None, table, ignore_zeros=False, least=0.5) is not None
    except InputError:
        return False


def stated_column(header: Sequence[str], name: str, option: str, table: Path) -> int:
    """Return the position of a column that the user names. Raises InputError if the table has none or several."""
    if header.count(name) != 1:
        raise InputError(f"{table}: expected one of the columns {', '.join(header)}, got {option} {name!r}")
    return header.index(name)


def _named(header: Sequence[str], names: Sequence[str]) -> int | None:
    plain = [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in header]
    return next((plain.index(name) for name in names if name in plain), None)


def key_of(mode: str, *, ignore_zeros: bool) -> str:
    """Return the SQL of what a table is joined to."""
    return f"ltrim({MODES[mode]}, '0')" if ignore_zeros else MODES[mode]


def plain_path(cell: str, drop: int) -> str:
    """Return a path of a table as the folder would name it."""
    parts = [part for part in cell.replace("\\", "/").split("/") if part not in ("", ".")]
    return "/".join(parts[drop:] or parts)


def _file(
    catalogue: Catalogue,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    stated: int | None,
    table: Path,
    *,
    ignore_zeros: bool,
    least: float = 0.05,
) -> tuple[int, str, int]:
    """Return the column that names files, how, and how many leading folders to drop; least: share of rows that fit."""
    columns = range(len(header)) if stated is None else [stated]
    deepest = min(max((plain_path(row[column], 0).count("/") for row in rows for column in columns), default=0), 6)
    best: tuple[int, int, str, int] = (0, 0, "", 0)
    catalogue.run("create temp table if not exists sample (position integer, line integer, cell text)")
    for drop in range(deepest + 1):
        catalogue.run("delete from sample")
        cells = [
            (column, line, plain_path(row[column], drop).lstrip("0" if ignore_zeros else ""))
            for line, row in enumerate(rows)
            for column in columns
            if row[column]
        ]
        catalogue.add("sample", cells, width=3)
        catalogue.run("create index if not exists by_cell on sample (cell)")
        for mode in MODES:
            key = key_of(mode, ignore_zeros=ignore_zeros)
            counted = (
                f"select s.position, count(distinct s.line) from {FILES} join sample s on s.cell = {key} "
                f"where {USABLE} and {key} <> '' group by s.position order by 2 desc, 1 limit 1"
            )
            found = catalogue.one(counted)
            if found is not None and found[1] > best[1]:
                best = (found[0], found[1], mode, drop)
    if best[1] < max(1, least * len(rows)):
        raise InputError(_no_file(catalogue, header, rows, columns, table))
    return best[0], best[2], best[3]


def _no_file(
    catalogue: Catalogue, header: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[int], table: Path
) -> str:
    from oncorobust.formats.proposals.damaged_ids import damage

    stems = list(catalogue.query(f"select stem from files where {USABLE} order by path limit 5000"))
    for column in columns:
        if found := damage([row[column] for row in rows], stems):
            return f"{table}, column {header[column]}: {found}"
    example = catalogue.one(f"select path from files where {USABLE} order by path limit 1")
    return (
        f"{table}: expected a column that names files by path, name, stem or id, got none among "
        f"{', '.join(header)[:300]} "
        f"(a file is {example!r}); correct the table or state --file-column"
    )


def _split(header: Sequence[str], rows: Sequence[Sequence[str]], taken: set[int | None]) -> int | None:
    position = _named(header, _SPLIT)
    if position is None or position in taken:
        return None
    return position if all(row[position].lower() in SPLIT_WORDS for row in rows) else None


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
