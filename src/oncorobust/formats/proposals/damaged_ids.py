"""Ids that a spreadsheet has changed: into dates, into numbers such as 1.0E+05 or 12.0, or without leading zeros.

Spreadsheets do so to text that looks like a date or a number when they open a CSV; saving keeps the changed cells.
"""

import re
from collections.abc import Collection, Sequence

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?E[+-]?\d+", re.IGNORECASE)
_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2})?)?|\d{1,2}[-./](?:\d{1,2}|[A-Za-z]{3})(?:[-./]\d{2,4})?"
    r"|[A-Za-z]{3}-\d{2,4}"
)
_FLOAT = re.compile(r"(\d+)\.0+")
_ADVICE = "format the column as text in the spreadsheet, enter the ids again from their source, and save"


def damage(cells: Sequence[str], names: Collection[str]) -> str:
    """Return what happened to cells that match no file, with an example and advice; empty if nothing is seen.

    names: file names without suffix, or other ids that the cells should be.
    """
    known = set(names)
    lost = [cell for cell in cells if cell not in known]
    decimals = [cell for cell in lost if (found := _FLOAT.fullmatch(cell)) and found[1] in known]
    if decimals:
        changed_to = f"{decimals[0]!r}, a decimal number ({len(decimals)} cells)"
        return f"expected ids as in the file names, got {changed_to}; {_ADVICE}"
    for form, what in ((_NUMBER, "a number in scientific notation"), (_DATE, "a date")):
        changed = [cell for cell in lost if form.fullmatch(cell)]
        if changed:
            return f"expected ids as in the file names, got {changed[0]!r}, {what} ({len(changed)} cells); {_ADVICE}"
    bare = {name.lstrip("0"): name for name in known if name.isdigit()}
    short = [cell for cell in lost if cell.isdigit() and cell in bare]
    if short:
        return (
            f"expected ids as in the file names, got {short[0]!r}, which lost the leading zeros of {bare[short[0]]!r} "
            f"({len(short)} cells); {_ADVICE}, or join by number with --ignore-zeros"
        )
    return ""
