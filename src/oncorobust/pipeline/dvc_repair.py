"""Repair of files that a killed DVC leaves incomplete.

DVC overwrites dvc.lock and its list of file locks in place; writing dvc.lock, after every stage, can take a second. If
DVC is killed meanwhile, dvc.lock is empty or truncated, and DVC usually refuses to start. The part of a truncated
dvc.lock that was written is correct, and DVC looks up the other stages in its run cache. The list of file locks
identifies their holders by process number, which may belong to another process after a restart of the machine.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil

from oncorobust.pipeline.interruption import is_runner

_HEAD = "schema: '2.0'\nstages:\n"


def repair_file_locks(folder: Path) -> None:
    """Remove the locks of ended processes from DVC's list in `folder` (.dvc/tmp), and delete an unreadable list.

    Raises DVC's LockError while another process is writing the list.
    """
    from dvc.lock import make_lock

    path = folder / "rwlock"
    with make_lock(str(folder / "rwlock.lock")):
        try:
            held, written = json.loads(path.read_text(encoding="utf-8")), path.stat().st_mtime
        except FileNotFoundError:
            return
        except ValueError:
            path.unlink()
            return
        kept = {
            "read": {place: [one for one in holders if _lives(one, written)] for place, holders in _of(held, "read")},
            "write": {place: holder for place, holder in _of(held, "write") if _lives(holder, written)},
        }
        path.write_text(json.dumps(kept), encoding="utf-8")


def repair_lock(root: Path) -> bool:
    """Repair a dvc.lock that a kill has left empty or truncated, and return whether that was necessary.

    Complete stages stay. Lost stages are taken from git's last commit, and DVC compares the files with them as usual.
    The caller must hold DVC's repository lock.
    """
    path = root / "dvc.lock"
    if not path.is_file() or _is_record(text := path.read_text(encoding="utf-8")):
        return False
    kept = dict(list(_stages(text).items())[:-1])  # without the last one, which is truncated
    committed = subprocess.run(["git", "show", "HEAD:./dvc.lock"], cwd=root, capture_output=True, check=False)
    stages = _stages(committed.stdout.decode() if committed.returncode == 0 else "") | kept
    if stages:
        path.write_text(_HEAD + "".join(stages.values()), encoding="utf-8")
    else:
        path.unlink()
    return True


def _is_record(text: str) -> bool:
    """Return whether DVC would accept this dvc.lock."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import ParseError, parse_yaml
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(text, "dvc.lock"))
    except (ParseError, Invalid):
        return False
    return True


def _stages(text: str) -> dict[str, str]:
    """Return the lines of each stage of a dvc.lock by the stage's name, without the file's first two lines."""
    blocks = re.split(r"(?m)^  (?=[^ \n])", text)[1:]
    return {block.partition(":\n")[0]: f"  {block}" for block in blocks}


def _of(held: Any, mode: str) -> list[tuple[str, Any]]:
    return list(held.get(mode, {}).items())


def _lives(holder: dict[str, Any], written: float) -> bool:
    """Return whether a lock's process still runs, and did not merely reuse the number after the list was `written`."""
    try:
        process = psutil.Process(holder["pid"])
        return bool(process.create_time() <= written + 1.0) or is_runner(process)
    except psutil.Error:
        return False
