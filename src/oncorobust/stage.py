"""What every stage's script shares: its arguments, one line for a person's mistake, and progress on the terminal.

def main() -> None:
    dataset = parse("dataset").dataset
    ...

if __name__ == "__main__":
    run(main)
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from oncorobust.errors import InputError
from oncorobust.params import load_params

MODELS = ("clean", "adversarial")


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


def run(main: Callable[[], None]) -> None:
    """Run a script; a person's mistake ends it with one line on stderr and status 1, a bug with its traceback."""
    # Python puts the scripts' folder first on its path, where our tabulate.py would hide the package that PyTorch uses.
    scripts = Path(getattr(sys.modules["__main__"], "__file__", None) or ".").resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != scripts]
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def running_code() -> list[Path]:
    """Files of the script and of the library's modules that are loaded: the code that decides what this run makes."""
    names = ["__main__", *(name for name in sys.modules if name.split(".")[0] == "oncorobust")]
    files = (getattr(sys.modules[name], "__file__", None) for name in names)
    return sorted({Path(file) for file in files if file})


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
        """Tell that `done` of `total` steps, named by `text`, are done."""
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
            else f", {_duration((now - self._start) / max(done - self._before, 1) * (total - done))} left"
        )
        print(f"{self._prefix}: {done} of {total} {text}{left}", file=self._stream, flush=True)

    def say(self, text: str) -> None:
        """Tell something that must be in the log, whenever the last line was."""
        print(f"{self._prefix}: {text}", file=self._stream, flush=True)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
