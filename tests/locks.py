"""The lock files of requirements/, as `make lock` writes them: one entry for each package, with its files' hashes."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENTRY = re.compile(r"(?P<requirement>[a-z0-9][^\\\n]*?) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")
COMMENT = re.compile(r"(?: *#.*\n)+")


@dataclass(frozen=True)
class Locked:
    """One entry: what pip reads of it, and how many files it may install."""

    requirement: str
    hashes: int

    @property
    def name(self) -> str:
        """The package's name, as package indexes write it."""
        return canonicalize_name(Requirement(self.requirement).name)

    @property
    def version(self) -> str:
        """The one version that is allowed."""
        (only,) = Requirement(self.requirement).specifier
        assert only.operator == "==", self.requirement
        return only.version


def read_lock(path: Path) -> list[Locked]:
    """All entries of a lock file; whatever is neither an entry nor a comment is an error."""
    text, place, entries = path.read_text(encoding="utf-8"), 0, []
    while place < len(text):
        found = ENTRY.match(text, place)
        skipped = found or COMMENT.match(text, place)
        assert skipped, f"{path.name}: neither an entry with hashes nor a comment: {text[place : place + 80]!r}"
        if found:
            entries.append(Locked(found["requirement"], found["hashes"].count("--hash=")))
        place = skipped.end()
    return entries
