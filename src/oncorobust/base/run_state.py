"""The state of a long run in one file, from which an interrupted run resumes.

The state is written to a temporary name, which is then renamed. Renaming is atomic: whenever the process is killed, the
file holds a complete state, either the previous or the new one. It contains a fingerprint of everything that determines
the run (recipe, data, code, starting weights), so that a run never resumes from the state of another run.

    first line     identifies the file format
    second line    JSON: fingerprint, progress, the caller's values, type and shape of every array
    the rest       the bytes of all arrays in sequence, then the CRC-32 of all preceding bytes

One checksum covers every byte and is verified before any content is used; npz is as fast, but has a checksum per array
and none for its directory. Nothing is pickled. The file is not synced to disk on every save: a power failure may damage
it, and the checksum then detects this.
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
    """A state as passed to `RunState.save`: floats and arrays bit for bit, tuples as lists, keys as text."""

    done: str
    told: dict[str, Any]
    arrays: dict[str, list[np.ndarray]]


class RunState:
    """The file in which one run keeps its state.

    stale: `load` found the state of another run; the next `save` replaces it.
    """

    def __init__(self, path: Path, *, fingerprint: str) -> None:
        """Set the file, which need not exist, and the fingerprint of the run."""
        self.stale = False
        self._path = path
        self._draft = path.with_name(f".{path.stem}.part{path.suffix}")
        self._fingerprint = fingerprint
        self._saved: str | None = None

    def save(self, done: str, told: Mapping[str, Any], arrays: Mapping[str, Sequence[np.ndarray]]) -> None:
        """Replace the saved state by this one.

        done: the progress as text for users, such as `epoch 3`. told: JSON values. arrays: numeric, of any shape.
        Raises InputError if the file cannot be written, or if an input has changed since the run began, so that the
        state would mix both versions; the previous state is then kept.
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
                f"{self._path.parent}: {error.strerror}, cannot save the state after {done} "
                f"({size:.1f} MB needed); {self._what_stays()}"
            ) from error
        finally:
            # This fails, too, on a read-only file system; the error above says why.
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)
        self._saved = done

    def load(self) -> Saved | None:
        """Return the last saved state; None if there is none, or only that of another run (`stale` is then set).

        Raises InputError if the file cannot be read or is not, byte for byte, what `save` wrote.
        """
        self.stale = False
        try:
            with self._path.open("rb") as file:
                if not _is_whole(file):
                    raise self._unusable("damaged")
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
        """Remove the state after the run, and the draft that a killed process may have left; neither need exist."""
        self._path.unlink(missing_ok=True)
        self._draft.unlink(missing_ok=True)

    def _header(self, done: str, told: Mapping[str, Any], arrays: Mapping[str, Sequence[np.ndarray]]) -> bytes:
        forms = {name: [(one.dtype.str, one.shape) for one in group] for name, group in arrays.items()}
        content = {"fingerprint": self._fingerprint, "done": done, "told": dict(told), "arrays": forms}
        return json.dumps(content).encode() + b"\n"

    def _what_stays(self) -> str:
        if self._saved is None:
            return "no state is saved yet"
        return f"the state after {self._saved} is kept; rerun the same command to resume from it"

    def _unusable(self, got: str) -> InputError:
        return InputError(
            f"{self._path}: {got} (expected the state of an earlier run; remove the file to start from the beginning)"
        )


def fingerprint(settings: object, files: Sequence[Path]) -> str:
    """Return the SHA-256 (hexadecimal) of settings (msgspec structs, JSON values) and of files' names and contents.

    Raises InputError if a file cannot be read.
    """
    try:
        contents = [(path.as_posix(), file_sha256(path)) for path in files]
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror} (needed as an input of the run)") from error
    return sha256(msgspec.json.encode((settings, contents), order="sorted")).hexdigest()


def _flat(arrays: Mapping[str, Sequence[np.ndarray]]) -> list[np.ndarray]:
    return [one for group in arrays.values() for one in group]


def _bytes_of(array: np.ndarray) -> memoryview:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected an array of numbers, got {array.dtype}")
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _is_whole(file: BinaryIO) -> bool:
    """Return whether first line and checksum are right; nothing else in the file is used before this check."""
    if file.readline(len(FIRST_LINE)) != FIRST_LINE:
        return False
    checksum, ahead = zlib.crc32(FIRST_LINE), b""
    while chunk := file.read(CHUNK_BYTES):
        ahead += chunk
        checksum, ahead = zlib.crc32(ahead[:-CHECKSUM_BYTES], checksum), ahead[-CHECKSUM_BYTES:]
    return checksum.to_bytes(CHECKSUM_BYTES, "little") == ahead
