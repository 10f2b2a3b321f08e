"""Report progress without knowing where it is shown, and notice that the process was asked to end.

A long run calls `Listener.update` between two batches or blocks, where its state is consistent. `check` raises
`Stopped` there once the process was asked to end; code that keeps a state saves it and lets the exception pass.
`oncorobust.pipeline.interruption` turns signals into `ask_to_stop`.
"""

import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

_asked = threading.Event()  # of the process, as signals are

Notify = Callable[[int, int, str], None]
"""Called with (units done, total units, text for the last one); may raise `Stopped`, as `Listener.update` does."""


@runtime_checkable
class Listener(Protocol):
    """Receives the progress, the results and the warnings of a long run."""

    def update(self, done: int, total: int, text: str) -> None:
        """Report that `done` of `total` units are done; a listener may drop it when the last report is recent.

        Raises Stopped when the process was asked to end; code that keeps a state saves it and lets the exception pass.
        """

    def say(self, text: str) -> None:
        """Record a line in the log."""

    def warn(self, text: str) -> None:
        """Record a line in the log and show it to the user, marked as a warning."""


class Stopped(BaseException):
    """The process was asked to end. Not an Exception, so that no handler takes it for a failure of its own."""


def check() -> None:
    """Raise Stopped when the process was asked to end."""
    if _asked.is_set():
        raise Stopped


def ask_to_stop() -> None:
    """Make `check` raise Stopped from now on. Safe to call in a signal handler."""
    _asked.set()


def reset() -> None:
    """Forget an earlier request to end."""
    _asked.clear()
