"""Moving a project on to the installed version: what would change, and the change itself.

No value of the person is lost. A file that the person has edited is kept, and the new one is written beside it, with
`.new` at its end. Keys of params.yaml that a version renamed are carried over, and those that it lacks are filled
(`project_params`). The digests of the code decide, as always, which stages run again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.pipeline.code_record import digests_out_of_step
from oncorobust.pipeline.dvc_yaml import refresh
from oncorobust.pipeline.project_files import (
    GRAPH,
    PARAMS,
    graph_md5,
    graph_text,
    md5,
    preset_files,
    project_files,
    write_file,
)
from oncorobust.pipeline.project_params import fill_params
from oncorobust.pipeline.project_record import (
    ProjectRecord,
    installed_version,
    is_newer,
    read_record,
    version_conflict,
    write_record,
)
from oncorobust.settings.load import load_params, read_yaml, read_yaml_text
from oncorobust.settings.renamed_keys import RENAMED, Renamed

_NEW = ".new"


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade does.

    record: of the project afterwards; version_before: of the project now. files: new content of files, by path. kept:
    files that the person has edited and that are kept, with the new content beside them. params: new content of
    params.yaml; added: the keys that it gets, by dotted path; moved: the new dotted path by the old one of each renamed
    key. graph: new content of dvc.yaml, before its lists are filled; None where the person has edited it. reruns:
    stages whose code has changed.
    """

    record: ProjectRecord
    version_before: str
    files: Mapping[str, bytes]
    kept: Mapping[str, bytes]
    params: str
    added: Mapping[str, Any]
    moved: Mapping[str, str]
    graph: str | None
    reruns: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return what changes, one line for each file, key and stage."""
        version = self.record.version
        told = [f"oncorobust {self.version_before} -> {version}"] if version != self.version_before else []
        written = [*self.files, *([] if self.graph is None else [GRAPH])]
        told += [f"{path}: written again" for path in written]
        told += [f"{path}: you have edited it, so it is kept; the new one is {path}{_NEW}" for path in self.kept]
        told += [f"{PARAMS}: {old} is {new} now; its value and comment stay" for old, new in self.moved.items()]
        told += [f"{PARAMS}: {key}: {value!r} is new" for key, value in self.added.items()]
        told += [f"{stage}: its code has changed, so a finished run of it is repeated" for stage in self.reruns]
        return told


def plan_upgrade(root: Path, *, given: Mapping[str, str], renamed: Sequence[Renamed] = RENAMED) -> Upgrade:
    """Find what has to change in a project for the installed version. Changes nothing.

    given: values of new keys of params.yaml, as YAML, by dotted path. renamed: keys that versions renamed; those since
    the project's version count. Raises InputError for a folder that is no project, for a project of a newer version,
    and as `fill_params`.
    """
    before, version = read_record(root), installed_version()
    if version is None:
        raise InputError("the installed package oncorobust does not state its version: install it with pip")
    if is_newer(before.version, version):
        raise InputError(f"{version_conflict(root)}; an upgrade never goes back")
    shipped = project_files()
    files, kept = _sorted_out(root, shipped, before)
    graph, present = graph_text(), _read(root, GRAPH)
    frames = {text: graph_md5(text) for text in (graph, present)}
    rewritten = None
    if frames[graph] != before.graph and frames[present] == before.graph:
        rewritten = graph
    elif frames[graph] not in (before.graph, frames[present]):
        kept[GRAPH] = graph.encode()
    preset = preset_files(root).get(before.preset)
    filled = fill_params(
        _read(root, PARAMS),
        None if preset is None else read_yaml(preset),
        given=given,
        comment=f"new in oncorobust {version}",
        renamed=[one for one in renamed if is_newer(one.version, before.version)],
    )
    return Upgrade(
        record=ProjectRecord(version, before.preset, {path: md5(one) for path, one in shipped.items()}, frames[graph]),
        version_before=before.version,
        files=files,
        kept=kept,
        params=filled.text,
        added=filled.added,
        moved=filled.moved,
        graph=rewritten,
        reruns=tuple(stage for stage in read_yaml_text(graph)["stages"] if digests_out_of_step(root, stage)),
    )


def _sorted_out(
    root: Path, shipped: Mapping[str, bytes], before: ProjectRecord
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the files to write, and those that the person has edited, with their new content.

    A file that the person has removed stays away. One that was edited is only told of where the package's has changed.
    """
    files: dict[str, bytes] = {}
    kept: dict[str, bytes] = {}
    for path, content in shipped.items():
        present, written = root / path, before.files.get(path)
        if not present.is_file():
            if written is None:
                files[path] = content
            continue
        found = present.read_bytes()
        if found == content or written == md5(content):
            continue
        (files if md5(found) == written else kept)[path] = content
    return files, kept


def _read(root: Path, path: str) -> str:
    try:
        return (root / path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"expected {path}, got {error}: restore it from git") from error


def apply_upgrade(root: Path, upgrade: Upgrade) -> None:
    """Change the project as planned. Raises InputError before any change where params.yaml would not be valid."""
    draft = root / f".{PARAMS}.part.new"
    draft.write_text(upgrade.params, encoding="utf-8")
    try:
        load_params(draft)
    finally:
        draft.unlink()
    for path, content in upgrade.files.items():
        write_file(root, path, content)
    for path, content in upgrade.kept.items():
        write_file(root, f"{path}{_NEW}", content)
    write_file(root, PARAMS, upgrade.params.encode())
    if upgrade.graph is not None:
        write_file(root, GRAPH, upgrade.graph.encode())
    refresh(root)
    write_record(root, upgrade.record)
