"""Writing of what `oncorobust add` decided: params.yaml and dvc.yaml together, and a finished model's file."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.pipeline.dvc_yaml import refresh
from oncorobust.settings.load import load_params
from oncorobust.settings.pipeline import Params

_PARAMS = Path("params.yaml")
_DRAFT = Path(".params.part.yaml")


@contextmanager
def drafted_params(text: str) -> Iterator[tuple[Path, Params]]:
    """Write a draft of params.yaml, which is removed at the end. Yields its path and its content.

    Raises InputError where the draft is refused or cannot be written.
    """
    try:
        _DRAFT.write_bytes(text.encode("utf-8"))
        yield _DRAFT, _loaded(_DRAFT)
    except OSError as error:
        raise _not_written(_PARAMS, error) from error
    finally:
        _DRAFT.unlink(missing_ok=True)


def take_draft(draft: Path) -> None:
    """Replace params.yaml by its draft and update dvc.yaml; neither changes where one cannot. Raises InputError."""
    before = _PARAMS.read_bytes()
    try:
        draft.replace(_PARAMS)
        refresh(Path())
    except BaseException:
        _PARAMS.write_bytes(before)
        raise


def model_place(file: Path) -> str:
    """Return the path of a model inside the repository: its own, or that of a copy for a file of another place.

    Raises InputError where there is no file, or another one in the place of the copy.
    """
    if not file.is_file():
        raise InputError(f"--model: expected a file, got none at {file}")
    place, here = file.absolute(), Path.cwd()
    if place.is_relative_to(here):
        return place.relative_to(here).as_posix()
    copy = Path(layout.OWN_MODELS_FOLDER, file.name)
    if copy.exists() and file_md5(copy) != file_md5(file):
        raise InputError(f"--model: {copy} is another file than {file}: remove it, or rename one of them")
    return copy.as_posix()


@contextmanager
def placed_model(file: Path, place: str) -> Iterator[None]:
    """Copy a model to its place, if it is not there; the copy is removed if the block raises. Raises InputError."""
    copy = Path(place)
    if copy.exists():
        yield
        return
    try:
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, copy)
    except OSError as error:
        raise _not_written(copy, error) from error
    try:
        yield
    except BaseException:
        copy.unlink()
        raise


def _loaded(draft: Path) -> Params:
    try:
        return load_params(draft)
    except InputError as error:
        told = str(error).removeprefix(f"{draft}: ")
        raise InputError(f"params.yaml is unchanged, because the new block does not fit: {told}") from error


def _not_written(path: Path, error: OSError) -> InputError:
    return InputError(f"{error.filename or path}: expected a file that can be written, got {error.strerror}")
