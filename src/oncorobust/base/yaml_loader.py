"""YAML as plain values alone: parsed in C where PyYAML has that, which takes a sixth of the time."""

from typing import Any

import yaml

PlainLoader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""PyYAML's loader that builds no objects but numbers, text, dates, lists and mappings."""


def parse_yaml(text: str, *, loader: Any = PlainLoader) -> Any:
    """Return the values of a YAML text. loader: PlainLoader or a subclass. Raises yaml.YAMLError as PyYAML does."""
    return yaml.load(text, Loader=loader)  # noqa: S506  a SafeLoader
