"""Edits of the text of params.yaml that leave everything else in it as a person wrote it: comments, order and quotes.

PyYAML tells where each value begins and ends; only these characters, or whole lines, are replaced. Each function takes
a text and returns the edited one; a path names an entry by its keys, such as ("datasets", "mnist"). All raise
InputError naming the key where the text has no such entry, or has it in a form that cannot be edited as text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from oncorobust.base.errors import InputError
from oncorobust.settings.text_lines import Edit, apply, dedented, ended, indented, insertion, line_end, places

Path = Sequence[str]


def add_entry(text: str, path: Path, entry: str) -> str:
    """Add an entry at the end of the mapping at `path`.

    entry: lines of YAML, the first with the entry's key; in a mapping in braces, one line without a comment.
    """
    text = ended(text)
    return apply(text, [_addition(text, _parse(text), path, lines=entry, braces=_one_line(entry))])


def add_keys(text: str, added: Mapping[tuple[str, ...], Any], *, comment: str) -> str:
    """Add keys at the ends of the mappings that hold them.

    added: value by path of the new key. comment: stands behind each key that has a line of its own.
    """
    sections: dict[tuple[str, ...], list[str]] = {}
    for path, value in added.items():
        sections.setdefault(path[:-1], []).append(_flow({path[-1]: value}))
    text = ended(text)
    root, edits = _parse(text), []
    for section in sorted(sections, key=len, reverse=True):  # of two that end on one line, the inner one first
        entries = sections[section]
        lines = "\n".join(f"{entry} # {comment}" for entry in entries)
        edits.append(_addition(text, root, section, lines=lines, braces=", ".join(entries)))
    return apply(text, edits)


def remove_entry(text: str, path: Path) -> str:
    """Remove an entry with its key; a mapping that loses its last entry becomes {}."""
    *_, (key, parent), (own_key, value) = _way(_parse(text), path)
    if parent.flow_style:
        return _without_flow_entry(text, parent, own_key)
    without = _without_lines(text, own_key.start_mark.line, value)
    return without if len(parent.value) > 1 else _after_key(without, key, " {}")


def replace_entry(text: str, path: Path, entry: str) -> str:
    """Replace an entry with its key, where it stands, on lines of its own. entry: as for `add_entry`."""
    *_, (_, parent), (key, value) = _way(_parse(text), path)
    if parent.flow_style:
        raise _in_braces(path[:-1])
    first, column = key.start_mark.line, key.start_mark.column
    return _insert(_without_lines(text, first, value), first, indented(entry, column))


def move_entry(text: str, path: Path, new: Path) -> str:
    """Rename an entry, or move it to another mapping, with its value and comments; make missing mappings above it.

    Comments move that stand on the entry's lines, and directly above it with the same indentation.
    """
    *_, (_, parent), (key, value) = _way(_parse(text), path)
    if list(path[:-1]) == list(new[:-1]):
        return _put(text, key, _scalar(new[-1]))
    if parent.flow_style:
        entry = f"{_scalar(new[-1])}:{text[key.end_mark.index : value.end_mark.index].partition(':')[2]}"
    else:
        first, lines = _comments_above(text, key), text.splitlines()
        above, own = lines[first : key.start_mark.line], lines[key.start_mark.line : _last_line(value) + 1]
        own[0] = " " * key.start_mark.column + _scalar(new[-1]) + own[0][key.end_mark.column :]
        entry = "\n".join(dedented([*above, *own], key.start_mark.column))
        text = apply(text, [Edit(*places(text, first, key.start_mark.line), "")])
    text, section = remove_entry(text, path), list(new[:-1])
    while not has_entry(text, section):
        name = section.pop()
        entry = "\n".join([f"{_scalar(name)}:", *indented(entry, 2)])
    return add_entry(text, section, entry)


def set_value(text: str, path: Path, value: str) -> str:
    """Replace a value, which keeps its place and comment. value: YAML on one line."""
    return _put(text, _way(_parse(text), path)[-1][1], value)


def read_value(text: str, path: Path) -> str:
    """Return a number or a word as it is written."""
    return str(_way(_parse(text), path)[-1][1].value)


def set_names(text: str, path: Path, names: Sequence[str]) -> str:
    """Set a list of plain names."""
    _, value = _way(_parse(text), path)[-1]
    if not isinstance(value, yaml.SequenceNode):
        raise InputError(f"{'.'.join(path)}: expected a list, got another value")
    if value.flow_style:
        return _put(text, value, f"[{', '.join(names)}]")
    first = value.value[0].start_mark.line
    lines = [f"- {name}" for name in names]
    return _insert(_without_lines(text, first, value), first, indented("\n".join(lines), value.start_mark.column))


def has_entry(text: str, path: Path) -> bool:
    """Return whether the text has an entry."""
    try:
        _way(_parse(text), path)
    except InputError:
        return False
    return True


def _flow(value: Any) -> str:
    """Return a mapping of one key on one line, without its braces."""
    width = float("inf")
    dumped = yaml.safe_dump(value, default_flow_style=True, width=width, allow_unicode=True, sort_keys=False)
    return dumped.strip().removeprefix("{").removesuffix("}")


def _scalar(name: str) -> str:
    return _flow({name: None}).removesuffix(": null")


def _one_line(entry: str) -> str | None:
    """Return an entry for a mapping in braces; None where it has several lines or a comment."""
    try:
        yaml.compose(f"{{{entry.strip()}}}", Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    return None if "\n" in entry.strip() else entry.strip()


def _parse(text: str) -> yaml.Node:
    return yaml.compose(text, Loader=yaml.SafeLoader) or yaml.ScalarNode("", "")


def _way(root: yaml.Node, path: Path) -> list[tuple[Any, Any]]:
    """Return the nodes of key and value of each entry on the way to one, after the whole text twice."""
    way: list[tuple[Any, Any]] = [(root, root)]
    for depth, name in enumerate(path):
        mapping = way[-1][1]
        entries = mapping.value if isinstance(mapping, yaml.MappingNode) else []
        found = [pair for pair in entries if pair[0].value == name]
        if not found:
            raise InputError(f"{'.'.join(path[: depth + 1])}: expected this key, got none")
        way.append(found[0])
    return way


def _addition(text: str, root: yaml.Node, path: Path, *, lines: str, braces: str | None) -> Edit:
    """Return how to add entries to the mapping at `path`: as lines, or inside braces, which None cannot."""
    *above, (key, value) = _way(root, path)
    is_empty = _is_empty(value)
    if not is_empty and not isinstance(value, yaml.MappingNode):
        raise InputError(f"{'.'.join(path)}: expected a section, got another value")
    if any(node.flow_style for _, node in above) or (not is_empty and value.flow_style):
        if braces is None:
            raise _in_braces(path)
        if is_empty:
            return Edit(value.start_mark.index, value.end_mark.index, f"{{{braces}}}")
        return Edit(value.value[-1][1].end_mark.index, value.value[-1][1].end_mark.index, f", {braces}")
    if not is_empty:
        return insertion(text, _last_line(value) + 1, indented(lines, value.value[0][0].start_mark.column))
    if not path:
        return insertion(text, len(text.splitlines()), indented(lines, 0))
    start, stop = len(text[: value.start_mark.index].rstrip(" ")), value.end_mark.index
    comment = text[stop:].partition("\n")[0].rstrip("\r")
    new = [comment, *indented(lines, key.start_mark.column + 2)]
    return Edit(start, stop + len(comment), line_end(text).join(new))


def _is_empty(node: yaml.Node) -> bool:
    return node.value in ("", "null", "~") if isinstance(node, yaml.ScalarNode) else not node.value


def _in_braces(path: Path) -> InputError:
    return InputError(f"{'.'.join(path)}: expected one key per line, got braces: write each key on its own line")


def _last_line(node: yaml.Node) -> int:
    """Return the last line of a value, without the comments and blank lines below it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return _last_line(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _last_line(node.value[-1])
    end = node.end_mark
    return int(end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line)


def _comments_above(text: str, key: yaml.Node) -> int:
    """Return the first of the comment lines directly above a key, or its own line."""
    first, lines = key.start_mark.line, text.splitlines()
    while first and lines[first - 1].startswith(f"{' ' * key.start_mark.column}#"):
        first -= 1
    return int(first)


def _insert(text: str, line: int, new: Sequence[str]) -> str:
    return apply(ended(text), [insertion(ended(text), line, new)])


def _without_lines(text: str, first: int, value: yaml.Node) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:first], *lines[_last_line(value) + 1 :]])


def _without_flow_entry(text: str, parent: yaml.Node, key: yaml.Node) -> str:
    """Return the text without an entry in braces, its comma, and the space beside it."""
    keys = [one for one, _ in parent.value]
    number = keys.index(key)
    start, stop = key.start_mark.index, parent.value[number][1].end_mark.index
    if number + 1 < len(keys):
        stop = keys[number + 1].start_mark.index
    elif number and parent.value[number - 1][1].end_mark.line == key.start_mark.line:
        start = parent.value[number - 1][1].end_mark.index
    return text[:start] + text[stop:]


def _put(text: str, node: yaml.Node, value: str) -> str:
    return text[: node.start_mark.index] + value + text[node.end_mark.index :]


def _after_key(text: str, key: yaml.Node, value: str) -> str:
    """Write a value behind a key and its colon, before a comment on that line."""
    place = text.index(":", key.end_mark.index) + 1
    return text[:place] + value + text[place:]
