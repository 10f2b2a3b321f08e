"""A new project: a folder with the settings and both graphs, which runs the workflow of the installed package."""

import os
import shutil
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_yaml import refresh
from oncorobust.pipeline.project_files import (
    GRAPH,
    PARAMS,
    graph_md5,
    graph_text,
    md5,
    project_files,
    shipped_presets,
    write_file,
)
from oncorobust.pipeline.project_record import ProjectRecord, installed_version, write_record

_DRAFT = ".oncorobust.part"
_KEPT = {".git", _DRAFT}
"""What a folder may hold that still counts as empty."""
_LISTED = 5


def check_place(folder: Path) -> None:
    """Raise InputError for a place where no project can be made: not empty, in the repository, or not to be written."""
    place = Path(os.path.abspath(folder))  # noqa: PTH100  without following links, as the person wrote it
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: choose a new or empty folder")
    for above in (place, *place.parents):
        if (above / layout.SOURCE / layout.PACKAGE / "__init__.py").is_file():
            raise InputError(f"{folder} is inside {above}, the repository of oncorobust: choose a folder outside it")
        if (above / layout.PROJECT).is_file():
            raise InputError(
                f"{folder} is {'' if above == place else 'inside '}the project {above}: use that, or choose another"
            )
    existing = next(one for one in (place, *place.parents) if one.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{existing} cannot be written: choose a folder below one that you own")
    found = sorted(one.name for one in place.iterdir() if one.name not in _KEPT) if place.is_dir() else []
    if found:
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise InputError(
            f"{folder} is not empty: it has {', '.join(map(repr, found[:_LISTED]))}{more}: choose a new or empty folder"
        )


def make_project(folder: Path, *, preset: str) -> None:
    """Write a project into a new or empty folder, whole or not at all.

    Raises InputError for such a place as `check_place` refuses, for an unknown preset, and where the package has no
    workflow.
    """
    check_place(folder)
    presets, files = shipped_presets(), project_files()
    if preset not in presets:
        raise InputError(f"--preset: expected one of {', '.join(presets)}, got {preset!r}")
    draft = folder / _DRAFT
    is_new = not folder.exists()
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        _write(draft, files, params=presets[preset].read_bytes(), preset=preset)
        for one in sorted(draft.iterdir()):
            one.rename(folder / one.name)
        draft.rmdir()
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}: {error.filename}") from error
    finally:
        if draft.exists():
            shutil.rmtree(folder if is_new else draft, ignore_errors=True)


def _write(root: Path, files: dict[str, bytes], *, params: bytes, preset: str) -> None:
    for path, content in files.items():
        write_file(root, path, content)
    write_file(root, PARAMS, params)
    graph = graph_text()
    write_file(root, GRAPH, graph.encode())
    md5s = {path: md5(content) for path, content in files.items()}
    version = installed_version()
    if version is None:
        raise InputError("the installed package oncorobust does not state its version: install it with pip")
    write_record(root, ProjectRecord(version, preset, md5s, graph_md5(graph)))
    refresh(root)
