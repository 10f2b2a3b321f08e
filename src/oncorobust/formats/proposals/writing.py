"""Write a proposal as a manifest with a link to the images, or with copies, whole or not at all.

The manifest lies in a folder of its own, beside the link `files` to the images' folder, which is not changed. An
existing manifest is never overwritten. If the images already lie below the manifest's folder, no link is needed.
"""

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import FIELDS, Catalogue

LINK = "files"
_PATHS = ("path", "segmentation")


@dataclass(frozen=True)
class Place:
    """Where a manifest goes. prefix: what its paths have before those relative to the images' folder."""

    manifest: Path
    folder: Path
    prefix: str

    @property
    def tree(self) -> Path:
        """The folder of the manifest."""
        return self.manifest.parent

    @property
    def linked(self) -> bool:
        """Whether the images need a link or copies beside the manifest."""
        return self.prefix == f"{LINK}/"


def find_place(manifest: Path, folder: Path) -> Place:
    """Return the place of a manifest. Raises InputError for one that exists, or that lies inside the images' folder."""
    manifest, folder = Path.cwd() / manifest, folder.resolve()
    if os.path.lexists(manifest):
        raise InputError(f"{manifest} exists already and is not overwritten; remove it, or give another with --output")
    tree = manifest.parent.resolve()
    if folder == tree:
        return Place(manifest, folder, "")
    if folder.is_relative_to(tree):
        return Place(manifest, folder, f"{folder.relative_to(tree).as_posix()}/")
    if tree.is_relative_to(folder):
        raise InputError(f"expected a folder of images outside of which {manifest} lies, got {folder}; move the images")
    link = manifest.parent / LINK
    if os.path.lexists(link) and link.resolve() != folder:
        raise InputError(
            f"{link} exists already and is no link to {folder}; remove it, or give another place with --output"
        )
    return Place(manifest, folder, f"{LINK}/")


@contextmanager
def whole_place(place: Place) -> Iterator[Path]:
    """Yield a draft folder for the manifest and what lies beside it; move all of it into place at the end.

    Nothing is left if the block fails. Raises InputError if the manifest came into being meanwhile, or the folder
    cannot be written.
    """
    tree = place.tree
    draft = tree.with_name(f".{tree.name}.part{os.getpid()}")
    try:
        tree.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
    except OSError as error:
        raise InputError(
            f"{tree}: expected a folder that can be written, got {error.strerror}; choose another with --output"
        ) from error
    try:
        yield draft
        _move(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _move(draft: Path, place: Place) -> None:
    if not place.tree.exists():
        draft.rename(place.tree)
        return
    names = sorted((one.name for one in draft.iterdir()), key=lambda name: name == place.manifest.name)
    for name in names:
        final = place.tree / name
        if not os.path.lexists(final):
            (draft / name).rename(final)
        elif name == place.manifest.name:
            raise InputError(f"{final} exists already and is not overwritten; remove it, or give another with --output")


def write_manifest(path: Path, catalogue: Catalogue, *, prefix: str, where: str = "1") -> int:
    """Write the rows that fit the condition, by path; columns that hold nothing are left out. Returns their number."""
    needed = FIELDS[:4]
    held = [
        name for name in FIELDS if name in needed or catalogue.one(f"select 1 from rows where {name} <> '' limit 1")
    ]
    chosen = ", ".join(
        f"case when {name} = '' then '' else ? || {name} end" if name in _PATHS else name for name in held
    )
    prefixes = [prefix] * sum(name in _PATHS for name in held)
    order = "path, array, cast(array_index as integer), slice"
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(held)
        for row in catalogue.query(f"select {chosen} from rows where {where} order by {order}", *prefixes):
            out.writerow(row)
            count += 1
    return count


def link_files(draft: Path, place: Place) -> None:
    """Make the link to the images' folder, with its absolute path."""
    (draft / LINK).symlink_to(place.folder, target_is_directory=True)


def copy_files(draft: Path, place: Place, catalogue: Catalogue) -> None:
    """Copy the files that rows name. Raises InputError where the disk is full or a file cannot be read."""
    named = "select path from rows union select segmentation from rows where segmentation <> ''"
    try:
        for path in catalogue.query(named):
            target = draft / LINK / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place.folder / path, target)
    except OSError as error:
        raise InputError(
            f"{place.tree}: expected room for copies of the images, got {error}; leave out --copy to link them"
        ) from error
