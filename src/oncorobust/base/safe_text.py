"""Checks of names that come with other people's files.

Image ids, patient ids, class names, file names and titles are text. They go into CSV, JSON, PNG and HTML, into logs and
onto terminals, and never into a shell. Accepted are all printable characters of every script, spaces, tabs, line breaks
and combining marks. Refused are control characters, halves of surrogate pairs (bytes of a file's name that are not
UTF-8), and characters that change the direction of the text around them (Unicode TR36, section 2.2).
"""

import re
import unicodedata
from collections.abc import Iterable

_REFUSED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def refused_character(name: str) -> str | None:
    """Return the first refused character of a name, such as U+000D; None where there is none."""
    found = _REFUSED.search(name)
    return f"U+{ord(found[0]):04X}" if found else None


def same_but_for_spelling(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two names that differ only in their Unicode normalisation (NFC); None where there are none."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            return other, name
    return None


def plain_spelling(name: str) -> str:
    """Return a name without differences that a reader does not see as such: case, white space, Unicode forms.

    Characters that take no place, such as a zero-width space, are left out.
    """
    seen = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) != "Cf")
    return " ".join(seen.split()).casefold()
