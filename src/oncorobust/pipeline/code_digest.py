"""Digests of Python code that ignore comments, docstrings and formatting.

A stage runs again when its code changes, and training takes hours, so a corrected comment must not count as a change.
The digest is the MD5 of the syntax tree, written as text:

    (Assign targets [ (Name id 'n_images') ] value (Constant value 40))

The text leaves out positions, comments and every string that is a statement of its own. It also leaves out empty
fields, because each version of Python adds some, and joins neighbouring texts of an f-string, because versions divide
them differently. (`ast.dump` and bytecode differ between versions.) Names, constants, defaults, type hints and the
order of statements count. For a file that is not Python, the digest is the MD5 of its bytes.
"""

import ast
import hashlib
import os
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from oncorobust.base.errors import InputError

_LEFT_OUT = {"ctx", "kind", "type_comment", "type_ignores"}
"""Fields of syntax trees that follow from other fields or have no effect."""
_NAMES = {
    kind: tuple(name for name in kind._fields if name not in _LEFT_OUT)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
"""Fields that count, by kind of node."""
_NOTED = {ast.Import, ast.ImportFrom, ast.Constant}


Import = tuple[int, str, tuple[str, ...]]
"""An import statement: level (0 for an absolute one), module, imported names."""


@dataclass(frozen=True)
class Source:
    """The digest, imports and string constants (without docstrings) of one Python file."""

    digest: str
    imports: tuple[Import, ...]
    strings: frozenset[str]


def file_digest(path: Path) -> str:
    """Return the digest of a file's code (.py), or the MD5 of its bytes.

    Raises InputError when the file cannot be read, or when its name ends in .py and it is not Python.
    """
    if path.suffix == ".py":
        return read_source(path).digest
    try:
        return _md5(path.read_bytes())
    except OSError as error:
        raise InputError(f"expected a file of the library, got {error}") from error


@lru_cache(maxsize=4096)
def content_digest(name: str, content: bytes) -> str:
    """Return the `file_digest` of a file with this name and content, computed once per process.

    Raises InputError under the same conditions.
    """
    return parse_source(content, where=name).digest if name.endswith(".py") else _md5(content)


def read_source(path: Path) -> Source:
    """Read a Python file, each version once per process. Raises InputError when it cannot be read or parsed."""
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"expected a script or module, got {error}") from error
    return _read_version(path, found.st_mtime_ns, found.st_size)


@cache
def _read_version(path: Path, modified: int, size: int) -> Source:  # noqa: ARG001  both are part of the key
    return parse_source(path.read_bytes(), where=os.fspath(path))


def parse_source(content: bytes, *, where: str) -> Source:
    """Parse the content of a Python file. Raises InputError, with the file name `where`, when it is not Python."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"expected Python, got {error} in {where}") from error
    words: list[str] = []
    nodes: list[ast.AST] = []
    _write(tree, words, nodes)
    imports = tuple(one for node in nodes for one in _imports(node))
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return Source(_md5(" ".join(words).encode("ascii")), imports, frozenset(strings))


def _write(value: object, words: list[str], nodes: list[ast.AST]) -> None:
    """Append the words of one value of a syntax tree, and its imports and constants to `nodes`."""
    if isinstance(value, ast.AST):
        kind = type(value)
        words.append("(" + kind.__name__)
        if kind in _NOTED:
            nodes.append(value)
        for name in _NAMES[kind]:
            field = _joined(value.values) if isinstance(value, ast.JoinedStr) else getattr(value, name, None)
            if field != [] and (field is not None or name == "value"):  # the value None is the constant
                words.append(name)
                _write(field, words, nodes)
        words.append(")")
    elif isinstance(value, list):
        words.append("[")
        for one in value:
            if not _is_docstring(one):
                _write(one, words, nodes)
        words.append("]")
    else:
        words.append(ascii(value))  # the same in every version; repr depends on the version's table of characters


def _joined(values: list[ast.expr]) -> list[object]:
    """Join neighbouring texts of an f-string and leave out empty ones."""
    parts: list[object] = []
    for one in values:
        if not isinstance(one, ast.Constant):
            parts.append(one)
        elif parts and isinstance(parts[-1], str):
            parts[-1] += str(one.value)
        elif one.value:
            parts.append(str(one.value))
    return parts


def _is_docstring(node: object) -> bool:
    """Return whether a statement is only a string, such as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(node: ast.AST) -> list[Import]:
    if isinstance(node, ast.Import):
        return [(0, alias.name, ()) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.level, node.module or "", tuple(alias.name for alias in node.names))]
    return []


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
