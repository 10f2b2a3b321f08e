"""Assignment of LIDC-IDRI's XML files to CT series, and choice of the valid file where a series has several.

The XML is published twice: complete in a separate archive, and beside the images of each series (incomplete in some
downloads). A file beside DICOM files belongs to the second kind and is used only if the first has none for its series.
Several files of one series count as one if their content is equal. If it differs, a `*resubmitted*` correction
(LIDC-IDRI-0101) takes precedence; any other difference is an error, because labels would depend on the order of files.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.formats.lidc.xml import Reads, read_reads, read_series_uid
from oncorobust.formats.tree_walk import files_below


@dataclass(frozen=True)
class ReadFiles:
    """XML files by SeriesInstanceUID, in the order of their paths.

    n_cxr: number of reads of chest X-rays. n_gave_way: number of files beside images that were not used, because their
    series has XML elsewhere.
    """

    by_series: dict[str, tuple[Path, ...]]
    n_cxr: int
    n_gave_way: int


@dataclass(frozen=True)
class ChosenReads:
    """The reads of one series, their file, and whether it corrects another file."""

    path: Path
    reads: Reads
    corrects: bool


def find_reads(folder: Path, *, image_folders: Collection[Path]) -> ReadFiles:
    """Find the XML files below a folder and group them by series, reading only their beginnings.

    image_folders: folders with DICOM files; XML elsewhere takes precedence over XML in them. Raises InputError naming a
    file that is not from LIDC-IDRI.
    """
    found: dict[str, list[Path]] = {}
    n_cxr = 0
    for path in sorted(path for path in files_below(folder) if path.suffix.lower() == ".xml"):
        uid = read_series_uid(path)
        if uid is None:
            n_cxr += 1
        else:
            found.setdefault(uid, []).append(path)
    by_series = {}
    for uid, paths in sorted(found.items()):
        elsewhere = [path for path in paths if path.parent not in image_folders]
        by_series[uid] = tuple(elsewhere or paths)
    n_gave_way = sum(map(len, found.values())) - sum(map(len, by_series.values()))
    return ReadFiles(by_series=by_series, n_cxr=n_cxr, n_gave_way=n_gave_way)


def choose_reads(paths: Sequence[Path]) -> ChosenReads:
    """Read the files of one series and choose the valid one. Raises InputError naming two that differ."""
    reads = [(path, read_reads(path)) for path in paths]
    corrected = [(path, content) for path, content in reads if "resubmitted" in path.name.lower()]
    corrects = bool(corrected) and any(content != corrected[0][1] for _, content in reads)
    (path, content), *others = corrected if corrects else reads
    for other, other_content in others:
        if other_content != content:
            raise InputError(
                f"expected the same reads in all files of series {content.series_uid}, got different ones in {other} "
                f"and {path}"
            )
    return ChosenReads(path=path, reads=content, corrects=corrects)
