"""Traces of a table cell, a point of a figure, an output path, or of everything that the tables and figures state."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_lock import Lock, StageRecord, producer, recorded_md5, way_back
from oncorobust.report.tables.cell import Cell, Table
from oncorobust.trace.check import Check, check_cells
from oncorobust.trace.find import find_cells, find_table, listed
from oncorobust.trace.reading import Contents, Reading, listing_file
from oncorobust.trace.repository import State
from oncorobust.trace.way import Way, way_to


@dataclass(frozen=True)
class Trace:
    """The checked cells of a row and data set, or points of a figure, with all stages that led to them."""

    table: Table
    checks: tuple[Check, ...]
    way: Way

    @property
    def sound(self) -> bool:
        """Return whether all values agree, all results are recorded, and no file or raw tree here has changed since."""
        return all(check.agrees for check in self.checks) and self.way.sound


@dataclass(frozen=True)
class PathTrace:
    """A file or folder of the repository with all stages that led to it.

    maker: the stage that wrote it; None for a file that no stage writes. readers: names of the stages that read it.
    recorded, found: MD5 in dvc.lock and of the present file; None for none.
    """

    path: str
    maker: StageRecord | None
    readers: tuple[str, ...]
    recorded: str | None
    found: str | None
    way: Way

    @property
    def sound(self) -> bool:
        """Return whether no file of the way has changed since."""
        return self.way.sound


@dataclass(frozen=True)
class WholeTrace:
    """All cells of all tables and all points of all figures, in order, with all stages that led to them."""

    checks: tuple[tuple[Table, tuple[Check, ...]], ...]
    way: Way

    @property
    def sound(self) -> bool:
        """Return whether all values agree, all results are recorded, and no file or raw tree here has changed since."""
        return all(check.agrees for _, checks in self.checks for check in checks) and self.way.sound


def trace_cell(state: State, *, table: str, row: str | None, column: str | None, field: str | None = None) -> Trace:
    """Find a cell or a point of a figure, recompute it from its rows, and collect all stages that led to it.

    Raises InputError when there is no such table, figure, row or data set (listing the known ones), or a file is
    missing.
    """
    reading = Reading(state)
    found_table = find_table(reading.tables, table)
    cells = find_cells(found_table, row=row, column=column, field=field)
    contents = reading.contents(cells, [found_table])
    checks = check_cells([(cell, found_table) for cell in cells], contents)
    return Trace(found_table, tuple(checks), _way(reading, [found_table], cells, images=_images(contents)))


def trace_all(state: State) -> WholeTrace:
    """Check every cell of every table and every point of every figure, reading and hashing each file once.

    Raises InputError when a file is missing.
    """
    reading = Reading(state)
    cells = [(cell, table) for table in reading.tables for cell in table.cells]
    contents = reading.contents((cell for cell, _ in cells), (table for table in reading.tables if table.rows))
    checks = iter(check_cells(cells, contents))
    by_table = tuple((table, tuple(next(checks) for _ in table.cells)) for table in reading.tables)
    return WholeTrace(by_table, _way(reading, reading.tables, [cell for cell, _ in cells]))


def trace_path(state: State, path: str) -> PathTrace:
    """Find the stage that wrote a file or folder and all stages before it.

    path: relative to the current folder. Raises InputError for a path outside the repository, or one that no stage of
    dvc.lock wrote or read (listing the most similar ones).
    """
    reading, name = Reading(state), _in_repository(state.root, path)
    title = state.title()
    if not reading.lock:
        raise InputError(f"{title} has no dvc.lock, which names the stages: run `oncorobust record`")
    maker = producer(reading.lock, name)
    readers = tuple(stage.name for stage in reading.lock.values() if _reads(stage, name))
    if maker is None and not readers:
        known = listed(name, known_paths(reading.lock))
        raise InputError(
            f"no stage of dvc.lock ({title}) wrote or read {name}; it has the paths {known}, and the stages "
            f"{', '.join(reading.lock)}"
        )
    stages = [] if maker is None else way_back(reading.lock, [name])
    way = way_to(reading, [], stages)
    recorded = recorded_md5(reading.lock, name) or _read_md5(reading.lock, name)
    return PathTrace(name, maker, readers, recorded, state.md5(name), way)


def known_paths(lock: Lock) -> list[str]:
    """Return the files and folders that the stages wrote or read, each once."""
    return list(dict.fromkeys(one.path for stage in lock.values() for one in (*stage.outputs, *stage.inputs)))


def _in_repository(root: Path, path: str) -> str:
    name = Path(os.path.relpath(path, root)).as_posix()
    if name.startswith(".."):
        raise InputError(f"expected a path in the repository {root.resolve()}, got {path}")
    return name


def _reads(stage: StageRecord, path: str) -> bool:
    return any(path == one.path or path.startswith(f"{one.path}/") for one in stage.inputs)


def _images(contents: Contents) -> frozenset[str]:
    """Return the ids of the images whose rows are read."""
    return frozenset(str(one) for frame in contents.rows.values() for one in frame["image_id"].unique())


def _read_md5(lock: Lock, path: str) -> str | None:
    return next((one.md5 for stage in lock.values() for one in stage.inputs if one.path == path), None)


def _way(
    reading: Reading, tables: Sequence[Table], cells: Iterable[Cell], *, images: frozenset[str] = frozenset()
) -> Way:
    cells = list(cells)
    sources = [one.file for cell in cells for one in cell.metrics]
    sources += [one.file for cell in cells for one in cell.rows]
    results = list(dict.fromkeys([*(listing_file(one) for one in tables), *(one.file for one in tables), *sources]))
    makers = {one.name: one for one in (producer(reading.lock, table.file) for table in tables) if one is not None}
    stages = makers | {one.name: one for one in way_back(reading.lock, dict.fromkeys(sources))}
    return way_to(reading, results, list(stages.values()), images=images)
