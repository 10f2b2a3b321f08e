"""Which XML files of a LIDC-IDRI tree hold the reads of which series, and which of several holds the valid ones.

The XML comes twice: in an archive of its own (all of it), and inside the folders of the image series (incomplete in
some downloads). A file beside DICOM files is of the second kind, and counts only where the first has nothing for its
series. Several files of one series are one when they say the same; where they do not, a `*resubmitted*` correction
(LIDC-IDRI-0101) is preferred, and anything else is an error, because labels would depend on the order of files.
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

    n_cxr: reads of chest X-rays. n_gave_way: files beside images of a series that has XML elsewhere.
    """

    by_series: dict[str, tuple[Path, ...]]
    n_cxr: int
    n_gave_way: int


@dataclass(frozen=True)
class ChosenReads:
    """The reads of one series, the file they come from, and whether it corrects another one."""

    path: Path
    reads: Reads
    corrects: bool


def find_reads(folder: Path, *, image_folders: Collection[Path]) -> ReadFiles:
    """Find the XML files below a folder and sort them by series, from their heads.

    image_folders: folders with DICOM files; XML in them gives way to XML elsewhere. Raises InputError naming a file
    that is not of LIDC-IDRI.
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
                f"expected the same reads in all files of series {content.series_uid}, got others in {other} "
                f"than in {path}"
            )
    return ChosenReads(path=path, reads=content, corrects=corrects)
