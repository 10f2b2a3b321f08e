"""Frames of a segmentation on the slices and pixels of its CT series.

A pixel of a frame is moved to the CT image through its position in the patient, so a segmentation whose rows or columns
run the other way lands where it belongs. Its grid has to be that of the CT image: pixels are never interpolated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int

from oncorobust.base.errors import InputError
from oncorobust.formats.lidc.geometry import Series
from oncorobust.formats.lidc.segmentations import Frame, Segment

_OFF_GRID = 0.1
"""Largest accepted distance of a frame's pixels from those of the CT image, pixels: positions are rounded in files."""


@dataclass(frozen=True)
class CtPlanes:
    """Where the images of a CT series lie.

    position_mm: centre of the first pixel (x, y, z) by SOPInstanceUID. row_mm, column_mm: steps from one row and one
    column to the next.
    """

    frame_of_reference_uid: str
    position_mm: Mapping[str, tuple[float, ...]]
    row_mm: np.ndarray
    column_mm: np.ndarray


def ct_planes(headers: pd.DataFrame) -> CtPlanes:
    """Return the planes of one checked series; `headers` are its rows from `index_dicom`."""
    first = headers.iloc[0]
    orientation, spacing = np.array(first["ImageOrientationPatient"]), first["PixelSpacing"]
    return CtPlanes(
        frame_of_reference_uid=str(first["FrameOfReferenceUID"]),
        position_mm=dict(zip(headers["SOPInstanceUID"], headers["ImagePositionPatient"], strict=True)),
        row_mm=orientation[3:] * spacing[0],
        column_mm=orientation[:3] * spacing[1],
    )


def place_frames(segment: Segment, series: Series, planes: CtPlanes) -> dict[int, Int[np.ndarray, "n 2"]]:
    """Return a segment's pixels (row, column) in the CT images, by slice.

    Raises InputError naming the file for another frame of reference, a frame that belongs to no image of the series or
    contradicts the image that it refers to, and pixels off the grid or outside the image.
    """
    found, wanted = segment.frame_of_reference_uid, planes.frame_of_reference_uid
    if found and wanted and found != wanted:
        raise InputError(
            f"expected a segmentation of CT series {series.uid} (FrameOfReferenceUID {wanted}), got {found} in "
            f"{segment.where}"
        )
    placed: dict[int, np.ndarray] = {}
    for frame in segment.frames:
        number = _slice(frame, segment, series)
        pixels = _to_ct(frame, series, planes, planes.position_mm[series.sop_uids[number]], segment.where)
        placed[number] = np.vstack([placed[number], pixels]) if number in placed else pixels
    return placed


def _slice(frame: Frame, segment: Segment, series: Series) -> int:
    """Return the slice of the image that a frame refers to, or else of its position; both have to agree."""
    z_mm = frame.position_mm[2]
    nearest = int(np.abs(series.z_mm - z_mm).argmin())
    number = series.slice_of.get(frame.source_uid, nearest) if frame.source_uid else nearest
    if frame.source_uid and frame.source_uid not in series.slice_of:
        raise InputError(
            f"expected a CT image {frame.source_uid} in series {series.uid}, to which a frame refers, got none: "
            f"download the whole series, or remove the segmentation of another CT; {segment.where}"
        )
    reach = np.median(np.diff(series.z_mm)) / 2 if len(series.z_mm) > 1 else series.thickness_mm / 2
    if abs(series.z_mm[number] - z_mm) > reach:
        raise InputError(
            f"expected frames on the slices of CT series {series.uid}, got one at z {z_mm:g} mm "
            f"({'the image that it refers to' if frame.source_uid else 'the nearest slice'} is at "
            f"{series.z_mm[number]:g} mm) in {segment.where}"
        )
    return number


def _to_ct(
    frame: Frame, series: Series, planes: CtPlanes, origin_mm: tuple[float, ...], where: str
) -> Int[np.ndarray, "n 2"]:
    steps = np.stack([planes.row_mm, planes.column_mm], axis=1)[:2]
    offset = np.array(frame.position_mm)[:2] - np.array(origin_mm)[:2]
    turn = np.linalg.solve(steps, np.stack([frame.row_mm, frame.column_mm], axis=1)[:2])
    exact = frame.pixels @ turn.T + np.linalg.solve(steps, offset)
    pixels = np.rint(exact).astype(np.int64)
    if np.abs(np.rint(turn) - turn).max() > 0.01 or np.abs(exact - pixels).max() > _OFF_GRID:
        raise InputError(f"expected the pixel grid of CT series {series.uid}, got another spacing or shift in {where}")
    if pixels.min() < 0 or (pixels >= (series.rows, series.columns)).any():
        raise InputError(f"expected frames inside {series.rows} x {series.columns} CT pixels, got more in {where}")
    return pixels
