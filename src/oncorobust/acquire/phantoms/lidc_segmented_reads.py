"""The marks of simulated readers as segmentations and reports: one pair for each nodule that a reader outlined."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from pydicom.dataset import FileDataset
from scipy.ndimage import binary_fill_holes

from oncorobust.acquire.phantoms.dicom_writing import Geometry, Series
from oncorobust.acquire.phantoms.lidc_outlines import Outline
from oncorobust.acquire.phantoms.lidc_reads import MarkedNodule, Session
from oncorobust.acquire.phantoms.lidc_segmentation_writing import Named, SegmentedSlice, report, segmentation


@dataclass(frozen=True)
class Plane:
    """SOPInstanceUID and place of one CT image."""

    sop_uid: str
    geometry: Geometry


def segmented_reads(
    sessions: Sequence[Session], *, ct: Series, planes: Sequence[Plane], size: int
) -> Iterator[tuple[str, FileDataset]]:
    """Yield name of the series' folder and file: a segmentation, then its report, for each marked nodule.

    All marks are of one nodule, as in `read_scan`. Frames of every second segmentation run from head to feet, against
    the slice normal. planes: in the order of the phantom's slices. size: rows and columns.
    """
    marks = [(reader, nodule) for reader, session in enumerate(sessions) for nodule in session.nodules]
    for position, (reader, nodule) in enumerate(marks):
        name, number = Named(1, f"Nodule {reader}00"), ct.number + 2 * position + 1
        masks = {index: mask for index, mask in _masks(nodule, size).items() if mask.any()}
        slices = [SegmentedSlice(planes[k].sop_uid, planes[k].geometry, masks[k]) for k in sorted(masks)]
        segments = segmentation(slices[::-1] if position % 2 else slices, ct=ct, name=name, number=number)
        rating = nodule.ratings["malignancy"]
        rated = report(rating, segments=segments, ct=ct, name=name, number=number + 1)
        for file in (segments, rated):
            yield f"{file.SeriesNumber}.000000-NA-{file.SeriesInstanceUID[-5:]}", file


def _masks(nodule: MarkedNodule, size: int) -> dict[int, Bool[np.ndarray, "rows cols"]]:
    """Return a reader's pixels on each slice: inside the outlines, without the inside of cavities."""
    masks: dict[int, np.ndarray] = {}
    for contour in sorted(nodule.contours, key=lambda one: not one.included):
        mask = masks.setdefault(contour.slice_index, np.zeros((size, size), bool))
        mask[_inside(contour.outline, size)] = contour.included
    return masks


def _inside(outline: Outline, size: int) -> Bool[np.ndarray, "rows cols"]:
    """Return the pixels that a closed outline encloses; the outline itself lies outside."""
    drawn = np.zeros((size, size), bool)
    columns, rows = np.array(outline).T
    drawn[rows, columns] = True
    return np.asarray(binary_fill_holes(drawn)) & ~drawn
