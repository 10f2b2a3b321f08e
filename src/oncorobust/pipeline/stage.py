"""Arguments, progress lines and error handling shared by the scripts of all stages.

def main() -> None:
    dataset = parse("dataset").dataset
    ...

if __name__ == "__main__":
    run(main)
"""

import argparse
import errno
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple, NoReturn

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.progress import Stopped, check
from oncorobust.base.watched_inputs import watching
from oncorobust.pipeline.code_record import check_script
from oncorobust.pipeline.interruption import STATUS, listening
from oncorobust.pipeline.process_lock import exclusive
from oncorobust.pipeline.stage_log import error_line, note, open_log, tell, terminal
from oncorobust.settings.load import load_params

PATIENCE_SECONDS = 20.0
"""How long to wait for an earlier process of the same stage that was interrupted and is still saving."""
_LONGEST_SILENCE_SECONDS = 600.0
_OF_THE_PLACE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
}
"""Errors of a disk or a folder, as opposed to errors of file contents and of this code."""


def parse(*names: str) -> argparse.Namespace:
    """Read the command line of a script whose arguments are `names` ("dataset", "model", "seed", "policy", "shards").

    "dataset", "model", "seed" and "policy" are required options. With "shards" the script accepts either `--shard
    2-of-8 --output FILE`, to process one part of the test images, or the files that all shards wrote, to combine them;
    with neither, and without "shards", it processes all images. Raises InputError when params.yaml has no such data set
    or training seed.
    """
    parser = argparse.ArgumentParser(description=getattr(sys.modules["__main__"], "__doc__", None))
    parser.set_defaults(shard=None, shards=[])
    if "dataset" in names:
        parser.add_argument("--dataset", required=True, help="a key of datasets in params.yaml")
    if "model" in names:
        parser.add_argument("--model", required=True, choices=layout.TRAINED)
    if "seed" in names:
        parser.add_argument("--seed", required=True, type=int, help="a seed of run.seeds in params.yaml")
    if "policy" in names:
        parser.add_argument("--policy", required=True, help="name of a policy's file, without its ending")
    if "shards" in names:
        parser.add_argument("--shard", help="process this part of the test images only, such as 2-of-8")
        parser.add_argument("--output", type=Path, help="file for the tables of --shard")
        parser.add_argument("shards", nargs="*", type=Path, help="files written by all shards, to be combined")
    arguments = _parse_for_a_person(parser)
    if "shards" in names and (arguments.shard is None) != (arguments.output is None):
        raise InputError("expected --shard and --output together, got one of them")
    if "dataset" in names:
        known = load_params().datasets
        if arguments.dataset not in known:
            raise InputError(f"expected --dataset {' or '.join(known)}, got {arguments.dataset}")
    if "seed" in names and arguments.seed not in load_params().run.seeds:
        seeds = list(load_params().run.seeds)
        raise InputError(f"expected --seed of run.seeds in params.yaml, which is {seeds}, got {arguments.seed}")
    return arguments


def check_made(*files: str | Path) -> None:
    """Raise InputError naming a file of an earlier stage that is missing, and the command that makes it."""
    for file in files:
        if not Path(file).is_file():
            raise InputError(f"expected {file}, got no such file; `snakemake --cores all {file}` makes it")


def run(main: Callable[[], None]) -> None:
    """Run a script's `main` alone, with its inputs watched, its output in the stage's log, and ready to be interrupted.

    An error that a person can correct (a mistake in the input, outdated digests of the code, a full disk, an input that
    changed during the run, another process of the same stage) gives one line and status 1. A bug gives one line on the
    terminal, its traceback in the log and status 1. An interruption gives status 143.
    """
    open_log()
    _hide_scripts_folder()
    name = _name(sys.argv)
    lock = Path(layout.LOGS_FOLDER, f".{name.replace(' ', '-')}.lock")
    try:
        with listening(), watching(Path.cwd()), exclusive(lock, what=f"running {name}", seconds=PATIENCE_SECONDS):
            check_script(Path(getattr(sys.modules["__main__"], "__file__", None) or "."))
            main()
    except InputError as error:
        _end(error_line(str(error)), status=1)
    except OSError as error:
        if error.errno not in _OF_THE_PLACE:
            raise
        place = error.filename or Path.cwd()
        _end(
            error_line(f"expected files that can be read and written, got {error.strerror}: {place}"),
            status=1,
        )
    except Stopped:
        _end(f"{name}: interrupted. Rerun the same command to resume from the last save.", status=STATUS)


def _parse_for_a_person(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line, with help and usage errors on the terminal."""
    with (
        os.fdopen(os.dup(terminal()), "w", encoding="utf-8") as shown,
        redirect_stdout(shown),
        redirect_stderr(shown),
    ):
        return parser.parse_args()


def _hide_scripts_folder() -> None:
    """Remove the scripts' folder, which Python puts first on its path: our tabulate.py would hide PyTorch's package."""
    scripts = Path(getattr(sys.modules["__main__"], "__file__", None) or ".").resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != scripts]


def _name(argv: Sequence[str]) -> str:
    """Return the stage with its data set, model and shard: `attack lidc clean`."""
    words = [word for word in argv[1:] if not word.startswith("-") and "/" not in word]
    return " ".join([Path(argv[0]).stem, *words])


def _end(text: str, *, status: int) -> NoReturn:
    tell(text)
    raise SystemExit(status) from None


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
