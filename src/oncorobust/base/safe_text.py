"""Names that come with somebody's files: what no output can hold, and nobody should be shown, is refused at the door.

Image ids, patient ids, class names, file names and titles are text of others. They go into CSV, JSON, PNG and HTML,
into logs and onto terminals, and never into a shell. Quotes, spaces, `$()`, leading dashes, every script and combining
marks are all well there. What is not: control characters, since a carriage return ends a row of a CSV for some readers
and an escape moves a terminal's cursor; halves of surrogate pairs, which is how Python shows bytes of a file's name
that are no UTF-8; and the characters that turn the direction of the text around them (Unicode TR36, section 2.2), since
`12.34 %` must not be readable as `43.21 %`. Tabs and line breaks are kept.
"""

import re
import unicodedata
from collections.abc import Iterable

_REFUSED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def refused_character(name: str) -> str | None:
    """The first character of a name that is refused, as U+000D; None where there is none."""
    found = _REFUSED.search(name)
    return f"U+{ord(found[0]):04X}" if found else None


def same_but_for_spelling(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that look the same and differ in how Unicode spells them (NFC); None where there are none."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            return other, name
    return None
