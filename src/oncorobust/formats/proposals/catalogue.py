"""The files of a folder and the proposed rows, in a temporary SQLite database, so that memory does not grow with them.

Tables: `listed` (every file), `files` (one row per file whose header was read), `dicom` (DICOM files alone), `rows`
(the proposal), `cases` (the case of each volume, where cases have several). Paths are relative to the folder, with
forward slashes. Empty text stands for what a file does not have.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

_CACHE_KIB = 4096
_TABLES = """
create table listed (path text primary key, size integer) without rowid;
create table files (path text primary key, name text, stem text, folder text, top text, size integer, kind text,
    height integer, width integer, channels integer, bits integer, depth integer, digest blob, problem text)
    without rowid;
create table dicom (path text primary key, patient text, accession text, study text, series text, sop text,
    modality text, role text, place real, removed integer) without rowid;
create table rows (number integer primary key, image_id text, path text, label text, patient_id text, split text,
    array text, array_index text, frame text, slice text, segmentation text, segmentation_values text);
create table cases (path text primary key, name text) without rowid;
"""


class ProposedRow(NamedTuple):
    """One image of a proposal; empty where nothing is known or the column does not apply.

    array, array_index: key in an `.npz` file, and place of the image along its first axis. frame: of multi-frame DICOM,
    from 1. slice, segmentation, segmentation_values: as in `formats.manifest`.
    """

    path: str
    label: str
    patient_id: str = ""
    split: str = ""
    array: str = ""
    array_index: str = ""
    frame: str = ""
    slice: str = ""
    segmentation: str = ""
    segmentation_values: str = ""


FIELDS = ("image_id", *ProposedRow._fields)


class Catalogue:
    """The database of one proposal; `query` and `run` take SQL over the tables that the module names."""

    def __init__(self, file: Path) -> None:
        """Create the tables in a new file."""
        self._base = sqlite3.connect(file, isolation_level=None)
        for setting in ("journal_mode = off", "synchronous = off", f"cache_size = -{_CACHE_KIB}", "temp_store = file"):
            self._base.execute(f"pragma {setting}")
        self._base.executescript(_TABLES)
        self._base.execute("begin")

    def query(self, sql: str, *values: Any) -> Iterator[Any]:
        """Yield the rows of a query, or their only value."""
        for row in self._base.execute(sql, values):
            yield row if len(row) > 1 else row[0]

    def one(self, sql: str, *values: Any) -> Any:
        """Return the first row of a query, or its only value; None without a row."""
        return next(self.query(sql, *values), None)

    def run(self, sql: str, *values: Any) -> int:
        """Change the database. Returns the number of changed rows."""
        return self._base.execute(sql, values).rowcount

    def add(self, table: str, rows: Iterable[tuple[Any, ...]], *, width: int) -> None:
        """Append rows of `width` values to a table."""
        self._base.executemany(f"insert into {table} values ({', '.join('?' * width)})", rows)

    def propose(self, rows: Iterable[ProposedRow]) -> None:
        """Append proposed rows; their image_id stays open."""
        columns = ", ".join(ProposedRow._fields)
        marks = ", ".join("?" * len(ProposedRow._fields))
        self._base.executemany(f"insert into rows ({columns}) values ({marks})", rows)

    def define(self, name: str, function: Any, *, arguments: int) -> None:
        """Let SQL call a deterministic Python function."""
        self._base.create_function(name, arguments, function, deterministic=True)

    def close(self) -> None:
        """Close the database."""
        self._base.close()


@contextmanager
def temporary_catalogue() -> Iterator[Catalogue]:
    """Yield an empty catalogue, and remove it afterwards."""
    with TemporaryDirectory(prefix="oncorobust-") as folder:
        catalogue = Catalogue(Path(folder, "catalogue.sqlite"))
        try:
            yield catalogue
        finally:
            catalogue.close()
