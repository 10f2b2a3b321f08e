"""What a DVC that was killed leaves half-written, put right.

DVC writes dvc.lock and its list of file locks in place, dvc.lock after every stage, for as long as a second. Killed
meanwhile, it leaves dvc.lock empty or cut off, and mostly refuses to start from then on. What was cut off is right as
far as it goes, and DVC looks up the other stages in its run cache. The list names its holders by process number, which
another process may have after a restart of the machine.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil

from oncorobust.pipeline.interruption import is_runner

_HEAD = "schema: '2.0'\nstages:\n"


def mend_file_locks(folder: Path) -> None:
    """Drop from DVC's list of file locks in `folder`, .dvc/tmp, what ended processes hold; an unreadable list goes.

    Raises LockError of DVC where another process is writing the list at this moment.
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


def mend_record(root: Path) -> bool:
    """Make dvc.lock one that DVC reads again, where a kill has left it empty or cut off; whether it had to be.

    What is whole of it stays. Stages that it has lost are taken from git's last commit; DVC compares bytes with them as
    ever. To be called with DVC's repository lock held.
    """
    path = root / "dvc.lock"
    if not path.is_file() or _is_record(text := path.read_text(encoding="utf-8")):
        return False
    kept = dict(list(_stages(text).items())[:-1])  # in the last one it was cut off
    committed = subprocess.run(["git", "show", "HEAD:./dvc.lock"], cwd=root, capture_output=True, check=False)
    stages = _stages(committed.stdout.decode() if committed.returncode == 0 else "") | kept
    if stages:
        path.write_text(_HEAD + "".join(stages.values()), encoding="utf-8")
    else:
        path.unlink()
    return True


def _is_record(text: str) -> bool:
    """Whether DVC would read this dvc.lock."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import ParseError, parse_yaml
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(text, "dvc.lock"))
    except (ParseError, Invalid):
        return False
    return True


def _stages(text: str) -> dict[str, str]:
    """The stages of a dvc.lock by name, each as its lines; its two first lines left out."""
    blocks = re.split(r"(?m)^  (?=[^ \n])", text)[1:]
    return {block.partition(":\n")[0]: f"  {block}" for block in blocks}


def _of(held: Any, mode: str) -> list[tuple[str, Any]]:
    return list(held.get(mode, {}).items())


def _lives(holder: dict[str, Any], written: float) -> bool:
    """Whether the process is there, and is not another one that came by the number after the list was written."""
    try:
        process = psutil.Process(holder["pid"])
        return bool(process.create_time() <= written + 1.0) or is_runner(process)
    except psutil.Error:
        return False
