"""Rows from a table of labels joined to files, and what has no partner on the other side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue, ProposedRow
from oncorobust.formats.proposals.columns import Columns, find_columns, is_missing
from oncorobust.formats.proposals.damaged_ids import ADVICE, damage, form_of
from oncorobust.formats.proposals.folders import SPLIT_WORDS
from oncorobust.formats.proposals.join_keys import FILES, ONE_FILE, key_in, key_of
from oncorobust.formats.proposals.recognition import USABLE, tables_in
from oncorobust.formats.proposals.request import Notes, Request
from oncorobust.formats.proposals.text_tables import read_lines

_HEADERS = ("PatientID", "AccessionNumber")
"""Ways to join by what may identify a person, so that messages name lines instead."""

_DAMAGE_CELLS = 2000


def propose_table(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Propose a row for every image that a table labels. Raises InputError naming table, line and column."""
    table = request.table or _the_table(catalogue, request, notes)
    columns = find_columns(catalogue, table, request, notes)
    key = key_of(columns.mode, ignore_zeros=request.ignore_zeros)
    catalogue.run("create table labels (line integer, key text, label text, patient text, split text)")
    catalogue.add("labels", _cells(table, columns, request), width=5)
    catalogue.run("create index by_key on labels (key)")
    _check_labels(catalogue, table)
    _check_patients(catalogue, table)
    for name in ("label", "patient", "split"):
        _check_one_each(catalogue, table, name, named=columns.mode not in _HEADERS)
    _check_unique(catalogue, columns, key, table)
    joined = (
        f"select f.path, l.label, max(l.patient), max(l.split) from {FILES} join labels l on l.key = {key} "
        f"where {USABLE} group by f.path order by f.path"
    )
    catalogue.propose(ProposedRow(*found) for found in catalogue.query(joined))
    if columns.patient is not None:
        notes.patients_by = "stated" if request.patient_column is not None else "table"
    _tell_unmatched(catalogue, key, table, notes, named=columns.mode not in _HEADERS)


def _the_table(catalogue: Catalogue, request: Request, notes: Notes) -> Path:
    found = tables_in(catalogue)
    if len(found) != 1:
        example = catalogue.one(f"select name from files where {USABLE} order by path limit 1")
        several = f"{len(found)} tables ({', '.join(found[:5])})" if found else "no table and no folder per class"
        raise InputError(
            f"{request.folder}: expected labels, got {several}; state the table with --table, or, if file "
            "names such as "
            f"{example!r} hold the label, a pattern with --pattern '{{patient_id}}_{{label}}_{{*}}.png'"
        )
    notes.unsure.append(f"the labels are in {found[0]} (--table)")
    return request.folder / found[0]


def _cells(table: Path, columns: Columns, request: Request) -> Iterator[tuple[Any, ...]]:
    lines = read_lines(table, sheet=request.sheet)
    next(lines)
    for line, cells in lines:
        key = key_in(cells[columns.file], columns.folders, ignore_zeros=request.ignore_zeros)
        label = cells[columns.label]
        if not key:
            raise InputError(
                f"{table}, line {line}: expected a file or id, got an empty cell (merged cells? repeat the value)"
            )
        split = "" if columns.split is None or is_missing(cells[columns.split]) else cells[columns.split]
        if split and split.lower() not in SPLIT_WORDS:
            raise InputError(
                f"{table}, line {line}: expected a split such as train, val or test, got {split!r}; correct it, or "
                "leave the split out with --no-split"
            )
        patient = "" if columns.patient is None or is_missing(cells[columns.patient]) else cells[columns.patient]
        yield line, key, label, patient, SPLIT_WORDS.get(split.lower(), "")


def _check_labels(catalogue: Catalogue, table: Path) -> None:
    catalogue.define("is_missing", is_missing, arguments=1)
    count, line, label = catalogue.one("select count(*), min(line), label from labels where is_missing(label)")
    if count:
        raise InputError(
            f"{table}, line {line}: expected a label, got {repr(label) if label else 'an empty cell'} ({count} rows); "
            "if cells were merged, repeat the value in each row, otherwise remove the rows"
        )


def _check_patients(catalogue: Catalogue, table: Path) -> None:
    """Refuse ids that a spreadsheet has changed, because it may have made one of several patients."""
    catalogue.define("form_of", form_of, arguments=1)
    damaged = "from labels where form_of(patient) <> ''"
    count, line = catalogue.one(f"select count(*), min(line) {damaged}")
    if count:
        first = catalogue.query(f"select patient {damaged} group by patient order by min(line) limit 3")
        raise InputError(
            f"{table}, line {line}: expected ids of patients, got {', '.join(map(repr, first))} ({count:,} cells), "
            f"which look like dates or numbers that a spreadsheet made of ids; {ADVICE}"
        )


def _check_one_each(catalogue: Catalogue, table: Path, name: str, *, named: bool) -> None:
    """Refuse ids with two labels, patients or splits; named: whether the id and the patient may be quoted."""
    filled = f"from labels where {name} <> ''"
    several = f"select key, min(line) as first {filled} group by key having count(distinct {name}) > 1"
    found = catalogue.one(f"select key, count(*) over () from ({several}) order by first limit 1")
    if found is None:
        return
    key, count = found
    line, one = catalogue.one(f"select line, {name} {filled} and key = ? order by line limit 1", key)
    other, two = catalogue.one(
        f"select line, {name} {filled} and key = ? and {name} <> ? order by line limit 1", key, one
    )
    quoted = named or name != "patient"
    shown = f"{one!r} (line {line}) and {two!r} (line {other})" if quoted else f"two (lines {line} and {other})"
    raise InputError(
        f"{table}: expected one {name} for each id, got {shown}{f' for {key!r}' if named else ''}; correct one of them "
        f"({count:,} such ids)"
    )


def _check_unique(catalogue: Catalogue, columns: Columns, key: str, table: Path) -> None:
    if columns.mode not in ONE_FILE:
        return
    found = catalogue.one(
        f"select l.key, count(distinct f.path) from {FILES} join labels l on l.key = {key} where {USABLE} "
        "group by l.key "
        "having count(distinct f.path) > 1 order by l.key limit 1"
    )
    if found:
        raise InputError(
            f"{table}: expected each {columns.mode} to be of one file, got {found[1]} files for {found[0]!r}; "
            "write the "
            "path of each file, relative to the folder, into the column"
        )


def _tell_unmatched(catalogue: Catalogue, key: str, table: Path, notes: Notes, *, named: bool) -> None:
    keys = f"select {key} from {FILES} where {USABLE}"
    lost = f"from labels where key not in ({keys})"
    count = catalogue.one(f"select count(*) {lost}")
    cells = list(catalogue.query(f"select key {lost} order by line limit ?", _DAMAGE_CELLS))
    if cells and (found := damage(cells, list(catalogue.query(f"{keys} limit 200000")))):
        raise InputError(f"{table}: {found}")
    lines = [f"line {line}" for line in catalogue.query(f"select line {lost} order by line limit 10")]
    notes.leave_out(f"rows of {table.name} label no file", count, cells if named else lines)
    rest = f"from files where {USABLE} and path not in (select path from rows)"
    paths = list(catalogue.query(f"select path {rest} order by path limit 10"))
    notes.leave_out(f"images have no label in {table.name}", catalogue.one(f"select count(*) {rest}"), paths)
