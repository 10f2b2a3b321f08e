"""How library functions say how far they are, without knowing where it is shown."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

Notify = Callable[[int, int, str], None]
"""Told (units done, units in all, a word on the last one); may raise `interruption.Stopped`, as `Listener.update`."""


@runtime_checkable
class Listener(Protocol):
    """Hears how far a long run is, and what a person should read afterwards."""

    def update(self, done: int, total: int, text: str) -> None:
        """`done` of `total` units are done; may be left unsaid when the last word is recent.

        Raises `interruption.Stopped` where the process is asked to end: who has a state saves it and lets that pass.
        """

    def say(self, text: str) -> None:
        """Something that must be in the log."""
