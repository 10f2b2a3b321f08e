"""The record of a project, `oncorobust.json`: the version of the package that made it, and the files that it wrote.

`oncorobust init` and `oncorobust upgrade` write it; it belongs in git. A project of one version is not run with
another, because params.yaml, dvc.yaml and the digests of the code belong to a version.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.pipeline.shipped import in_project

_VERSION = re.compile(r"(\d+(?:\.\d+)*)([.a-z0-9+]*)")


@dataclass(frozen=True)
class ProjectRecord:
    """version: of the package that wrote the files. preset: with which params.yaml began.

    files: MD5 of each file as it was written, by path, which tells later whether a person has edited it. graph: MD5 of
    the part of dvc.yaml that does not follow from params.yaml.
    """

    version: str
    preset: str
    files: Mapping[str, str]
    graph: str


def read_record(root: Path) -> ProjectRecord:
    """Read the record of the project in `root`. Raises InputError where there is none, or it is no such record."""
    path = root / layout.PROJECT
    try:
        record = msgspec.json.decode(path.read_bytes(), type=ProjectRecord)
    except FileNotFoundError:
        raise InputError(
            f"{root.resolve()} has no {layout.PROJECT}: go to a project that `oncorobust init` has made, or make one"
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: expected the record of a project, got {error}: restore it from git") from error
    if not _VERSION.fullmatch(record.version):
        raise InputError(f"{path}: expected a version, got {record.version!r}: restore it from git")
    return record


def write_record(root: Path, record: ProjectRecord) -> None:
    """Write the record of the project in `root`."""
    (root / layout.PROJECT).write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")


def installed_version() -> str | None:
    """Return the version of the installed package; None where Python finds the package without its metadata."""
    try:
        return version(layout.PACKAGE)
    except PackageNotFoundError:
        return None


def version_conflict(root: Path) -> str | None:
    """Return one sentence where a project was made by another version than the installed one; None otherwise."""
    installed = installed_version()
    if not in_project(root) or installed is None:
        return None
    recorded = read_record(root).version
    if recorded == installed:
        return None
    found = f"this project is of oncorobust {recorded}, and {installed} is installed"
    if is_newer(recorded, installed):
        return f"{found}: install its version, pip install 'oncorobust[pipeline]=={recorded}'"
    return (
        f"{found}: run `oncorobust upgrade --dry-run`, which shows what would change, and `oncorobust upgrade`, or "
        f"install its version, pip install 'oncorobust[pipeline]=={recorded}'"
    )


def check_version(root: Path) -> None:
    """Raise InputError where a project was made by another version than the installed one."""
    if conflict := version_conflict(root):
        raise InputError(conflict)


def is_newer(one: str, other: str) -> bool:
    """Return whether a version is newer than another; a pre-release is older than its release."""
    return _order(one) > _order(other)


def _order(text: str) -> tuple[list[int], bool, str]:
    found = _VERSION.match(text)
    numbers, rest = (found[1], found[2]) if found else ("0", text)
    parts = [int(one) for one in numbers.split(".")]
    while parts and not parts[-1]:  # 1.0 and 1.0.0 are the same version
        parts.pop()
    return parts, not rest or rest.startswith(("+", ".post")), rest
