"""Checks for control and bidirectional characters in identifiers, file names and titles.

Image ids, patient ids, class names, file names and titles come from users' files. They are written to CSV, JSON, PNG
and HTML, to logs and to terminals, and never passed to a shell. Quotes, spaces, `$()`, leading dashes, all scripts and
combining marks are safe there. Not allowed are control characters, because some readers end a CSV row at a carriage
return and an escape moves a terminal's cursor; halves of surrogate pairs, which Python uses for the bytes of a file
name that is not UTF-8; and characters that change the direction of the surrounding text (Unicode TR36, section 2.2),
because `12.34 %` must not be displayed as `43.21 %`. Tabs and line breaks are allowed.
"""

import re
import unicodedata
from collections.abc import Iterable

_REFUSED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def refused_character(name: str) -> str | None:
    """Return the first character that is not allowed in a name, written as U+000D; None if there is none."""
    found = _REFUSED.search(name)
    return f"U+{ord(found[0]):04X}" if found else None


def same_but_for_spelling(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two names that look the same but differ in Unicode normalization (NFC); None if there are none."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            return other, name
    return None
