"""`oncorobust trace`: trace a table cell back to its inputs, and print the trace.

    oncorobust trace "Table 1" --row PGD:0.002 --column LIDC [--field accuracy] [--rev REV]

The command reads the files that the cell names, from the work tree or a git revision. It checks the cell's value
(`trace.check`), collects the stages that led to it (`pipeline.dvc_lock`), and prints both. The exit status is 0 if all
values agree, the results are those that dvc.lock records, and the raw trees here, if any, are those that they were
computed from; otherwise 1.
"""

import argparse
import io
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.layout import CELLS, RAW_TREE_FILE, raw
from oncorobust.base.schema.version import parse_results
from oncorobust.pipeline.code_record import is_code_path, parse_digests
from oncorobust.pipeline.dvc_lock import Lock, StageRecord, parse_lock, producer, recorded_md5, way_back
from oncorobust.pipeline.raw_tree import differences, look, parse_fingerprint
from oncorobust.report.tables.cell import Cell, Table, tables_from_json
from oncorobust.report.tables.paper_numbers import parse_paper_table
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.trace.check import Contents, Trace, check_cell, find_cells, find_table
from oncorobust.trace.repository import State
from oncorobust.trace.text import LISTED, trace_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust trace`."""
    parser.add_argument("table", help='"Table 1", "Table 2", "Table S5", "Table G" or "Table T"')
    parser.add_argument(
        "--row",
        help="a row, such as PGD:0.002 or Baseline in Table 1, PGD in S5, 0.002 in G, tied:0.002 in T; "
        "a data set in Table 2",
    )
    parser.add_argument("--column", help="a data set, by key, title or the paper's column; in Table 2 also a field")
    parser.add_argument("--field", help="one of the numbers of that row and data set (default: all)")
    parser.add_argument("--rev", help="git revision to trace (default: the work tree)")


def run(args: argparse.Namespace) -> int:
    """Trace a cell of the repository in the current folder and print the trace. Returns the exit status."""
    state = State(Path(), args.rev)
    traced = trace_cell(state, table=args.table, row=args.row, column=args.column, field=args.field)
    print(trace_text(traced))
    return 0 if traced.sound else 1


def trace_cell(state: State, *, table: str, row: str | None, column: str | None, field: str | None = None) -> Trace:
    """Find a cell, recompute it from its rows, and collect all stages that led to it.

    Raises InputError when there is no such table, row or data set (listing the known ones), or a file is missing.
    """
    found_table = find_table(tables_from_json(parse_results(state.read(CELLS), where=CELLS)), table)
    cells = find_cells(found_table, row=row, column=column, field=field)
    lock = _read_lock(state)
    contents = _read_contents(state, cells, found_table, lock)
    stages = _stages(cells, found_table, lock)
    files = [one for stage in stages for one in (*stage.inputs, *stage.outputs)]
    code = _recorded_code(state, stages)
    sources = dict(_sources(state, contents, stages))
    return Trace(
        table=found_table,
        state=state.title(),
        checks=tuple(check_cell(cell, found_table, contents) for cell in cells),
        stages=tuple(stages),
        found={one.path: md5 for one in files if one.n_files is None and (md5 := state.md5(one.path)) is not None},
        directories={
            one.path: directory
            for one in files
            if one.n_files is not None
            and (directory := state.directory(one.path, listed=LISTED, wanted=sources.get(one.path, ()))) is not None
        },
        code=code,
        found_code={path: digest for path in {*chain(*code.values())} if (digest := state.digest(path)) is not None},
        not_recorded=tuple(
            path for path in (CELLS, found_table.file, *_source_files(cells)) if not _is_recorded(state, lock, path)
        ),
        edits=dict(_edits(state, stages)),
    )


def _read_lock(state: State) -> Lock:
    """Return the stages of dvc.lock; none before the first record."""
    try:
        text = state.read("dvc.lock").decode()
    except InputError:
        return {}
    return parse_lock(text)


def _source_files(cells: list[Cell]) -> list[str]:
    metrics = [source.file for cell in cells for source in cell.metrics]
    rows = [source.file for cell in cells for source in cell.rows]
    return list(dict.fromkeys(metrics + rows))


def _stages(cells: list[Cell], table: Table, lock: Lock) -> list[StageRecord]:
    last = producer(lock, table.file)
    return ([last] if last else []) + way_back(lock, _source_files(cells))


def _recorded_code(state: State, stages: list[StageRecord]) -> dict[str, dict[str, str]]:
    """Return the digests of the code that the stages were run with, by the MD5 of the digest file."""
    files = {one.md5: one.path for stage in stages for one in stage.inputs if is_code_path(one.path)}
    contents = ((md5, state.read_version(path, md5)) for md5, path in files.items())
    return {md5: parse_digests(content) for md5, content in contents if content is not None}


def _sources(state: State, contents: Contents, stages: list[StageRecord]) -> Iterator[tuple[str, list[str]]]:
    """Yield each raw tree with the files of the images whose rows the cell is computed from, as far as they are known.

    Files are relative to the tree, in the order of index.csv.
    """
    images = {str(one) for frame in contents.rows.values() for one in frame["image_id"]}
    for index in (one for stage in stages for one in stage.outputs if one.path.endswith("/index.csv")):
        with suppress(InputError):  # no index.csv here or in DVC
            rows = pd.read_csv(io.BytesIO(state.read_recorded(index.path, index.md5)), dtype=str)
            behind = rows.loc[rows["image_id"].isin(images), "source"].dropna()
            yield raw(Path(index.path).parent.name), list(dict.fromkeys(behind))


def _edits(state: State, stages: list[StageRecord]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each raw tree of the work tree with its differences from the fingerprint that preprocess wrote."""
    for fingerprint in (one for stage in stages for one in stage.outputs if one.path.endswith(RAW_TREE_FILE)):
        dataset = Path(fingerprint.path).parent.name
        if (state.root / raw(dataset)).is_dir():
            recorded = parse_fingerprint(state.read_recorded(fingerprint.path, fingerprint.md5))
            yield raw(dataset), tuple(differences(recorded, look(state.root, dataset)))


def _is_recorded(state: State, lock: Lock, path: str) -> bool:
    """Return whether a result is the one in dvc.lock; a file that only DVC stores is compared when it is read."""
    recorded, found = recorded_md5(lock, path), state.md5(path)
    return recorded is not None and found in (recorded, None)


def _read_contents(state: State, cells: list[Cell], table: Table, lock: Lock) -> Contents:
    metrics = {source.file for cell in cells for source in cell.metrics}
    rows = {source.file for cell in cells for source in cell.rows}
    paper = {cell.paper.file for cell in cells if cell.paper}
    return Contents(
        # Keys of rows are text, even when they are epsilons.
        tables={table.file: pd.read_csv(io.BytesIO(state.read(table.file)), dtype={"row": str})},
        metrics={
            path: parse_results(state.read_recorded(path, recorded_md5(lock, path)), where=path)
            for path in sorted(metrics)
        },
        rows={
            path: read_rows(io.BytesIO(state.read_recorded(path, recorded_md5(lock, path)))) for path in sorted(rows)
        },
        paper={path: parse_paper_table(state.read(path).decode(), where=path) for path in sorted(paper)},
    )
