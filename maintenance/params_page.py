"""The pages of the reference on params.yaml and on policies, from the settings classes and the presets."""

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec.inspect as types
from settings_text import KeyText, key_texts

from oncorobust.settings.load import read_yaml
from oncorobust.settings.pipeline import Params
from oncorobust.settings.policy import Policy

NAME = "<data set>"
"""Stands for the name of a data set in the path of a key."""

HEAD = """# Parameters

`params.yaml` holds every value that a person may change. This page is generated from `src/oncorobust/settings/`. The
command `oncorobust check` and every stage reject a key or a value that does not fit, with the path of the key.

- **Default** is the value in `params.yaml` as delivered, which is the preset `demo`. Where data sets differ, each value
  names its data sets.
- **Source** is the part of the paper, of its released code or of another publication that the key and its value in the
  preset `paper` follow.
- Every key is required, except those of the formats, models, optimizers, schedules and losses that are not chosen.
"""
POLICY_HEAD = """# Policies

A policy is a YAML file of its own, which `acceptance` in `params.yaml` lists:
[accept a model by a policy](../how-to/acceptance.md). This page is generated from `src/oncorobust/settings/policy.py`.
`oncorobust check` and `oncorobust accept` reject a key or a value that does not fit, with the path of the key.
"""
COLUMNS = "| key | type and range | unit | default | source | meaning |\n|---|---|---|---|---|---|\n"


def params_page(root: Path) -> str:
    """Return the page in Markdown, with the defaults of `root`/presets/demo.yaml."""
    sections = _sections(types.type_info(Params), "", read_yaml(root / "presets" / "demo.yaml"))
    return HEAD + "".join(sections)


def policy_page() -> str:
    """Return the page on policies in Markdown."""
    return POLICY_HEAD + "".join(_sections(types.type_info(Policy), "", None))


def _sections(struct: types.StructType, path: str, content: Any) -> Iterator[str]:
    """The section of a struct and of all below it. content: what the preset holds at `path`, data sets side by side."""
    yield f"\n## {_title(struct, path)}\n\n{_text(struct.cls)}\n"
    texts = key_texts(struct.cls)
    rows = "".join(_row(field, texts[field.name], content) for field in struct.fields)
    if tag := struct.tag_field:
        rows = f"| `{tag}` | `{struct.tag}` | | | | Chooses this section. |\n" + rows
    if rows:
        yield f"\n{COLUMNS}{rows}"
    for field in struct.fields:
        below = f"{path}.{field.name}".lstrip(".")
        inner = _bare(field.type)
        held = _below(content, field.name)
        if isinstance(inner, types.DictType):
            below, inner, held = f"{below}.{NAME}", _bare(inner.value_type), _side_by_side(held)
        if isinstance(inner, types.VarTupleType) and list(_structs(inner.item_type)):
            below, inner = f"{below}[]", inner.item_type
        for member in _structs(inner):
            yield from _sections(member, below, _of_tag(held, member))


def _title(struct: types.StructType, path: str) -> str:
    if struct.tag_field:
        return f"`{path}` with `{struct.tag_field}: {struct.tag}`"
    return f"`{path}`" if path else "Top level"


def _text(cls: type) -> str:
    return inspect.cleandoc(cls.__doc__ or "")


def _row(field: types.Field, text: KeyText, content: Any) -> str:
    cells = (f"`{field.name}`", _kind(field.type), text.unit, _default(field, content), text.source, text.meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _default(field: types.Field, content: Any) -> str:
    inner = _bare(field.type)
    if isinstance(inner, types.DictType) or list(_structs(inner)):
        return ""
    found = _below(content, field.name)
    if not isinstance(found, _SideBySide):
        return "" if found is None and content is None else _value(found)
    names: dict[str, list[str]] = {}
    for name, value in found.items():
        names.setdefault(_value(value), []).append(name)
    if len(names) == 1:
        return next(iter(names))
    return "; ".join(f"{value} ({', '.join(owners)})" for value, owners in names.items())


def _value(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace('"', "")


class _SideBySide(dict[str, Any]):
    """What several data sets hold at the same path, by the name of the data set."""


def _side_by_side(content: Any) -> "_SideBySide":
    return _SideBySide(content or {})


def _below(content: Any, key: str) -> Any:
    if isinstance(content, _SideBySide):
        return _SideBySide(
            {name: held[key] for name, held in content.items() if isinstance(held, Mapping) and key in held}
        )
    return content.get(key) if isinstance(content, Mapping) else None


def _of_tag(content: Any, struct: types.StructType) -> Any:
    """What is held by this member of a union; unchanged where the struct has no tag."""
    if struct.tag_field is None:
        return content
    if isinstance(content, _SideBySide):
        return _SideBySide({name: held for name, held in content.items() if held[struct.tag_field] == struct.tag})
    return content if isinstance(content, Mapping) and content.get(struct.tag_field) == struct.tag else None


def _bare(kind: types.Type) -> types.Type:
    return _bare(kind.type) if isinstance(kind, types.Metadata) else kind


def _structs(kind: types.Type) -> Iterator[types.StructType]:
    for one in kind.types if isinstance(kind, types.UnionType) else (kind,):
        if isinstance(bare := _bare(one), types.StructType):
            yield bare


_WORDS = {
    types.BoolType: "true or false",
    types.StrType: "text",
    types.NoneType: "null",
    types.IntType: "integer",
    types.FloatType: "number",
    types.DictType: "section for each data set",
    types.StructType: "section",
}


def _kind(kind: types.Type) -> str:
    """Describe a type and its range in words."""
    match _bare(kind):
        case types.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case types.VarTupleType(item_type=item, min_length=least):
            return f"list{f' of at least {least}' if least else ''}: {_kind(item)}"
        case types.TupleType(item_types=items):
            return f"list of {len(items)}: {_kind(items[0])}"
        case types.UnionType() as union:
            return _union(union)
        case other:
            return _WORDS[type(other)] + _range(other)


def _union(union: types.UnionType) -> str:
    if tags := [f"`{one.tag}`" for one in _structs(union) if one.tag]:
        return f"section: {', '.join(tags)}"
    members = sorted(union.types, key=lambda one: isinstance(one, types.NoneType))
    return " or ".join(_kind(one) for one in members)


def _range(kind: types.Type) -> str:
    if not isinstance(kind, (types.IntType, types.FloatType)):
        return ""
    limits = ((">", kind.gt), ("≥", kind.ge), ("<", kind.lt), ("≤", kind.le))
    return "".join(f", {sign} {limit}" for sign, limit in limits if limit is not None)
