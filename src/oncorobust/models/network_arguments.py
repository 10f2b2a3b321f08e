"""Packages of networks, and the arguments of a network that is built by name: plain values alone.

Arguments come from params.yaml or from the configuration of a bundle. Only numbers, text, booleans, null, lists and
mappings of these are accepted, so that no argument can be a function or a class. Some arguments are settled by the data
(channels, classes) or by what the model is used for; a person may repeat these, but not change them.
"""

import importlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from oncorobust.base.errors import InputError

_DEEPEST = 3


class Settled(NamedTuple):
    """An argument that is not the person's to choose: its name, its value and the reason, for the message."""

    name: str
    value: Any
    reason: str


def import_package(name: str) -> Any:
    """Import an optional package. Raises InputError saying how to install it, or why its installation fails."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.split(".")[0]:
            raise InputError(f"the package {name} cannot be imported: {error}") from error
        raise InputError(f"the package {error.name} is not installed: pip install {error.name}") from error
    except Exception as error:
        raise InputError(f"the package {name} cannot be imported: {first_line(error)}") from error


def settle(arguments: Mapping[str, Any], settled: Sequence[Settled], *, network: str) -> dict[str, Any]:
    """Return arguments together with the settled ones.

    network: for the message, such as "timm's resnet18". Raises InputError for a value that is not plain, and for an
    argument that contradicts a settled one.
    """
    for name, value in arguments.items():
        check_plain(value, where=f"{network}: argument {name!r}")
    for name, value, reason in settled:
        if name in arguments and arguments[name] != value:
            raise InputError(f"{network}: expected {name} {value} ({reason}), got {arguments[name]!r}")
    return {**arguments, **{one.name: one.value for one in settled}}


def data_settled(
    arguments: Mapping[str, Any], *, channels: tuple[str, int], classes: tuple[str, int]
) -> tuple[Settled, Settled]:
    """Return the two arguments that the data settle; each is given by its name and its number.

    A network for two classes may have one unit, if the arguments say so.
    """
    name, n_classes = classes
    units = 1 if n_classes == 2 and arguments.get(name) == 1 else n_classes
    return (
        Settled(*channels, "the channels of the images"),
        Settled(name, units, "the classes of the data" if units == n_classes else "one unit for two classes"),
    )


def check_plain(value: Any, *, where: str, depth: int = 0) -> None:
    """Refuse a value that is not plain, a key that is not text, and more than three levels. Raises InputError."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return
    if not isinstance(value, (list, tuple, dict)):
        raise InputError(f"{where}: expected a number, text, a boolean or a list, got {type(value).__name__}")
    if depth == _DEEPEST:
        raise InputError(f"{where}: expected at most {_DEEPEST} levels of lists, got more")
    if isinstance(value, dict) and (other := [key for key in value if not isinstance(key, str)]):
        raise InputError(f"{where}: expected names as keys, got {other[0]!r}")
    for one in value.values() if isinstance(value, dict) else value:
        check_plain(one, where=where, depth=depth + 1)


def nearest(name: str, known: Sequence[str], *, otherwise: str) -> str:
    """Return up to three known names that are spelled much like `name`, for a message; `otherwise` if none is."""
    found = get_close_matches(name, known, n=3)
    return f"nearest: {', '.join(found)}" if found else otherwise


def first_line(error: Exception) -> str:
    """Return the type and the first line of an error of another package."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
