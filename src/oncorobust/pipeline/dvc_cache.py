"""Detection and repair of damaged objects in DVC's cache, caused by a failing disk or a write through a link.

DVC trusts a read-only object without reading it, and any other object as long as its time stamp and size stay the same.
It links files of the work tree to its objects, so both are damaged together, and `dvc pull` replaces neither.
"""

import shlex
from pathlib import Path

from oncorobust.base.files import file_md5


def damaged_objects(cache: Path) -> list[Path]:
    """Return the objects of DVC's cache (.dvc/cache/files/md5) whose MD5 differs from their name; reads every byte."""
    objects = [path for path in sorted(cache.glob("[0-9a-f][0-9a-f]/*")) if not path.name.startswith(".")]
    return [path for path in objects if path.parent.name + path.name.removesuffix(".dir") != file_md5(path)]


def repair(damaged: list[Path], *, work_tree: list[Path]) -> str:
    """Return a command that removes damaged objects and their links in the folders `work_tree`, and pulls new ones."""
    places = {_place(path) for path in damaged}
    files = (path for folder in work_tree for path in sorted(folder.rglob("*")) if path.is_file())
    linked = [path for path in files if _place(path) in places]
    return shlex.join(["rm", "-f", *map(str, damaged), *map(str, linked)]) + " && dvc pull"


def _place(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
