"""The log of a stage's process, and the few lines that reach the terminal: progress, warnings and errors.

TensorFlow, ART and their native libraries print to file descriptors 1 and 2 as soon as they are imported. `open_log`
sends both descriptors to the log and keeps the terminal aside, so a script that imports a framework calls it first:

    from oncorobust.pipeline.stage_log import open_log

    open_log()

A log is appended to. What an interrupted or failed run printed stays, and a second process of the same stage, which
ends because the first one is running, does not erase the log of the first.
"""

import faulthandler
import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from oncorobust.base.errors import BACKENDS, missing_backend
from oncorobust.base.layout import LOGS_FOLDER
from oncorobust.pipeline.home import use_project_home

_NAME = re.compile(r"[A-Za-z0-9_-]+")


class _Opened(NamedTuple):
    path: Path
    terminal: int


_opened: _Opened | None = None  # one per process, like the file descriptors


def log_path(argv: Sequence[str]) -> Path:
    """Return `logs/<stage>/<dataset>[-<model>][.<shard>].log` of a command line, `logs/<stage>.log` of one without.

    A training seed takes the place of the model, and the name of a policy that of the data set.

    argv: the script and its arguments, as in sys.argv.
    """
    words = [part for word in argv for part in word.split("=", 1)]
    given = {option: value for option, value in pairwise(words) if _NAME.fullmatch(value)}
    name = "-".join(given[option] for option in ("--dataset", "--model", "--seed", "--policy") if option in given)
    shard = f".{given['--shard']}" if "--shard" in given else ""
    stage = Path(argv[0]).stem
    return Path(LOGS_FOLDER, stage, f"{name}{shard}.log") if name else Path(LOGS_FOLDER, f"{stage}.log")


def open_log() -> None:
    """Send what this process prints to the log of its stage from now on. Does nothing when the log is already open.

    Libraries that are imported later write their caches into the project where the home folder cannot be written.
    Ends the process with one line and status 1 when the log cannot be written.
    """
    log_to(log_path(sys.argv))


def log_to(path: Path) -> None:
    """Send what this process prints to a log of any path, as `open_log` does to that of the stage."""
    global _opened
    if _opened is not None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.open("ab")
    except OSError as error:
        raise SystemExit(f"error: expected a log that can be written, got {error.strerror}: {path}") from None
    _opened = _Opened(path, os.dup(2))
    with log:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
    note(f"== {datetime.now().isoformat(' ', timespec='seconds')}, process {os.getpid()}")
    faulthandler.enable(2)
    use_project_home(Path(), access=os.W_OK)
    sys.excepthook = _tell_bug


def note(text: str) -> None:
    """Write a line to the log; to stderr in a process without one."""
    _write(text, to_terminal=False)


def tell(text: str) -> None:
    """Write a line to the log and to the terminal."""
    _write(text, to_terminal=True)


def error_line(text: str) -> str:
    """Return an error message followed by the path of the log."""
    return f"error: {text}" if _opened is None else f"error: {text} (log: {_opened.path})"


def terminal() -> int:
    """Return the file descriptor of the terminal, or of its replacement."""
    return 2 if _opened is None else _opened.terminal


def _write(text: str, *, to_terminal: bool) -> None:
    if _opened is None:
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)
        return
    line = f"{text}\n".encode(errors="backslashreplace")
    for descriptor in (2, _opened.terminal) if to_terminal else (2,):
        # The terminal may be closed or the log's disk full; neither may end a computation.
        with suppress(OSError):
            os.write(descriptor, line)  # one call per line, so that lines of several stages do not mix


def _tell_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write the traceback to the log and its last line to the terminal."""
    note("".join(traceback.format_exception(kind, error, trace)).rstrip())
    # Keras imports its backend before `backend.runtime.prepare` can look for it.
    if isinstance(error, ModuleNotFoundError) and error.name in BACKENDS:
        tell(error_line(str(missing_backend(error.name))))
    else:
        tell(error_line(traceback.format_exception_only(error)[-1].strip()))
