"""Read the headers of all listed files into the catalogue, with one process per core where there are many.

Files are compared by a digest: of the whole content up to START_BYTES, otherwise of the first bytes, the size, and, as
DICOM headers hold a unique identifier but others do not, 4 KiB from the middle and the end. Larger files with the same
digest are then compared in full.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from oncorobust.base.files import file_sha256
from oncorobust.base.progress import Notify
from oncorobust.formats.dicom.header import is_dicom
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.dicom_headers import read_header
from oncorobust.formats.proposals.file_headers import READABLE, START_BYTES, UnreadAxesError, kind_of, shape_of

_FILES_PER_TASK = 512
_FEWEST_FILES_FOR_PROCESSES = 2048
_SAMPLE_BYTES = 4096
_OTHER = frozenset(
    [
        ".csv",
        ".tsv",
        ".txt",
        ".md",
        ".json",
        ".xml",
        ".html",
        ".htm",
        ".pdf",
        ".py",
        ".ipynb",
        ".yaml",
        ".yml",
        ".xlsx",
        ".xls",
        ".zip",
        ".log",
    ]
)
_SUFFIXES = (".nii.gz",)

Found = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""Rows of the tables `files` and `dicom`."""


def read_headers(folder: Path, catalogue: Catalogue, *, total: int, on_progress: Notify) -> None:
    """Fill the tables `files` and `dicom` from the table `listed`. A file that cannot be read gets a `problem`."""
    tasks = _batches(catalogue)
    read = partial(_read_batch, folder)
    processes = len(os.sched_getaffinity(0)) if total >= _FEWEST_FILES_FOR_PROCESSES else 1
    results = map(read, tasks) if processes == 1 else _in_processes(read, tasks, processes)
    done = 0
    for files, dicom in results:
        catalogue.add("files", files, width=14)
        catalogue.add("dicom", dicom, width=10)
        done += len(files)
        on_progress(done, total, "file headers")
    _compare_large(folder, catalogue)


def stem_of(name: str) -> str:
    """Return a file name without its suffix; `.nii.gz` counts as one."""
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name


def _batches(catalogue: Catalogue) -> Iterator[list[tuple[str, int]]]:
    batch: list[tuple[str, int]] = []
    for found in catalogue.query("select path, size from listed order by path"):
        batch.append(found)
        if len(batch) == _FILES_PER_TASK:
            yield batch
            batch = []
    if batch:
        yield batch


def _in_processes(
    read: Callable[[list[tuple[str, int]]], Found], tasks: Iterator[list[tuple[str, int]]], processes: int
) -> Iterator[Found]:
    """Yield results in order, with a few tasks in progress at a time, so that memory stays flat."""
    with ProcessPoolExecutor(processes) as pool:
        waiting = deque(pool.submit(read, task) for task in islice(tasks, 3 * processes))
        while waiting:
            yield waiting.popleft().result()
            if (task := next(tasks, None)) is not None:
                waiting.append(pool.submit(read, task))


def _read_batch(folder: Path, batch: list[tuple[str, int]]) -> Found:
    root = f"{folder}{os.sep}"
    files, dicom = [], []
    for path, size in batch:
        row, extra = _read_file(root, path, size)
        files.append(row)
        if extra is not None:
            dicom.append(extra)
    return files, dicom


def _read_file(root: str, path: str, size: int) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
    folders, _, name = path.rpartition("/")
    described = (path, name, stem_of(name), folders.rpartition("/")[2], folders.partition("/")[0], size)
    nothing = (0, 0, 0, 0, 0, None)
    if name[name.rfind(".") :].lower() in _OTHER:
        return (*described, "", *nothing, ""), None
    kind = ""
    try:
        handle = os.open(root + path, os.O_RDONLY)
        try:
            start = os.pread(handle, START_BYTES, 0)
            if not start:
                return (*described, "", *nothing, "is empty"), None
            if is_dicom(start):
                header, digest = read_header(root + path, start), _digest(start, size)
                row = (*described, "DICOM", *header[9:], digest, "")
                return row, (path, *header[:9])
            kind = kind_of(name, start)
            if kind not in READABLE:
                return (*described, kind, *nothing, ""), None

            def read_at(place: int, length: int) -> bytes:
                held = start[place : place + length]
                return held if len(held) == length else os.pread(handle, length, place)

            shape = shape_of(kind, root + path, start, read_at)
            return (*described, kind, *shape, _digest(start, size, handle), ""), None
        finally:
            os.close(handle)
    except PermissionError:
        return (*described, kind, *nothing, "cannot be read (no permission)"), None
    except UnreadAxesError as error:
        return (*described, kind, *nothing, str(error)), None
    except Exception as error:  # a damaged header can raise almost any exception
        text = str(error.strerror) if isinstance(error, OSError) else f"has no readable {kind or 'DICOM'} header"
        return (*described, kind or "DICOM", *nothing, text), None


def _digest(start: bytes, size: int, handle: int | None = None) -> bytes:
    content = blake2b(start, digest_size=16)
    if size > START_BYTES:
        content.update(b"%d" % size)
        if handle is not None:
            content.update(os.pread(handle, _SAMPLE_BYTES, size // 2))
            content.update(os.pread(handle, _SAMPLE_BYTES, max(size - _SAMPLE_BYTES, 0)))
    return content.digest()


def _compare_large(folder: Path, catalogue: Catalogue) -> None:
    """Replace the digest of large files that have the same by one of their whole content."""
    catalogue.run("create index by_digest on files (digest)")
    alike = (
        "select path from files where size > ? and digest in (select digest from files where digest is not null "
        "group by digest having count(*) > 1)"
    )
    catalogue.run("create temp table alike (path text)")
    catalogue.run(f"insert into alike {alike}", START_BYTES)
    for path in catalogue.query("select path from alike"):
        catalogue.run("update files set digest = ? where path = ?", bytes.fromhex(file_sha256(folder / path)), path)
