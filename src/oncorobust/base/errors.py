"""The one exception that bad input raises, so that a script can tell a person's mistake from a bug.

A message says what was expected, what was found, and where: the file, and the row, key or field inside it. What it
quotes is somebody else's, so that characters which would move a terminal's cursor are shown as escapes.
"""


class InputError(ValueError):
    """Input that cannot be used: parameters, files or images, with what was expected, what was found, and where."""

    def __str__(self) -> str:
        """The message, fit for a terminal and a log."""
        text = super().__str__()
        return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def missing_package(package: str, *, extra: str) -> InputError:
    """Return the error for a package that is not installed, naming the extra of this one that brings it."""
    return InputError(f"the package {package} is not installed: pip install 'oncorobust[{extra}]'")
