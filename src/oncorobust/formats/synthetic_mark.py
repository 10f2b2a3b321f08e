"""Detection of synthetic raw trees from their files, never from their names.

Synthetic DICOM files are marked by an attribute (SyntheticData, (0008,001C), PS3.3 C.12.1). Files of formats without
such a mark are synthetic if SYNTHETIC.txt is at the top of the tree. A tree with real and synthetic images is rejected,
because results on it would mean nothing.
"""

from collections.abc import Iterable
from pathlib import Path

from oncorobust.base.errors import InputError

MARKER = "SYNTHETIC.txt"


def is_synthetic(folder: Path, flags: Iterable[bool | None] = (None,)) -> bool:
    """Return whether the images of a tree are synthetic.

    flags: each file's own mark; None where it has none, so that SYNTHETIC.txt decides.
    Raises InputError when some files are synthetic and others are not.
    """
    marked = (folder / MARKER).is_file()
    found = {marked if flag is None else flag for flag in flags}
    if len(found) > 1:
        raise InputError(f"expected real or synthetic images, got both in {folder}")
    return found.pop()
