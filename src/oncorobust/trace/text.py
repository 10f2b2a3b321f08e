"""A trace as text: the checks of a cell, the sources of its numbers, and all stages that led to it, last stage first.

The text says first whether the numbers agree, then lists the sources of each, and then for each stage its command,
parameters, and files written and read, with the MD5 and size that dvc.lock records. For a raw tree it lists the first
files that hold images of the cell, if number and total size of all files are as recorded. Script and library modules
are listed with the digests of the code that was run; CHANGED SINCE marks modules whose code has changed since.
"""

import json
from collections.abc import Iterable, Mapping

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import SCRIPTS
from oncorobust.pipeline.code_record import is_code_path
from oncorobust.pipeline.dvc_lock import FileRecord, StageRecord, compare
from oncorobust.report.tables.cell import Cell
from oncorobust.trace.check import Check, Trace
from oncorobust.trace.repository import Directory

LISTED = 10
"""Number of files listed for a directory."""

_NOT_RECORDED = "not recorded: run `oncorobust record`"


def trace_text(trace: Trace) -> str:
    """Return the whole trace as text, with the verdict in the last line."""
    cells = [check.cell for check in trace.checks]
    verdict = "AGREES" if all(check.agrees for check in trace.checks) else "DISAGREES"
    parts = [
        f"{trace.table.name}, row {cells[0].row}, column {cells[0].column}; {trace.state}",
        "\n".join(_check_line(check) for check in trace.checks),
        "Computed from\n" + "\n".join(_source_lines(cells)),
        "Stages, last one first" if trace.stages else f"No stages in dvc.lock: {_NOT_RECORDED}",
        *(_stage_block(stage, trace) for stage in trace.stages),
        *(f"{path} is {_NOT_RECORDED}" for path in trace.not_recorded),
        "".join([verdict, *(f", but {reason}" for reason in _doubts(trace))]),
    ]
    return "\n\n".join(parts)


def _doubts(trace: Trace) -> list[str]:
    """Return what keeps numbers that agree from being those of the present files."""
    edited = [path for path, changes in trace.edits.items() if changes]
    return [_NOT_RECORDED] * bool(trace.not_recorded) + [f"{path} has changed since: run snakemake" for path in edited]


def _check_line(check: Check) -> str:
    values = ", ".join(f"{place} {value!r}" for place, value in check.values.items())
    verdict = "AGREES   " if check.agrees else "DISAGREES"
    return f"  {verdict}  {check.cell.field}: {values}{_interval_text(check)}"


def _interval_text(check: Check) -> str:
    """Return a cell's interval as it stands and as it was computed again, with its method."""
    stated, again = check.cell.interval, check.interval
    if stated is None or again is None:
        return f"; no interval: {check.cell.no_interval}" if check.cell.paper is None else ""
    ends = [f"{one.low!r} to {one.high!r}" for one in (stated, again)]
    return (
        f"; {100 * stated.level:g} % interval: cells.json {ends[0]}, rows {ends[1]}"
        f" ({stated.method}, {check.cell.n_patients} patients, {stated.n_draws} samples, seed {stated.seed})"
    )


def _source_lines(cells: Iterable[Cell]) -> list[str]:
    lines = []
    for cell in cells:
        lines.append(f"  {cell.field}")
        lines += [f"    {_sign(metric.sign)} {metric.file} {metric.pointer}" for metric in cell.metrics]
        for rows in cell.rows:
            where = " where " + ", ".join(f"{name} = {value}" for name, value in rows.where.items())
            at = "" if rows.epsilon is None else f" at epsilon {epsilon_text(rows.epsilon)}"
            of = "".join(f", {name} {value}" for name, value in rows.options.items())
            lines.append(f"    {_sign(rows.sign)} {rows.statistic}{at}{of} of {rows.file}{where if rows.where else ''}")
        if cell.paper is not None:
            lines.append(f"    {cell.paper.file}, row {cell.paper.row}, column {cell.paper.column}")
    return lines


def _sign(sign: int) -> str:
    return "+" if sign > 0 else "-"


def _stage_block(stage: StageRecord, trace: Trace) -> str:
    lines = [stage.name, f"  command    {stage.command}"]
    lines += [f"  parameter  {key} = {json.dumps(value)}" for key, value in stage.parameters.items()]
    data = [("wrote", one) for one in stage.outputs]
    data += [("read", one) for one in stage.inputs if not is_code_path(one.path)]
    code = [("code", one) for one in stage.inputs if is_code_path(one.path)]
    for kind, one in data + code:
        edits = trace.edits.get(one.path, ())
        lines += (
            _edited_lines(kind, one, edits)
            if edits
            else _file_lines(kind, one, trace.found, trace.directories.get(one.path))
        )
    return "\n".join([*lines, *(line for _, one in code for line in _code_lines(one, trace))])


def _code_lines(record: FileRecord, trace: Trace) -> list[str]:
    """Return one line for the script of a stage and one for each library module that it used."""
    if record.md5 not in trace.code:
        return ["    modules unknown: no commit has this version of the file"]
    digests = trace.code[record.md5]
    paths = sorted(digests, key=lambda path: (not path.startswith(SCRIPTS), path))
    return [_module_line(path, digests[path], trace.found_code.get(path)) for path in paths]


def _module_line(path: str, digest: str, found: str | None) -> str:
    kind = "script" if path.startswith(f"{SCRIPTS}/") else "library"
    since = {digest: "", None: "  (not in this tree)"}.get(found, "  CHANGED SINCE")
    return f"  {kind:<10} {path}  digest {digest}{since}"


def _record_line(kind: str, record: FileRecord) -> str:
    return f"  {kind:<10} {record.path}  md5 {record.md5}, {record.size} bytes"


def _edited_lines(kind: str, record: FileRecord, edits: tuple[str, ...]) -> list[str]:
    line = f"{_record_line(kind, record)}, {record.n_files} files  CHANGED SINCE: {len(edits)} files"
    left = len(edits) - LISTED
    return [line, *(f"    {one}" for one in edits[:LISTED]), *([f"    and {left} more files"] if left > 0 else [])]


def _file_lines(kind: str, record: FileRecord, found: Mapping[str, str], directory: Directory | None) -> list[str]:
    line = _record_line(kind, record)
    if record.n_files is None:
        return [line + ("  CHANGED SINCE" if compare(record, found) == "changed" else "")]
    line += f", {record.n_files} files"
    if directory is None:
        return [f"{line}  (not in this tree)"]
    if (directory.n_files, directory.size) != (record.n_files, record.size):
        return [f"{line}  CHANGED SINCE: {directory.n_files} files, {directory.size} bytes"]
    listed = [f"    {path}  md5 {md5}" for path, md5 in directory.files]
    if directory.wanted is not None:
        line += f", {directory.wanted} of them with images of this cell"
    left = (directory.wanted or directory.n_files) - len(directory.files)
    return [line, *listed, *([f"    and {left} more files"] if left else [])]
