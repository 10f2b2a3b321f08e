"""What every stage's script shares: its arguments, one line for a person's mistake, and progress on the terminal.

def main() -> None:
    dataset = parse("dataset").dataset
    ...

if __name__ == "__main__":
    run(main)
"""

import argparse
import errno
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Stopped, check
from oncorobust.base.watched_inputs import watching
from oncorobust.pipeline.interruption import STATUS, listening
from oncorobust.pipeline.process_lock import exclusive
from oncorobust.settings.load import load_params

MODELS = ("clean", "adversarial")
PATIENCE_SECONDS = 20.0
"""For a stage that was left without its runner, which is still saving."""
_OF_THE_PLACE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
}
"""What is wrong with the place where files are, not with what they hold, nor with this code."""


def parse(*names: str) -> argparse.Namespace:
    """Read the command line of a script whose arguments are `names` ("dataset", "model", "shards").

    The first two are required. With "shards" the script takes `--shard 2-of-8 --output FILE`, to do a part of its
    blocks alone, or the files that all parts wrote, to finish from them; without either it does all by itself.
    Raises InputError when params.yaml has no such data set.
    """
    parser = argparse.ArgumentParser(description=getattr(sys.modules["__main__"], "__doc__", None))
    if "dataset" in names:
        parser.add_argument("--dataset", required=True, help="a key of datasets in params.yaml")
    if "model" in names:
        parser.add_argument("--model", required=True, choices=MODELS)
    if "shards" in names:
        parser.add_argument("--shard", help="part of the test images, such as 2-of-8, and nothing else")
        parser.add_argument("--output", type=Path, help="where --shard writes its tables")
        parser.add_argument("shards", nargs="*", type=Path, help="files that the shards wrote")
    arguments = parser.parse_args()
    if "shards" in names and (arguments.shard is None) != (arguments.output is None):
        raise InputError("expected --shard and --output together, got one of them")
    if "dataset" in names:
        known = load_params().datasets
        if arguments.dataset not in known:
            raise InputError(f"expected --dataset {' or '.join(known)}, got {arguments.dataset}")
    return arguments


def check_made(*files: str | Path) -> None:
    """Raise InputError naming the first of these files, of earlier stages, that is not there, and what makes it."""
    for file in files:
        if not Path(file).is_file():
            raise InputError(f"expected {file}, got no such file; `snakemake --cores all {file}` makes it")


def run(main: Callable[[], None]) -> None:
    """Run a script, alone, with its inputs watched, ready to be asked to end.

    What a person can put right ends it with one line on stderr and status 1: a mistake, a full disk, an input that was
    changed meanwhile, another process at the same outputs. A bug ends it with its traceback, being asked to end with
    status 143.
    """
    # Python puts the scripts' folder first on its path, where our tabulate.py would hide the package that PyTorch uses.
    scripts = Path(getattr(sys.modules["__main__"], "__file__", None) or ".").resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != scripts]
    words = [word for word in sys.argv[1:] if not word.startswith("-") and "/" not in word]
    name = " ".join([Path(sys.argv[0]).stem, *words])
    lock = Path("logs", f".{name.replace(' ', '-')}.lock")
    try:
        with listening(), watching(Path.cwd()), exclusive(lock, what=f"does {name}", seconds=PATIENCE_SECONDS):
            main()
    except InputError as error:
        _end(f"error: {error}", status=1)
    except OSError as error:
        if error.errno not in _OF_THE_PLACE:
            raise
        place = error.filename or Path.cwd()
        _end(f"error: expected files that can be read and written, got {error.strerror}: {place}", status=1)
    except Stopped:
        _end(f"{name}: asked to end; the same command goes on from what is saved", status=STATUS)


def _end(text: str, *, status: int) -> NoReturn:
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr)
    raise SystemExit(status) from None


class Progress:
    """Lines such as `preprocess lidc: 1200 of 2630 images, 4 s left`, seldom enough for a log file."""

    def __init__(
        self,
        prefix: str,
        *,
        seconds: float = 5.0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock. prefix: stage and data set. seconds: between lines, but the last step always has one."""
        self._prefix = prefix
        self._seconds = seconds
        self._stream = stream or sys.stderr
        self._clock = clock
        self._start = self._last = clock()
        self._before: int | None = None

    def update(self, done: int, total: int, text: str) -> None:
        """Tell that `done` of `total` steps, named by `text`, are done. Raises Stopped where the process is to end."""
        check()
        now = self._clock()
        if self._before is None:
            # A run that goes on after a kill begins with what other processes have done.
            self._before = done - 1
        if done < total and now - self._last < self._seconds:
            return
        self._last = now
        left = (
            ""
            if done >= total
            else f", {duration((now - self._start) / max(done - self._before, 1) * (total - done))} left"
        )
        self.say(f"{done} of {total} {text}{left}")

    def say(self, text: str) -> None:
        """Tell something that must be in the log, whenever the last line was."""
        # Who reads along may be gone first: a signal that ends a job ends its `tee` too.
        with suppress(BrokenPipeError):
            print(f"{self._prefix}: {text}", file=self._stream, flush=True)


def duration(seconds: float) -> str:
    """A time to come, no more exact than it is known: `80 s`, `10 min`, `2.0 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
