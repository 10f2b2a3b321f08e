"""Objects of DVC's cache whose bytes are no longer those that were put there: a failing disk, a write through a link.

DVC believes a read-only object without looking, and what it has seen once for as long as time stamp and size stay. It
links the files of the work tree to its objects, so that both are damaged together, and `dvc pull` replaces neither.
"""

import shlex
from pathlib import Path

from oncorobust.base.files import file_md5


def damaged_objects(cache: Path) -> list[Path]:
    """Objects of DVC's cache (.dvc/cache/files/md5) whose bytes are not what their names say; reads every byte."""
    objects = [path for path in sorted(cache.glob("[0-9a-f][0-9a-f]/*")) if not path.name.startswith(".")]
    return [path for path in objects if path.parent.name + path.name.removesuffix(".dir") != file_md5(path)]


def repair(damaged: list[Path], *, work_tree: list[Path]) -> str:
    """A command that removes damaged objects, and the files below these folders that are links to them, and fetches."""
    places = {_place(path) for path in damaged}
    files = (path for folder in work_tree for path in sorted(folder.rglob("*")) if path.is_file())
    linked = [path for path in files if _place(path) in places]
    return shlex.join(["rm", "-f", *map(str, damaged), *map(str, linked)]) + " && dvc pull"


def _place(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
