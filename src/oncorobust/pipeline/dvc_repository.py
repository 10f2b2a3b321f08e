"""The DVC repository: opening it, also without git, and the locks that keep DVC and Snakemake apart.

`lock_dvc` is for a command that reads or writes DVC's records: no other DVC command starts or finishes a stage
meanwhile. `hold_dvc` is for Snakemake: while it runs, DVC's own file lock names it, and `dvc repro` refuses to start.
"""

import re
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_repair import repair_file_locks, repair_lock

if TYPE_CHECKING:
    from dvc.repo import Repo

OUTPUT_FOLDERS = (layout.DATA_FOLDER, layout.MODELS_FOLDER, layout.REPORTS_FOLDER)


def repair_records(root: Path) -> None:
    """Repair files that a killed DVC left incomplete, so that DVC starts again.

    Raises InputError when either tool is running in this tree.
    """
    with lock_dvc(root):
        pass


@contextmanager
def hold_dvc(root: Path) -> Iterator[None]:
    """Hold DVC's file lock on all output folders of the pipeline.

    Raises InputError while a DVC command runs here. A DVC command that starts meanwhile names this process and stops.
    """
    from dvc.fs import localfs
    from dvc.lock import LockError
    from dvc.rwlock import rwlock

    folder = root.resolve() / ".dvc" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    written = [str(root.resolve() / name) for name in OUTPUT_FOLDERS]
    try:
        repair_file_locks(folder)
        with rwlock(str(folder), localfs, "snakemake", [], written, False):
            yield
    except LockError as error:
        raise InputError(_busy(error)) from error


def _busy(error: Exception) -> str:
    """Return DVC's message with the process named once instead of once for each path."""
    process = re.search(r"\(PID (\d+)\): (.*)", str(error))
    who = f"process {process[1]} ({process[2]})" if process else "another dvc command"
    return f"{who} is running in this folder; wait until it is done"


def in_git(root: Path) -> bool:
    """Return whether a folder lies in a git repository; a source archive has none."""
    place = root.resolve()
    return any((one / ".git").exists() for one in (place, *place.parents))


def open_repo(root: Path) -> "Repo":
    """Open the DVC repository in `root`, also where there is no git. Raises DvcException when there is none."""
    from dvc.repo import Repo

    return Repo(str(root), config={} if in_git(root) else {"core": {"no_scm": True}})


@contextmanager
def lock_dvc(root: Path) -> Iterator["Repo"]:
    """Open the DVC repository and lock it, so that no other DVC command starts or finishes a stage meanwhile."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import lock_repo

    place = root.resolve()
    try:
        # DVC names stages relative to the current folder. Taking and releasing the file lock once detects a stage that
        # DVC is running at this moment.
        with chdir(place), open_repo(place) as repo, lock_repo(repo):
            with hold_dvc(place):
                pass
            repair_lock(place)
            yield repo
    except LockError as error:
        raise InputError(_busy(error)) from error
    except DvcException as error:
        raise InputError(f"DVC cannot read this repository: {error}") from error
