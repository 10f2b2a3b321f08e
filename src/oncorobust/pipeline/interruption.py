"""Interruption of a stage: it saves its progress and ends within seconds.

Three events interrupt a stage: SIGTERM (a cluster reclaims its node), SIGINT (Ctrl-C), and the end of its runner. A
killed Snakemake or DVC would otherwise leave a stage that still writes while the next run makes the same files. Each
event only sets a flag, as `signals` says.

A runner may end while its stage is still importing, before the stage looks for it. Its stages therefore bear a mark in
their environment; a stage with the mark whose first ancestor without it is the process that adopts orphans was left.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil

from oncorobust.base import layout
from oncorobust.base.progress import Stopped
from oncorobust.pipeline.shipped import in_project
from oncorobust.pipeline.signals import GRACE_SECONDS, interruptible
from oncorobust.pipeline.stage_log import tell

_RUNNERS = ("snakemake", "dvc")
RUNNER_MARK = "ONCOROBUST_RUNNER"
"""Variable that the Snakefile sets for its stages. DVC sets one by itself."""
_MARKS = (RUNNER_MARK, "DVC_STAGE")
_ADOPTING = ("systemd", "slurmstepd")
"""Processes besides the first one that adopt those whose parent has ended."""
_ENDED = "Snakemake or DVC has ended; this stage saves its progress and ends too."
_INTERRUPTED = b"Interrupted. Running stages save their progress; rerun the same command to resume.\n"


@contextmanager
def listening(*, grace_seconds: float = GRACE_SECONDS) -> Iterator[None]:
    """Let signals and the end of the runner interrupt this process inside the block. Call it in the main thread.

    Raises Stopped where the runner has ended already.
    """
    runner = _runner()
    if runner is None and _was_left():
        tell(_ENDED)
        raise Stopped
    with interruptible(grace_seconds=grace_seconds) as ended:
        if runner is not None:
            threading.Thread(target=_ask_when_alone, args=(runner, ended), daemon=True).start()
        yield


def pass_on(root: Path, log: logging.Logger) -> None:
    """Forward SIGTERM and SIGINT from this process, a Snakemake in `root`, to the stages that it runs.

    After SIGTERM, Snakemake itself would start no more jobs and wait for the running ones, which may take hours. After
    SIGINT (Ctrl-C), this function says so in one line and silences `log`, Snakemake's logger, which would report every
    interrupted job as an error. A second SIGINT is ignored, because the stages end within GRACE_SECONDS.
    """
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_IGN)
            with suppress(OSError):
                os.write(2, _INTERRUPTED)
            log.addFilter(lambda _: False)
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if _is_stage(process.cmdline(), root):
                    process.send_signal(number)
        earlier = before[signal.Signals(number)]
        if callable(earlier):
            earlier(number, frame)

    for one in before:
        signal.signal(one, handle)


def _is_stage(command: Sequence[str], root: Path) -> bool:
    """Return whether a command line runs a stage: `python workflow/scripts/train.py`, or the module in a project."""
    if in_project(root):
        return list(command[1:3]) == layout.stage_command("", project=True).split()[1:]
    return any((root / word).resolve().parent == root.resolve() / layout.SCRIPTS for word in command[1:2])


def _ask_when_alone(runner: psutil.Process, ended: threading.Event) -> None:
    """Interrupt this process when its runner has ended: it would write the same files as the next run."""
    while not ended.wait(1.0):
        if not _runs(runner):
            tell(_ENDED)
            os.kill(os.getpid(), signal.SIGTERM)
            return


def _runs(process: psutil.Process) -> bool:
    try:
        # is_running compares start times, so a later process with the same number does not count.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _runner() -> psutil.Process | None:
    """Return the nearest parent process that is Snakemake or DVC; None for a stage run by hand."""
    with suppress(psutil.Error):
        return next((one for one in psutil.Process().parents() if is_runner(one)), None)
    return None


def _was_left() -> bool:
    """Return whether the runner that started this process ended before it could be found among the parents."""
    mark = next((one for one in _MARKS if one in os.environ), None)
    with suppress(psutil.Error):
        outside = (one for one in psutil.Process().parents() if mark is not None and not _has_mark(one, mark))
        first = next(outside, None)
        return first is not None and (first.pid == 1 or first.name() in _ADOPTING)
    return False


def _has_mark(process: psutil.Process, mark: str) -> bool:
    """Return whether a process was started with the mark; one of another user was not."""
    try:
        return mark in process.environ()
    except psutil.AccessDenied:
        return False


def is_runner(process: psutil.Process) -> bool:
    """Return whether a process is Snakemake or DVC. Raises psutil.Error when it has ended."""
    # `snakemake ...`, `python /bin/snakemake ...`, `python -m snakemake ...`
    return any(Path(word).name in _RUNNERS for word in process.cmdline()[:3])
