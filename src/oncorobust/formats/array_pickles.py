"""Reader of pickled containers, numbers, text and numeric NumPy arrays that calls nothing named by the pickle.

Accepted are the few names that a pickled array of numbers mentions; each stands for a class or function of this module.
Every other name, and every type that is not a plain number, is refused. Source: Python's library reference, `pickle`,
"Restricting Globals".
"""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError

_NUMBERS = re.compile(r"[biuf][1248]")


class PickledArray:
    """An array of a pickle that was read, in `values`."""

    def __init__(self) -> None:
        """Start empty, as NumPy does; `__setstate__` fills the array."""
        self.values = np.empty(0, dtype=np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Set the array from version, shape, type, axis order and bytes."""
        _, shape, kind, column_major, content = state
        self.values = np.frombuffer(content, dtype=kind.dtype).reshape(shape, order="F" if column_major else "C")


class _Kind:
    """Stand-in for a dtype, made from its name; `__setstate__` sets its byte order."""

    def __init__(self, name: str | bytes, *_flags: object) -> None:
        text = name.decode("ascii") if isinstance(name, bytes) else name
        if not _NUMBERS.fullmatch(text):
            raise pickle.UnpicklingError(f"an array of {text}")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in (">", b">"):
            self.dtype = self.dtype.newbyteorder(">")


def _reconstruct(*_arguments: object) -> PickledArray:
    return PickledArray()


def _encode(text: str, encoding: str) -> bytes:
    """Encode Latin-1 text as bytes, which is how Python 3 writes bytes into pickles that Python 2 can read."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return text.encode("latin1")


_PIECES = {
    ("_codecs", "encode"): _encode,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): _Kind,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PIECES:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _PIECES[module, name]


def read_pickle(path: Path) -> dict[bytes, Any]:
    """Read a pickled dictionary; Python 2 text stays bytes, arrays become PickledArray. Raises InputError."""
    try:
        with path.open("rb") as stream:
            content = _ArrayUnpickler(stream, encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise almost any exception
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected a pickled batch of arrays and lists, got {text} in {path}") from error
    if not isinstance(content, dict):
        raise InputError(f"expected a pickled dictionary, got {type(content).__name__} in {path}")
    return content
