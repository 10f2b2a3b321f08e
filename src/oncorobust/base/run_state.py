"""The full state of a long run in one file, so that a run that is killed goes on where it was.

The state is written beside its name and renamed. Renaming is atomic: whenever a process is killed, the file holds one
state whole, the one before or the new one. It carries a fingerprint of everything that decides the run (recipe, data,
code, starting weights), because a state of another run must never be continued.

    first line     what the file is
    second line    JSON: fingerprint, what is done, what was told, type and shape of every array
    the rest       the arrays' bytes one after the other; at the end the CRC-32 of all bytes before

One checksum covers every byte, which is verified before anything is believed; npz, as fast, has one for each array but
none for its directory of them. Nothing is pickled. The file is not forced to disk each time: a power failure may cost
it, and then the checksum says so.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.base.watched_inputs import check_unchanged

FIRST_LINE = b"oncorobust state 2\n"
CHECKSUM_BYTES = 4
CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Saved:
    """A state as `Checkpoint.save` was given it: floats and arrays to the bit, tuples as lists, keys as text."""

    done: str
    told: dict[str, Any]
    arrays: dict[str, list[np.ndarray]]


class Checkpoint:
    """The file in which one run keeps its state.

    stale: `load` found the state of another run, which the next `save` replaces.
    """

    def __init__(self, path: Path, *, fingerprint: str) -> None:
        """Name the file, which need not exist, and the run, by `fingerprint`."""
        self.stale = False
        self._path = path
        self._draft = path.with_name(f".{path.stem}.part{path.suffix}")
        self._fingerprint = fingerprint
        self._saved: str | None = None

    def save(self, done: str, told: Mapping[str, Any], arrays: Mapping[str, Sequence[np.ndarray]]) -> None:
        """Put this state in place of the one before.

        done: for a person, such as `epoch 3`. told: JSON values. arrays: of numbers, any shape. Raises InputError where
        the file cannot be written, or where an input has changed since the run began, which the state would carry on;
        the state before then stays as it was.
        """
        check_unchanged()
        header = self._header(done, told, arrays)
        pieces: list[bytes | memoryview] = [FIRST_LINE, header, *map(_bytes_of, _flat(arrays))]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._draft.open("wb") as file:
                checksum = 0
                for piece in pieces:
                    file.write(piece)
                    checksum = zlib.crc32(piece, checksum)
                file.write(checksum.to_bytes(CHECKSUM_BYTES, "little"))
            self._draft.replace(self._path)
        except OSError as error:
            size = sum(map(len, pieces)) / 1e6
            raise InputError(
                f"expected room for {size:.1f} MB, the state after {done}, "
                f"got {error.strerror} in {self._path.parent}; {self._what_stays()}"
            ) from error
        finally:
            # On a read-only file system even this fails, and the error above says why.
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)
        self._saved = done

    def load(self) -> Saved | None:
        """The state that was saved last; None where there is none, or that of another run (then `stale`).

        Raises InputError where the file cannot be read or is not, byte for byte, what `save` wrote.
        """
        self.stale = False
        try:
            with self._path.open("rb") as file:
                if not _is_whole(file):
                    raise self._unusable("other bytes than were written")
                file.seek(len(FIRST_LINE))
                header = json.loads(file.readline())
                if header["fingerprint"] != self._fingerprint:
                    self.stale = True
                    return None
                arrays = {
                    name: [np.fromfile(file, dtype, int(np.prod(shape))).reshape(shape) for dtype, shape in form]
                    for name, form in header["arrays"].items()
                }
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(str(error.strerror)) from error
        self._saved = header["done"]
        return Saved(header["done"], header["told"], arrays)

    def remove(self) -> None:
        """Remove the state of a run that has ended, and the draft that a killed process left; neither need exist."""
        self._path.unlink(missing_ok=True)
        self._draft.unlink(missing_ok=True)

    def _header(self, done: str, told: Mapping[str, Any], arrays: Mapping[str, Sequence[np.ndarray]]) -> bytes:
        forms = {name: [(one.dtype.str, one.shape) for one in group] for name, group in arrays.items()}
        content = {"fingerprint": self._fingerprint, "done": done, "told": dict(told), "arrays": forms}
        return json.dumps(content).encode() + b"\n"

    def _what_stays(self) -> str:
        if self._saved is None:
            return "nothing is saved yet"
        return f"the state after {self._saved} stays, and the same command goes on from there"

    def _unusable(self, got: str) -> InputError:
        return InputError(
            f"expected the state of an earlier run, got {got} in {self._path}: remove it to start from the beginning"
        )


def fingerprint(settings: object, files: Sequence[Path]) -> str:
    """SHA-256, in hexadecimal, of settings (msgspec structs, JSON values) and of the names and bytes of files.

    Raises InputError where a file cannot be read.
    """
    try:
        contents = [(path.as_posix(), file_sha256(path)) for path in files]
    except OSError as error:
        raise InputError(f"expected a file to start from, got {error.strerror} in {error.filename}") from error
    return sha256(msgspec.json.encode((settings, contents), order="sorted")).hexdigest()


def _flat(arrays: Mapping[str, Sequence[np.ndarray]]) -> list[np.ndarray]:
    return [one for group in arrays.values() for one in group]


def _bytes_of(array: np.ndarray) -> memoryview:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected an array of numbers, got {array.dtype}")
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _is_whole(file: BinaryIO) -> bool:
    """Whether the file begins as a state does and its checksum agrees; nothing else in it is trusted before."""
    if file.readline(len(FIRST_LINE)) != FIRST_LINE:
        return False
    checksum, ahead = zlib.crc32(FIRST_LINE), b""
    while chunk := file.read(CHUNK_BYTES):
        ahead += chunk
        checksum, ahead = zlib.crc32(ahead[:-CHECKSUM_BYTES], checksum), ahead[-CHECKSUM_BYTES:]
    return checksum.to_bytes(CHECKSUM_BYTES, "little") == ahead
