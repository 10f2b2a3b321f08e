"""Logger of `snakemake --logger oncorobust`: one line per finished job, with the remaining time.

Snakemake finds this package by its name and imports it at every start, whether it is requested or not. So it imports
the library, of which another checkout may have an older version, only when it is used. Stages print their own progress,
warnings and errors between these lines; Snakemake's errors and warnings appear as Snakemake formats them.
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
    """Write to stderr, as Snakemake does."""

    def __post_init__(self) -> None:
        """Start the clock."""
        self._began = time.monotonic()
        self._run: Run | None = None
        self._names: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print the events that a waiting user needs."""
        now = time.monotonic()
        match getattr(record, "event", None):
            case LogEvent.RUN_INFO if self._run is None:
                self._begin(record.__dict__["stats"], now)
            case LogEvent.JOB_INFO if self._run is not None:
                told = record.__dict__
                self._run.begin(told["jobid"], told["rule_name"], now)
                self._names[told["jobid"]] = " ".join([told["rule_name"], *told["wildcards"].values()])
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

        # Snakemake counts `total` as a rule.
        self._run = Run({rule: count for rule, count in stats.items() if rule != "total"})
        jobs = sum(self._run.jobs.values())
        self._say(now, f"{jobs} jobs. One line when a job ends; progress lines of long jobs; details in logs/.")

    def _finish(self, job: int, now: float) -> None:
        from oncorobust.pipeline.progress_lines import duration

        assert self._run is not None
        took = self._run.end(job, now)
        seconds_left = self._run.left(now)
        done, jobs = self._run.done, sum(self._run.jobs.values())
        left = f", about {duration(seconds_left)} left" if seconds_left and seconds_left >= 1 else ""
        self._say(now, f"{self._names.pop(job)}: done in {duration(took)}; {done} of {jobs} jobs{left}")

    def _say(self, now: float, text: str) -> None:
        minutes, seconds = divmod(round(now - self._began), 60)
        sys.stderr.write(f"[{minutes}:{seconds:02}] {text}\n")  # one call, so that lines of several threads do not mix
        sys.stderr.flush()

    @property
    def writes_to_stream(self) -> bool:
        """Replace Snakemake's own lines."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Leave the log file to Snakemake."""
        return False

    @property
    def has_filter(self) -> bool:
        """Use Snakemake's filter, for --quiet and similar options."""
        return False

    @property
    def has_formatter(self) -> bool:
        """Use Snakemake's formatter, for errors."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """Show no graph."""
        return False
