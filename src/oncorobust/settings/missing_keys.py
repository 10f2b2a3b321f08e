"""Keys that params.yaml must have and does not: those that a newer version of the package has added."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec.inspect as types

from oncorobust.settings.pipeline import Params

Path = tuple[str, ...]
"""Keys from the top of params.yaml down."""


def missing_keys(content: object) -> list[Path]:
    """Return the required keys that the content of params.yaml lacks, in the order of the settings.

    Of a section that is missing as a whole, only its own key is returned. A section whose kind is unknown, and one that
    is null, has no missing keys: `load_params` says what is wrong with it.
    """
    return list(_missing(types.type_info(Params), content, ()))


def _missing(kind: types.Type, content: object, path: Path) -> Iterator[Path]:
    match bare(kind):
        case types.StructType() as struct if isinstance(content, Mapping):
            for field in struct.fields:
                below = (*path, field.encode_name)
                if field.encode_name in content:
                    yield from _missing(field.type, content[field.encode_name], below)
                elif field.required:
                    yield below
        case types.DictType(value_type=value) if isinstance(content, Mapping):
            for name, entry in content.items():
                yield from _missing(value, entry, (*path, str(name)))
        case types.UnionType(types=members):
            for member in map(bare, members):
                if isinstance(member, types.StructType) and is_chosen(member, content):
                    yield from _missing(member, content, path)


def is_chosen(struct: types.StructType, content: object) -> bool:
    """Return whether the content of a section names this member of a union, or could be no other."""
    if not isinstance(content, Mapping):
        return False
    return struct.tag_field is None or content.get(struct.tag_field) == struct.tag


def bare(kind: types.Type) -> Any:
    """Return a type without its limits."""
    return bare(kind.type) if isinstance(kind, types.Metadata) else kind
