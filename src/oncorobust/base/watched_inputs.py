"""The files that a stage reads, watched, so that none is changed behind its back.

Both runners look at a stage's inputs when it ends and record that its outputs were made from them. Where a file was
edited in between (params.yaml while a long job runs, a module, an image), that record would be a lie which nothing
finds later. So a stage keeps the stamp of every file that Python opens for it, and compares before its outputs are put
in place. The source of a loaded module counts from when the stage began, because what Python opens is its compiled
form; the source of another module does not count, although the digest of the code is taken from it, too.
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
"""Time of the last change in nanoseconds, and bytes."""

_read: dict[Path, Stamp | None] = {}
_code: dict[Path, Stamp | None] = {}
_roots: list[Path] = []
_hooked = False  # a hook can be set once and never be taken away


@contextmanager
def watching(root: Path) -> Iterator[None]:
    """Inside, every file under `root`, and under raw trees that it links to, is watched from its first reading on."""
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


def check_unchanged() -> None:
    """Raise InputError naming a file that is no longer what this stage read, or ran."""
    code = set(running_code())
    for path, before in [*_read.items(), *((path, before) for path, before in _code.items() if path in code)]:
        if _stamp(path) != before:
            raise InputError(
                f"expected inputs that stay as they are while a stage reads them, got a change of "
                f"{os.path.relpath(path)}: its outputs are not written; put it back, or run the same command again"
            )


def running_code() -> list[Path]:
    """Files of the script and of the library's modules that are loaded: the code that decides what this run makes."""
    names = ["__main__", *(name for name in sys.modules if name.split(".")[0] == "oncorobust")]
    files = (getattr(sys.modules[name], "__file__", None) for name in names)
    return sorted({Path(file) for file in files if file})


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _roots:
        return
    name, mode, flags = arguments
    if isinstance(name, str | bytes | os.PathLike) and _for_reading(mode, flags):
        path = Path(os.fsdecode(name)).absolute()
        # Drafts, states and locks are hidden; sources are compared by what is loaded.
        left_out = path.name.startswith(".") or path.suffix in (".py", ".pyc")
        if not left_out and path not in _read and any(path.is_relative_to(one) for one in _roots):
            _read[path] = _stamp(path)


def _for_reading(mode: str | None, flags: int) -> bool:
    return not set("wax+") & set(mode) if mode else flags & os.O_ACCMODE == os.O_RDONLY


def _stamp(path: Path) -> Stamp | None:
    """None for what is no file, or is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None
