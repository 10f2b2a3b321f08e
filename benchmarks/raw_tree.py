"""Time the look at a raw tree that has not changed, against DVC's.

The script writes `--files` small files in folders of 100 to a temporary folder and lets both sides read them once. Then
both look at the unchanged tree in interleaved repeats in one process; medians are compared:

    peer      dvc_data.hashfile.build.build, as in `dvc status` and `dvc repro`, with DVC's own state of times and MD5
    ours      oncorobust.pipeline.raw_tree.look, which every start of Snakemake, `record` and `trace` takes

Both give the MD5 of every file, which is checked. Prints peer / ours and the seconds of each.
Run: python benchmarks/raw_tree.py [--files 200000]
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc_data.hashfile.build import build

from oncorobust.base import layout
from oncorobust.pipeline.raw_tree import look

FILES_PER_FOLDER = 100


def main() -> None:
    """Measure and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_tree(root / layout.raw("case"), options.files)
        repo = Repo.init(name, no_scm=True)
        sides = {"peer": lambda: peer(repo, root), "ours": lambda: ours(root)}
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        first = {side: timed(sides[side], []) for side in sides}
        for _ in range(options.repeats):
            found = {side: timed(sides[side], seconds[side]) for side in sides}
            if found != first or found["peer"] != found["ours"]:
                raise SystemExit("the two sides found other files")
    medians = {side: statistics.median(values) for side, values in seconds.items()}
    for side, value in medians.items():
        print(f"{side:6} {value:6.2f} s for {options.files} files")
    print(f"peer / ours {medians['peer'] / medians['ours']:.1f}")


def write_tree(tree: Path, files: int) -> None:
    """Write small files of different content, an hour old, so that their times count as settled."""
    an_hour_ago = time.time() - 3600
    for number in range(files):
        path = tree / f"{number // FILES_PER_FOLDER:05d}" / f"{number:07d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"image {number}")
        os.utime(path, (an_hour_ago, an_hour_ago))


def timed(side: Callable[[], list[str]], seconds: list[float]) -> list[str]:
    """Let one side look at the tree, and append the time in seconds."""
    started = time.perf_counter()
    found = side()
    seconds.append(time.perf_counter() - started)
    return found


def peer(repo: Repo, root: Path) -> list[str]:
    """Return the sorted MD5 of all files as DVC finds them."""
    from dvc.fs import LocalFileSystem

    tree: Any = build(repo.cache.local, str(root / layout.raw("case")), LocalFileSystem(), "md5", dry_run=True)[2]
    return sorted(hash_info.value for _, (_, hash_info) in tree.iteritems())


def ours(root: Path) -> list[str]:
    """Return the sorted MD5 of all files as the fingerprint has them."""
    return sorted(md5 for _, md5 in look(root, "case").files.values())


if __name__ == "__main__":
    main()
