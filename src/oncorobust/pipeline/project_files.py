"""The files of a project, which `oncorobust init` writes and `oncorobust upgrade` keeps in step with the package."""

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import yaml

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.pipeline.shipped import in_project, shipped_file, shipped_root
from oncorobust.settings.load import read_yaml_text

GRAPH = "dvc.yaml"
PARAMS = "params.yaml"

_TEMPLATES = {
    layout.SNAKEFILE: layout.SNAKEFILE,
    "README.md": "README.md",
    ".gitignore": "gitignore",
    f"{layout.RAW_TREES}/README.md": "raw_trees.md",
}
"""Files of a project that are none of the repository, and their templates in the package."""
_COPIED = (
    *(".dvcignore", ".dvc/.gitignore", ".dvc/config", "params.schema.json", "policy.schema.json"),
    *("profiles/**/*", f"{layout.PLOTS}/*"),
)
_HEAD = """\
# The same stages as Snakemake's, for DVC. `oncorobust graph` writes the names of the data sets and models and the files
# of the aggregate stages; run it after an edit of params.yaml. `oncorobust upgrade` replaces this file.
"""
_SCRIPT = re.compile(rf"python {re.escape(layout.SCRIPTS)}/(\w+)\.py")


def project_files() -> dict[str, bytes]:
    """Return the content of each file of a project by its path, but params.yaml and dvc.yaml.

    Raises InputError where the installed package has no workflow.
    """
    root = shipped_root()
    copied = sorted(path for pattern in _COPIED for path in root.glob(pattern) if path.is_file())
    templates = files("oncorobust.pipeline") / "project"
    return {
        **{path: (templates / name).read_bytes() for path, name in _TEMPLATES.items()},
        **{path.relative_to(root).as_posix(): path.read_bytes() for path in copied},
    }


def graph_text() -> str:
    """Return dvc.yaml of a project, before `dvc_yaml.refresh` fills its lists. Raises InputError without a workflow."""
    text = Path(shipped_file(GRAPH)).read_text(encoding="utf-8")
    commands = _SCRIPT.sub(lambda found: layout.stage_command(found[1], project=True), text)
    return _HEAD + commands[commands.index("stages:") :]


def graph_md5(text: str) -> str:
    """Return the MD5 of what a dvc.yaml says besides the lists that `dvc_yaml.refresh` writes.

    text: of the file. Raises InputError where it is no dvc.yaml.
    """
    try:
        content = read_yaml_text(text)
        for entry in content["stages"].values():
            entry.pop("foreach", None)
            entry.get("do", entry).pop("deps", None)
            for section in entry.get("meta", {}).get("writes", {}):
                entry.pop(section, None)
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError, InputError) as error:
        raise InputError(f"{GRAPH}: expected the stages of a project, got {error!r}: restore it from git") from error
    return md5(json.dumps(content, sort_keys=True).encode())


def md5(content: bytes) -> str:
    """Return the MD5 of some bytes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def write_file(root: Path, path: str, content: bytes) -> None:
    """Write a file of the project, whole or not at all."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.part.new")
    draft.write_bytes(content)
    draft.replace(place)


def shipped_presets() -> dict[str, Path]:
    """Return the file of each preset of the package by its name, sorted. Raises InputError without a workflow."""
    return _presets(shipped_root() / layout.PRESETS)


def preset_files(root: Path) -> dict[str, Path]:
    """Return the file of each preset by its name, sorted: those in `root`/presets, and in a project the package's."""
    shipped = shipped_presets() if in_project(root) else {}
    return dict(sorted({**shipped, **_presets(root / layout.PRESETS)}.items()))


def _presets(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
