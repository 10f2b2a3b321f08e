"""`oncorobust check`: the checks that need no job, of params.yaml, dvc.yaml, the user's raw trees and DVC's cache."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.formats.open_raw import open_raw
from oncorobust.pipeline.dvc_cache import damaged_objects, repair
from oncorobust.pipeline.dvc_repository import OUTPUT_FOLDERS, open_repo, repair_records
from oncorobust.pipeline.dvc_yaml import check_in_step
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.settings.data import Format
from oncorobust.settings.load import load_params
from oncorobust.settings.pipeline import Params


def check(*, cache: bool) -> str:
    """Check the repository in the current folder and return what was found in order. Raises InputError.

    cache: also read every object of DVC's cache. Files that a killed DVC left are repaired if no run is in progress.
    """
    with suppress(InputError):
        repair_records(Path())
    params = load_params("params.yaml")
    check_in_step(Path())
    check_raw_trees(params, params.run.datasets)
    if cache:
        _check_cache()
    return valid(params)


def check_raw_trees(params: Params, names: Iterable[str]) -> None:
    """Open the user's raw trees of these data sets with their readers. Raises InputError."""
    for name in names:
        if name not in params.acquire:
            _check_raw_tree(name, params.datasets[name].preprocess.format, seed=params.seed)


def valid(params: Params) -> str:
    """Return what a person is told after all checks."""
    return f"params.yaml, dvc.yaml and the raw trees of {', '.join(params.run.datasets)} are valid"


def _check_raw_tree(name: str, form: Format, *, seed: int) -> None:
    """Open the user's raw tree of a data set with its reader, which reads tables and headers, but no pixels."""
    tree = layout.raw(name)
    if not Path(tree).is_dir():
        raise InputError(f"{tree} is missing: put or link your raw tree there, or add acquire.{name} to params.yaml")
    open_raw(tree, form, seed=seed, on_progress=Progress(f"check {name}").update)


def _check_cache() -> None:
    damaged = damaged_objects(Path(open_repo(Path()).cache.local.path))
    if damaged:
        command = repair(damaged, work_tree=[Path(name) for name in OUTPUT_FOLDERS])
        raise InputError(f"DVC's cache has {len(damaged)} damaged objects; run: {command}")
