"""Locks that allow one process at a time and are released when that process ends.

The lock is flock(2) on a file, taken with `filelock`, so that neither kill -9 nor a power failure leaves a lock that a
person has to remove; the file names the process that holds it. On network file systems flock works between machines
where the file system supports it (NFS 4, Lustre with `flock`, GPFS). On a file system without locks nothing is locked.
"""

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from oncorobust.base.errors import InputError

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
"""Errors of a file system that has no locks."""


@contextmanager
def exclusive(path: Path, *, what: str, seconds: float) -> Iterator[None]:
    """Hold a lock on the file `path`, which is created if missing and never deleted.

    what: what the holder is doing, for the error message. seconds: how long to wait for another holder, because an
    interrupted stage needs time to save. Raises InputError naming the other process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # filelock's own fallback, a lock file without flock, could outlive its holder.
    lock = FileLock(path, poll_interval=0.1, fallback_to_soft=False)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        holder = path.read_text() or "another process"
        raise InputError(f"{holder} is {what}; wait until it is done") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        lock.release()


def release_left_locks(root: Path) -> IO[str]:
    """Remove the locks that a killed Snakemake left in `root`, unless another Snakemake runs there.

    Snakemake's locks are files that do not name their owner: after a kill a person would have to run
    `snakemake --unlock`. Every Snakemake that calls this function holds a shared lock while it runs, on the file that
    is returned and must be kept open; the process that gets the exclusive lock knows that no other one runs. filelock
    has no shared lock on a file, so this one is taken with flock(2) itself.
    """
    folder = root / ".snakemake"
    folder.mkdir(exist_ok=True)
    file = (folder / "alive").open("a+")
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder / "locks", ignore_errors=True)
    with suppress(OSError):
        # Wait for another Snakemake that holds the exclusive lock; a process without this lock would count as ended.
        fcntl.flock(file, fcntl.LOCK_SH)
    return file
