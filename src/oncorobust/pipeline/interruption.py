"""How a stage that is asked to end saves what it has and leaves within seconds.

It is asked by SIGTERM (a cluster takes its node back), by SIGINT (a person at the keyboard), or by the end of its
runner: Snakemake or DVC, killed, would leave a stage behind that still writes while the next run makes the same files.
All three only set a mark. `check`, called wherever progress is told, raises `Stopped` there, between two batches or
blocks, where all is consistent: who has a state saves it and lets the exception pass.

Work that tells no progress for GRACE_SECONDS is ended as it stands, by a thread that waits for the signal's byte while
the main thread computes. That loses no more than a kill does: outputs are written whole, states are saved as it goes.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil

from oncorobust.base.progress import ask_to_stop, reset

GRACE_SECONDS = 8.0
"""From being asked to the end, at most; a cluster's own patience is often 30 s."""
STATUS = 128 + signal.SIGTERM
"""Exit status of a stage that was asked to end."""

_RUNNERS = ("snakemake", "dvc")


@contextmanager
def listening(*, grace_seconds: float = GRACE_SECONDS) -> Iterator[None]:
    """Inside, this process can be asked to end; to be called by the main thread."""
    reset()
    read, write = os.pipe()
    os.set_blocking(write, False)
    handlers = {one: signal.signal(one, lambda *_: ask_to_stop()) for one in (signal.SIGTERM, signal.SIGINT)}
    before = signal.set_wakeup_fd(write)
    runner, ended = _runner(), threading.Event()
    threading.Thread(target=_end_late, args=(read, ended, grace_seconds), daemon=True).start()
    if runner is not None:
        threading.Thread(target=_ask_when_alone, args=(runner, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        os.close(write)  # which ends the thread that reads
        for one, handler in handlers.items():
            signal.signal(one, handler)


def pass_on(root: Path) -> None:
    """From now on SIGTERM to this process, a Snakemake in `root`, reaches the stages that it runs, too.

    Snakemake by itself starts nothing more then, and waits until they are done, which may take hours.
    """
    before = signal.getsignal(signal.SIGTERM)
    scripts = root.resolve() / "workflow" / "scripts"

    def handle(number: int, frame: FrameType | None) -> None:
        if callable(before):
            before(number, frame)
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if any((root / word).resolve().parent == scripts for word in process.cmdline()[1:2]):
                    process.send_signal(number)

    signal.signal(signal.SIGTERM, handle)


def _end_late(read: int, ended: threading.Event, grace_seconds: float) -> None:
    """Wait for the first signal; end the process when its work has not ended by itself after its grace."""
    asked = os.read(read, 1)
    os.close(read)
    if asked and not ended.wait(grace_seconds):
        with suppress(OSError):
            os.write(2, b"asked to end, and ended in the middle of a computation; the same command goes on\n")
        os._exit(STATUS)


def _ask_when_alone(runner: psutil.Process, ended: threading.Event) -> None:
    """Ask this process to end when its runner has: a stage without one would write beside the next run's."""
    while not ended.wait(1.0):
        if not _runs(runner):
            with suppress(OSError):
                print("the runner of this stage has ended, and so does the stage", file=sys.stderr)
            os.kill(os.getpid(), signal.SIGTERM)
            return


def _runs(process: psutil.Process) -> bool:
    try:
        # is_running compares start times: a later process of the same number is another one.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _runner() -> psutil.Process | None:
    """The nearest process above this one that is Snakemake or DVC; None for a stage run by hand."""
    with suppress(psutil.Error):
        return next((one for one in psutil.Process().parents() if is_runner(one)), None)
    return None


def is_runner(process: psutil.Process) -> bool:
    """Whether a process is Snakemake or DVC. Raises psutil.Error where it has ended."""
    # `snakemake ...`, `python /bin/snakemake ...`, `python -m snakemake ...`
    return any(Path(word).name in _RUNNERS for word in process.cmdline()[:3])
