"""Outputs that are written whole or not at all, and bytes that depend on nothing but their content.

A stage writes into temporary names beside its outputs and renames them together at the end, so that a run that is
killed, or that meets bad input, leaves no file that a later stage could take for whole. JSON and CSV are written the
same way every time, because DVC compares bytes.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from oncorobust.errors import InputError


@contextmanager
def whole_outputs(*outputs: str | Path) -> Iterator[list[Path]]:
    """Give a temporary path for each output; rename all of them when the block succeeds, remove all when it fails.

    Existing outputs are removed first: after a failure nothing stale stands in their place. The temporary names keep
    the suffix of the output, because some writers choose the format by it.
    """
    finals = [Path(output) for output in outputs]
    drafts = [final.with_name(f".{final.stem}.part{final.suffix}") for final in finals]
    for final in finals:
        final.parent.mkdir(parents=True, exist_ok=True)
        final.unlink(missing_ok=True)
    try:
        yield drafts
        for draft, final in zip(drafts, finals, strict=True):
            draft.replace(final)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write `content` as JSON with sorted keys and one value a line; NaN and infinity are refused."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object. Raises InputError with the file's name when it is not one."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected a JSON file, got {error} in {path}") from error
    if not isinstance(content, dict):
        raise InputError(f"expected a JSON object, got {type(content).__name__} in {path}")
    return content


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
