"""What a proposal holds, as lines of text: kinds, sizes, bits and channels of files; images and patients per class."""

from collections.abc import Sequence

from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.request import Notes
from oncorobust.formats.records import SPLITS

_FILES = "files where path in (select path from rows)"
_MOST_CLASSES = 30


def describe_files(catalogue: Catalogue, notes: Notes) -> list[str]:
    """Return lines on the kinds of files, and their sizes in pixels, channels and bits, from their headers."""
    images = catalogue.one("select count(*) from rows")
    kinds = dict(catalogue.query(f"select kind, count(*) from {_FILES} group by kind order by kind"))
    lines = [
        f"{images:,} images in {sum(kinds.values()):,} files: {', '.join(f'{n:,} {kind}' for kind, n in kinds.items())}"
    ]
    if notes.kind == "npz":
        return lines
    low_h, high_h, low_w, high_w = catalogue.one(
        f"select min(height), max(height), min(width), max(width) from {_FILES}"
    )
    sizes = catalogue.one(f"select count(*) from (select 1 from {_FILES} group by height, width)")
    if sizes == 1:
        lines.append(f"size: {low_h} x {low_w} pixels")
    else:
        lines.append(f"size: {sizes:,} sizes, {low_h} to {high_h} rows and {low_w} to {high_w} columns")
    bits = catalogue.query(
        f"select bits, channels, count(*) from {_FILES} group by bits, channels order by bits, channels"
    )
    shown = [f"{n:,} with {number} bits, {'grey' if channels == 1 else 'colour'}" for number, channels, n in bits]
    return [*lines, f"stored: {'; '.join(shown)}"]


def count_table(catalogue: Catalogue) -> list[str]:
    """Return a table of images and patients per class and split, as aligned lines."""
    splits = [split for split in SPLITS if catalogue.one("select count(*) from rows where split = ?", split)]
    each = "".join(f", sum(split = '{split}')" for split in splits)
    counted = f"select label, count(distinct patient_id), count(*){each} from rows group by label order by label"
    rows = [[shown(label), *(f"{number:,}" for number in numbers)] for label, *numbers in catalogue.query(counted)]
    whole = catalogue.one(f"select count(distinct patient_id), count(*){each} from rows")
    rest = len(rows) - _MOST_CLASSES
    if rest > 0:
        rows = [*rows[:_MOST_CLASSES], [f"... {rest} more classes", *[""] * (2 + len(splits))]]
    return _aligned([["class", "patients", "images", *splits], *rows, ["all", *(f"{number:,}" for number in whole)]])


def shown(text: str) -> str:
    """Return text for a terminal, with unprintable characters as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]
