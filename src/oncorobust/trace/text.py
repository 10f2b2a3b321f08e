"""A trace as text: the checks of its cells, the sources of each number, and all stages that led to it, last one first.

The text says first what each number is, whether its sources agree and where they are. Then it lists for each stage its
command, parameters, and files written and read, with the MD5 and size that dvc.lock records. For a raw tree it lists
the first files that hold images of the cell, if number and total size of all files are as recorded. Script and library
modules are listed with the digests of the code that was run; CHANGED SINCE marks what has changed since. Then follow
the commands that make the result again, the files that differ from dvc.lock and, in the last line, the verdict.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from shlex import quote

from oncorobust.base.layout import SCRIPTS
from oncorobust.pipeline.code_record import code_path, is_code_path
from oncorobust.pipeline.dvc_lock import FileRecord, StageRecord, compare
from oncorobust.report.tables.cell import Cell, Table
from oncorobust.report.tables.words import cell_words, interval_words, source_words
from oncorobust.trace.check import Check
from oncorobust.trace.follow import PathTrace, Trace, WholeTrace
from oncorobust.trace.repository import Directory
from oncorobust.trace.way import LISTED, Way

_NOT_RECORDED = "not recorded: run `oncorobust record`"


def trace_text(trace: Trace) -> str:
    """Return the trace of a cell as text, with the verdict in the last line."""
    cells = [check.cell for check in trace.checks]
    file = trace.table.file
    parts = [
        f"{trace.table.name}, row {cells[0].row}, column {cells[0].column}; {trace.way.state}",
        "\n".join(_check_line(check) for check in trace.checks),
        "Computed from\n" + "\n".join(_source_lines(cells)),
        *_way_parts(trace.way),
        *_again(trace.way, file),
        _verdict("AGREES" if all(check.agrees for check in trace.checks) else "DISAGREES", trace.way),
    ]
    return "\n\n".join(parts)


def path_text(trace: PathTrace) -> str:
    """Return the trace of a file or folder as text, with the verdict in the last line."""
    here = f"md5 {trace.found}" if trace.found else "not in this tree as one file"
    facts = [f"  present    {here}", f"  dvc.lock   md5 {trace.recorded}" if trace.recorded else "  dvc.lock   no md5"]
    facts += [f"  written by {trace.maker.name}" if trace.maker else "  written by no stage"]
    facts += [f"  read by    {', '.join(trace.readers)}"] if trace.readers else []
    parts = [f"{trace.path}; {trace.way.state}\n" + "\n".join(facts)]
    if trace.maker is None:
        return "\n\n".join([*parts, _path_verdict(trace)])
    return "\n\n".join([*parts, *_way_parts(trace.way), *_again(trace.way, trace.path), _path_verdict(trace)])


def whole_text(trace: WholeTrace) -> str:
    """Return one line for each table and figure, then what differs, with the verdict in the last line."""
    lines = [line for table, checks in trace.checks for line in _table_lines(table, checks)]
    agree = all(check.agrees for _, checks in trace.checks for check in checks)
    verdict = _verdict("AGREES" if agree else "DISAGREES", trace.way)
    return "\n\n".join([f"All tables and figures; {trace.way.state}\n" + "\n".join(lines), verdict])


def _table_lines(table: Table, checks: Sequence[Check]) -> list[str]:
    wrong = [one.cell for one in checks if not one.agrees]
    count = f"{table.name}: {len(checks)} {'cells' if table.file.endswith('.csv') else 'points'}"
    if not wrong:
        return [f"  AGREES     {count}"]
    places = [f"               row {one.row}, column {one.column}, field {one.field}" for one in wrong]
    left = len(places) - LISTED
    more = [f"               and {left} more"] if left > 0 else []
    return [f"  DISAGREES  {count}, {len(wrong)} of them differ from their sources", *places[:LISTED], *more]


def _way_parts(way: Way) -> list[str]:
    head = "Stages, last one first" if way.stages else f"No stages in dvc.lock: {_NOT_RECORDED}"
    return [head, *(_stage_block(stage, way) for stage in way.stages)]


def _again(way: Way, path: str) -> list[str]:
    """Return the commands that make a file again, each to be copied as a whole line; none where no stage is known.

    Of a file in a folder that a stage wrote, they make the folder: no rule makes the file alone.
    """
    if not way.stages:
        return []
    checkout = [] if way.state.startswith("work tree") else [f"git checkout {way.commit} && oncorobust sync"]
    stage = way.stages[0]
    made = [one.path for one in stage.outputs if path == one.path or path.startswith(f"{one.path}/")]
    others = [f"dvc repro {stage.name}    # or", f"{stage.command}    # or the stage alone"] if made else []
    commands = [*checkout, f"snakemake --cores all {quote(made[0] if made else path)}", *others]
    return ["Make it again\n" + "\n".join(f"  {one}" for one in commands)]


def _differing(way: Way) -> list[str]:
    recorded = {one.path: one.md5 for stage in reversed(way.stages) for one in (*stage.inputs, *stage.outputs)}
    files = [f"  {path}  md5 {way.found[path]}, in dvc.lock {recorded[path]}" for path in way.differing]
    trees = [f"  {path}: {len(edits)} files have changed" for path, edits in way.edits.items() if edits]
    return ["Differs from dvc.lock\n" + "\n".join([*files, *trees])] if files or trees else []


def _verdict(agreement: str, way: Way) -> str:
    lines = [*_differing(way), *(f"{path} is {_NOT_RECORDED}" for path in way.not_recorded)]
    return "\n\n".join([*lines, ", but ".join([agreement, *_doubts(way)])])


def _doubts(way: Way) -> list[str]:
    """Return what keeps numbers that agree from being those of the present files."""
    edited = [path for path, changes in way.edits.items() if changes]
    differing = [path for path in way.differing if path not in way.not_recorded]
    return [
        *[_NOT_RECORDED] * bool(way.not_recorded),
        *(f"{path} has changed since: run `snakemake --cores all`" for path in [*differing, *edited]),
    ]


def _path_verdict(trace: PathTrace) -> str:
    if trace.maker is None:
        return "NO STAGE writes it: it is an input of the pipeline"
    return _verdict("AS RECORDED" if trace.sound else "NOT AS RECORDED", trace.way)


def _check_line(check: Check) -> str:
    values = ", ".join(f"{place} {value!r}" for place, value in check.values.items())
    verdict = "AGREES   " if check.agrees else "DISAGREES"
    return f"  {verdict}  {check.cell.field}: {values}{_interval_text(check)}"


def _interval_text(check: Check) -> str:
    """Return a cell's interval as it stands and as it was computed again, with its method."""
    stated, again = check.cell.interval, check.interval
    if stated is None or again is None:
        return f"; no interval: {check.cell.no_interval}" if check.cell.paper is None else ""
    listing, *_ = check.values
    ends = [f"{one.low!r} to {one.high!r}" for one in (stated, again)]
    return (
        f"; {100 * stated.level:g} % interval: {listing} {ends[0]}, rows {ends[1]}"
        f" ({stated.method}, {check.cell.n_patients} patients, {stated.n_draws} samples, seed {stated.seed})"
    )


def _source_lines(cells: Iterable[Cell]) -> list[str]:
    lines = []
    for cell in cells:
        lines += [f"  {cell.field}: {cell_words(cell)}", f"    {interval_words(cell)}"]
        lines += [f"    {one}" for one in source_words(cell)]
    return lines


def _stage_block(stage: StageRecord, way: Way) -> str:
    lines = [stage.name, f"  command    {stage.command}"]
    lines += [f"  parameter  {key} = {json.dumps(value)}" for key, value in stage.parameters.items()]
    data = [("wrote", one) for one in stage.outputs]
    code = _own_code(stage)
    data += [("read", one) for one in stage.inputs if one not in code]
    for kind, one in [*data, *(("code", one) for one in code)]:
        edits = way.edits.get(one.path, ())
        lines += (
            _edited_lines(kind, one, edits)
            if edits
            else _file_lines(kind, one, way.found, way.directories.get(one.path))
        )
    return "\n".join([*lines, *(line for one in code for line in _code_lines(one, way))])


def _own_code(stage: StageRecord) -> list[FileRecord]:
    """Return the digests of a stage's own code; the stage `report` reads those of others, too."""
    found = [one for one in stage.inputs if is_code_path(one.path)]
    own = code_path(stage.name.partition("@")[0])
    return [one for one in found if one.path == own] or found


def _code_lines(record: FileRecord, way: Way) -> list[str]:
    """Return one line for the script of a stage and one for each library module that it used."""
    if record.md5 not in way.code:
        return ["    modules unknown: no commit has this version of the file"]
    digests = way.code[record.md5]
    paths = sorted(digests, key=lambda path: (not path.startswith(SCRIPTS), path))
    return [_module_line(path, digests[path], way.found_code.get(path)) for path in paths]


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
