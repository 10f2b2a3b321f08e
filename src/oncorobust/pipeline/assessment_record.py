"""The folder of an assessment: a record of what is assessed, and links to the person's model and images.

    params.yaml          the settings, as the pipeline reads them
    assessment.json      model, manifest, versions, and the stages that have ended
    own/<model>          a link to the model
    data/raw/images      a link to the folder of the manifest

Nothing is copied out of the person's files, and nothing is written there.
"""

import hashlib
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

import oncorobust
from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.base.schema.version import read_results, write_results
from oncorobust.formats.manifest import Listed, read_listed
from oncorobust.pipeline.assessment_settings import DATASET, Request
from oncorobust.settings.load import load_params, read_yaml

_PARAMS = "params.yaml"
_HEADER = "# Written by `oncorobust assess`; the pipeline reads it too. A rerun of the command compares it.\n"
_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")
"""Endings of files of PyTorch that may hold a pickle, which are never opened."""

_BEFORE = {layout.LOGS_FOLDER, layout.CACHE, layout.ASSESSMENT_LOCK}
"""What an assessment that stopped before its record may leave."""
_COMPUTE = ("numpy", "keras", "adversarial-robustness-toolbox")


def check_request(request: Request) -> Listed:
    """Check what needs no framework: the files, the manifest, its classes and its split. Return what it lists.

    Raises InputError naming the option and the way out.
    """
    for option, file in (("--model", request.model), ("--manifest", request.manifest)):
        if not file.is_file():
            raise InputError(f"{option}: expected a file, got none at {file}")
    if request.model.suffix.lower() in _PICKLES:
        raise InputError(
            f"--model: expected a .keras, .pt2 or .onnx file, got {request.model.name}, which can run code when it is "
            "read: save the network as .pt2 with torch.export.save, where you trust it"
        )
    listed = read_listed(request.manifest, classes=request.classes)
    names = ", ".join(listed.class_names)
    if len(listed.class_names) > 2 and listed.class_order == "sorted":
        raise InputError(
            f"--classes: expected the names of the {len(listed.class_names)} classes in the order of the model's "
            f"outputs, got none; {request.manifest} has, sorted: {names}"
        )
    if request.positive is not None and request.positive not in listed.class_names:
        raise InputError(f"--positive: expected one of {names}, got {request.positive}")
    if listed.splits and not listed.splits["test"]:
        found = " and ".join(name for name, count in listed.splits.items() if count)
        raise InputError(f"{request.manifest}: expected rows with split test, got only {found}")
    return listed


def check_folder(folder: Path) -> None:
    """Raise InputError for a place that is neither free nor the folder of an assessment."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out: expected a folder, got a file: {folder}")
    if not folder.exists() or (folder / layout.ASSESSMENT).is_file():
        return
    others = sorted(one.name for one in folder.iterdir() if one.name not in _BEFORE)
    if others:
        raise InputError(
            f"--out: expected a new or empty folder, or one of an earlier assessment, got {folder} with {others[0]} "
            "in it: choose another folder"
        )


def record_of(request: Request, listed: Listed, *, backend: str) -> dict[str, Any]:
    """Return what assessment.json says before any stage has run. backend: name of Keras's backend."""
    versions = {"oncorobust": oncorobust.__version__, "python": platform.python_version()}
    return {
        "model": {"name": request.model.name, "sha256": file_sha256(request.model)},
        "manifest": {"name": request.manifest.name, "sha256": file_sha256(request.manifest)},
        "classes": list(listed.class_names),
        "class_order": listed.class_order,
        "test_images": text_of_test_set(listed),
        "versions": versions | {package: version(package) for package in (*_COMPUTE, backend)},
        "code_sha256": _code_sha256(),
        "stages": [],
    }


def text_of_test_set(listed: Listed) -> str:
    """Say which images of a manifest are the test set."""
    if not listed.splits:
        return f"all {listed.n_images} images, because the manifest has no column split"
    others = ", ".join(f"{count} {name}" for name, count in listed.splits.items() if count and name != "test")
    return f"{listed.splits['test']} images that the manifest's column split marks as test{others and f' ({others})'}"


def open_folder(request: Request, record: dict[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Start an assessment in the current folder, or continue the earlier one there. Return its record.

    content: of params.yaml. Raises InputError naming what differs from the earlier assessment.
    """
    if Path(layout.ASSESSMENT).is_file():
        earlier = read_results(layout.ASSESSMENT)
        known = {key: earlier.get(key) for key in record}
        record = record | {"stages": known["stages"]}
        _refuse(known, record)
    write_record(record)
    if Path(_PARAMS).is_file():
        load_params(_PARAMS)
        _refuse(read_yaml(_PARAMS), content)
    else:
        _replace(Path(_PARAMS), _HEADER + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))
    _link(Path(layout.raw(DATASET)), request.manifest.parent)
    _link(Path(request.model_link), request.model)
    return record


def write_record(record: Mapping[str, Any]) -> None:
    """Write assessment.json in the current folder."""
    draft = Path(f".{layout.ASSESSMENT}.part")
    write_results(draft, record)
    draft.replace(layout.ASSESSMENT)


def _refuse(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    before, after = dict(_leaves(earlier)), dict(_leaves(now))
    for name in [*after, *before]:
        if before.get(name) != after.get(name):
            raise InputError(
                f"--out: {Path.cwd()} holds an assessment with {name} {before.get(name)}, got {after.get(name)}: "
                "repeat its command to resume it, or choose another folder"
            )


def _leaves(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _link(place: Path, target: Path) -> None:
    """Make `place` a link to `target`, also where it is an older link."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.link")
    draft.unlink(missing_ok=True)
    try:
        draft.symlink_to(target)
    except OSError as error:
        raise InputError(f"--out: expected a place with symbolic links, got {error.strerror}: {place}") from error
    draft.replace(place)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _code_sha256() -> str:
    """Return the SHA-256 of the package's files: names and contents, in order of the names."""
    root, found = Path(oncorobust.__file__).parent, hashlib.sha256()
    for file in sorted(one for one in root.rglob("*") if one.suffix in (".py", ".j2", ".csv")):
        found.update(f"{file.relative_to(root).as_posix()} {file_sha256(file)}\n".encode())
    return found.hexdigest()
