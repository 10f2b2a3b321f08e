"""The files that a crate holds: the workflow, its parameters and its record, and the results that git keeps.

The rules and scripts of a project are those of the installed package, under the paths that they have in the repository.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.base.layout import CATALOG_SNAKEFILE, PROJECT
from oncorobust.pipeline.dvc_lock import FileRecord, Lock
from oncorobust.pipeline.dvc_repository import open_repo
from oncorobust.pipeline.shipped import find_file, in_project, shipped_root

_WORKFLOW = ("Snakefile", "dvc.yaml", "dvc.lock", "params.yaml")
_IF_THERE = ("environment.yml", "LICENSE", "CITATION.cff", PROJECT)
_FOLDERS = ("workflow",)
_LEFT_OUT = ("__pycache__",)


def held_files(root: Path, lock: Lock) -> dict[str, FileRecord]:
    """Return the files that the crate of a repository holds, by path.

    Raises InputError for a result that is missing or is not the one that dvc.lock records, and for a file that names a
    home folder.
    """
    in_git = _kept_in_git(root)
    results = {one.path: one for stage in lock.values() for one in stage.outputs if one.path in in_git}
    for path, record in results.items():
        _check_recorded(root, path, record)
    held = {**{path: _record(root, path) for path in _workflow_files(root)}, **results}
    refuse_home_paths({path: find_file(root, path).read_bytes() for path in held}, root)
    return dict(sorted(held.items()))


def refuse_home_paths(contents: Mapping[str, bytes], root: Path) -> None:
    """Raise InputError for a file that names the folder of the repository or of a user. contents: by path."""
    private = [f"{root.absolute()}/", f"{Path.home()}/"]
    for path, content in contents.items():
        found = next((one for one in private if one.encode() in content), None)
        if found:
            raise InputError(
                f"{path} names the folder {found}, which nobody else should see: use a path in the repository"
            )


def _kept_in_git(root: Path) -> set[str]:
    """Return the outputs of dvc.yaml that git keeps instead of DVC's cache."""
    with open_repo(root) as repo:
        return {out.def_path for stage in repo.index.stages for out in stage.outs if not out.use_cache}


def _workflow_files(root: Path) -> Iterator[str]:
    for name in _WORKFLOW:
        if not (root / name).is_file():
            raise InputError(f"expected {name} in the repository, got no such file")
        yield name
    yield from (name for name in _IF_THERE if find_file(root, name).is_file())
    found = {path: None for place in _places(root) for path in _workflow_paths(place)}
    yield from (path for path in sorted(found) if not (in_project(root) and path == CATALOG_SNAKEFILE))


def _places(root: Path) -> list[Path]:
    """Return the folders that hold files of the workflow: in a project, that of the installed package, too."""
    return [root, shipped_root()] if in_project(root) else [root]


def _workflow_paths(root: Path) -> Iterator[str]:
    for folder in _FOLDERS:
        files = (path.relative_to(root) for path in sorted((root / folder).rglob("*")) if path.is_file())
        yield from (path.as_posix() for path in files if not set(path.parts) & set(_LEFT_OUT))


def _record(root: Path, path: str) -> FileRecord:
    file = find_file(root, path)
    return FileRecord(path, file_md5(file), file.stat().st_size, None)


def _check_recorded(root: Path, path: str, record: FileRecord) -> None:
    found = file_md5(root / path) if (root / path).is_file() else "no such file"
    if found != record.md5:
        raise InputError(
            f"{path}: expected the MD5 {record.md5} of dvc.lock, got {found}: run the pipeline, then "
            "`oncorobust record`"
        )
