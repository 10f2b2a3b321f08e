"""The descriptions of the keys of params.yaml and of policies: the strings below the fields of the settings classes."""

import ast
import inspect
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from oncorobust.settings.base import Settings
from oncorobust.settings.pipeline import Params
from oncorobust.settings.policy import Policy

_PARTS = re.compile(r"(?P<meaning>.*?\.)(?: Unit: (?P<unit>.*?)\.)?(?: Source: (?P<source>.*)\.)?")


@dataclass(frozen=True)
class KeyText:
    """What the string below a field says: the whole of it, and its parts; unit and source are empty for none."""

    whole: str
    meaning: str
    unit: str
    source: str


def key_texts(settings: type[Settings]) -> dict[str, KeyText]:
    """Return the text of each field of a settings class, its bases' too. Raises ValueError for a field without."""
    bases = [base for base in reversed(settings.__mro__) if "__annotations__" in vars(base)]
    found = {name: text for base in bases for name, text in _own_texts(base).items()}
    if missing := [name for name in settings.__struct_fields__ if name not in found]:
        raise ValueError(f"{settings.__name__}: expected a string below each field, got none below {missing}")
    return found


def _own_texts(settings: type[Settings]) -> dict[str, KeyText]:
    (tree,) = ast.parse(inspect.getsource(settings)).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: _parse(below.value.value)
        for field, below in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }


def _parse(text: str) -> KeyText:
    whole = " ".join(text.split())
    parts = _PARTS.fullmatch(whole)
    if parts is None:
        raise ValueError(f"expected `Meaning. Unit: UNIT. Source: SOURCE.`, the last two optional, got {whole!r}")
    return KeyText(whole, parts["meaning"], parts["unit"] or "", parts["source"] or "")


def params_schema() -> dict[str, Any]:
    """Return the JSON schema of params.yaml, each key with its description."""
    return _schema(Params)


def policy_schema() -> dict[str, Any]:
    """Return the JSON schema of a policy, each key with its description."""
    return _schema(Policy)


def _schema(kind: type[Settings]) -> dict[str, Any]:
    schema = msgspec.json.schema(kind)
    for settings in (one for one in settings_classes() if one.__name__ in schema["$defs"]):
        for name, text in key_texts(settings).items():
            schema["$defs"][settings.__name__]["properties"][name]["description"] = text.whole
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def settings_classes(kind: type[Settings] = Settings) -> list[type[Settings]]:
    """Return all settings classes, subclasses of `kind`."""
    return [one for sub in kind.__subclasses__() for one in (sub, *settings_classes(sub))]
