"""Keys of params.yaml that a version renamed or moved, and how an older file is carried over, with values and comments.

A change of a key's name or place adds an entry to RENAMED; a change of a key's meaning needs a new name.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.settings.missing_keys import Path
from oncorobust.settings.params_text import move_entry, remove_entry
from oncorobust.settings.unknown_keys import unknown_keys

_ANY = "*"


@dataclass(frozen=True)
class Renamed:
    """A key that was renamed or moved.

    old, new: dotted paths; `*` stands for any name, such as that of a data set, and for the same one in the new path.
    version: the first with the new path.
    """

    old: str
    new: str
    version: str


RENAMED: tuple[Renamed, ...] = ()
"""All renamed keys, the oldest first."""


@dataclass(frozen=True)
class CarriedOver:
    """text, content: of params.yaml with the new names. moved: new dotted path by old one, in order."""

    text: str
    content: Any
    moved: Mapping[str, str]


def carry_over(text: str, content: Any, renamed: Sequence[Renamed]) -> CarriedOver:
    """Rename the keys of a file, one change after another. text: of params.yaml; content: what it says.

    A section that loses its last key goes, if the settings know it no longer. Raises InputError where a file has the
    old and the new key, or has a key in a form that cannot be edited as text.
    """
    content, moved = copy.deepcopy(content), {}
    for change in renamed:
        for old in list(_matches(content, tuple(change.old.split(".")))):
            new = _filled(change, old)
            if _has(content, new):
                raise InputError(
                    f"params.yaml: expected {'.'.join(old)} or {'.'.join(new)}, its name since version "
                    f"{change.version}, got both: remove one"
                )
            text, moved[".".join(old)] = move_entry(text, old, new), ".".join(new)
            _move(content, old, new)
            text = _without_empty(text, content, old[:-1])
    return CarriedOver(text, content, moved)


def _matches(content: Any, pattern: Path) -> Iterator[Path]:
    """Yield the paths in the content that fit a pattern."""
    if not pattern:
        yield ()
    elif isinstance(content, Mapping):
        for name in [one for one in content if pattern[0] in (_ANY, one)]:
            yield from ((name, *rest) for rest in _matches(content[name], pattern[1:]))


def _filled(change: Renamed, old: Path) -> Path:
    """Return the new path of a key, with the names that `*` stands for in its old path."""
    names = iter([name for name, one in zip(old, change.old.split("."), strict=True) if one == _ANY])
    return tuple(next(names) if one == _ANY else one for one in change.new.split("."))


def _has(content: Any, path: Path) -> bool:
    return any(True for _ in _matches(content, path))


def _move(content: Any, old: Path, new: Path) -> None:
    source = content
    for name in old[:-1]:
        source = source[name]
    value, target = source.pop(old[-1]), content
    for name in new[:-1]:
        if not isinstance(target.setdefault(name, {}), dict):
            target[name] = {}
        target = target[name]
    target[new[-1]] = value


def _without_empty(text: str, content: Any, section: Path) -> str:
    """Return the text without a section, and those above it, that have become empty and are not known."""
    while section:
        above = content
        for name in section[:-1]:
            above = above[name]
        if above[section[-1]] or section not in unknown_keys(content):
            return text
        text = remove_entry(text, section)
        del above[section[-1]]
        section = section[:-1]
    return text
