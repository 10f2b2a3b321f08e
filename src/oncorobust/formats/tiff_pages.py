"""Tags of the pages of a TIFF or BigTIFF file, of either byte order.

Source: TIFF 6.0, Adobe 1992, section 2; the BigTIFF design of the libtiff project.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from oncorobust.base.errors import InputError

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a file: TIFF and BigTIFF, little and big endian."""

_KINDS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_SIZES = {2: 1, 5: 8, 7: 1, 10: 8, 11: 4, 12: 8, 17: 8} | {kind: struct.calcsize(code) for kind, code in _KINDS.items()}
_DESCRIPTION, _LONGEST = 270, 2**26
_MOST_PAGES = 100_000
_SECONDARY = 1 | 4
"""Bits of NewSubfileType for a smaller copy of another page and for a mask."""


@dataclass(frozen=True)
class Page:
    """The whole-number tags of one page, and its ImageDescription; order: "<" or ">"."""

    tags: dict[int, tuple[int, ...]]
    description: bytes
    order: str

    def first(self, tag: int, default: int) -> int:
        """Return the first value of a tag."""
        return (self.tags.get(tag) or (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width, pixels."""
        return self.first(257, 0), self.first(256, 0)


def read_pages(path: Path) -> list[Page]:
    """Read the tags of all pages. Raises InputError or struct.error where the file is damaged."""
    with path.open("rb") as file:
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = 43 in start[2:4]
        place = struct.unpack_from(order + ("Q" if big else "I"), start, 8 if big else 4)[0]
        pages: list[Page] = []
        seen: set[int] = set()
        while place:
            if place in seen or len(pages) >= _MOST_PAGES:
                raise InputError(f"expected a chain of TIFF pages with an end, got none in {path}")
            seen.add(place)
            page, place = _read_page(file, place, order=order, big=big)
            pages.append(page)
    return pages


def the_image(pages: list[Page], path: Path) -> int:
    """Return the position of the only page that is no smaller copy or mask of another. Raises InputError."""
    if len(pages) == 1:
        return _checked(pages, 0, path)
    whole = [position for position, page in enumerate(pages) if not page.first(254, 0) & _SECONDARY]
    if len(whole) != 1:
        sizes = ", ".join(
            f"{position + 1}: {height} x {width}" for position in whole[:5] for height, width in [pages[position].size]
        )
        more = ", ..." if len(whole) > 5 else ""
        raise InputError(
            f"expected one image, got {len(whole)} pages ({sizes}{more} pixels) in {path} (save the page to use as a "
            "file of its own)"
        )
    return _checked(pages, whole[0], path)


def _checked(pages: list[Page], position: int, path: Path) -> int:
    if (count := _imagej_count(pages[position].description)) > 1:
        raise InputError(f"expected one image, got an ImageJ stack of {count} images in {path}")
    return position


def _imagej_count(description: bytes) -> int:
    """Return the number of images in an ImageJ file, which keeps large stacks behind a single page."""
    if not description.startswith(b"ImageJ="):
        return 1
    counts = [line[7:] for line in description.split(b"\n") if line.startswith(b"images=")]
    return int(counts[0]) if counts and counts[0].strip().isdigit() else 1


def _read_page(file: BinaryIO, place: int, *, order: str, big: bool) -> tuple[Page, int]:
    count_code, entry_code, next_code = (order + code for code in (("Q", "HHQ", "Q") if big else ("H", "HHI", "I")))
    file.seek(place)
    count = _unpack(file, count_code)[0]
    size = struct.calcsize(entry_code) + (8 if big else 4)
    table = file.read(count * size) if count * size < _LONGEST else b""
    following = _unpack(file, next_code)[0]
    tags: dict[int, tuple[int, ...]] = {}
    description = b""
    for position in range(count):
        entry = table[position * size : (position + 1) * size]
        tag, kind, number = struct.unpack_from(entry_code, entry)
        content = _content(file, entry[struct.calcsize(entry_code) :], _SIZES.get(kind, 0) * number, order, big=big)
        if kind in _KINDS and content:
            tags[tag] = struct.unpack(f"{order}{number}{_KINDS[kind]}", content)
        elif tag == _DESCRIPTION:
            description = content
    return Page(tags, description, order), following


def _content(file: BinaryIO, inline: bytes, length: int, order: str, *, big: bool) -> bytes:
    if length <= len(inline):
        return inline[:length]
    file.seek(struct.unpack(order + ("Q" if big else "I"), inline)[0])
    return file.read(length) if length < _LONGEST else b""


def _unpack(file: BinaryIO, code: str) -> tuple[Any, ...]:
    return struct.unpack(code, file.read(struct.calcsize(code)))
