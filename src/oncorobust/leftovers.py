"""What a DVC that was killed leaves half-written, and what stands in the cache but is not what it says.

DVC writes dvc.lock and its list of file locks in place, dvc.lock after every stage, for as long as a second. Killed
meanwhile, it leaves dvc.lock empty or cut off, and from then on refuses to start. A dvc.lock that was cut off is right
as far as it goes: DVC looks up the other stages in its run cache. An empty one is put back as git has it. The list
names its holders by process number, which another process may have after a restart of the machine.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import psutil

from oncorobust.interruption import is_runner


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
    """Put back a dvc.lock that a kill left empty, from git's last commit, or remove it; whether there was one.

    To be called with DVC's repository lock held.
    """
    path = root / "dvc.lock"
    if not path.is_file() or path.stat().st_size:
        return False
    committed = subprocess.run(["git", "show", "HEAD:./dvc.lock"], cwd=root, capture_output=True, check=False)
    if committed.returncode == 0 and committed.stdout:
        path.write_bytes(committed.stdout)
    else:
        path.unlink()
    return True


def _of(held: Any, mode: str) -> list[tuple[str, Any]]:
    return list(held.get(mode, {}).items())


def _lives(holder: dict[str, Any], written: float) -> bool:
    """Whether the process is there, and is not another one that came by the number after the list was written."""
    try:
        process = psutil.Process(holder["pid"])
        return bool(process.create_time() <= written + 1.0) or is_runner(process)
    except psutil.Error:
        return False
