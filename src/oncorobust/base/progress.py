"""Progress reports and orderly interruption of long runs, independent of where progress is shown.

A long run calls `Listener.update` between two batches or blocks, where its state is consistent. There `check` raises
`Stopped` once the process has been asked to stop; code that keeps a state saves it and re-raises the exception.
`oncorobust.pipeline.interruption` turns signals into `ask_to_stop`.
"""

import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

_asked = threading.Event()  # one per process, like signals

Notify = Callable[[int, int, str], None]
"""A function of (units done, total units, text on the last unit) that may raise `Stopped`, like `Listener.update`."""


@runtime_checkable
class Listener(Protocol):
    """Receive progress, results and warnings of a long run."""

    def begin(self, done: int) -> None:
        """Start a part of the run, of which an earlier process has done `done` units already."""

    def update(self, done: int, total: int, text: str) -> None:
        """Report that `done` of `total` units are done; a listener may skip a report soon after the last one.

        Raises Stopped once the process has been asked to stop; code that keeps a state saves it and re-raises.
        """

    def say(self, text: str) -> None:
        """Record a line in the log."""

    def warn(self, text: str) -> None:
        """Record a line in the log and show it to the user, marked as a warning."""


class Stopped(BaseException):
    """The process was asked to stop. Not an Exception, so that handlers of errors do not catch it."""


def check() -> None:
    """Raise Stopped if the process was asked to stop."""
    if _asked.is_set():
        raise Stopped


def ask_to_stop() -> None:
    """Make `check` raise Stopped from now on. Safe to call in a signal handler."""
    _asked.set()


def reset() -> None:
    """Clear an earlier request to stop."""
    _asked.clear()
