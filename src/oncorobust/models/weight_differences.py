"""Where the tensors of a weights file differ from those of a module, in words, with the likely cause."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

_SHOWN = 3


class Tensor(NamedTuple):
    """Shape of a tensor, its type as safetensors writes it, and whether it is floating-point; None for other types."""

    shape: tuple[int, ...]
    kind: str
    floating: bool | None


class _Differences(NamedTuple):
    missing: list[str]
    unexpected: list[str]
    shapes: list[str]
    kinds: list[str]


def compare(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """Describe differences by name: missing, unexpected, other shapes, other types, likely cause; "" if all fits.

    Integers may be missing.
    """
    common = [name for name in expected if name in found]
    differences = _Differences(
        [name for name, one in expected.items() if name not in found and one.floating],
        [name for name in found if name not in expected],
        [name for name in common if found[name].shape != expected[name].shape],
        [name for name in common if found[name].floating is not expected[name].floating],
    )
    if not any(differences):
        return ""
    return "; ".join([*_parts(differences, found, expected), _cause(differences, found, expected)])


def few(names: Collection[str]) -> str:
    """Return the first three names, and the number of the others."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join([*names][:_SHOWN]) + more


def _parts(differences: _Differences, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[str]:
    if differences.missing:
        yield f"{len(differences.missing)} tensors missing ({few(differences.missing)})"
    if differences.unexpected:
        yield f"{len(differences.unexpected)} unexpected ({few(differences.unexpected)})"
    if differences.shapes:
        shown = [f"{name} {found[name].shape} for {expected[name].shape}" for name in differences.shapes]
        yield f"{len(shown)} of another shape ({few(shown)})"
    if differences.kinds:
        yield f"{len(differences.kinds)} of another type ({few([f'{n} {found[n].kind}' for n in differences.kinds])})"


def _cause(differences: _Differences, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    pairs = [(found[name].shape, expected[name].shape) for name in differences.shapes]
    by_names = not differences.missing and not differences.unexpected
    if prefixes := [first for first, rest in map(_split, differences.unexpected) if rest in expected]:
        return f"some names begin with {prefixes[0]!r}: set the prefix to {prefixes[0]!r}"
    stale = ["cross_attn" in name for name in differences.unexpected]
    if not differences.missing and not pairs and stale and all(stale):
        return "an older MONAI saved tensors that ViT does not use: leave out those with cross_attn in their names"
    if any(len(one) == 5 and len(other) == 4 for one, other in pairs):
        return "these are weights of a network for volumes, not for 2D images"
    if by_names and pairs and all(one[1:] == other[1:] for one, other in pairs):
        return f"the network was trained for {pairs[-1][0][0]} classes, not {pairs[-1][1][0]}"
    if by_names and len(pairs) == 1 and len(pairs[0][0]) == 4 and pairs[0][0][::2] == pairs[0][1][::2]:
        return f"the network was trained for images of {pairs[0][0][1]} channels, not {pairs[0][1][1]}"
    if by_names and not pairs:
        return "the file may hold quantised weights"
    return "these may be weights of another network, or of one with other arguments"


def _split(name: str) -> tuple[str, str]:
    """Split the first part off a name, with its dot."""
    first, dot, rest = name.partition(".")
    return first + dot, rest
