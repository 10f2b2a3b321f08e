"""One process at a time, by a lock that the kernel frees when its holder ends, however it ends.

A file says who holds it; the lock itself is flock(2) on that file, so that neither kill -9 nor a power failure leaves
one behind that a person would have to remove. On network file systems flock works between machines where the file
system supports it (NFS 4, Lustre with `flock`, GPFS); where there is none at all, nothing is locked.
"""

import errno
import fcntl
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from oncorobust.base.errors import InputError

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
"""What a file system answers that has none."""


@contextmanager
def exclusive(path: Path, *, what: str, seconds: float) -> Iterator[None]:
    """Hold the file `path`, which is made where it is missing and stays.

    what: what the holder does, for the message. seconds: how long to wait for another holder: a stage that is asked
    to end needs some to save. Raises InputError naming the other process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        end = time.monotonic() + seconds
        while not _held(file):
            if time.monotonic() > end:
                raise InputError(f"expected to be alone, got {_holder(file)}, which {what}; wait until it is done")
            time.sleep(0.1)
        yield


def release_left_locks(root: Path) -> IO[str]:
    """Remove the locks that a killed Snakemake left in `root`, if none is alive there.

    Snakemake's locks are files that say nothing of their owner: after a kill a person would have to run
    `snakemake --unlock`. Every Snakemake that comes by here holds a shared lock as long as it lives, on the file that
    is returned and must be kept open; whoever gets the lock for itself alone knows that the others are gone.
    """
    folder = root / ".snakemake"
    folder.mkdir(exist_ok=True)
    file = (folder / "alive").open("a+")
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder / "locks", ignore_errors=True)
    with suppress(OSError):
        # Waits for another Snakemake that is at the three lines above; one without this lock would count as dead.
        fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _held(file: IO[str]) -> bool:
    """Take the lock on an open file and write into it who has it; False where another process does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return True


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read() or "another process"
