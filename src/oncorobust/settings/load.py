"""Reading and checking of params.yaml and of policies before any job starts; the only module that reads YAML.

Errors name the file, the path of the key, what was expected and what was found:

    params.yaml: datasets.mnist.train.epochs: expected `int` >= 1, got 0
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import refused_character
from oncorobust.base.yaml_loader import PlainLoader, parse_yaml
from oncorobust.settings import yaml_versions
from oncorobust.settings.base import Settings
from oncorobust.settings.data import Acquire
from oncorobust.settings.messages import explain
from oncorobust.settings.pipeline import Column, Dataset, Params
from oncorobust.settings.rules import (
    check_dataset,
    check_dataset_name,
    check_increasing,
    check_policy_files,
    check_training_seeds,
)
from oncorobust.settings.source_rules import check_sources

T = TypeVar("T", bound=Settings)

_DEEPEST = 50
_MOST_VALUES = 2_000_000  # ten times as many as a thousand data sets have


class _NumberLoader(PlainLoader):
    """Load YAML 1.1 as PyYAML does, and numbers such as 1e-05 as YAML 1.2, which DVC follows; PyYAML reads text."""


_NumberLoader.add_implicit_resolver("tag:yaml.org,2002:float", yaml_versions.EXPONENT, list("-+.0123456789"))


class _StrictLoader(_NumberLoader):
    """Load YAML and reject repeated keys, of which PyYAML would silently use the last, and ambiguous values."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        value = super().construct_object(node, deep=deep)
        # Quotes or an explicit tag, such as that of `!!str no`, leave no doubt.
        plain = isinstance(node, yaml.ScalarNode) and not node.style
        if plain and self.resolve(yaml.ScalarNode, node.value, (True, False)) == node.tag:
            yaml_versions.check_reading(node.value, value, line=node.start_mark.line + 1)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"line {node.start_mark.line + 1}: key {key!r} occurs twice (expected once)")
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file with the values that DVC and the scripts see."""
    return _load(path, _NumberLoader)


def read_yaml_text(text: str) -> Any:
    """Read YAML as `read_yaml` does, from text."""
    _check_nesting(text)
    return parse_yaml(text, loader=_NumberLoader)


def _load(path: str | Path, loader: Any) -> Any:
    text = Path(path).read_text(encoding="utf-8")
    _check_nesting(text)
    return parse_yaml(text, loader=loader)


def _check_nesting(text: str) -> None:
    """Reject more than _DEEPEST levels, more than _MOST_VALUES values, and anchors that contain themselves."""
    sizes: dict[str, int] = {}  # number of values of each anchor; each use of its alias counts
    inside: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=PlainLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.CollectionStartEvent):
            inside.append((event.anchor, 1))
        elif isinstance(event, (yaml.CollectionEndEvent, yaml.ScalarEvent, yaml.AliasEvent)):
            anchor, size = inside.pop() if isinstance(event, yaml.CollectionEndEvent) else (event.anchor, 1)
            if isinstance(event, yaml.AliasEvent):
                size = sizes.get(
                    event.anchor or "", _MOST_VALUES + 1
                )  # no size yet: the alias is inside its own anchor
            elif anchor:
                sizes[anchor] = size
            inside[-1] = (inside[-1][0], inside[-1][1] + size)
        if len(inside) > _DEEPEST or inside[-1][1] > _MOST_VALUES:
            raise InputError(
                f"line {line}: too deep or too long (expected at most {_DEEPEST} levels and {_MOST_VALUES:,} values)"
            )


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check a parameter file.

    Raises InputError naming the file, the key's path, what was expected and what was found.
    """
    content = _read_strict(path)
    try:
        return parse_params(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def load_settings(path: str | Path, kind: type[T]) -> T:
    """Read another YAML file of settings by the rules of params.yaml. Raises InputError as `load_params` does."""
    content = _read_strict(path)
    try:
        _check_finite(content, "")
        converted: T = _convert(content, kind, "")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return converted


def _read_strict(path: str | Path) -> Any:
    try:
        return _load(path, _StrictLoader)
    except (OSError, ValueError, yaml.YAMLError, InputError) as error:
        raise InputError(f"{path}: {error}") from error


def check_overrides(config: Mapping[str, Any], path: str | Path) -> None:
    """Reject a Snakemake configuration that differs from the parameter file, which scripts and DVC read instead.

    config: as Snakemake reads it, by the rules of PyYAML, with text for numbers such as 1e-05. Raises InputError naming
    the first top-level key that differs.
    """
    stated = _load(path, PlainLoader)
    for key in [*config, *stated]:
        if config.get(key) != stated.get(key):
            raise InputError(
                f"`{key}` from --config or --configfile differs from {path}, the only source of parameters: "
                f"edit {path}, or try a value once with `dvc exp run -S KEY=VALUE`"
            )


def parse_params(content: object) -> Params:
    """Convert parsed YAML to typed and checked parameters. Raises InputError with the path of the key."""
    _check_finite(content, "")
    params: Params = _convert(content, Params, "")
    for name in params.datasets:
        check_dataset_name(name, f"datasets.{name}")
    _check_names(params)
    for name, dataset in params.datasets.items():
        check_dataset(name, dataset)
    _check_attacks(params)
    check_training_seeds(params)
    check_policy_files(params.acceptance)
    return params


def _check_attacks(params: Params) -> None:
    check_increasing(params.attacks.table_epsilons, "attacks.table_epsilons")
    if len(set(params.attacks.protocols)) != len(params.attacks.protocols):
        raise InputError(f"attacks.protocols: expected each protocol once, got {list(params.attacks.protocols)}")
    if params.report.adversarial_training_epsilon not in params.attacks.table_epsilons:
        raise InputError(
            "report.adversarial_training_epsilon: expected one of attacks.table_epsilons, "
            f"got {params.report.adversarial_training_epsilon}"
        )
    if params.attacks.bim.num_random_init != 0:
        raise InputError(
            "attacks.bim.num_random_init: expected 0 (BIM starts at the image itself), "
            f"got {params.attacks.bim.num_random_init}"
        )


def _check_finite(content: object, where: str) -> None:
    if isinstance(content, dict):
        for key, value in content.items():
            _check_finite(value, f"{where}.{key}".lstrip("."))
    elif isinstance(content, list):
        for position, value in enumerate(content):
            _check_finite(value, f"{where}[{position}]")
    elif isinstance(content, float) and not math.isfinite(content):
        raise InputError(f"{where}: expected a finite number, got {content}")


def _check_names(params: Params) -> None:
    for position, name in enumerate(params.run.datasets):
        if name not in params.datasets:
            raise InputError(f"run.datasets[{position}]: expected a key of datasets, got {name!r}")
    if len(set(params.run.datasets)) != len(params.run.datasets):
        raise InputError(f"run.datasets: expected each data set once, got {list(params.run.datasets)}")
    for name in params.acquire:
        if name not in params.run.datasets:
            raise InputError(f"acquire.{name}: expected a data set of run.datasets, got {name!r}")
    check_sources(params)
    for name in params.run.datasets:
        if name not in params.report.columns:
            raise InputError(f"report.columns.{name}: expected a title for each data set of run.datasets, got none")
    _check_columns(params)


def _check_columns(params: Params) -> None:
    for name, column in params.report.columns.items():
        if name not in params.datasets:
            raise InputError(f"report.columns.{name}: expected a key of datasets, got {name!r}")
        if found := refused_character(column.title):
            raise InputError(f"report.columns.{name}.title: expected plain characters, got {found}")


def _convert(content: object, kind: Any, where: str) -> Any:
    """Convert with msgspec, entries of mappings one by one, because msgspec's errors do not name their keys."""
    if kind is Params and isinstance(content, dict):
        for section, entry in (("acquire", Acquire), ("datasets", Dataset)):
            _convert_entries(content.get(section), entry, section)
        report = content.get("report")
        if isinstance(report, dict):
            _convert_entries(report.get("columns"), Column, "report.columns")
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise InputError(explain(str(error), content, kind, where)) from error


def _convert_entries(entries: object, kind: Any, where: str) -> None:
    if isinstance(entries, dict):
        for name, entry in entries.items():
            _convert(entry, kind, f"{where}.{name}")
