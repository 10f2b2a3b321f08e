"""Which column of a table names files, by what, and which leading folders its paths have that the files' do not.

A column is compared by how many files or folders its cells tell apart, so that a site does not go before a patient.
Columns with a telling name go before others, and row numbers, columns without a name and cells that repeat come last.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.damaged_ids import damage
from oncorobust.formats.proposals.join_keys import FILES, MODES, ONE_FILE, key_in, key_of, path_parts
from oncorobust.formats.proposals.reading import stem_of
from oncorobust.formats.proposals.recognition import USABLE

_MOST_FOLDERS = 6
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_TELLING = frozenset(
    [
        "file",
        "files",
        "image",
        "images",
        "img",
        "picture",
        "photo",
        "bild",
        "datei",
        "pfad",
        "path",
        "name",
        "id",
        "ids",
        "uid",
        "patient",
        "subject",
        "participant",
        "case",
        "accession",
        "exam",
        "study",
        "series",
        "slide",
        "scan",
    ]
)


@dataclass(frozen=True)
class Fit:
    """A column that names files by a mode. folders: the leading folders of its paths that the files' paths do not have.

    cells: number of different cells that name a file or folder, lines: of the lines that hold them, among the first
    lines of the table. standing: 2 with a telling name, 1 with another, 0 for a column that comes last.
    """

    column: int
    mode: str
    folders: tuple[str, ...]
    cells: int
    lines: int
    standing: int


@dataclass(frozen=True)
class TableHead:
    """The header and the first rows of a table."""

    table: Path
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def fits_well(catalogue: Catalogue, head: TableHead) -> bool:
    """Return whether a column names files in at least half of the rows."""
    found = _all_fits(catalogue, head, range(len(head.header)), ignore_zeros=False)
    return bool(_ranked(found, least=0.5 * len(head.rows)))


def choose_fit(
    catalogue: Catalogue, head: TableHead, stated: int | None, *, ignore_zeros: bool
) -> tuple[Fit, list[Fit]]:
    """Return the column that names files, and others that could as well.

    Raises InputError where no column fits, where only a row number fits well, and where leading folders differ.
    """
    columns = range(len(head.header)) if stated is None else [stated]
    found = _all_fits(catalogue, head, columns, ignore_zeros=ignore_zeros)
    fits = _ranked(found, least=0.05 * len(head.rows))
    if not fits:
        raise InputError(_no_file(catalogue, head, columns))
    best = fits[0]
    named = next((fit for fit in fits if fit.standing), best)
    if not best.standing and named is not best:
        raise InputError(
            f"{head.table}: expected one column that names files, got {head.header[best.column]!r} without a telling "
            f"name, of which {best.cells} cells fit, and {head.header[named.column]!r}, of which {named.cells} fit; "
            "state one with --file-column"
        )
    _check_header(catalogue, head, best, ignore_zeros=ignore_zeros)
    _check_folders(head, best, found)
    return best, [fit for fit in _near(fits) if fit is not best and _could_as_well(fit, best)]


def check_rival(catalogue: Catalogue, head: TableHead, fit: Fit, rival: Fit, label: int, *, ignore_zeros: bool) -> None:
    """Raise InputError where two columns that could both name files give a file different labels."""
    ours, others = (_labels(catalogue, head, one, label, ignore_zeros=ignore_zeros) for one in (fit, rival))
    apart = sorted(path for path in ours.keys() & others.keys() if ours[path] != others[path])
    if apart:
        raise InputError(
            f"{head.table}: expected one column that names files, got {head.header[fit.column]!r}, of which "
            f"{fit.cells} cells fit, and {head.header[rival.column]!r}, of which {rival.cells} fit, and which give "
            f"{len(apart)} files different labels, for example {apart[0]!r}; state one with --file-column"
        )


def _could_as_well(fit: Fit, best: Fit) -> bool:
    """Return whether a column fits equally, or has a telling name too and names one file in each row."""
    one_each = fit.mode in ONE_FILE and best.mode in ONE_FILE and fit.cells == fit.lines
    return fit.standing == best.standing and (one_each or fit.cells == best.cells)


def _ranked(found: list[Fit], *, least: float) -> list[Fit]:
    """Return how each column fits best, the best first; least: the number of rows that have to fit."""
    enough = [fit for fit in found if fit.lines >= max(1, least)]
    modes = list(MODES)
    best = []
    for column in sorted({fit.column for fit in enough}):
        near = _near([fit for fit in enough if fit.column == column])
        best.append(min(near, key=lambda fit: (len(fit.folders), -fit.cells, modes.index(fit.mode))))
    near = _near(best)
    return sorted(best, key=lambda fit: (fit not in near, -fit.standing, -fit.cells, fit.column))


def _near(fits: list[Fit]) -> list[Fit]:
    """Return the fits that tell apart at least half of what the best does."""
    most = max((fit.cells for fit in fits), default=0)
    return [fit for fit in fits if 2 * fit.cells >= most]


def _all_fits(catalogue: Catalogue, head: TableHead, columns: Sequence[int], *, ignore_zeros: bool) -> list[Fit]:
    deepest = max((len(path_parts(row[column])) for row in head.rows for column in columns), default=1) - 1
    found = []
    for drop in range(min(deepest, _MOST_FOLDERS) + 1):
        _fill_sample(catalogue, head, columns, drop, ignore_zeros=ignore_zeros)
        for mode in MODES:
            key = key_of(mode, ignore_zeros=ignore_zeros)
            counted = (
                "select s.position, s.folders, count(distinct s.cell), count(distinct s.line) "
                f"from {FILES} join sample s on s.cell = {key} where {USABLE} and {key} <> '' "
                "group by s.position, s.folders"
            )
            for column, folders, cells, lines in catalogue.query(counted):
                standing = _standing(head, column, repeats=mode in ONE_FILE and 2 * cells < lines)
                found.append(Fit(column, mode, path_parts(folders), cells, lines, standing))
    return found


def _fill_sample(
    catalogue: Catalogue, head: TableHead, columns: Sequence[int], drop: int, *, ignore_zeros: bool
) -> None:
    catalogue.run("create temp table if not exists sample (position integer, line integer, folders text, cell text)")
    catalogue.run("create index if not exists by_cell on sample (cell)")
    catalogue.run("delete from sample")
    cells = [
        (column, line, "/".join(parts[:drop]), "/".join(parts[drop:]).lstrip("0" if ignore_zeros else ""))
        for line, row in enumerate(head.rows)
        for column in columns
        if len(parts := path_parts(row[column])) > drop
    ]
    catalogue.add("sample", cells, width=4)


def _standing(head: TableHead, column: int, *, repeats: bool) -> int:
    name = head.header[column].strip()
    cells = [row[column] for row in head.rows]
    if not name or name.lower().startswith("unnamed:") or repeats:
        return 0
    if {one.lower() for one in _WORD.findall(name)} & _TELLING or name.lower().startswith(("file", "image")):
        return 2
    numbers = any(cells == [str(first + place) for place in range(len(cells))] for first in (0, 1))
    return 0 if numbers else 1


def _check_header(catalogue: Catalogue, head: TableHead, best: Fit, *, ignore_zeros: bool) -> None:
    """Raise InputError where the header itself names a file."""
    name, key = head.header[best.column], key_of(best.mode, ignore_zeros=ignore_zeros)
    own = key_in(name, best.folders, ignore_zeros=ignore_zeros)
    found = own and catalogue.one(f"select count(*) from {FILES} where {USABLE} and {key} = ?", own)
    if found and best.mode in ONE_FILE:
        raise InputError(
            f"{head.table}: expected names of columns in the first line, got {name!r}, which is a file; add a first "
            "line such as file,label"
        )


def _check_folders(head: TableHead, best: Fit, found: list[Fit]) -> None:
    """Raise InputError where paths fit files once different leading folders are left out."""
    depth = len(best.folders)
    alike = [fit for fit in found if (fit.column, fit.mode, len(fit.folders)) == (best.column, best.mode, depth)]
    if len(alike) > 1:
        shown = " and ".join(f"{'/'.join(fit.folders)!r} ({fit.lines} rows)" for fit in alike[:3])
        raise InputError(
            f"{head.table}, column {head.header[best.column]!r}: expected paths below one folder, got {shown}, "
            "which all fit files once these folders are left out; write each path relative to the folder of the images"
        )


def _labels(catalogue: Catalogue, head: TableHead, fit: Fit, label: int, *, ignore_zeros: bool) -> dict[str, str]:
    """Return the labels that the first rows give to files."""
    _fill_sample(catalogue, head, [fit.column], len(fit.folders), ignore_zeros=ignore_zeros)
    key = key_of(fit.mode, ignore_zeros=ignore_zeros)
    joined = (
        f"select f.path, s.line from {FILES} join sample s on s.cell = {key} where {USABLE} and s.folders = ? "
        "order by s.line desc"
    )
    return {path: head.rows[line][label] for path, line in catalogue.query(joined, "/".join(fit.folders))}


def _no_file(catalogue: Catalogue, head: TableHead, columns: Sequence[int]) -> str:
    stems = dict(catalogue.query(f"select stem, name from files where {USABLE} order by path limit 5000"))
    for column in columns:
        cells = [row[column] for row in head.rows]
        if found := damage(cells, stems):
            return f"{head.table}, column {head.header[column]}: {found}"
        other = next((cell for cell in cells if stem_of("".join(path_parts(cell)[-1:])) in stems), None)
        if other:
            return (
                f"{head.table}, column {head.header[column]}: expected names of files, got {other!r} where the file is "
                f"{stems[stem_of(path_parts(other)[-1])]!r}; write the suffix of the files, or none"
            )
    example = catalogue.one(f"select path from files where {USABLE} order by path limit 1")
    return (
        f"{head.table}: expected a column that names files by path, name, stem or id, got none among "
        f"{', '.join(head.header)[:300]} (a file is {example!r}); correct the table or state --file-column"
    )
