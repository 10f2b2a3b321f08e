"""Fingerprint of a raw tree: the size and MD5 of every file below it, and what has changed since `preprocess` read it.

Snakemake compares the time of the folder `data/raw/<name>` alone, which an edit of a file below it leaves as it is. So
`preprocess` writes the fingerprint of the tree that it ran on, `raw_tree.csv`, beside its other outputs, and Snakemake
compares it with the present tree before it plans (`mark_edited`). `record` and `trace` compare it, too.

Names, sizes and times decide which files may have changed; only those are read, to tell an edit from a touch. For that
the MD5 of each file is kept, with its size and times, in the folder `.cache`. A file that changed less than SETTLED_NS
before it was read is read again next time, because a second edit may leave the same time stamp.

The fingerprint holds the MD5 of each path, because names of folders may identify patients.
"""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError

SETTLED_NS = 2 * 10**9
"""Coarsest time stamp of a file system in use (FAT), in nanoseconds."""

Files = Mapping[str, tuple[int, str]]
"""Size in bytes and MD5 of the content of each file, by the MD5 of its path in the tree."""

Stamp = tuple[int, int, int]
"""Size in bytes, and times of the last change of the content and of the inode in nanoseconds."""

_Known = dict[str, tuple[Stamp, str]]
"""Stamp and MD5 of files by path, as read earlier."""

_NO_STAMP: Stamp = (-1, -1, -1)
LINK: Stamp = (0, 0, 0)  # of a link to a folder that is counted under another path
_EMPTY_MD5 = hashlib.md5(b"", usedforsecurity=False).hexdigest()
_NOT_COUNTED = re.compile(r"\.snakemake_timestamp|\..*\.part\..*|\..*\.state")
_FOLDERS_NOT_COUNTED = re.compile(rf"{_NOT_COUNTED.pattern}|\..*\.download|\.(snakemake|git|hg|dvc)")
"""Names in .dvcignore, and those that DVC itself leaves out."""


@dataclass(frozen=True)
class RawTree:
    """The present files of a raw tree. names: paths by their MD5, also of files that were here earlier."""

    files: Files
    names: Mapping[str, str]


def look(root: Path, dataset: str, *, on_progress: Callable[[int, int, str], None] | None = None) -> RawTree:
    """Return the present files of a data set's raw tree, reading only those that may have changed since the last look.

    on_progress: as in `Listener.update`. Raises OSError for files that cannot be read, InputError for one that is
    removed meanwhile.
    """
    tree, store = root / layout.raw(dataset), root / layout.hashes_file(dataset)
    known, stamps = _read_known(store), dict(tree_files(tree, without=root))
    known |= {path: (LINK, _EMPTY_MD5) for path, stamp in stamps.items() if stamp == LINK}
    stale = [path for path, stamp in stamps.items() if known.get(path, (_NO_STAMP, ""))[0] != stamp]
    fresh: dict[str, str] = {}
    try:
        for number, path in enumerate(stale, start=1):
            fresh[path], settled = _hash(tree / path, stamps[path])
            known[path] = (stamps[path] if settled else _NO_STAMP, fresh[path])
            if on_progress is not None:
                on_progress(number, len(stale), "files of the raw tree compared")
    finally:
        if stale:
            _write_known(store, known)
    codes = {path: _name_md5(path) for path in known}
    files = {codes[path]: (stamp[0], fresh.get(path) or known[path][1]) for path, stamp in stamps.items()}
    return RawTree(files, {code: path for path, code in codes.items()})


def check_same(before: RawTree, root: Path, dataset: str) -> None:
    """Raise InputError naming a file of the raw tree that has changed since `before`, while the stage ran."""
    changed = differences(before.files, look(root, dataset))
    if changed:
        raise InputError(
            f"{layout.raw(dataset)}: {changed[0]} while the stage ran, so its outputs are not written "
            "(restore the file or rerun the same command)"
        )


def check_as_preprocessed(root: Path, dataset: str, *, on_progress: Callable[[int, int, str], None]) -> None:
    """Raise InputError naming a file of the raw tree that has changed since stage `preprocess` read it.

    on_progress: as in `look`. Raises OSError for files that cannot be read.
    """
    recorded = parse_fingerprint((root / layout.raw_tree_file(dataset)).read_bytes())
    if changed := differences(recorded, look(root, dataset, on_progress=on_progress)):
        raise InputError(
            f"{layout.raw(dataset)}: {changed[0]} since stage preprocess read the raw tree (expected the same files; "
            "run stage preprocess again)"
        )


def write_fingerprint(path: Path, tree: RawTree) -> None:
    """Write a fingerprint as CSV: one row per file, in the order of the MD5 of the paths."""
    with path.open("w", encoding="ascii", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["path_md5", "bytes", "md5"])
        rows.writerows((name, *tree.files[name]) for name in sorted(tree.files))


def parse_fingerprint(content: bytes) -> Files:
    """Return the files of a fingerprint. Raises InputError when the content has another form."""
    try:
        rows = csv.reader(io.StringIO(content.decode("ascii")))
        if next(rows, None) != ["path_md5", "bytes", "md5"]:
            raise ValueError("another header")
        return {name: (int(size), md5) for name, size, md5 in rows}
    except ValueError as error:
        raise InputError(f"expected rows path_md5,bytes,md5 of a raw tree, got {error}") from error


def differences(recorded: Files, tree: RawTree) -> list[str]:
    """Return how the present tree differs from a fingerprint, one sentence for each file, in order of their names."""
    present, names = tree.files, tree.names
    found = [(name, "is new") for name in present.keys() - recorded.keys()]
    found += [(name, "is missing") for name in recorded.keys() - present.keys()]
    found += [(name, "has changed") for name in present.keys() & recorded.keys() if present[name] != recorded[name]]
    return sorted(f"{names.get(name, f'a file (MD5 of its path: {name})')} {what}" for name, what in found)


def edits(root: Path, dataset: str) -> list[str]:
    """Return how a raw tree differs from the one that `preprocess` ran on, one sentence for each file.

    None where either is missing. Raises InputError when the tree cannot be read.
    """
    recorded = root / layout.raw_tree_file(dataset)
    if not recorded.is_file() or not (root / layout.raw(dataset)).is_dir():
        return []
    try:
        tree = look(root, dataset)
    except OSError as error:
        raise InputError(f"expected a raw tree that can be read, got {error.strerror}: {error.filename}") from error
    try:
        return differences(parse_fingerprint(recorded.read_bytes()), tree)
    except InputError as error:
        return [f"{layout.raw_tree_file(dataset)}: {error}"]


def mark_edited(root: Path, datasets: Iterable[str]) -> None:
    """Set the time of `raw_tree.csv` to 1970 for each raw tree that has changed since, so that Snakemake remakes it.

    Its content stays as it is, because it names the tree from which the other outputs were made. Raises InputError when
    a tree cannot be read or the time cannot be set.
    """
    for dataset in datasets:
        path = root / layout.raw_tree_file(dataset)
        if edits(root, dataset) and path.stat().st_mtime > 1:
            try:
                _set_old(path)
            except OSError as error:
                raise InputError(f"{path}: expected a file that can be written, got {error.strerror}") from error


def _set_old(path: Path) -> None:
    """Replace a file by an old copy: the file itself may be a link into DVC's cache, which other work trees share."""
    draft = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    shutil.copyfile(path, draft)
    os.utime(draft, (1, 1))
    draft.replace(path)


def newest_change(tree: Path) -> float:
    """Return the latest modification time of the files and folders of a tree, in seconds since 1970."""
    stamps = {path: stamp for path, stamp in tree_files(tree) if stamp != LINK}
    folders = {tree, *(tree / Path(path).parent for path in stamps)}
    return max([*(stamp[1] for stamp in stamps.values()), *(one.stat().st_mtime_ns for one in folders)]) / 1e9


def tree_files(tree: Path, *, without: Path | None = None) -> Iterator[tuple[str, Stamp]]:
    """Yield path and stamp of every file that counts below a folder, as DVC counts them: links are followed.

    Each real folder is visited once, below its own path where it lies in the tree. A further link to it gives one line,
    `current -> release1` with the stamp LINK, because files are read through it. without: a folder that is left out,
    such as the one of the results when it lies inside a linked tree.
    """
    left_out = None if without is None else _identity(without)
    seen: dict[tuple[int, int], str] = {}
    folders: list[str] = [""]
    links: list[str] = []
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        place = tree / folder
        real = _identity(place)
        first = seen.setdefault(real, folder)
        if real == left_out:
            continue
        if first != folder:
            yield f"{folder} -> {first or '.'}", LINK
            continue
        with os.scandir(place) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir():
                if not _FOLDERS_NOT_COUNTED.fullmatch(entry.name):
                    (links if entry.is_symlink() else folders).append(path)
            elif entry.is_file() and not _NOT_COUNTED.fullmatch(entry.name):
                found = entry.stat()
                yield path, (found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _hash(path: Path, stamp: Stamp) -> tuple[str, bool]:
    """Return the MD5 of a file, and whether any later edit must change its stamp."""
    now = time.time_ns()
    try:
        with path.open("rb") as stream:
            md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except FileNotFoundError as error:
        raise InputError(f"{path}: removed while it was compared; rerun the same command") from error
    return md5, max(stamp[1:]) < now - SETTLED_NS


def _name_md5(path: str) -> str:
    return hashlib.md5(os.fsencode(path), usedforsecurity=False).hexdigest()


def _read_known(store: Path) -> _Known:
    """Return what earlier looks have kept; nothing where that cannot be read."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        content = json.loads(store.read_bytes())
        return {path: ((size, changed, inode), md5) for path, (size, changed, inode, md5) in content.items()}
    return {}


def _write_known(store: Path, known: _Known) -> None:
    """Keep what was read; where that cannot be written, the next look reads all files again."""
    draft = store.with_name(f"{store.stem}.{os.getpid()}.part.json")
    with suppress(OSError):
        store.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps({path: [*stamp, md5] for path, (stamp, md5) in known.items()}), encoding="ascii")
        draft.replace(store)
