"""The base class of all settings, the ranges of numbers that several share, and the description of a key."""

from typing import Annotated

from msgspec import Meta, Struct

Epsilon = Annotated[float, Meta(gt=0, le=1)]
"""l_inf radius in [0, 1] pixel units."""

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(gt=0, lt=1)]

EPSILON_UNIT = "pixel value in [0, 1]"


def about(text: str, *, unit: str = "", source: str = "") -> Meta:
    """Describe a key of params.yaml: the reference shows the three parts, an editor shows the description.

    text: what the key means, in sentences. unit: of the number, where it has one. source: table or text of the paper
    that states the value in the preset `paper`, or the method's publication.
    """
    parts = [text, unit and f"Unit: {unit}.", source and f"Source: {source}."]
    return Meta(
        description=" ".join(part for part in parts if part), extra={"text": text, "unit": unit, "source": source}
    )


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all settings: immutable, keyword-only, unknown keys refused."""


def tag(settings: Settings | type[Settings]) -> str:
    """Return the name by which params.yaml calls one member of a union, such as `phantom` or `sgd`."""
    return str(settings.__struct_config__.tag)
