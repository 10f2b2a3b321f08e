"""Rows from a table of labels joined to files, and what has no partner on the other side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue, ProposedRow
from oncorobust.formats.proposals.columns import FILES, Columns, find_columns, key_of, plain_path
from oncorobust.formats.proposals.damaged_ids import damage
from oncorobust.formats.proposals.folders import SPLIT_WORDS
from oncorobust.formats.proposals.recognition import USABLE, tables_in
from oncorobust.formats.proposals.request import Notes, Request
from oncorobust.formats.proposals.text_tables import read_lines

_UNIQUE = ("path", "file name", "file name without suffix", "SOPInstanceUID")
"""Ways to join in which an id belongs to one file."""

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
    _check_labels(catalogue, table, named=columns.mode not in _HEADERS)
    _check_unique(catalogue, columns, key, table)
    joined = (
        f"select f.path, l.label, l.patient, l.split from {FILES} join labels l on l.key = {key} where {USABLE} "
        "group by f.path order by f.path"
    )
    catalogue.propose(ProposedRow(*found) for found in catalogue.query(joined))
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
        key, label = plain_path(cells[columns.file], columns.drop), cells[columns.label]
        if not key:
            raise InputError(
                f"{table}, line {line}: expected a file or id, got an empty cell (merged cells? repeat the value)"
            )
        split = "" if columns.split is None else cells[columns.split].lower()
        if split and split not in SPLIT_WORDS:
            raise InputError(f"{table}, line {line}: expected a split such as train, val or test, got {split!r}")
        patient = "" if columns.patient is None else cells[columns.patient]
        yield line, key.lstrip("0") if request.ignore_zeros else key, label, patient, SPLIT_WORDS.get(split, "")


def _check_labels(catalogue: Catalogue, table: Path, *, named: bool) -> None:
    empty = catalogue.one("select count(*), min(line) from labels where label = ''")
    if empty[0]:
        raise InputError(
            f"{table}, line {empty[1]}: expected a label, got an empty cell ({empty[0]} rows); if cells were merged, "
            "repeat the value in each row, otherwise remove the rows"
        )
    found = catalogue.one(
        "select a.key, a.line, b.line, a.label, b.label from labels a join labels b on a.key = b.key and "
        "a.line < b.line "
        "and a.label <> b.label order by a.line limit 1"
    )
    if found:
        raise InputError(
            f"{table}: expected one label for each id, got {found[3]!r} (line {found[1]}) and {found[4]!r} (line "
            f"{found[2]}){f' for {found[0]!r}' if named else ''}; correct one of them"
        )


def _check_unique(catalogue: Catalogue, columns: Columns, key: str, table: Path) -> None:
    if columns.mode not in _UNIQUE:
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
