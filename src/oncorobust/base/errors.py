"""`InputError`, the exception for bad input, which tells a user's mistake from a bug.

A message says where the problem is (the file, and the row, key or field in it), what was found and what was expected.
Messages quote text from outside, so control characters, which could move a terminal's cursor, are shown as escapes.
"""


class InputError(ValueError):
    """Unusable parameters, files or images; the message says where, what was found and what was expected."""

    def __str__(self) -> str:
        """Return the message, with unprintable characters escaped."""
        text = super().__str__()
        return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def missing_package(package: str, *, extra: str) -> InputError:
    """Return the error for a package that is not installed, naming the extra of this one that brings it."""
    return InputError(f"the package {package} is not installed: pip install 'oncorobust[{extra}]'")
