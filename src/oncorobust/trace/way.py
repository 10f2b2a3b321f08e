"""The way back from some files to the raw data: all stages that led to them, compared with the present files."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.layout import RAW_TREE_FILE, raw
from oncorobust.pipeline.code_record import is_code_path, parse_digests
from oncorobust.pipeline.dvc_lock import StageRecord, compare, recorded_md5
from oncorobust.pipeline.raw_tree import differences, look, parse_fingerprint
from oncorobust.trace.reading import Reading
from oncorobust.trace.repository import Directory

LISTED = 10
"""Number of files listed for a directory."""


@dataclass(frozen=True)
class Way:
    """The stages that led to some files, last one first, and the present files.

    state: description of the commit. commit: its name; None for a work tree without one. found: present MD5 of the
    recorded files, by path. directories: present content of the recorded directories, by path. code: recorded digests
    of script and library modules by path, for each MD5 of a file in workflow/code. found_code: present digests of the
    same modules, by path. not_recorded: results that dvc.lock does not record, or records with other bytes. edits: how
    the present raw trees differ from those that the results were computed from, one sentence for each file, by path of
    the tree.
    """

    state: str
    commit: str | None
    stages: tuple[StageRecord, ...]
    found: Mapping[str, str]
    directories: Mapping[str, Directory]
    code: Mapping[str, Mapping[str, str]]
    found_code: Mapping[str, str]
    not_recorded: tuple[str, ...]
    edits: Mapping[str, tuple[str, ...]]

    @property
    def differing(self) -> tuple[str, ...]:
        """Present files of the way, without code, that have other bytes than dvc.lock records."""
        files = (one for stage in self.stages for one in (*stage.outputs, *stage.inputs) if one.n_files is None)
        changed = (one.path for one in files if not is_code_path(one.path) and compare(one, self.found) == "changed")
        return tuple(dict.fromkeys(changed))

    @property
    def sound(self) -> bool:
        """Return whether all results are recorded, and no file or raw tree here has changed since."""
        return not self.not_recorded and not self.differing and not any(self.edits.values())


def way_to(
    reading: Reading, results: Sequence[str], stages: Sequence[StageRecord], *, images: frozenset[str] = frozenset()
) -> Way:
    """Compare the files of some stages with the present ones.

    results: files whose present bytes must be those of dvc.lock. images: ids of the images whose raw files are listed
    first.
    """
    state = reading.state
    files = [one for stage in stages for one in (*stage.inputs, *stage.outputs)]
    code = _recorded_code(reading, stages)
    wanted = dict(_raw_files(reading, stages, images))
    return Way(
        state=state.title(),
        commit=state.commit,
        stages=tuple(stages),
        found={one.path: md5 for one in files if one.n_files is None and (md5 := state.md5(one.path)) is not None},
        directories={
            one.path: directory
            for one in files
            if one.n_files is not None
            and (directory := state.directory(one.path, listed=LISTED, wanted=wanted.get(one.path, ()))) is not None
        },
        code=code,
        found_code={path: digest for path in {*chain(*code.values())} if (digest := state.digest(path)) is not None},
        not_recorded=tuple(path for path in results if not _is_recorded(reading, path)),
        edits=dict(_edits(reading, stages)),
    )


def _recorded_code(reading: Reading, stages: Sequence[StageRecord]) -> dict[str, dict[str, str]]:
    """Return the digests of the code that the stages were run with, by the MD5 of the digest file."""
    files = {one.md5: one.path for stage in stages for one in stage.inputs if is_code_path(one.path)}
    contents = ((md5, reading.state.read_version(path, md5)) for md5, path in files.items())
    return {md5: parse_digests(content) for md5, content in contents if content is not None}


def _raw_files(
    reading: Reading, stages: Sequence[StageRecord], images: frozenset[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield each raw tree with the files of some images, as far as they are known.

    Files are relative to the tree, in the order of index.csv.
    """
    for index in (one for stage in stages for one in stage.outputs if images and one.path.endswith("/index.csv")):
        with suppress(InputError):  # no index.csv here or in DVC
            rows = pd.read_csv(io.BytesIO(reading.recorded(index.path)), dtype=str)
            behind = rows.loc[rows["image_id"].isin(images), "source"].dropna()
            yield raw(Path(index.path).parent.name), list(dict.fromkeys(behind))


def _edits(reading: Reading, stages: Sequence[StageRecord]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each raw tree of the work tree with its differences from the fingerprint that preprocess wrote."""
    root = reading.state.root
    for fingerprint in (one for stage in stages for one in stage.outputs if one.path.endswith(RAW_TREE_FILE)):
        dataset = Path(fingerprint.path).parent.name
        if (root / raw(dataset)).is_dir():
            recorded = parse_fingerprint(reading.recorded(fingerprint.path))
            yield raw(dataset), tuple(differences(recorded, look(root, dataset)))


def _is_recorded(reading: Reading, path: str) -> bool:
    """Return whether a result is the one in dvc.lock; a file that only DVC stores is compared when it is read."""
    recorded, found = recorded_md5(reading.lock, path), reading.state.md5(path)
    return recorded is not None and found in (recorded, None)
