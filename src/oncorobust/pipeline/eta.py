"""How long a run of the pipeline still takes, from what its jobs took so far.

    left = (seconds of jobs not yet begun + what is left of those under way) / jobs at a time

A job is expected to take the mean of the jobs of its rule that have ended. Until one has, it is what such a job takes
in the demo, on two cores, times how much slower or faster this run's ended jobs were than the demo's.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

DEMO_SECONDS = {
    **{"acquire": 4.0, "preprocess": 3.5, "train": 44.0, "harden": 42.0, "attack": 34.0, "rank": 9.0},
    **{"tabulate": 1.0, "plot": 4.0, "report": 1.0, "all": 0.0},
}
"""Of a job of each rule; another rule's jobs are taken for as long as the mean of these."""
_OTHER = sum(DEMO_SECONDS.values()) / len(DEMO_SECONDS)


@dataclass
class Run:
    """A run as far as it is. jobs: how many of each rule there are."""

    jobs: Mapping[str, int]
    _running: dict[int, tuple[str, float]] = field(init=False, default_factory=dict)
    _seconds: dict[str, list[float]] = field(init=False, default_factory=dict)
    _most: int = field(init=False, default=1)

    @property
    def done(self) -> int:
        """Jobs that have ended."""
        return sum(map(len, self._seconds.values()))

    def begin(self, job: int, rule: str, now: float) -> None:
        """A job was begun at `now`, in seconds of any clock that never goes back."""
        self._running[job] = rule, now
        self._most = max(self._most, len(self._running))

    def end(self, job: int, now: float) -> tuple[str, float]:
        """A job ended; its rule and how many seconds it took."""
        rule, begun = self._running.pop(job)
        self._seconds.setdefault(rule, []).append(now - begun)
        return rule, now - begun

    def left(self, now: float) -> float:
        """Seconds until the last job ends, if all goes on as before."""
        under_way = Counter(rule for rule, _ in self._running.values())
        waiting = {
            rule: count - under_way[rule] - len(self._seconds.get(rule, ())) for rule, count in self.jobs.items()
        }
        seconds = sum(count * self._expected(rule) for rule, count in waiting.items())
        seconds += sum(max(self._expected(rule) - (now - begun), 0.0) for rule, begun in self._running.values())
        return seconds / self._most

    def _expected(self, rule: str) -> float:
        if rule in self._seconds:
            return sum(self._seconds[rule]) / len(self._seconds[rule])
        took = sum(map(sum, self._seconds.values()))
        in_the_demo = sum(len(ended) * DEMO_SECONDS.get(name, _OTHER) for name, ended in self._seconds.items())
        return DEMO_SECONDS.get(rule, _OTHER) * (took / in_the_demo if took else 1.0)
