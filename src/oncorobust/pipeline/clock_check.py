"""Files of the future, which a clock that was wrong for a while leaves, or a copy from another machine.

Snakemake runs a stage, finds its outputs older than such an input, and throws them away, after hours and every time
anew. So it is told before the first job. DVC compares contents alone and does not mind.
"""

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from oncorobust.base.errors import InputError

TOLERANCE_SECONDS = 60.0
"""Clocks of a cluster's machines differ by less."""


def check_times(paths: Iterable[str | Path]) -> None:
    """Raise InputError naming a file or folder that was last changed in the future; those not there are passed over."""
    now = time.time()
    future = [(found, path) for path in paths if (found := _changed(Path(path))) > now + TOLERANCE_SECONDS]
    if future:
        found, path = max(future)
        when = datetime.fromtimestamp(found).isoformat(" ", timespec="seconds")
        raise InputError(
            f"expected files of the past, got {len(future)} of the future, such as {path} of {when}: set the clock of "
            "this machine right or, where it is, run: find -L data models reports -newermt now -exec touch -c {} +"
        )


def _changed(path: Path) -> float:
    """Seconds since 1970, as Snakemake takes them: of a folder that it made, those of its time stamp."""
    for one in (path / ".snakemake_timestamp", path):
        try:
            return one.stat().st_mtime
        except OSError:
            continue
    return 0.0
