"""Outputs that are written completely or not at all, reproducible JSON and CSV, and checksums.

A stage writes to temporary names next to its outputs and renames them together at the end. A run that is killed or
finds bad input therefore leaves no partial file that a later stage could mistake for a complete one. The same content
always gives the same bytes, because DVC compares bytes.

An error should say when the disk is full, but Pillow, HDF5 and other writers raise errors of their own without the
system's reason. So the output folder is probed by writing a little into it, before any work and after any failure.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.watched_inputs import check_unchanged

PROBE_BYTES = 2**20


def check_places(*folders: str | Path) -> None:
    """Create missing folders and check that each can hold PROBE_BYTES more, by writing and removing that much.

    A stage calls this before it computes, so that it does not find out after hours that its outputs cannot be written.
    Raises OSError with the system's reason and the folder.
    """
    for folder in folders:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder) as probe:
                probe.write(bytes(PROBE_BYTES))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(folder)) from error


@contextmanager
def telling_places(*folders: Path) -> Iterator[None]:
    """Within the block, raise the OSError of `check_places` for any failure while these folders cannot be written."""
    check_places(*folders)
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        try:
            check_places(*folders)
        except OSError as reason:
            raise reason from error
        raise


@contextmanager
def whole_outputs(*outputs: str | Path) -> Iterator[list[Path]]:
    """Yield a temporary path for each output; rename all of them if the block succeeds, remove all if it fails.

    Existing outputs are removed first, so that no stale file remains after a failure. The temporary names keep the
    suffix of the output, because some writers choose the format by it. Raises InputError if an input that the stage has
    read was changed in the meantime, because the outputs would be attributed to its new content; OSError naming the
    folder if it is full or cannot be written.
    """
    finals = [Path(output) for output in outputs]
    drafts = [final.with_name(f".{final.stem}.part{final.suffix}") for final in finals]
    for final in finals:
        final.unlink(missing_ok=True)
    try:
        with telling_places(*sorted({final.parent for final in finals})):
            yield drafts
        check_unchanged()
        for draft, final in zip(drafts, finals, strict=True):
            draft.replace(final)
    finally:
        # This fails, too, if the file system became read-only; the error that says so is already being raised.
        with suppress(OSError):
            for draft in drafts:
                draft.unlink(missing_ok=True)


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write `content` as JSON with sorted keys and one value per line. Raises ValueError on NaN and infinity."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object. Raises InputError naming the file if it holds anything else."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"expected a JSON file, got {error} in {path}") from error
    return parse_json(content, where=path)


def parse_json(content: bytes, *, where: str | Path) -> dict[str, Any]:
    """Parse a JSON object in UTF-8; where: its file, for errors. Raises InputError if it holds anything else."""
    try:
        parsed = json.loads(content.decode("utf-8"))
    except ValueError as error:
        raise InputError(f"expected a JSON file, got {error} in {where}") from error
    if not isinstance(parsed, dict):
        raise InputError(f"expected a JSON object, got {type(parsed).__name__} in {where}")
    return parsed


def write_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a frame as CSV without its index, floats as the shortest text that restores them, lines ended by LF."""
    frame.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def file_md5(path: str | Path) -> str:
    """Return the MD5 of a file, as in dvc.lock: it identifies the content, but does not protect against tampering."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, for comparison with the one that its publisher states."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
