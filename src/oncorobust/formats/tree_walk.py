"""Listing of all files below a folder, without the files that macOS adds.

Links are followed, because archives are often linked from another disk. macOS writes a file `._name` beside `name` on
disks of other systems, and a folder `__MACOSX` with such files into zip archives. They hold attributes and no images.
"""

import os
from collections.abc import Iterator
from pathlib import Path

APPLE_DOUBLE = "._"
"""How the names of the files begin that macOS writes beside others."""

_APPLE_FOLDER = "__MACOSX"


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the paths of all files below a folder, in no particular order, visiting each real folder once."""
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if name != _APPLE_FOLDER]
        yield from (Path(place, name) for name in names if not name.startswith(APPLE_DOUBLE))
