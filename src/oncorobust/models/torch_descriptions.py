"""Check the description of a PyTorch network that a .keras file holds: plain data of known names, types and limits."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from oncorobust.base.errors import InputError

_PROGRAMS = ("torch_export", "onnx")
_NAMED = ("timm", "monai")
_COMMON = ("source", "image_shape", "n_classes", "mean", "std", "reversed", "head")
_OF_NAMES = ("architecture", "arguments")
_HEADS = ("auto", "logits", "softmax", "sigmoid")

_LONGEST_SIDE = 4096  # pixels
_CHANNELS = (1, 3)
_MOST_CLASSES = 100_000
_LONGEST_TEXT = 60  # characters of a value in a message


def check_description(network: Any) -> None:
    """Refuse a description that is not one of `torch_sources.described`. Raises InputError naming the key."""
    if not isinstance(network, Mapping):
        raise InputError(f"expected the description of a PyTorch network, got {_shown(network)}")
    source = network.get("source")
    if not isinstance(source, str) or source not in (*_PROGRAMS, *_NAMED):
        raise InputError(f"expected a network of torch_export, onnx, timm or monai, got {_shown(source)}")
    expected = {*_COMMON, *(_OF_NAMES if source in _NAMED else ())}
    if different := sorted(map(str, expected.symmetric_difference(network))):
        found = "an unknown one" if different[0] in network else "none"
        raise InputError(f"expected a description of a {source} network, got {found} for {different[0]!r}")
    for key, fits, wanted in _RULES:
        if key in network and not fits(network[key]):
            raise InputError(f"{key}: expected {wanted}, got {_shown(network[key])}")
    for key in ("mean", "std"):
        if len(network[key]) not in (1, channels := network["image_shape"][2]):
            raise InputError(f"{key}: expected one number, or one for each of {channels} channels, got {network[key]}")


def _are_numbers(value: Any) -> bool:
    return _is_list(value) and all(type(one) in (int, float) and math.isfinite(one) for one in value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_image_shape(value: Any) -> bool:
    if not _is_list(value) or len(value) != 3 or any(type(one) is not int for one in value):
        return False
    return min(value[:2]) > 0 and max(value[:2]) <= _LONGEST_SIDE and value[2] in _CHANNELS


_RULES = (
    ("architecture", lambda value: isinstance(value, str), "the name of a network"),
    (
        "arguments",
        lambda value: isinstance(value, Mapping) and all(isinstance(key, str) for key in value),
        "arguments by their names",
    ),
    ("image_shape", _is_image_shape, f"height and width of at most {_LONGEST_SIDE} pixels, and 1 or 3 channels"),
    (
        "n_classes",
        lambda value: type(value) is int and 2 <= value <= _MOST_CLASSES,
        f"2 to {_MOST_CLASSES} classes",
    ),
    ("mean", _are_numbers, "finite numbers"),
    ("std", lambda value: _are_numbers(value) and min(value, default=0) > 0, "finite numbers above 0"),
    ("reversed", lambda value: type(value) is bool, "true or false"),
    ("head", lambda value: isinstance(value, str) and value in _HEADS, f"one of {', '.join(_HEADS)}"),
)
"""Keys, what their values must fulfil, and how a message says it."""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
