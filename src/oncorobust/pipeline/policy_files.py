"""The policies of params.yaml by name, and the files that judging them reads."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.settings.data import Manifest
from oncorobust.settings.load import load_params
from oncorobust.settings.pipeline import Params
from oncorobust.settings.policy import Policy, check_policy, load_policy


def by_name(policies: Iterable[str]) -> dict[str, str]:
    """Return the paths of policies by name: the file's name without its ending."""
    return {Path(path).stem: path for path in policies}


def named_policy(params: Params, name: str) -> str:
    """Return the path of a policy of params.yaml. Raises InputError for another name."""
    known = by_name(params.acceptance)
    if name not in known:
        raise InputError(f"expected --policy {' or '.join(known) or 'of acceptance in params.yaml'}, got {name}")
    return known[name]


def policies_of(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the paths of the policies by name. content: of params.yaml."""
    return by_name(content["acceptance"])


def policy_reads(content: Mapping[str, Any], root: Path) -> list[str]:
    """Return the files that judging all policies reads, besides the policies, each once. content: of params.yaml.

    Raises InputError for a policy that does not fit params.yaml.
    """
    policies = policies_of(content)
    if not policies:
        return []
    params = load_params(root / "params.yaml")
    files: dict[str, None] = {}
    for path in policies.values():
        policy = load_policy(root / path)
        check_policy(policy, params, where=path)
        files |= dict.fromkeys(policy_inputs(policy, params))
    return list(files)


def policy_inputs(policy: Policy, params: Params) -> list[str]:
    """Return the files that judging a policy reads, besides the policy itself, each once."""
    files = made_files(policy)
    for name in policy.datasets:
        files += [] if policy.previous is None else previous_files(policy.previous, name)
        manifest = manifest_file(name, params)
        files += [manifest] if policy.subgroups and manifest else []
    return list(dict.fromkeys(files))


def made_files(policy: Policy) -> list[str]:
    """Return the files of earlier stages that judging a policy reads."""
    models = [policy.model, layout.CLEAN] if policy.previous == layout.CLEAN else [policy.model]
    processed = [
        f"{layout.processed(name)}/{file}" for name in policy.datasets for file in ("index.csv", "summary.json")
    ]
    return processed + [file for name in policy.datasets for model in models for file in layout.row_files(name, model)]


def previous_files(previous: str, dataset: str) -> list[str]:
    """Return the row files of the previous model: the clean-trained one, or one whose rows lie in a folder."""
    if previous == layout.CLEAN:
        return layout.row_files(dataset, layout.CLEAN)
    return [(Path(previous) / dataset / name).as_posix() for name in ("predictions.csv", "intervals.csv")]


def manifest_file(name: str, params: Params) -> str | None:
    """Return the manifest of a data set, whose columns may define subgroups; None for another format."""
    settings = params.datasets[name].preprocess.format
    return f"{layout.raw(name)}/{settings.file}" if isinstance(settings, Manifest) else None
