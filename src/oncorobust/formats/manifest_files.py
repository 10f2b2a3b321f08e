"""The files of a manifest's rows: that they exist inside the raw tree, their headers, and the parts that rows name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.image_files import FileKind, describe_image
from oncorobust.formats.part_checks import PartChecks
from oncorobust.formats.parts import Part
from oncorobust.formats.tree_links import is_inside, roots_of
from oncorobust.formats.tree_walk import files_below


@dataclass(frozen=True)
class RowFiles:
    """Each row's file, made when it is asked for: a Path takes several times the memory of its text.

    entries: the cells of the column `path`.
    """

    tree: Path
    entries: Sequence[str]

    def __getitem__(self, position: int) -> Path:
        """Return the file of a row."""
        return self.tree / self.entries[position]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.entries)


def row_files(table: pd.DataFrame, path: Path) -> RowFiles:
    """Return each row's file. Raises InputError naming the line of a path that leaves the tree."""
    for line, entry in table["path"].items():
        _inside(entry, path, line)
    return RowFiles(path.parent, list(table["path"]))


def _inside(entry: str, path: Path, line: object) -> str:
    """Return a path that stays inside the raw tree: a manifest from elsewhere must not reach other files."""
    parts = PurePosixPath(entry.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or PureWindowsPath(entry).drive:
        raise InputError(f"expected a path inside the raw tree, got {entry!r} in {path}, line {line}")
    return entry


def describe_files(files: RowFiles, table: pd.DataFrame, path: Path) -> list[FileKind]:
    """Read the header of each file once; return the kind of each row's file; rows of equal kinds share one object.

    Raises InputError naming the line or the file.
    """
    check = partial(_check_place, roots=roots_of(path.parent), real=cache(Path.resolve), path=path)
    kinds: dict[str, FileKind] = {}
    shared: dict[FileKind, FileKind] = {}
    for position, (entry, line) in enumerate(zip(files.entries, table.index, strict=True)):
        if entry not in kinds:
            file = files[position]
            check(file, line)
            kind = _describe_folder(file, line, check, path) if file.is_dir() else describe_image(file)
            kinds[entry] = shared.setdefault(kind, kind)
    return [kinds[entry] for entry in files.entries]


def _describe_folder(folder: Path, line: object, check: Callable[[Path, object], None], path: Path) -> FileKind:
    """Read the headers of a DICOM series after a check of all files. Raises InputError naming the line."""
    for file in files_below(folder):
        check(file, line)
    try:
        return describe_image(folder)
    except InputError as error:
        raise InputError(f"{path}, line {line}: {error}") from error


def _check_place(
    file: Path, line: object, *, roots: tuple[Path, ...], real: Callable[[Path], Path], path: Path
) -> None:
    """Check that a file exists and lies in the tree, whatever links lead to it. Raises InputError.

    real: resolves folders, and keeps what it found, because a folder may hold many files.
    """
    try:
        found = file.is_file() or file.is_dir()
    except OSError:  # the file system rejects the name, for example because it is too long
        found = False
    if not found:
        raise InputError(f"{path}, line {line}: expected a file at {file}, got none")
    place = file.resolve() if file.is_symlink() else real(file.parent) / file.name
    if not is_inside(place, roots):
        raise InputError(f"{path}, line {line}: {file} links to {place} (expected a file inside the raw tree)")


def check_parts(
    files: RowFiles, parts: list[Part], kinds: list[FileKind], table: pd.DataFrame, path: Path
) -> tuple[str, ...]:
    """Check that the files have the parts that the rows name. Raises InputError naming the line."""
    checks = PartChecks()
    check_place = partial(_check_place, roots=roots_of(path.parent), real=cache(Path.resolve), path=path)
    patients: dict[Path, tuple[str, object]] = {}
    rows = zip(parts, kinds, table.index, table["patient_id"], strict=True)
    for position, (part, kind, line, patient) in enumerate(rows):
        if part.segmentation is not None:
            _inside(str(table.at[line, "segmentation"]), path, line)
            check_place(part.segmentation, line)
            first, first_line = patients.setdefault(part.segmentation, (patient, line))
            if first != patient:
                raise InputError(
                    f"expected each segmentation to be of one patient, got {part.segmentation} for two in {path}, "
                    f"lines {first_line} and {line}"
                )
        try:
            checks.check(files[position], kind, part)
        except InputError as error:
            raise InputError(f"{path}, line {line}: {error}") from error
    return checks.notes()
