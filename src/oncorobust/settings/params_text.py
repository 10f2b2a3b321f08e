"""Edits of the text of params.yaml that leave everything else in it as a person wrote it: comments, order and quotes.

PyYAML tells where each value begins and ends; only these characters, or whole lines, are replaced. Each function takes
a text and returns the edited one; a path names an entry by its keys, such as ("datasets", "mnist"). All raise
InputError naming the key where the text has no such entry, or has it in a form that cannot be edited line by line.
"""

from collections.abc import Sequence

import yaml

from oncorobust.base.errors import InputError

Path = Sequence[str]


def add_entry(text: str, path: Path, entry: str) -> str:
    """Add an entry at the end of the mapping at `path`. entry: lines of YAML, the first with the entry's key."""
    key, value = _find(text, path)
    if _is_empty(value):
        text, lines = _without(text, value), key.start_mark.line
        return _insert(text, lines + 1, _indented(entry, key.start_mark.column + 2))
    if not isinstance(value, yaml.MappingNode) or value.flow_style:
        raise InputError(f"{'.'.join(path)}: expected one key per line, got braces: write each key on its own line")
    return _insert(text, _last_line(value) + 1, _indented(entry, value.value[0][0].start_mark.column))


def remove_entry(text: str, path: Path) -> str:
    """Remove an entry with its key; a mapping that loses its last entry becomes {}."""
    (own_key, value), (key, parent) = _find(text, path), _find(text, path[:-1])
    if len(parent.value) > 1:
        _check_own_lines(parent, path)
        return _without_lines(text, own_key.start_mark.line, value)
    if isinstance(parent, yaml.MappingNode) and parent.flow_style:
        return _put(text, parent, "{}")
    return _after_key(_without_lines(text, own_key.start_mark.line, value), key, " {}")


def replace_entry(text: str, path: Path, entry: str) -> str:
    """Replace an entry with its key, where it stands. entry: as for `add_entry`."""
    key, value = _find(text, path)
    _check_own_lines(_find(text, path[:-1])[1] if len(path) > 1 else None, path)
    first, column = key.start_mark.line, key.start_mark.column
    return _insert(_without_lines(text, first, value), first, _indented(entry, column))


def set_names(text: str, path: Path, names: Sequence[str]) -> str:
    """Set a list of plain names."""
    _, value = _find(text, path)
    if not isinstance(value, yaml.SequenceNode):
        raise InputError(f"{'.'.join(path)}: expected a list, got another value")
    if value.flow_style:
        return _put(text, value, f"[{', '.join(names)}]")
    first = value.value[0].start_mark.line
    lines = [f"- {name}" for name in names]
    return _insert(_without_lines(text, first, value), first, _indented("\n".join(lines), value.start_mark.column))


def has_entry(text: str, path: Path) -> bool:
    """Return whether the text has an entry."""
    try:
        _find(text, path)
    except InputError:
        return False
    return True


def _find(text: str, path: Path) -> tuple[yaml.Node, yaml.Node]:
    """Return the nodes of an entry's key and value; of the whole text twice for an empty path."""
    key = value = yaml.compose(text, Loader=yaml.SafeLoader) or yaml.ScalarNode("", "")
    for depth, name in enumerate(path):
        entries = value.value if isinstance(value, yaml.MappingNode) else []
        found = [pair for pair in entries if pair[0].value == name]
        if not found:
            raise InputError(f"{'.'.join(path[: depth + 1])}: expected this key, got none")
        key, value = found[0]
    return key, value


def _is_empty(node: yaml.Node) -> bool:
    return node.value in ("", "null", "~") if isinstance(node, yaml.ScalarNode) else not node.value


def _check_own_lines(parent: yaml.Node | None, path: Path) -> None:
    if isinstance(parent, yaml.MappingNode) and parent.flow_style:
        raise InputError(
            f"{'.'.join(path[:-1])}: expected one key per line, got braces: write each key on its own line"
        )


def _last_line(node: yaml.Node) -> int:
    """Return the last line of a value, without the comments and blank lines below it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return _last_line(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _last_line(node.value[-1])
    end = node.end_mark
    return int(end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indented(entry: str, columns: int) -> list[str]:
    return [f"{' ' * columns}{line}" if line else "" for line in entry.splitlines()]


def _insert(text: str, line: int, new: Sequence[str]) -> str:
    """Insert whole lines before a line, counted from 0."""
    end, lines = _line_end(text), text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    return "".join([*lines[:line], *(f"{one}{end}" for one in new), *lines[line:]])


def _without_lines(text: str, first: int, value: yaml.Node) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:first], *lines[_last_line(value) + 1 :]])


def _put(text: str, node: yaml.Node, value: str) -> str:
    return text[: node.start_mark.index] + value + text[node.end_mark.index :]


def _without(text: str, node: yaml.Node) -> str:
    """Return the text without an empty value; the space before it goes, too, and a comment behind it stays."""
    return text[: node.start_mark.index].rstrip(" ") + text[node.end_mark.index :]


def _after_key(text: str, key: yaml.Node, value: str) -> str:
    """Write a value behind a key and its colon, before a comment on that line."""
    place = text.index(":", key.end_mark.index) + 1
    return text[:place] + value + text[place:]
