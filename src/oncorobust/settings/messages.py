"""Error messages on params.yaml, made from msgspec's: the full path of the key, what was expected, what was found.

    Expected `int` >= 1 - at `$.epochs`      becomes  datasets.mnist.train.epochs: expected `int` >= 1, got 0
    Invalid enum value 'mean' - at `$.unit`  becomes  ...split.unit: expected one of patient, image, got 'mean'

Choices and known keys come from the type at that path.
"""

import difflib
import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

_LONGEST_VALUE = 60
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def explain(message: str, content: object, kind: Any, where: str) -> str:
    """Rewrite a message of msgspec on `content`, which was read as type `kind` from path `where` of the file."""
    text, _, at = message.partition(" - at ")
    steps = re.findall(r"[^.$\[\]`]+|\[\d+\]", at.removeprefix("`key` in "))  # `key` in: of a mapping
    path = "".join(step if step.startswith("[") else f".{step}" for step in [where, *steps] if step).lstrip(".")
    key = re.search(r"(unknown|required) field `([^`]+)`", text)
    if key:
        path = f"{path}.{key[2]}".lstrip(".")
        if key[1] == "required":
            return f"{path}: expected a value, got none"
        return f"{path}: expected a known key, got {key[2]!r}{_suggest(key[2], _at(kind, steps, content))}"
    path = path or "the file"
    found = _find(content, steps)
    if text.startswith("Invalid"):
        return f"{path}: expected one of {', '.join(_choices(_at(kind, steps, content)))}, got {found!r}"
    return f"{path}: {_with_value(text[0].lower() + text[1:], found)}"


def _with_value(text: str, found: object) -> str:
    """Add the found value if the message lacks it, and how to write a number that YAML reads as text."""
    if isinstance(found, str) and _EXPONENT.fullmatch(found):
        decimal = f"{float(found):.10f}".rstrip("0").rstrip(".")
        return f"{text.partition(', got')[0]}, got the text {found!r}: write it as {decimal}"
    if "got `" not in text or isinstance(found, str):
        shown = repr(found)
        return f"{text.partition(', got')[0]}, got {shown if len(shown) <= _LONGEST_VALUE else 'another'}"
    return text


def _find(content: object, steps: list[str]) -> object:
    for step in steps:
        if isinstance(content, dict):
            content = content.get(step)
        elif isinstance(content, list):
            content = content[int(step.strip("[]"))]
    return content


def _members(kind: Any) -> Iterator[Any]:
    """Yield the types of a union, or the type itself, without annotations."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _fields(kind: Any) -> dict[str, Any]:
    """Return the types of the keys allowed in `kind`; the type of a tag is the literal of the union's tags."""
    found: dict[str, Any] = {}
    structs = [one for one in _members(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    for struct in structs:
        found |= {field.name: field.type for field in msgspec.structs.fields(struct)}
        if struct.__struct_config__.tag_field:
            tags = tuple(one.__struct_config__.tag for one in structs)
            found[struct.__struct_config__.tag_field] = Literal[tags]
    return found


def _at(kind: Any, steps: list[str], content: object) -> Any:
    """Return the type at the end of a path; if the content's tag names a member of a union, return that member."""
    for step in steps:
        kind = _item(kind) if step.startswith("[") else _fields(_named(kind, content)).get(step, kind)
        content = _find(content, [step])
    return _named(kind, content)


def _item(kind: Any) -> Any:
    """Return the type of the items of a list."""
    return next((get_args(one)[0] for one in _members(kind) if get_origin(one) is tuple), kind)


def _named(kind: Any, content: object) -> Any:
    for one in _members(kind):
        config = getattr(one, "__struct_config__", None)
        if config and config.tag_field and isinstance(content, dict) and content.get(config.tag_field) == config.tag:
            return one
    return kind


def _choices(kind: Any) -> list[str]:
    return [str(choice) for one in _members(kind) if get_origin(one) is Literal for choice in get_args(one)]


def _suggest(key: str, kind: Any) -> str:
    """Suggest the known key of the nearest spelling, or list all known keys."""
    known = list(_fields(kind))
    near = difflib.get_close_matches(key, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(known)})"
