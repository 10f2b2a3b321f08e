"""New keys of params.yaml in an upgrade: filled from a preset where it leaves no choice, otherwise asked for.

A key takes the value of the preset with which the project began. In the section of a data set it takes the value of the
preset's data set of the same name; else the value that all its data sets of the same format have; else the value that
all have. Keys that a version renamed are carried over first (`renamed_keys`). No other key is changed; comments stay.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from oncorobust.base.errors import InputError
from oncorobust.settings.load import parse_params, read_yaml_text
from oncorobust.settings.missing_keys import Path, missing_keys
from oncorobust.settings.params_text import add_keys
from oncorobust.settings.renamed_keys import Renamed, carry_over
from oncorobust.settings.unknown_keys import nearest_key, unknown_keys

_PER_DATASET = (("datasets",), ("report", "columns"), ("acquire",))
"""Sections with an entry for each data set."""
_NAMED = 10
"""Number of unknown keys that a message names."""


@dataclass(frozen=True)
class Filled:
    """text: params.yaml with the new keys. added: their values, by dotted path, in order.

    moved: new dotted path by old one of the keys that were renamed.
    """

    text: str
    added: Mapping[str, Any]
    moved: Mapping[str, str]


def fill_params(
    text: str, preset: Any, *, given: Mapping[str, str], comment: str, renamed: Sequence[Renamed] = ()
) -> Filled:
    """Rename the keys of params.yaml that have another name now, and add those that it lacks.

    text: of params.yaml. preset: content of the preset with which the project began; None where the package has it no
    longer. given: values that the person states, as YAML, by dotted path. comment: stands behind each new key. renamed:
    since the version of the project. Raises InputError naming the keys for which a value must be stated, a key of
    `given` that is not missing, the keys that are not known, or a params.yaml that is wrong for another reason.
    """
    carried = carry_over(text, _parsed(text, "params.yaml"), renamed)
    text, content = carried.text, carried.content
    _check_known(content)
    missing = missing_keys(content)
    names = {path: ".".join(path) for path in missing}
    if needless := [key for key in given if key not in names.values()]:
        raise InputError(
            f"--set {needless[0]}: expected a key that params.yaml lacks, got one that it has or needs not"
        )
    stated = {path: _parsed(given[name], f"--set {name}") for path, name in names.items() if name in given}
    known = {path: found[0] for path in missing if path not in stated and (found := _candidates(path, content, preset))}
    if unknown := [names[path] for path in missing if path not in stated | known]:
        raise InputError(
            f"params.yaml lacks {', '.join(unknown)}, for which the preset has no single value: choose it, "
            f"`oncorobust upgrade --set {unknown[0]}=VALUE`, or write it into params.yaml"
        )
    added = {path: (stated | known)[path] for path in missing}
    whole = copy.deepcopy(content)
    for path, value in added.items():
        _put(whole, path, value)
    _check(whole)
    filled = add_keys(text, added, comment=comment) if added else text
    if read_yaml_text(filled) != whole:
        raise InputError(
            f"params.yaml: {', '.join([*carried.moved, *names.values()])} cannot be renamed or added without a change "
            "of other values: write the new keys by hand"
        )
    return Filled(filled, {names[path]: value for path, value in added.items()}, carried.moved)


def _parsed(text: str, where: str) -> Any:
    try:
        return read_yaml_text(text)
    except (ValueError, yaml.YAMLError, InputError) as error:
        raise InputError(f"{where}: {error}") from error


def _check_known(content: Any) -> None:
    """Raise InputError naming the keys that this version does not know, each with the nearest that it knows."""
    unknown = unknown_keys(content)
    told = [f"{'.'.join(path)}: expected a known key, {_nearest(path)}" for path in unknown[:_NAMED]]
    if len(unknown) > _NAMED:
        told.append(f"and {len(unknown) - _NAMED} more")
    if told:
        hint = "keys of a newer version, or ones that have another name now: see CHANGELOG.md"
        raise InputError(f"params.yaml: {'; '.join(told)} ({hint}); nothing is changed")


def _nearest(path: Path) -> str:
    near = nearest_key(path)
    return "and no known one is alike" if near is None else f"of which {'.'.join(near)} is the nearest"


def _check(content: Any) -> None:
    try:
        parse_params(content)
    except InputError as error:
        raise InputError(f"params.yaml: {error}; nothing is changed") from error


def _candidates(path: Path, content: Any, preset: Any) -> list[Any]:
    """Return a list of the one value that the preset leaves for a key; empty where it has none, or several."""
    for tier in _tiers(path, content, preset):
        found = [value for one in tier for value in _find(preset, one)]
        if found:
            return found[:1] if all(one == found[0] for one in found) else []
    return []


def _tiers(path: Path, content: Any, preset: Any) -> Iterator[list[Path]]:
    """Yield the paths in the preset that a key may take its value from, the best first."""
    yield [path]
    above = next((one for one in _PER_DATASET if path[: len(one)] == one and len(path) > len(one) + 1), None)
    if above is not None:
        name, rest = path[len(above)], path[len(above) + 1 :]
        others = [str(one) for section in _find(preset, above) for one in section]
        alike = [one for one in others if _format(preset, one) == _format(content, name)]
        for names in (alike, others):
            yield [(*above, one, *rest) for one in names]


def _format(content: Any, name: str) -> Any:
    return next(iter(_find(content, ("datasets", name, "preprocess", "format", "name"))), None)


def _find(content: Any, path: Path) -> list[Any]:
    """Return a list of the value at a path; empty where there is none."""
    for key in path:
        if not isinstance(content, Mapping) or key not in content:
            return []
        content = content[key]
    return [content]


def _put(content: Any, path: Path, value: Any) -> None:
    for key in path[:-1]:
        content = content[key]
    content[path[-1]] = value
