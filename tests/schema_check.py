"""Compare a written file with its schema: every column or key is described, has that type, and none is missing."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from oncorobust.base.schema.entries import Column, Document, Key, Table
from oncorobust.base.schema.files import DOCUMENTS, TABLES


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.lower() != "nan"


def _list_of(kind: type | tuple[type, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(one, kind) for one in value)


IN_CSV: dict[str, Callable[[str], bool]] = {
    "string": lambda _: True,
    "integer": lambda text: re.fullmatch(r"-?[0-9]+", text) is not None,
    "number": _is_number,
    "number or empty": lambda text: text == "" or _is_number(text),
    "integer or empty": lambda text: re.fullmatch(r"(-?[0-9]+)?", text) is not None,
    "boolean": lambda text: text in ("True", "False"),
}

IN_JSON: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: isinstance(value, bool),
    "string or null": lambda value: value is None or isinstance(value, str),
    "string or number": lambda value: isinstance(value, str) or type(value) in (int, float),
    "integer or null": lambda value: value is None or type(value) is int,
    "number or null": lambda value: value is None or type(value) in (int, float),
    "null": lambda value: value is None,
    "list of strings": _list_of(str),
    "list of integers": _list_of(int),
    "list of numbers": _list_of((int, float)),
    "list of numbers or nulls": _list_of((int, float, type(None))),
}


def table_problems(path: Path, table: Table) -> list[str]:
    """What does not fit in a CSV file, in words."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    described = {name: _described(name, table.columns, separator=".") for name in frame.columns}
    problems = _unknown_and_missing(described, table.columns, path)
    for name, column in described.items():
        if column is not None:
            wrong = [text for text in frame[name] if not IN_CSV[column.type](text)]
            problems += [f"{path}: {name} is {wrong[0]!r}, not {column.type}"] if wrong else []
    return problems


def document_problems(path: Path, document: Document) -> list[str]:
    """What does not fit in a JSON file, in words."""
    leaves = dict(_leaves(json.loads(path.read_text(encoding="utf-8")), ""))
    described = {name: _described(name, document.keys, separator="/") for name in leaves}
    problems = _unknown_and_missing(described, document.keys, path)
    for name, key in described.items():
        if key is not None and not IN_JSON[key.type](leaves[name]):
            problems.append(f"{path}: {name} is {leaves[name]!r}, not {key.type}")
    return problems


def problems_below(root: Path) -> tuple[list[str], set[str]]:
    """What does not fit in any described file of a repository, and which descriptions had a file."""
    problems, seen = [], set()
    for one, check in [*((one, table_problems) for one in TABLES), *((one, document_problems) for one in DOCUMENTS)]:
        for path in sorted(root.glob(re.sub(r"<[^>]+>", "*", one.file))):
            if _pattern(one.file, "/").fullmatch(path.relative_to(root).as_posix()):
                problems += check(path, one)
                seen.add(one.file)
    return problems, seen


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Names and values without the levels between; an empty list of objects has no leaf."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}/{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{name}/{position}")
    elif value != [] or not re.fullmatch(
        r"(.*/)?(cells|tables|columns|fields|metrics|known_results|declared|[0-9]+/rows)", name
    ):
        yield name, value


def _pattern(name: str, separator: str) -> re.Pattern[str]:
    parts = re.split(r"(<[^>]+>)", name)
    inside = f"[^{separator}]+"
    return re.compile("".join(inside if part.startswith("<") else re.escape(part) for part in parts))


def _described(name: str, entries: tuple[Any, ...], *, separator: str) -> Column | Key | None:
    return next((one for one in entries if _pattern(one.name, separator).fullmatch(name)), None)


def _unknown_and_missing(described: dict[str, Any], entries: tuple[Any, ...], path: Path) -> list[str]:
    found = {one.name for one in described.values() if one is not None}
    unknown = [f"{path}: {name} is not in the schema" for name, one in described.items() if one is None]
    return unknown + [f"{path}: lacks {one.name}" for one in entries if not one.when and one.name not in found]
