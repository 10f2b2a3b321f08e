"""LIDC-IDRI's annotations from segmentations (SEG) and reports (SR): pairs of both, by CT series, and their nodules.

A report refers to the segment that it rates. Each annotation needs both, because a rating without an outline has no
place and an outline without a rating has no label. The nodules are those that the publication numbers within each CT
series, which are the clusters of pylidc; `consensus` then finds slice, position and box as for the readers' XML.

Source: Fedorov et al., Medical Physics 47, 2020 (6,859 annotations, 2,651 nodules of 875 patients).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.formats.lidc.consensus import Areas, area_diameter, find_consensus
from oncorobust.formats.lidc.geometry import Series, check_gaps
from oncorobust.formats.lidc.nodules import Nodule
from oncorobust.formats.lidc.placed_frames import CtPlanes, place_frames
from oncorobust.formats.lidc.reports import Rated, read_ratings
from oncorobust.formats.lidc.segmentations import Segment, read_segments

_LISTED = 10
_Found = TypeVar("_Found", Segment, Rated)


@dataclass(frozen=True)
class RatedSegment:
    """One annotation: its segment and the malignancy rating, 1 to 5."""

    segment: Segment
    malignancy: int


@dataclass(frozen=True)
class SegmentedReads:
    """The annotations of each CT series, in the order in which they were published.

    n_others: number of segmentations and reports in the tree that are not LIDC-IDRI's.
    """

    by_series: Mapping[str, tuple[RatedSegment, ...]]
    n_others: int


def find_segmented_reads(headers: pd.DataFrame, folder: Path, *, on_progress: Notify) -> SegmentedReads:
    """Read all segmentations and reports of a tree. headers: as from `index_dicom`.

    Raises InputError naming files without a partner, and files that contradict each other.
    """
    files = headers[headers["Modality"].isin(("SEG", "SR"))]
    segments: list[Segment] = []
    ratings: list[Rated] = []
    n_others = 0
    for done, (name, kind) in enumerate(zip(files["path"], files["Modality"], strict=True), start=1):
        n_before = len(segments) + len(ratings)
        if kind == "SEG":
            segments += read_segments(folder / name)
        else:
            ratings += read_ratings(folder / name)
        n_others += len(segments) + len(ratings) == n_before
        on_progress(done, len(files), "segmentations and reports")
    by_series: dict[str, list[RatedSegment]] = {}
    for rated in sorted(_pairs(segments, ratings), key=lambda one: (one.segment.order, str(one.segment.path))):
        by_series.setdefault(_ct_series(rated.segment, headers), []).append(rated)
    return SegmentedReads({uid: tuple(notes) for uid, notes in sorted(by_series.items())}, n_others)


def find_segmented_nodules(annotations: Sequence[RatedSegment], series: Series, planes: CtPlanes) -> list[Nodule]:
    """Return the nodules of one series that have a pixel. Raises InputError naming a file that does not fit."""
    members: dict[int, list[int]] = {}
    for position, one in enumerate(annotations):
        members.setdefault(one.segment.nodule, []).append(position)
    nodules = []
    for number, positions in sorted(members.items()):
        chosen = [annotations[position] for position in positions]
        pixels = [place_frames(one.segment, series, planes) for one in chosen]
        if any(pixels):
            nodules.append(_nodule(number, positions, chosen, pixels, series))
    return nodules


def _nodule(
    number: int,
    members: Sequence[int],
    annotations: Sequence[RatedSegment],
    pixels: Sequence[dict[int, np.ndarray]],
    series: Series,
) -> Nodule:
    slices = sorted({one for reader in pixels for one in reader})
    check_gaps(series, slices, annotations[0].segment.where)
    every = np.vstack([points for reader in pixels for points in reader.values()])
    first = every.min(axis=0)
    height, width = (int(length) for length in every.max(axis=0) - first + 1)
    areas = [{one: _area(points - first, height, width) for one, points in reader.items()} for reader in pixels]
    return Nodule(
        number=number,
        members=tuple(members),
        ratings=tuple(one.malignancy for one in annotations),
        place=find_consensus(areas, first=first),
        diameter_mm=_mean_diameter(areas) * series.spacing_mm,
    )


def _area(points: np.ndarray, height: int, width: int) -> np.ndarray:
    area = np.zeros((height, width), dtype=np.int64)
    area[tuple(points.T)] = 1
    return area


def _mean_diameter(readers: Iterable[Areas]) -> float:
    """Return the mean over the readers with pixels of their largest in-plane diameter, pixels."""
    return float(np.mean([max(area_diameter(area == 1) for area in one.values()) for one in readers if one]))


def _pairs(segments: Sequence[Segment], ratings: Sequence[Rated]) -> list[RatedSegment]:
    rated = _by_segment((one.segmentation_uid, one.segment, one) for one in ratings)
    outlined = _by_segment((one.sop_uid, one.number, one) for one in segments)
    _check_partners("report (SR) for each segmentation (SEG)", set(outlined) - set(rated), outlined)
    _check_partners("segmentation (SEG) for each report (SR)", set(rated) - set(outlined), rated)
    pairs = []
    for key, segment in outlined.items():
        rating = rated[key]
        if segment.tracking_uid and rating.tracking_uid and segment.tracking_uid != rating.tracking_uid:
            raise InputError(
                f"expected one tracking UID of an annotation, got {segment.tracking_uid} in {segment.path} and "
                f"{rating.tracking_uid} in {rating.path}"
            )
        pairs.append(RatedSegment(segment, rating.malignancy))
    return pairs


def _by_segment(found: Iterable[tuple[str, int, _Found]]) -> dict[tuple[str, int], _Found]:
    by_segment: dict[tuple[str, int], _Found] = {}
    for uid, number, one in found:
        first = by_segment.setdefault((uid, number), one)
        if first is not one:
            raise InputError(f"expected each segment once, got segment {number} again in {one.path} and {first.path}")
    return by_segment


def _check_partners(
    wanted: str, alone: set[tuple[str, int]], of: Mapping[tuple[str, int], Segment] | Mapping[tuple[str, int], Rated]
) -> None:
    if alone:
        paths = sorted({str(of[key].path) for key in alone})
        more = f" and {len(paths) - _LISTED} others" if len(paths) > _LISTED else ""
        raise InputError(
            f"expected a {wanted}, got none for {len(alone)} of {len(of)}: {', '.join(paths[:_LISTED])}{more}; "
            "download the other series of these annotations, or remove these files"
        )


def _ct_series(segment: Segment, headers: pd.DataFrame) -> str:
    """Return the CT series of a segment: the one that it states, or that of the images to which its frames refer."""
    if segment.series_uid:
        return segment.series_uid
    sources = {frame.source_uid for frame in segment.frames} - {""}
    series = set(headers.loc[headers["SOPInstanceUID"].isin(sources), "SeriesInstanceUID"])
    if len(series) != 1:
        raise InputError(
            f"expected a reference to the CT series, got none that can be followed in {segment.path}: no single item "
            f"of ReferencedSeriesSequence, and frames that refer to images of {len(series)} series in the tree"
        )
    return str(series.pop())
