"""Edits of a text by characters and by whole lines, which keep its line ends."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Characters `start` to `stop` of a text become `new`."""

    start: int
    stop: int
    new: str


def apply(text: str, edits: Sequence[Edit]) -> str:
    """Return the text after edits that do not overlap; insertions at one place come in their order."""
    parts, done = [], 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        parts += [text[done : edit.start], edit.new]
        done = edit.stop
    return "".join([*parts, text[done:]])


def ended(text: str) -> str:
    """Return the text with an end of its last line."""
    return text if not text or text.endswith("\n") else text + line_end(text)


def line_end(text: str) -> str:
    """Return the line end of a text: that of Windows if it has one."""
    return "\r\n" if "\r\n" in text else "\n"


def indented(entry: str, columns: int) -> list[str]:
    """Return the lines of an entry with so many spaces before each that is not empty."""
    return [f"{' ' * columns}{line}" if line else "" for line in entry.splitlines()]


def dedented(lines: Sequence[str], columns: int) -> list[str]:
    """Return lines without so many spaces before each, or fewer where it has fewer."""
    return [line[min(columns, len(line) - len(line.lstrip(" "))) :] for line in lines]


def places(text: str, first: int, stop: int) -> tuple[int, int]:
    """Return the characters at which two lines begin."""
    lines = text.splitlines(keepends=True)
    return sum(map(len, lines[:first])), sum(map(len, lines[:stop]))


def insertion(text: str, line: int, new: Sequence[str]) -> Edit:
    """Return how to insert whole lines before a line, counted from 0."""
    end, (_, place) = line_end(text), places(text, 0, line)
    return Edit(place, place, "".join(f"{one}{end}" for one in new))
