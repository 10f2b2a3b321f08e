"""How library functions say how far they are, without knowing where it is shown."""

from collections.abc import Callable

Notify = Callable[[int, int, str], None]
"""Told (units done, units in all, a word on the last one)."""
