"""Where links of a raw tree may lead: into the tree, into the folder behind its link `files`, or into DVC's cache."""

import re
from collections.abc import Iterable
from pathlib import Path

FILES = "files"
"""Link at the top of a tree to the user's own folder; `oncorobust manifest` makes it."""

_IN_DVC_CACHE = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")
"""Target of a link made by `dvc checkout`; the name is the MD5 of the content."""


def roots_of(tree: Path) -> tuple[Path, ...]:
    """Return the real folders in which the files of a tree may lie."""
    return tree.resolve(), *([(tree / FILES).resolve()] if (tree / FILES).is_dir() else [])


def is_inside(place: Path, roots: Iterable[Path]) -> bool:
    """Return whether a real path lies in one of the folders, or is an object of DVC's cache."""
    return any(place.is_relative_to(root) for root in roots) or bool(_IN_DVC_CACHE.search(place.as_posix()))
