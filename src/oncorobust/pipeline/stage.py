"""Arguments and error handling shared by the scripts of all stages.

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
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NoReturn

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.progress import Stopped
from oncorobust.base.watched_inputs import watching
from oncorobust.pipeline.code_record import check_script
from oncorobust.pipeline.interruption import listening
from oncorobust.pipeline.made_files import way_to_make
from oncorobust.pipeline.process_lock import exclusive
from oncorobust.pipeline.signals import STATUS
from oncorobust.pipeline.stage_log import error_line, open_log, tell, terminal
from oncorobust.settings.load import load_params

PATIENCE_SECONDS = 20.0
"""How long to wait for an earlier process of the same stage that was interrupted and is still saving."""
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
        _end(error_line(f"{error}{way_to_make(error)}"), status=1)
    except OSError as error:
        if way := way_to_make(error):
            _end(error_line(f"expected {error.filename}, got no such file{way}"), status=1)
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
