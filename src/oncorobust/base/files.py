"""Outputs that are written whole or not at all, and bytes that depend on nothing but their content.

A stage writes into temporary names beside its outputs and renames them together at the end, so that a run that is
killed, or that meets bad input, leaves no file that a later stage could take for whole. JSON and CSV are written the
same way every time, because DVC compares bytes.

A full disk must be told as one, but few writers do: Pillow, HDF5 and others raise errors of their own, without the
system's reason. So after any failure, and before any work, the folder itself is asked, by writing a little into it.
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
    """Make these folders where they are missing and write PROBE_BYTES into each, which are gone again at once.

    A stage asks before it computes, so that it does not learn after hours that there is no place for its outputs.
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
    """Inside, whatever fails where these folders cannot be written raises the OSError of `check_places`."""
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
    """Give a temporary path for each output; rename all of them when the block succeeds, remove all when it fails.

    Existing outputs are removed first: after a failure nothing stale stands in their place. The temporary names keep
    the suffix of the output, because some writers choose the format by it. Raises InputError where an input that the
    stage has read was changed meanwhile: the outputs would be taken for made from what it is now; OSError naming the
    folder where one cannot be written or is full.
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
        # On a file system that became read-only even this fails, and the error that says so is on its way.
        with suppress(OSError):
            for draft in drafts:
                draft.unlink(missing_ok=True)


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write `content` as JSON with sorted keys and one value a line; NaN and infinity are refused."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object. Raises InputError with the file's name when it is not one."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"expected a JSON file, got {error} in {path}") from error
    return parse_json(content, where=path)


def parse_json(content: bytes, *, where: str | Path) -> dict[str, Any]:
    """Parse a JSON object in UTF-8; where: the file it comes from. Raises InputError naming it when it is not one."""
    try:
        parsed = json.loads(content.decode("utf-8"))
    except ValueError as error:
        raise InputError(f"expected a JSON file, got {error} in {where}") from error
    if not isinstance(parsed, dict):
        raise InputError(f"expected a JSON object, got {type(parsed).__name__} in {where}")
    return parsed


def write_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a frame as CSV without its index, with the shortest text that gives each float64 back, and LF line ends."""
    frame.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def file_md5(path: str | Path) -> str:
    """MD5 of a file's bytes, as DVC writes it in dvc.lock: a name for the content, not a safeguard."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, to compare a download with what its publisher announced."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
