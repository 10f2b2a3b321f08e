"""Insertion of keys into the text of a YAML file, which leaves every other character as it is.

A YAML library that writes the whole file again would move comments and break lines.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from oncorobust.base.errors import InputError


def insert_keys(text: str, added: Mapping[tuple[str, ...], Any], *, comment: str) -> str:
    """Return the text with keys added to mappings that it has.

    added: value by path of the new key. comment: stands behind each key on a line of its own. Raises InputError where
    the text has no mapping at the path above a key.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    inserted: dict[tuple[int, str], str] = {}
    for path, value in added.items():
        place, line = _insertion(text, root, path, _flow({path[-1]: value}), comment=comment)
        inserted[place, path[-1]] = line
    for (place, _), line in sorted(inserted.items(), reverse=True):
        text = text[:place] + line + text[place:]
    return text


def _flow(value: Any) -> str:
    """Return a mapping of one key on one line, without its braces."""
    width = float("inf")
    dumped = yaml.safe_dump(value, default_flow_style=True, width=width, allow_unicode=True, sort_keys=False)
    return dumped.strip().removeprefix("{").removesuffix("}")


def _insertion(text: str, root: Any, path: tuple[str, ...], line: str, *, comment: str) -> tuple[int, str]:
    """Return at which character of the text to insert what."""
    mapping, key_line = root, None
    for key in path[:-1]:
        pairs = mapping.value if isinstance(mapping, yaml.MappingNode) else []
        found = next((pair for pair in pairs if pair[0].value == key), None)
        if found is None:
            raise InputError(f"{'.'.join(path)}: expected a section {key}, got none: write the key by hand")
        mapping, key_line = found[1], found[0].end_mark.line
    if not isinstance(mapping, yaml.MappingNode):
        raise InputError(f"{'.'.join(path)}: expected a section above it, got another value: write the key by hand")
    if mapping.flow_style:
        return mapping.start_mark.index + 1, f"{line}, " if mapping.value else line
    indent = " " * mapping.start_mark.column
    if key_line is None:
        return len(text), f"{'' if text.endswith(chr(10)) else chr(10)}{line} # {comment}\n"
    return _line_start(text, key_line + 1), f"{indent}{line} # {comment}\n"


def _line_start(text: str, line: int) -> int:
    return sum(len(one) for one in text.splitlines(keepends=True)[:line])
