"""The base class of all settings, and the ranges of numbers that several share.

The string below each field of a settings class describes the key of params.yaml: its meaning, then `Unit: ...` where it
has one, then `Source: ...`, the part of the paper, its code or another publication that the key follows. The reference
and the JSON schema show these strings (maintenance/settings_text.py). They are no code: editing one reruns no stage.
"""

from typing import Annotated

from msgspec import Meta, Struct

Epsilon = Annotated[float, Meta(gt=0, le=1)]
"""l_inf radius in [0, 1] pixel units."""

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(gt=0, lt=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all settings: immutable, keyword-only, unknown keys refused."""


def tag(settings: Settings | type[Settings]) -> str:
    """Return the name by which params.yaml calls one member of a union, such as `phantom` or `sgd`."""
    return str(settings.__struct_config__.tag)
