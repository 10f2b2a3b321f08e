"""The one exception that bad input raises, so that a script can tell a person's mistake from a bug.

A message says what was expected, what was found, and where: the file, and the row, key or field inside it.
"""


class InputError(ValueError):
    """Input that cannot be used: parameters, files or images, with what was expected, what was found, and where."""
