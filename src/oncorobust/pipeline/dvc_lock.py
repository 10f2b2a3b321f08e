"""dvc.lock as typed records, and the way back through it from a result to raw files.

dvc.lock holds, for each stage that was run: its command, the MD5 and size of every file it read and wrote, and the
values of its parameters. A file that one stage wrote and another read joins the two:

    way back(file) = stage that wrote it, then the way back of every file that stage read

A directory counts as one file whose MD5 ends in `.dir`. Files that no stage wrote are the roots: raw trees and the
digests of scripts and library modules (see `code_record`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from oncorobust.base.errors import InputError

State = Literal["as recorded", "changed", "not here"]
"""A recorded file against the one that is found: the same bytes, other bytes, or none found."""


@dataclass(frozen=True)
class FileRecord:
    """A file or directory as a stage saw it; n_files is None for a file."""

    path: str
    md5: str
    size: int
    n_files: int | None


@dataclass(frozen=True)
class StageRecord:
    """A stage as it was run: command, parameter values by key, files read and written."""

    name: str
    command: str
    parameters: Mapping[str, Any]
    inputs: tuple[FileRecord, ...]
    outputs: tuple[FileRecord, ...]


Lock = Mapping[str, StageRecord]
"""Stages by name."""


def parse_lock(text: str) -> Lock:
    """Read the text of dvc.lock. Raises InputError where it is not one."""
    try:
        stages = yaml.safe_load(text)["stages"]
        return {name: _stage_record(name, content) for name, content in stages.items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"expected stages with cmd, deps and outs, got {error!r} in dvc.lock") from error


def _stage_record(name: str, content: Mapping[str, Any]) -> StageRecord:
    parameters = {key: value for values in content.get("params", {}).values() for key, value in values.items()}
    return StageRecord(
        name=name,
        command=content["cmd"],
        parameters=parameters,
        inputs=tuple(_file_record(one) for one in content.get("deps", [])),
        outputs=tuple(_file_record(one) for one in content.get("outs", [])),
    )


def _file_record(content: Mapping[str, Any]) -> FileRecord:
    return FileRecord(content["path"], content["md5"], content["size"], content.get("nfiles"))


def producer(lock: Lock, path: str) -> StageRecord | None:
    """The stage that wrote a file, or the directory it lies in; None for a file that no stage wrote."""
    for stage in lock.values():
        for output in stage.outputs:
            if path == output.path or path.startswith(output.path.rstrip("/") + "/"):
                return stage
    return None


def way_back(lock: Lock, paths: Iterable[str]) -> list[StageRecord]:
    """All stages behind the given files, each before the stages whose files it read."""
    finished: dict[str, StageRecord] = {}

    def visit(path: str) -> None:
        stage = producer(lock, path)
        if stage is not None and stage.name not in finished:
            for one in stage.inputs:
                visit(one.path)
            finished[stage.name] = stage

    for path in paths:
        visit(path)
    return list(reversed(finished.values()))


def recorded_md5(lock: Lock, path: str) -> str | None:
    """MD5 that the stage which wrote a file recorded for it; None where none did."""
    stage = producer(lock, path)
    return next((one.md5 for one in stage.outputs if one.path == path), None) if stage else None


def compare(record: FileRecord, found: Mapping[str, str]) -> State:
    """A recorded file against the MD5 that was found for it, by path."""
    if record.path not in found:
        return "not here"
    return "as recorded" if found[record.path] == record.md5 else "changed"
