"""Typed records of dvc.lock, and the chain of stages from a result back to the raw files.

For each stage that was run, dvc.lock records its command, the MD5 and size of every file it read and wrote, and the
values of its parameters. A file that one stage wrote and another read connects the two:

    way back(file) = stage that wrote it, then the way back of every file that stage read

A directory counts as one file whose MD5 ends in `.dir`. The chain ends at files that no stage wrote: raw trees and the
digests of scripts and library modules (see `code_record`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from oncorobust.base.errors import InputError
from oncorobust.base.yaml_loader import parse_yaml

State = Literal["as recorded", "changed", "not here"]
"""Result of comparing a recorded file with the present one: the same bytes, other bytes, or no such file."""


@dataclass(frozen=True)
class FileRecord:
    """A file or directory that a stage read or wrote; n_files is None for a file."""

    path: str
    md5: str
    size: int
    n_files: int | None


@dataclass(frozen=True)
class StageRecord:
    """One run of a stage: its command, parameter values by key, and the files it read and wrote."""

    name: str
    command: str
    parameters: Mapping[str, Any]
    inputs: tuple[FileRecord, ...]
    outputs: tuple[FileRecord, ...]


Lock = Mapping[str, StageRecord]
"""Stages by name."""


def parse_lock(text: str) -> Lock:
    """Parse the text of dvc.lock. Raises InputError when it has another form."""
    try:
        stages = parse_yaml(text)["stages"]
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
    """Return the stage that wrote a file or its directory; None for a file that no stage wrote."""
    for stage in lock.values():
        for output in stage.outputs:
            if path == output.path or path.startswith(output.path.rstrip("/") + "/"):
                return stage
    return None


def way_back(lock: Lock, paths: Iterable[str]) -> list[StageRecord]:
    """Return all stages that led to the given files, each before the stages whose files it read."""
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
    """Return the MD5 recorded by the stage that wrote a file; None without such a stage."""
    stage = producer(lock, path)
    return next((one.md5 for one in stage.outputs if one.path == path), None) if stage else None


def compare(record: FileRecord, found: Mapping[str, str]) -> State:
    """Compare a recorded file with the MD5 of the present one. found: MD5 by path."""
    if record.path not in found:
        return "not here"
    return "as recorded" if found[record.path] == record.md5 else "changed"
