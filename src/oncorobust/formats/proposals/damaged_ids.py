"""Ids that a spreadsheet has changed: into dates, into numbers such as 1.0E+05 or 12.0, or without leading zeros.

Spreadsheets do so to text that looks like a date or a number when they open a CSV; saving keeps the changed cells.
"""

import re
from collections.abc import Collection, Sequence

_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mrz|mär|mai|okt|dez)"
_FORMS = {
    "a number in scientific notation": re.compile(r"-?\d(?:[.,]\d+)?E[+-]\d+", re.IGNORECASE),
    "a date": re.compile(
        r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2})?)?|(\d{1,2})([-./])\d{1,2}\2\d{4}"
        rf"|\d{{1,2}}[-./ ]{{1,2}}{_MONTH}(?:[-./ ]\d{{2,4}})?|{_MONTH}[-. ]\d{{2,4}}",
        re.IGNORECASE,
    ),
}
_FLOAT = re.compile(r"(\d+)\.0+")
ADVICE = "format the column as text in the spreadsheet, enter the ids again from their source, and save"


def form_of(cell: str) -> str:
    """Return what a spreadsheet has made of a cell, a date or a number in scientific notation; empty for neither."""
    return next((what for what, form in _FORMS.items() if form.fullmatch(cell)), "")


def damage(cells: Sequence[str], names: Collection[str]) -> str:
    """Return what happened to cells that match no file, with an example and advice; empty if nothing is seen.

    names: file names without suffix, or other ids that the cells should be.
    """
    known = set(names)
    lost = [cell for cell in cells if cell not in known]
    decimals = [cell for cell in lost if (found := _FLOAT.fullmatch(cell)) and found[1] in known]
    if decimals:
        changed_to = f"{decimals[0]!r}, a decimal number ({len(decimals)} cells)"
        return f"expected ids as in the file names, got {changed_to}; {ADVICE}"
    for what, form in _FORMS.items():
        changed = [cell for cell in lost if form.fullmatch(cell)]
        if changed and not any(map(form.fullmatch, known)):
            return f"expected ids as in the file names, got {changed[0]!r}, {what} ({len(changed)} cells); {ADVICE}"
    bare = {name.lstrip("0"): name for name in known if name.isdigit()}
    short = [cell for cell in lost if cell.isdigit() and cell in bare]
    if short:
        return (
            f"expected ids as in the file names, got {short[0]!r}, which lost the leading zeros of {bare[short[0]]!r} "
            f"({len(short)} cells); {ADVICE}, or join by number with --ignore-zeros"
        )
    return ""
