"""The network of a MONAI bundle, read from its configuration without evaluating anything.

A bundle's `configs/*.json` or `*.yaml` describes a whole workflow in expressions (`$...`), which MONAI evaluates as
Python. Here only the description of the network is read: a `_target_` among `monai_families.FAMILIES` and plain
arguments. References `@key` to plain values of the same file are followed. Everything else of the file is left alone.
The weights of a bundle, `models/model.pt`, are a pickle: `models.weight_files` says how to convert them.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from oncorobust.base.errors import InputError
from oncorobust.models.monai_families import find_family
from oncorobust.models.network_arguments import check_plain, first_line
from oncorobust.settings.load import read_yaml

_KEYS = ("network_def", "net", "network")
_TARGET = re.compile(r"(?:monai\.networks\.nets\.(?:[a-z_0-9]+\.)?)?(\w+)")
_MOST_BYTES = 2**20  # a bundle's configuration has about 10 kB


def read_bundle(path: str | Path) -> tuple[str, dict[str, Any]]:
    """Read the network of a MONAI bundle: its name and its arguments, for `named_networks.monai_network`.

    path: the bundle's configuration, such as `configs/inference.json`. The network is `network_def`, else `net`, else
    `network`. Raises InputError naming the file and the key, for a file of another kind or cut off, one without a
    network, a network that is not accepted, and for expressions, code and objects inside its description.
    """
    try:
        return _network(_read(Path(path)))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    if path.suffix.lower() not in (".json", ".yaml", ".yml"):
        raise InputError("expected a bundle's configuration (.json, .yaml, .yml), such as configs/inference.json")
    if not path.is_file():
        raise InputError("expected a bundle's configuration, got no such file")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(
            f"expected a configuration of at most {_MOST_BYTES >> 20} MiB, got {path.stat().st_size} bytes"
        )
    try:
        is_json = path.suffix.lower() == ".json"
        content = json.loads(path.read_text(encoding="utf-8")) if is_json else read_yaml(path)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected JSON or YAML, got {first_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"expected a mapping of names to values, got {type(content).__name__}")
    return content


def _network(content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    key = next((key for key in _KEYS if key in content), None)
    if key is None:
        raise InputError(f"expected a network under {', '.join(_KEYS)}, got {', '.join(map(str, [*content][:5]))}")
    about = content[key]
    if not isinstance(about, dict) or "_target_" not in about:
        raise InputError(f"{key}: expected a mapping with _target_, got {_shown(about)}")
    name = _family_name(about["_target_"], where=f"{key}._target_")
    arguments = {}
    for argument, value in about.items():
        if argument in ("_target_", "_desc_"):  # _desc_ is a comment
            continue
        where = f"{key}.{argument}"
        _refuse_instruction(argument, where=where)
        check_plain(value, where=where)
        arguments[argument] = _resolved(value, content, where=where)
    return name, arguments


def _family_name(target: Any, *, where: str) -> str:
    found = _TARGET.fullmatch(target) if isinstance(target, str) else None
    if found is None:
        raise InputError(f"{where}: expected a network of monai.networks.nets, got {_shown(target)}")
    try:
        return find_family(found[1])[0]
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _resolved(value: Any, content: Mapping[str, Any], *, where: str, seen: tuple[str, ...] = ()) -> Any:
    """Return a plain value with its references replaced. Raises InputError for anything that MONAI would evaluate."""
    if isinstance(value, list):
        return [_resolved(one, content, where=where, seen=seen) for one in value]
    if isinstance(value, dict):
        for key in value:
            _refuse_instruction(key, where=f"{where}.{key}")
        return {key: _resolved(one, content, where=where, seen=seen) for key, one in value.items()}
    if not isinstance(value, str) or not value.startswith(("$", "%", "@")):
        return value
    if not value.startswith("@"):
        kind = "an expression" if value.startswith("$") else "a reference to a file"
        raise InputError(f"{where}: expected a plain value, got {kind} {_shown(value)}: write the value itself")
    if value in seen:
        raise InputError(f"{where}: expected a plain value, got references in a circle: {' -> '.join((*seen, value))}")
    found = _referred(value, content, where=where)
    check_plain(found, where=f"{where}: {value}")
    return _resolved(found, content, where=where, seen=(*seen, value))


def _referred(reference: str, content: Mapping[str, Any], *, where: str) -> Any:
    """Return the value that `@key` or `@key::inner::0` names."""
    found: Any = content
    for part in re.split("::|#", reference.removeprefix("@")):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            raise InputError(f"{where}: expected a value of this file, got {_shown(reference)}, which it does not have")
    return found


def _refuse_instruction(key: str, *, where: str) -> None:
    if key.startswith("_"):
        raise InputError(
            f"{where}: expected an argument of the network, got {key!r}, an instruction that is not followed"
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
