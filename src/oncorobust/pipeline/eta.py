"""Remaining time of a run of the pipeline, from the durations of its own jobs.

    left = (expected seconds of jobs not yet started + rest of the running ones) / jobs at a time

A job is expected to take the mean of the ended jobs of its rule. There is no estimate before a job of each rule that is
still to run has ended: durations depend on the machine, the images and the settings. The rules of QUICK do not count.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

QUICK = ("validate", "tabulate", "plot", "exchange", "report", "all")
"""Rules whose jobs take seconds, whatever the settings."""


@dataclass
class Run:
    """Jobs and durations of a run so far. jobs: number of jobs of each rule."""

    jobs: Mapping[str, int]
    _running: dict[int, tuple[str, float]] = field(init=False, default_factory=dict)
    _seconds: dict[str, list[float]] = field(init=False, default_factory=dict)
    _most: int = field(init=False, default=1)

    @property
    def done(self) -> int:
        """Number of ended jobs."""
        return sum(map(len, self._seconds.values()))

    def begin(self, job: int, rule: str, now: float) -> None:
        """Record that a job started at `now`, in seconds of a monotonic clock."""
        self._running[job] = rule, now
        self._most = max(self._most, len(self._running))

    def end(self, job: int, now: float) -> float:
        """Record that a job ended at `now`, and return its duration in seconds."""
        rule, begun = self._running.pop(job)
        self._seconds.setdefault(rule, []).append(now - begun)
        return now - begun

    def left(self, now: float) -> float | None:
        """Return the expected seconds until the last job ends, or None when there is no estimate."""
        waiting = self._waiting()
        running = [(rule, begun) for rule, begun in self._running.values() if rule not in QUICK]
        if not {*waiting, *(rule for rule, _ in running)} <= self._seconds.keys():
            return None
        seconds = sum(count * self._mean(rule) for rule, count in waiting.items())
        seconds += sum(max(self._mean(rule) - (now - begun), 0.0) for rule, begun in running)
        return seconds / self._most

    def _waiting(self) -> dict[str, int]:
        """Return the number of jobs not yet started of each rule that has some."""
        running = Counter(rule for rule, _ in self._running.values())
        counts = {rule: count - running[rule] - len(self._seconds.get(rule, ())) for rule, count in self.jobs.items()}
        return {rule: count for rule, count in counts.items() if count > 0 and rule not in QUICK}

    def _mean(self, rule: str) -> float:
        return sum(self._seconds[rule]) / len(self._seconds[rule])
