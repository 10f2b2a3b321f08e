"""NumPy arrays: one image or one volume of a .npy file, or of a member of a .npz file, without reading the others.

The first axis of an array of several images counts them, as in MedMNIST's files: (n, h, w), (n, h, w, 3), or volumes
(n, d, h, w). A compressed member is read forward up to the wanted entry and kept open, so that entries in ascending
order cost one pass and memory does not grow with their number. Pickled objects are refused.

Source: numpy.lib.format (version 1.0 to 3.0 of the NPY format); Yang et al., MedMNIST v2, Scientific Data 10, 2023.
"""

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import refused_character
from oncorobust.formats.volume_header import check_size, times

_SUFFIX = ".npy"
_COLOURS = 3
_MOST_MEMBERS = 10_000


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and type of an array, whether its first axis varies fastest, and where its values begin in its file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    column_major: bool
    start: int


def is_npz(start: bytes, path: Path) -> bool:
    """Return whether a file is a .npz by its first bytes and its name."""
    return start.startswith(b"PK\x03\x04") and path.name.lower().endswith(".npz")


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in a .npz, sorted. Raises InputError."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if len(names) > _MOST_MEMBERS:
        raise InputError(f"expected at most {_MOST_MEMBERS} arrays, got {len(names)} in {path}")
    for name in names:
        if found := refused_character(name):
            raise InputError(f"expected names of arrays in plain characters, got {found} in {path}")
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def choose_array(path: Path, name: str | None, names: list[str]) -> str:
    """Return the array that a row names, or the only one. Raises InputError with the names that there are."""
    shown = ", ".join(names[:20]) or "none"
    if name is None:
        if len(names) != 1:
            raise InputError(f"expected the column `array` to name one of the {len(names)} arrays ({shown}) in {path}")
        return names[0]
    if name not in names:
        raise InputError(f"expected one of the arrays {shown}, got {name!r} for {path}")
    return name


class ArrayFile:
    """An open array of numbers: `read` returns one entry along the first axis, `whole` the array."""

    def __init__(self, path: Path, name: str | None) -> None:
        """Open the array; `name` is that of a member of a .npz, None for a .npy. Raises InputError."""
        self._path = path
        self._archive = None if name is None else zipfile.ZipFile(path)
        self._stream: IO[bytes] = path.open("rb") if self._archive is None else self._archive.open(f"{name}{_SUFFIX}")
        self._where = str(path) if name is None else f"{name} of {path}"
        self.header = self._read_header()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        if self._archive is not None:
            self._archive.close()

    def read(self, index: int) -> np.ndarray:
        """Return the entry at this place of the first axis. Raises InputError if the file is too short."""
        shape = self.header.shape[1:]
        check_size(shape, self._path)
        return self.whole[index] if self.header.column_major and shape else self._values(shape, first=index)

    @cached_property
    def whole(self) -> np.ndarray:
        """The whole array, kept. Raises InputError if the file is too short, or the array too large."""
        check_size(self.header.shape, self._path)
        shape = self.header.shape
        if self.header.column_major:
            return self._values(shape[::-1], first=0).transpose()
        return self._values(shape, first=0)

    def _values(self, shape: tuple[int, ...], *, first: int) -> np.ndarray:
        length = int(np.prod(shape, dtype=np.int64)) * self.header.dtype.itemsize
        self._stream.seek(self.header.start + first * length)
        content = self._stream.read(length)
        if len(content) < length:
            raise InputError(f"expected {length} bytes of values, got {len(content)} in {self._where}; copy it again")
        return np.frombuffer(content, dtype=self.header.dtype).reshape(shape)

    def _read_header(self) -> ArrayHeader:
        version = np.lib.format.read_magic(self._stream)
        if version == (1, 0):
            shape, column_major, dtype = np.lib.format.read_array_header_1_0(self._stream)
        elif version == (2, 0):
            shape, column_major, dtype = np.lib.format.read_array_header_2_0(self._stream)
        else:  # 3.0 is for names of fields that Latin-1 lacks
            raise InputError(f"expected an array of numbers, got NPY version {version} in {self._where}")
        if dtype.kind not in "biuf":
            found = "pickled objects, which are not read because they can hold code" if dtype.hasobject else str(dtype)
            raise InputError(f"expected an array of numbers, got {found} in {self._where}")
        return ArrayHeader(tuple(shape), dtype, column_major, self._stream.tell())


def as_image(values: np.ndarray, where: str) -> np.ndarray:
    """Return values (h, w), or (h, w, 3), of an entry (h, w), (h, w, 1) or (h, w, 3). Raises InputError."""
    if values.ndim == 3 and values.shape[2] == 1:
        return values[:, :, 0]
    if values.ndim == 2 or (values.ndim == 3 and values.shape[2] == _COLOURS):
        return values
    raise InputError(f"expected a grey or RGB image, got {times(values.shape)} values in {where}")
