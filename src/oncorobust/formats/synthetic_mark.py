"""Whether a raw tree is synthetic: read from its files, never from its name, and never both.

DICOM files say so themselves (SyntheticData, (0008,001C), PS3.3 C.12.1). Formats that cannot say so are covered by a
file SYNTHETIC.txt at the top of the tree. A tree that holds both kinds is refused: its numbers would mean nothing.
"""

from collections.abc import Iterable
from pathlib import Path

from oncorobust.base.errors import InputError

MARKER = "SYNTHETIC.txt"


def is_synthetic(folder: Path, flags: Iterable[bool | None] = (None,)) -> bool:
    """Say whether the images of a tree are synthetic.

    flags: for each file what it says of itself; None where it says nothing, and SYNTHETIC.txt decides.
    Raises InputError when some are and some are not.
    """
    marked = (folder / MARKER).is_file()
    found = {marked if flag is None else flag for flag in flags}
    if len(found) > 1:
        raise InputError(f"expected real or synthetic images, got both in {folder}")
    return found.pop()
