"""Progress lines of a stage: few on the terminal, more in its log."""

import time
from collections.abc import Callable
from typing import NamedTuple

from oncorobust.base.progress import check
from oncorobust.pipeline.stage_log import note, tell

_LONGEST_SILENCE_SECONDS = 600.0


class Progress:
    """Progress lines such as `preprocess lidc: 1200 of 2630 images, 4 s left`, few on the terminal, more in the log."""

    def __init__(
        self,
        prefix: str,
        *,
        seconds: float = 5.0,
        shown_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock.

        prefix: stage and data set. seconds: between two lines of the log; the last step always has a line there.
        shown_seconds: until the first line on the terminal; the next ones come after twice the time, then four times
        and so on, at most ten minutes apart. So a short job shows none, and a long one few.
        """
        self._prefix = prefix
        self._seconds, self._shown_seconds = seconds, shown_seconds
        self._clock = clock
        self._start = self._last = clock()
        self._next_shown = self._start + shown_seconds
        self._part = self._reported = _Report(self._start, 0, 0)

    def begin(self, done: int) -> None:
        """Estimate the time left from now on; an earlier process has done `done` steps."""
        self._part = self._reported = _Report(self._clock(), done, 0)

    def update(self, done: int, total: int, text: str) -> None:
        """Report that `done` of `total` steps, named by `text`, are done. Raises Stopped after an interruption."""
        check()
        now = self._clock()
        if self._reported.total and (done < self._reported.done or total != self._reported.total):
            # Another part of the stage has begun, of other steps, when the last one ended.
            self._part = _Report(self._reported.seconds, 0, 0)
        self._reported = _Report(now, done, total)
        shown = done < total and now >= self._next_shown
        if done < total and not shown and now - self._last < self._seconds:
            return
        self._last = now
        line = f"{self._prefix}: {done} of {total} {text}{self._left(done, total, now)}"
        if shown:
            self._next_shown = now + min(max(now - self._start, self._shown_seconds), _LONGEST_SILENCE_SECONDS)
            tell(line)
        else:
            note(line)

    def say(self, text: str) -> None:
        """Write a line to the log, however recent the last one is."""
        note(f"{self._prefix}: {text}")

    def warn(self, text: str) -> None:
        """Write a warning to the log and to the terminal."""
        tell(f"{self._prefix}: WARNING: {text}")

    def _left(self, done: int, total: int, now: float) -> str:
        new = done - self._part.done
        if done >= total or new <= 0:
            return ""
        return f", {duration((now - self._part.seconds) / new * (total - done))} left"


class _Report(NamedTuple):
    """Steps done at a time of the clock."""

    seconds: float
    done: int
    total: int


def duration(seconds: float) -> str:
    """Return a rounded duration: `80 s`, `10 min`, `2.0 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
