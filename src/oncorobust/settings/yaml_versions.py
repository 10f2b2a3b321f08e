"""Plain values that YAML 1.1 (PyYAML, Snakemake) and YAML 1.2 (DVC) read differently.

Numbers with an exponent, such as 1e-05, are text to PyYAML, and DVC writes them; they are read as numbers. All others,
such as `no`, `010` and `12:30:45`, are refused with both readings.

Source: YAML 1.1, type repository at yaml.org/type; YAML 1.2.2, section 10.3.2, core schema.
"""

import re

from oncorobust.base.errors import InputError

EXPONENT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
"""Numbers with an exponent by YAML 1.2."""

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def check_reading(text: str, value: object, *, line: int) -> None:
    """Refuse a plain scalar whose value by YAML 1.1 differs from that by YAML 1.2. Raises InputError with both."""
    if isinstance(value, float) and (_FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text)):
        return
    other = _core_value(text)
    if type(value) is not type(other) or value != other:
        raise InputError(
            f"line {line}: expected one reading, got {text}, which is {_shown(value)} by YAML 1.1 and {_shown(other)} "
            f"by YAML 1.2: write the one you mean, with quotes if it is text"
        )


def _core_value(text: str) -> object:
    """Return the value of a plain scalar by the core schema of YAML 1.2."""
    if _NULL.fullmatch(text):
        return None
    if _BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    for pattern, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            return int(text, base)
    return float(text) if _FLOAT.fullmatch(text) else text


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, bool):
        return str(value).lower()
    return f"the number {value}" if isinstance(value, (int, float)) else f"the date {value}"
