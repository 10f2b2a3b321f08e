"""Interruption of a stage: it saves its progress and ends within seconds.

Three events interrupt a stage: SIGTERM (a cluster reclaims its node), SIGINT (Ctrl-C), and the end of its runner. A
killed Snakemake or DVC would otherwise leave a stage that still writes while the next run makes the same files. Each
event only sets a flag, as `signals` says.
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
from oncorobust.pipeline.shipped import in_project
from oncorobust.pipeline.signals import GRACE_SECONDS, interruptible
from oncorobust.pipeline.stage_log import tell

_RUNNERS = ("snakemake", "dvc")
_INTERRUPTED = b"Interrupted. Running stages save their progress; rerun the same command to resume.\n"


@contextmanager
def listening(*, grace_seconds: float = GRACE_SECONDS) -> Iterator[None]:
    """Let signals and the end of the runner interrupt this process inside the block. Call it in the main thread."""
    runner = _runner()
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
            tell("Snakemake or DVC has ended; this stage saves its progress and ends too.")
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


def is_runner(process: psutil.Process) -> bool:
    """Return whether a process is Snakemake or DVC. Raises psutil.Error when it has ended."""
    # `snakemake ...`, `python /bin/snakemake ...`, `python -m snakemake ...`
    return any(Path(word).name in _RUNNERS for word in process.cmdline()[:3])
