"""`InputError`, the exception for bad input, which tells a user's mistake from a bug.

A message says where the problem is (the file, and the row, key or field in it), what was found and what was expected.
Messages quote text from outside, so control characters, which could move a terminal's cursor, are shown as escapes.
"""

BACKENDS = {"tensorflow": "oncorobust[tensorflow]", "torch": "oncorobust[torch]", "jax": "jax"}
"""What to install for each backend of Keras."""


class InputError(ValueError):
    """Unusable parameters, files or images; the message says where, what was found and what was expected."""

    def __str__(self) -> str:
        """Return the message, with unprintable characters escaped."""
        text = super().__str__()
        return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def missing_package(package: str, *, extra: str) -> InputError:
    """Return the error for a package that is not installed, naming the extra of this one that brings it."""
    return InputError(f"the package {package} is not installed: pip install 'oncorobust[{extra}]'")


def missing_backend(wanted: str) -> InputError:
    """Return the error for a backend of Keras that is not installed, or that is none."""
    if wanted not in BACKENDS:
        return InputError(f"expected KERAS_BACKEND to be {', '.join(BACKENDS)}, got {wanted!r}")
    others = " or ".join(name for name in BACKENDS if name != wanted)
    return InputError(
        f"the package {wanted} (KERAS_BACKEND={wanted}) is not installed: pip install '{BACKENDS[wanted]}', "
        f"or set KERAS_BACKEND to {others}"
    )
