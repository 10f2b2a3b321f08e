"""The files below a folder, with a limit on their number, and counts of what cannot be listed.

Hidden files and folders, and those that macOS and Windows add, are passed over. A link to a file outside the folder is
not listed, because a manifest must not reach other files, except into DVC's cache; links to folders are followed while
they stay inside.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import refused_character
from oncorobust.formats.proposals.catalogue import Catalogue

_PASSED_OVER = {"__MACOSX", "Thumbs.db", "desktop.ini"}
_BATCH = 4096


class Listing:
    """The number of files listed, and what was not: reasons with their counts and the first paths."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.count = 0
        self.left_out: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def leave_out(self, reason: str, path: str) -> None:
        """Count a path that is not listed."""
        self.left_out[reason] += 1
        if len(self.examples.setdefault(reason, [])) < 10:
            self.examples[reason].append(path)


def list_files(folder: Path, catalogue: Catalogue, *, limit: int) -> Listing:
    """List all files below a folder in the catalogue. Raises InputError for a folder that cannot be read."""
    listing = Listing()
    batch: list[tuple[str, int]] = []
    for found in _walk(folder, listing):
        batch.append(found)
        listing.count += 1
        if listing.count > limit:
            raise InputError(
                f"{folder}: expected at most {limit:,} files, got more; give the folder of the images themselves, "
                "or allow more with --max-files"
            )
        if len(batch) == _BATCH:
            catalogue.add("listed", batch, width=2)
            batch = []
    catalogue.add("listed", batch, width=2)
    return listing


def _walk(folder: Path, listing: Listing) -> Iterator[tuple[str, int]]:
    root = os.path.realpath(folder)
    seen, waiting = {root}, [("", root)]
    while waiting:
        relative, place = waiting.pop()
        try:
            entries = list(os.scandir(place))
        except OSError as error:
            raise InputError(
                f"{place}: expected a folder that can be read, got {error.strerror}; "
                f"change its permissions (chmod -R u+rX {folder}) or move it elsewhere"
            ) from error
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _PASSED_OVER:
                continue
            path = f"{relative}{entry.name}"
            if entry.is_symlink() and not _stays_inside(entry.path, root):
                listing.leave_out("are links that lead out of the folder or to nothing", path)
            elif entry.is_dir():
                real = os.path.realpath(entry.path)
                if real not in seen:
                    seen.add(real)
                    waiting.append((f"{path}/", entry.path))
            elif refused_character(path) or path != path.rstrip():
                listing.leave_out(
                    "have names with control characters, of unknown encoding or with spaces at the end", path
                )
            elif entry.is_file():
                yield path, entry.stat().st_size


def _stays_inside(path: str, root: str) -> bool:
    target = os.path.realpath(path)
    if not os.path.lexists(target):
        return False
    return target.startswith(root + os.sep) or "/files/md5/" in target
