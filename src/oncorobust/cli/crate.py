"""`oncorobust crate`: write the recorded run as a Workflow Run RO-Crate, for an archive or WorkflowHub.

    oncorobust crate run.zip [--date 2026-01-31] [--license https://creativecommons.org/licenses/by/4.0/]

The crate holds the workflow, its parameters, dvc.lock, and the results that git keeps: tables, metrics and cards. It
names models, images and rows by their MD5 and size. The same commit gives the same bytes.
"""

import argparse
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results
from oncorobust.pipeline.dvc_lock import FileRecord, Lock, parse_lock
from oncorobust.pipeline.project_record import installed_version
from oncorobust.pipeline.shipped import find_file, in_project
from oncorobust.report.tables.cell import tables_from_json
from oncorobust.report.tables.render import marked_title
from oncorobust.trace.crate import METADATA, Run, crate_metadata
from oncorobust.trace.crate_files import held_files, refuse_home_paths

LICENCE = "Apache-2.0 for the code; the licence of the results is that of the images"
_TIME = (1980, 1, 1, 0, 0, 0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust crate`."""
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder, or a file that ends in .zip")
    parser.add_argument("--date", help="date of the results, YYYY-MM-DD (default: that of the commit)")
    parser.add_argument("--license", default=LICENCE, help="licence of the results, a URL or text")


def run(args: argparse.Namespace) -> int:
    """Write the crate of the repository in the current folder. Returns the exit status."""
    _check_place(args.out)
    lock = _read_lock()
    held = held_files(Path(), lock)
    tables = tables_from_json(read_results(layout.CELLS))
    columns = {column.key: column for table in tables for column in table.columns}
    described = Run(
        lock=lock,
        held=held,
        date=_date(args.date),
        version=_git("rev-parse", "HEAD"),
        titles=tuple(map(marked_title, columns.values())),
        synthetic=tuple(column.title for column in columns.values() if column.synthetic),
        licence=args.license,
        package=(installed_version() or "") if in_project(Path()) else "",
    )
    metadata = (json.dumps(crate_metadata(described), indent=1, ensure_ascii=False) + "\n").encode()
    refuse_home_paths({METADATA: metadata}, Path())
    (_write_zip if args.out.suffix == ".zip" else _write_folder)(args.out, metadata, held)
    print(f"Wrote {args.out}: {len(lock)} stages, {len(held)} files, and the other files by MD5 and size")
    return 0


def _check_place(out: Path) -> None:
    if out.exists():
        raise InputError(f"expected a new folder or file, got {out}, which exists")
    if not out.absolute().parent.is_dir():
        raise InputError(f"expected {out} in a folder that exists, got no folder {out.absolute().parent}")


def _read_lock() -> Lock:
    path = Path("dvc.lock")
    if not path.is_file():
        raise InputError("expected dvc.lock, got no such file: run the pipeline, then `oncorobust record`")
    return parse_lock(path.read_text(encoding="utf-8"))


def _date(given: str | None) -> str:
    found = given or _git("log", "-1", "--format=%cs")
    if not found:
        raise InputError("expected --date YYYY-MM-DD, because this folder has no commit whose date it could be")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", found):
        raise InputError(f"--date: expected YYYY-MM-DD, got {found!r}")
    return found


def _git(*arguments: str) -> str:
    """Return what git prints; empty without git or a commit."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return "" if done.returncode else done.stdout.strip()


def _write_folder(out: Path, metadata: bytes, held: Mapping[str, FileRecord]) -> None:
    draft = out.with_name(f".{out.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    for path in held:
        (draft / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(find_file(Path(), path), draft / path)
    (draft / METADATA).write_bytes(metadata)
    draft.rename(out)


def _write_zip(out: Path, metadata: bytes, held: Mapping[str, FileRecord]) -> None:
    draft = out.with_name(f".{out.stem}.part.zip")
    with zipfile.ZipFile(draft, "w") as archive:
        for name, content in (
            (METADATA, metadata),
            *((path, find_file(Path(), path).read_bytes()) for path in sorted(held)),
        ):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, content)
    draft.rename(out)
