"""Detection of inputs that change while a stage runs.

Both runners record the inputs of a stage when it ends, as those from which its outputs were made. If a file was edited
in between (params.yaml during a long job, a module, an image), that record would be wrong, and nothing would detect it
later. So a stage notes time and size of every file that Python opens for reading, and compares them before it moves its
outputs into place. Sources of loaded modules are compared with the start of the stage, because Python opens their
compiled form. Sources of other modules are ignored, although the digest of the code includes them.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oncorobust.base import layout
from oncorobust.base.errors import InputError

Stamp = tuple[int, int]
"""Time of the last modification in nanoseconds, and size in bytes."""

_read: dict[Path, Stamp | None] = {}
_code: dict[Path, Stamp | None] = {}
_roots: list[Path] = []
_hooked = False  # an audit hook cannot be removed, so it is added once


@contextmanager
def watching(root: Path) -> Iterator[None]:
    """Watch files below `root`, and below raw trees that it links to, from their first reading to the block's end."""
    global _hooked
    raw = root / layout.RAW_TREES
    links = [one for one in raw.iterdir() if one.is_symlink()] if raw.is_dir() else []
    _read.clear()
    _code.clear()
    _code.update((path, _stamp(path)) for path in Path(__file__).parents[1].rglob("*.py"))
    _roots[:] = [root.absolute(), *(one.resolve() for one in links)]
    if not _hooked:
        sys.addaudithook(_on_event)
        _hooked = True
    try:
        yield
    finally:
        _roots.clear()
        _read.clear()
        _code.clear()


@contextmanager
def unwatched() -> Iterator[None]:
    """Do not watch the files that are read within the block, because no output of the stage depends on them."""
    roots = list(_roots)
    _roots.clear()
    try:
        yield
    finally:
        _roots[:] = roots


def check_unchanged() -> None:
    """Raise InputError naming a file that changed since this stage read or ran it."""
    code = set(running_code())
    for path, before in [*_read.items(), *((path, before) for path, before in _code.items() if path in code)]:
        if _stamp(path) != before:
            raise InputError(
                f"{os.path.relpath(path)}: changed while the stage ran, so its outputs are not written "
                f"(restore the file or rerun the same command)"
            )


def running_code() -> list[Path]:
    """Return the files of the script and of the loaded modules of the library: the code that determines the outputs."""
    names = ["__main__", *(name for name in sys.modules if name.split(".")[0] == "oncorobust")]
    files = (getattr(sys.modules[name], "__file__", None) for name in names)
    return sorted({Path(file) for file in files if file})


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _roots:
        return
    name, mode, flags = arguments
    if isinstance(name, str | bytes | os.PathLike) and _for_reading(mode, flags):
        path = Path(os.fsdecode(name)).absolute()
        # Drafts, states and locks are hidden files; sources are compared if their module is loaded.
        left_out = path.name.startswith(".") or path.suffix in (".py", ".pyc")
        cached = path.is_relative_to(_roots[0] / layout.CACHE)
        if not (left_out or cached) and path not in _read and any(path.is_relative_to(one) for one in _roots):
            _read[path] = _stamp(path)


def _for_reading(mode: str | None, flags: int) -> bool:
    return not set("wax+") & set(mode) if mode else flags & os.O_ACCMODE == os.O_RDONLY


def _stamp(path: Path) -> Stamp | None:
    """Return the stamp of a regular file, otherwise None."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None
