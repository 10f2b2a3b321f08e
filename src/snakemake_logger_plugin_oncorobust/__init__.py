"""`snakemake --logger oncorobust`: what is being done, in words, and how long it still takes, a line a job.

Snakemake finds this package by its name, and imports it whenever it starts, asked for or not; so the library, which
another checkout may have in an older form, is imported only where the plugin is used. Jobs speak for themselves,
between these lines; errors and warnings are shown as Snakemake shows them.
"""

import logging
import sys
import time
from typing import TYPE_CHECKING

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:
    from oncorobust.pipeline.eta import Run

_SHOWN_AS_IT_IS = {LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR, LogEvent.ERROR}


class LogHandler(LogHandlerBase):
    """Writes to stderr, as Snakemake does."""

    def __post_init__(self) -> None:
        """Start the clock."""
        self._began = time.monotonic()
        self._run: Run | None = None
        self._names: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a person who waits wants to know of this event."""
        now = time.monotonic()
        match getattr(record, "event", None):
            case LogEvent.RUN_INFO if self._run is None:
                self._begin(record.__dict__["stats"], now)
            case LogEvent.JOB_INFO if self._run is not None:
                told = record.__dict__
                self._run.begin(told["jobid"], told["rule_name"], now)
                self._names[told["jobid"]] = " ".join([told["rule_name"], *told["wildcards"].values()])
                self._say(now, f"{self._names[told['jobid']]}: {told['rule_msg']}")
            case LogEvent.JOB_FINISHED if self._run is not None:
                self._finish(record.__dict__["job_id"], now)
            case event if (
                event in _SHOWN_AS_IT_IS
                or record.levelno >= logging.WARNING
                or str(record.msg).startswith("Nothing to be done")
            ):
                print(self.format(record), file=sys.stderr, flush=True)

    def _begin(self, stats: dict[str, int], now: float) -> None:
        from oncorobust.pipeline.eta import Run

        # Snakemake counts `total` among the rules.
        self._run = Run({rule: count for rule, count in stats.items() if rule != "total"})
        self._say(now, f"{sum(self._run.jobs.values())} jobs")

    def _finish(self, job: int, now: float) -> None:
        from oncorobust.pipeline.stage import duration

        assert self._run is not None
        _, took = self._run.end(job, now)
        done, jobs = self._run.done, sum(self._run.jobs.values())
        left = f", about {duration(self._run.left(now))} left" if done < jobs else ""
        self._say(now, f"{self._names.pop(job)}: done in {duration(took)}; {done} of {jobs} jobs{left}")

    def _say(self, now: float, text: str) -> None:
        minutes, seconds = divmod(round(now - self._began), 60)
        print(f"[{minutes}:{seconds:02}] {text}", file=sys.stderr, flush=True)

    @property
    def writes_to_stream(self) -> bool:
        """In place of Snakemake's own lines."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake keeps its own log file."""
        return False

    @property
    def has_filter(self) -> bool:
        """Snakemake's own filter, for --quiet and the like."""
        return False

    @property
    def has_formatter(self) -> bool:
        """Snakemake's own formatter, for errors."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """The graph is not shown."""
        return False
