"""What readers do with text and decoders from outside: errors that name the file, and cells that must be numbers."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oncorobust.base.errors import InputError


@contextmanager
def only_input_errors(path: Path, expected: str) -> Iterator[None]:
    """Turn any exception of a decoder into an InputError that names the file. expected: such as `a readable image`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected {expected}, got {text} in {path}") from error


def finite_number(text: str, *, expected: str, where: str) -> float:
    """Return the number that a text states. Raises InputError for other text, infinities and NaN."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"expected {expected}, got {text!r} in {where}")
    return number
