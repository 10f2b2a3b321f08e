"""Keys of params.yaml that the settings do not know, each with the nearest one that they know."""

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import takewhile

import msgspec.inspect as types

from oncorobust.settings.missing_keys import Path, bare, is_chosen
from oncorobust.settings.pipeline import Params

_ANY = "*"
"""Stands for the name of a data set in a known path."""
_ALIKE = 0.6


def unknown_keys(content: object) -> list[Path]:
    """Return the keys that the settings do not know, in the order of the content; of an unknown section only its own.

    A section whose kind is unknown has none: `load_params` says what is wrong with it.
    """
    return list(_unknown(types.type_info(Params), content, ()))


def nearest_key(path: Path) -> Path | None:
    """Return the known key whose name is most like that of an unknown one, of several the one of the nearest section.

    It is None where no name is alike.
    """
    scored = [(_likeness(path[-1], known[-1]), _n_shared(path, known), known) for known in _known_keys()]
    likeness, n_shared, known = max(scored, key=lambda one: one[:2])
    if likeness < _ALIKE:
        return None
    return (*path[:n_shared], *("NAME" if one == _ANY else one for one in known[n_shared:]))


def _unknown(kind: types.Type, content: object, path: Path) -> Iterator[Path]:
    match bare(kind):
        case types.StructType() as struct if isinstance(content, Mapping):
            known = {field.encode_name: field.type for field in struct.fields}
            for name, entry in content.items():
                if name in known:
                    yield from _unknown(known[name], entry, (*path, name))
                elif name != struct.tag_field:
                    yield (*path, str(name))
        case types.DictType(value_type=value) if isinstance(content, Mapping):
            for name, entry in content.items():
                yield from _unknown(value, entry, (*path, str(name)))
        case types.UnionType(types=members):
            for member in map(bare, members):
                if isinstance(member, types.StructType) and is_chosen(member, content):
                    yield from _unknown(member, content, path)


@cache
def _known_keys() -> tuple[Path, ...]:
    return tuple(dict.fromkeys(_known(types.type_info(Params), ())))


def _known(kind: types.Type, path: Path) -> Iterator[Path]:
    match bare(kind):
        case types.StructType() as struct:
            for field in struct.fields:
                yield (*path, field.encode_name)
                yield from _known(field.type, (*path, field.encode_name))
        case types.DictType(value_type=value):
            yield from _known(value, (*path, _ANY))
        case types.UnionType(types=members):
            for member in members:
                yield from _known(member, path)


def _likeness(name: str, known: str) -> float:
    return difflib.SequenceMatcher(None, name, known).ratio()


def _n_shared(path: Path, known: Path) -> int:
    """Return how many sections from the top two keys share."""
    pairs = zip(path[:-1], known[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[1] in (pair[0], _ANY), pairs))
