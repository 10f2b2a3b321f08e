"""Interruption of this process by a signal: it saves its progress and ends within seconds.

SIGTERM (a cluster reclaims its node) and SIGINT (Ctrl-C) only set a flag. `check`, which every progress report calls,
then raises `Stopped` between two batches or blocks, where all data are consistent; code that keeps a state saves it and
lets the exception pass.

A thread ends the process when no progress is reported within GRACE_SECONDS. No more is lost than by a kill: outputs are
renamed only when they are complete, and states are saved regularly.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from oncorobust.base.progress import ask_to_stop, reset
from oncorobust.pipeline.stage_log import tell

GRACE_SECONDS = 8.0
"""Longest time from an interruption to the end of the process; clusters often wait 30 s before they kill."""
STATUS = 128 + signal.SIGTERM
"""Exit status of an interrupted process."""


@contextmanager
def interruptible(*, grace_seconds: float = GRACE_SECONDS) -> Iterator[threading.Event]:
    """Let signals interrupt this process inside the block; yield an event that its end sets.

    Call it in the main thread.
    """
    reset()
    read, write = os.pipe()
    os.set_blocking(write, False)
    handlers = {one: signal.signal(one, lambda *_: ask_to_stop()) for one in (signal.SIGTERM, signal.SIGINT)}
    before = signal.set_wakeup_fd(write)
    ended = threading.Event()
    threading.Thread(target=_end_late, args=(read, ended, grace_seconds), daemon=True).start()
    try:
        yield ended
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        os.close(write)  # ends the thread that reads
        for one, handler in handlers.items():
            signal.signal(one, handler)


def _end_late(read: int, ended: threading.Event, grace_seconds: float) -> None:
    """Wait for the first signal; end the process when its work has not ended after `grace_seconds`."""
    asked = os.read(read, 1)
    os.close(read)
    if asked and not ended.wait(grace_seconds):
        tell("Interrupted in the middle of a computation. Rerun the same command to resume from the last save.")
        os._exit(STATUS)
