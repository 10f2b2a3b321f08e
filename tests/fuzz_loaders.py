"""Feed mutated files to every loader: `python tests/fuzz_loaders.py --cases 20000 --seed 0`, or `make fuzz`.

A case takes a small valid tree, mutates one of its files, opens the tree and reads images of it. The tree may be
refused by InputError or be read; a case fails when anything else leaves the loader, when a file outside (or inside) the
tree is made, changed or removed, when it takes too long, or when XML with entities is taken. Failing files are kept and
named, and the exit code is 1. The same seed makes the same cases.
"""

import argparse
import faulthandler
import logging
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fuzz_mutations import ENTITIES
from fuzz_refused import mutations_for
from fuzz_trees import LOADERS, Loader

from oncorobust.base.errors import InputError

SECONDS_PER_CASE = 20
"""Of processor time, so that other work on the machine is no failure."""
READS_PER_CASE = 3
MEMORY_BYTES = 6 << 30  # of address space, so that a header that asks for more meets a MemoryError


class TooLong(BaseException):
    """The alarm; no loader may catch it."""


@dataclass(frozen=True)
class Failure:
    """A case that failed: what happened, and where the mutated file is kept."""

    case: int
    what: str
    file: Path


@dataclass(frozen=True)
class Result:
    """Cases of one loader."""

    loader: str
    n_cases: int
    n_refused: int
    seconds: float
    failures: tuple[Failure, ...]


def fuzz(loader: Loader, *, cases: int, seed: int, work: Path, keep: Path) -> Result:
    """Run cases of one loader in `work`, which has to be empty; failing files go to `keep`."""
    tree, canary = work / "tree", work / "canary"
    canary.mkdir(parents=True)
    (canary / "precious").write_text("precious")
    tree.mkdir()
    loader.write(tree)
    before = snapshot(work)
    _open_and_read(loader, tree, np.random.default_rng(0), "")  # the valid tree itself is read, or the fuzzing is void
    shutil.rmtree(tree / "out", ignore_errors=True)
    files = sorted(
        path for path in tree.rglob("*") if path.is_file() and path.name not in ("SOURCE.txt", "SYNTHETIC.txt")
    )
    kinds = {path: mutations_for(path.name, trace=canary / "trace") for path in files}
    # By suffix first: one table beside many images is mutated as often as all of them.
    groups = [[path for path in files if path.suffix == suffix] for suffix in sorted({path.suffix for path in files})]
    start, n_refused, failures = time.perf_counter(), 0, []
    for case in range(cases):
        rng = np.random.default_rng([seed, *loader.name.encode(), case])
        alike = groups[int(rng.integers(len(groups)))]
        path = alike[int(rng.integers(len(alike)))]
        original = path.read_bytes()
        mutated = original
        for _ in range(1 + int(rng.random() < 0.2)):
            mutated = kinds[path][int(rng.integers(len(kinds[path])))](mutated, rng)
        with _mutated(path, mutated, original):
            verdict = _judge(loader, tree, rng, path)
        shutil.rmtree(tree / "out", ignore_errors=True)
        after = snapshot(work)
        if after != before:
            verdict = f"files changed: {sorted(set(after.items()) ^ set(before.items()))}"
            before = after
        if verdict == "read" and any(entity in mutated for entity in ENTITIES):
            verdict = "XML with a document type was read"
        if verdict not in ("read", "refused"):
            kept = keep / f"{loader.name}-{seed}-{case}-{path.name}"
            keep.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(mutated)
            failures.append(Failure(case, verdict, kept))
        n_refused += verdict == "refused"
    return Result(loader.name, cases, n_refused, time.perf_counter() - start, tuple(failures))


@contextmanager
def _mutated(path: Path, content: bytes, original: bytes) -> Iterator[None]:
    """Another file in place of this one, for a while; never the same inode, because loaders may map it to memory."""
    was = path.stat()
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    path.write_bytes(content)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        aside.rename(path)
        assert path.stat().st_mtime_ns == was.st_mtime_ns and path.stat().st_size == len(original)


def _judge(loader: Loader, tree: Path, rng: np.random.Generator, path: Path) -> str:
    def ring(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_CASE)
    try:
        _open_and_read(loader, tree, rng, path.relative_to(tree).as_posix())
        return "read"
    except InputError as error:
        signal.setitimer(signal.ITIMER_PROF, 0)
        says_what_is_right = any(word in str(error) for word in ("expected", "known: "))
        return "refused" if says_what_is_right else f"an InputError without `expected` or `known`: {error}"
    except TooLong:
        return f"took more than {SECONDS_PER_CASE} s of processor time: {traceback.format_exc(limit=-3)}"
    except BaseException:
        signal.setitimer(signal.ITIMER_PROF, 0)
        return traceback.format_exc(limit=-6)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _open_and_read(loader: Loader, tree: Path, rng: np.random.Generator, source: str) -> None:
    """Open the tree and read the images of the mutated file first, then others."""
    raw = loader.open(tree)
    if raw is None:
        return
    order = rng.permutation(len(raw.index))
    chosen = np.argsort(raw.index["source"].to_numpy()[order] != source, kind="stable")[:READS_PER_CASE]
    for position in order[chosen]:
        raw.read(int(position))


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything below a folder."""
    found = {}
    for path in folder.rglob("*"):
        state = path.lstat()
        found[str(path)] = (state.st_size, state.st_mtime_ns) if path.is_file() else (-1, -1)
    return found


def quieten() -> None:
    """Silence what decoders say of damaged files (libtiff writes to the descriptor), and bound the memory they get."""
    sys.stderr = os.fdopen(os.dup(2), "w")
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 2)
    faulthandler.enable(sys.stderr)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))


def main() -> int:
    """Share the cases among the loaders, print a line a loader, and say what failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20_000, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--loader", choices=[loader.name for loader in LOADERS], action="append", help="only these")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"), help="folder for files that failed")
    options = parser.parse_args()
    quieten()
    chosen = [loader for loader in LOADERS if options.loader is None or loader.name in options.loader]
    failures = []
    for loader in chosen:
        with tempfile.TemporaryDirectory() as work:
            share = -(-options.cases // len(chosen))
            result = fuzz(loader, cases=share, seed=options.seed, work=Path(work), keep=options.keep)
        rate = result.n_cases / result.seconds
        print(f"{loader.name}: {result.n_cases} cases, {result.n_refused} refused, {rate:.0f} a second", flush=True)
        for failure in result.failures:
            print(f"FAILED {loader.name} case {failure.case}, kept as {failure.file}\n{failure.what}", flush=True)
        failures += result.failures
    print(f"{len(failures)} failed of {len(chosen) * -(-options.cases // len(chosen))} cases")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
