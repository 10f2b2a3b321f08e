"""Comparison of files by content, for trees that hold a file twice.

Browsers and exports write `x(1).dcm` beside `x.dcm`, and trees are downloaded twice. One of several identical files is
used, the one with the shortest path, and a note says so. Different files that claim to be the same are an error.
"""

import filecmp
from collections.abc import Sequence
from pathlib import Path


def identical(first: Path, second: Path) -> bool:
    """Return whether two files have the same bytes."""
    return filecmp.cmp(first, second, shallow=False)


def first_of_identical(paths: Sequence[Path]) -> Path:
    """Return the path to use: the shortest, then the first in the alphabet."""
    return min(paths, key=lambda path: (len(str(path)), str(path)))


def describe_identical(copies: Sequence[Path], folder: Path) -> tuple[str, ...]:
    """Return the note on copies that were left out, empty if there are none."""
    if not copies:
        return ()
    example = min(copies).relative_to(folder).as_posix()
    number = "1 file is an identical copy" if len(copies) == 1 else f"{len(copies)} files are identical copies"
    return (f"{number} of another and left out, for example {example}",)
