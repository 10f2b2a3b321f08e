"""Rejection of files whose modification time lies in the future (clock skew).

A wrong clock, or a copy from another machine, leaves such files. Snakemake would run a stage, find its outputs older
than the input and delete them, after hours and at every run. The check therefore comes before the first job. DVC
compares contents only and is not affected.
"""

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from oncorobust.base.errors import InputError

TOLERANCE_SECONDS = 60.0
"""The clocks of a cluster's machines differ by less."""


def check_times(paths: Iterable[str | Path]) -> None:
    """Raise InputError naming a file or folder whose modification time lies in the future; skip missing ones."""
    now = time.time()
    future = [(found, path) for path in paths if (found := _changed(Path(path))) > now + TOLERANCE_SECONDS]
    if future:
        found, path = max(future)
        when = datetime.fromtimestamp(found).isoformat(" ", timespec="seconds")
        raise InputError(
            f"expected modification times in the past, got {len(future)} in the future, such as {path} of {when}: "
            "correct the clock of this machine or, if it is right, run: find -L data models reports -newermt now "
            "-exec touch -c {} +"
        )


def _changed(path: Path) -> float:
    """Return the modification time in seconds since 1970: of a folder that Snakemake made, that of its time stamp."""
    for one in (path / ".snakemake_timestamp", path):
        try:
            return one.stat().st_mtime
        except OSError:
            continue
    return 0.0
