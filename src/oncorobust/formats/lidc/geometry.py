"""CT series as stacks of slices, and the readers' contours on them.

A series is rejected if a contour could end up on the wrong slice or a pixel could have the wrong size: missing or mixed
spacing and orientation, slices that are not axial, repeated SOPInstanceUIDs, gaps beside a nodule. The one exception is
two slices at the same position: as in pylidc, the one with the lower InstanceNumber is kept (LIDC-IDRI-0085, 0146,
0418, 0572, 0979). Distances between slices come from ImagePositionPatient; SliceThickness differs from them in a third
of the series. A contour belongs to the slice of its imageSOP_UID, or else to the slice at its z.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from oncorobust.base.errors import InputError
from oncorobust.formats.lidc.xml import Annotation, Contour

SAME_Z_MM = 0.01
LARGEST_GAP = 1.5
"""Largest accepted distance between slices, as a multiple of the median distance."""

_SAME = 1e-3
_LARGEST_SIDE = 2048


def _numbers(value: Any, count: int) -> bool:
    return value is not None and len(value) == count and all(math.isfinite(number) for number in value)


_REQUIRED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "PatientID": ("like LIDC-IDRI-0001", lambda value: bool(re.fullmatch(r"LIDC-IDRI-[0-9]{4}", value))),
    "StudyInstanceUID": ("as a UID", bool),
    "SeriesInstanceUID": ("as a UID", bool),
    "SOPInstanceUID": ("as a UID", bool),
    "NumberOfFrames": ("1", lambda value: value in (None, 1)),
    "SamplesPerPixel": ("1", lambda value: value == 1),
    "PhotometricInterpretation": ("MONOCHROME2", lambda value: value == "MONOCHROME2"),
    "Rows": (f"from 2 to {_LARGEST_SIDE}", lambda value: value is not None and 2 <= value <= _LARGEST_SIDE),
    "Columns": (f"from 2 to {_LARGEST_SIDE}", lambda value: value is not None and 2 <= value <= _LARGEST_SIDE),
    "BitsAllocated": ("8 or 16", lambda value: value in (8, 16)),
    "PixelRepresentation": ("0 or 1", lambda value: value in (0, 1)),
    "RescaleSlope": ("other than 0", lambda value: value is not None and math.isfinite(value) and value != 0),
    "RescaleIntercept": ("as a number", lambda value: value is not None and math.isfinite(value)),
    "SliceThickness": ("above 0 mm", lambda value: value is not None and 0 < value < math.inf),
    "ImagePositionPatient": ("of 3 numbers", lambda value: _numbers(value, 3)),
    "ImageOrientationPatient": ("of 6 numbers", lambda value: _numbers(value, 6)),
    "PixelSpacing": ("of 2 equal numbers above 0", lambda value: _numbers(value, 2) and _square(value)),
}
_UNIFORM = ("PatientID", "StudyInstanceUID", "Rows", "Columns", "ImageOrientationPatient", "PixelSpacing")


def _square(spacing: tuple[float, float]) -> bool:
    return min(spacing) > 0 and math.isclose(*spacing, rel_tol=_SAME)


@dataclass(frozen=True)
class Series:
    """One CT series; slices are in the order of increasing z_mm (LPS).

    paths: files, relative to the raw tree. slice_of: slice by SOPInstanceUID, including the slices left out.
    thickness_mm: median SliceThickness. n_left_out: number of slices left out because another has the same position.
    """

    uid: str
    patient_id: str
    paths: tuple[str, ...]
    sop_uids: tuple[str, ...]
    z_mm: Float[np.ndarray, " n"]
    slice_of: dict[str, int]
    spacing_mm: float
    thickness_mm: float
    rows: int
    columns: int
    n_left_out: int


@dataclass(frozen=True)
class PlacedContour:
    """A contour on a slice of a series; points are (row, column)."""

    slice: int
    included: bool
    points: Int[np.ndarray, "n 2"]


def check_series(headers: pd.DataFrame, *, folder: Path) -> Series:
    """Order the slices of one series; `headers` are its rows from `index_dicom`.

    Raises InputError naming the file whose header lacks a required attribute (`_REQUIRED`) or contradicts the others.
    """
    values = headers.to_numpy(dtype=object, copy=True)
    values[headers.isna().to_numpy()] = None
    rows = pd.DataFrame(values, columns=headers.columns, index=headers.index, dtype=object)
    _check_required(rows, folder)
    _check_uniform(rows, folder)
    repeated = rows[rows["SOPInstanceUID"].duplicated(keep=False)]
    if len(repeated):
        first, second = repeated.sort_values(["SOPInstanceUID", "path"])["path"].iloc[:2]
        uid = repeated.sort_values("SOPInstanceUID")["SOPInstanceUID"].iloc[0]
        raise InputError(f"expected each SOPInstanceUID once, got {uid} in {folder / first} and {folder / second}")
    first_row = rows.iloc[0]
    _check_axial(first_row["ImageOrientationPatient"], folder / first_row["path"])
    rows = rows.assign(z_mm=[position[2] for position in rows["ImagePositionPatient"]])
    kept, slice_of = _order(rows, folder)
    return Series(
        uid=str(first_row["SeriesInstanceUID"]),
        patient_id=str(first_row["PatientID"]),
        paths=tuple(kept["path"]),
        sop_uids=tuple(kept["SOPInstanceUID"]),
        z_mm=kept["z_mm"].to_numpy(dtype=np.float64),
        slice_of=slice_of,
        spacing_mm=float(first_row["PixelSpacing"][0]),
        thickness_mm=float(np.median(kept["SliceThickness"].astype(float))),
        rows=int(first_row["Rows"]),
        columns=int(first_row["Columns"]),
        n_left_out=len(rows) - len(kept),
    )


def place_contours(annotation: Annotation, series: Series, *, where: str) -> list[PlacedContour]:
    """Assign an annotation's contours to the slices of its series.

    Raises InputError naming `where` for a slice that the series lacks, a point outside the image, or a gap between
    slices (more than LARGEST_GAP times the median) beside or inside the nodule.
    """
    placed = []
    for contour in annotation.contours:
        points = np.array(contour.points, dtype=np.int64)[:, ::-1]
        if points[:, 0].max() >= series.rows or points[:, 1].max() >= series.columns:
            row, column = points.max(axis=0)
            size = f"{series.rows} rows x {series.columns} columns"
            raise InputError(f"expected a contour inside {size}, got row {row} and column {column} in {where}")
        placed.append(PlacedContour(_slice(contour, series, where), contour.included, points))
    check_gaps(series, [contour.slice for contour in placed], where)
    return placed


def _slice(contour: Contour, series: Series, where: str) -> int:
    if contour.sop_uid in series.slice_of:
        return series.slice_of[contour.sop_uid]
    nearest = int(np.abs(series.z_mm - contour.z_mm).argmin())
    if abs(series.z_mm[nearest] - contour.z_mm) < SAME_Z_MM:
        return nearest
    raise InputError(
        f"expected a slice of series {series.uid}, got imageSOP_UID {contour.sop_uid or 'none'} and z "
        f"{contour.z_mm:g} mm (nearest {series.z_mm[nearest]:g} mm) in {where}"
    )


def check_gaps(series: Series, slices: Sequence[int], where: str) -> None:
    """Check the distances of the slices of a nodule and beside it. Raises InputError naming `where`."""
    steps = np.diff(series.z_mm)
    beside = steps[max(0, min(slices) - 1) : max(slices) + 1]
    if len(beside) and beside.max() > LARGEST_GAP * np.median(steps):
        median = float(np.median(steps))
        raise InputError(
            f"expected slices {median:g} mm apart around the nodule, got {beside.max():g} mm in series {series.uid} "
            f"for {where}"
        )


def _check_required(rows: pd.DataFrame, folder: Path) -> None:
    for keyword, (words, holds) in _REQUIRED.items():
        for path, value in zip(rows["path"], rows[keyword], strict=True):
            if not holds(value):
                found = "none" if value is None or value == "" else "another" if keyword == "PatientID" else value
                raise InputError(f"expected {keyword} {words}, got {found} in {folder / path}")


def _check_uniform(rows: pd.DataFrame, folder: Path) -> None:
    for keyword in _UNIFORM:
        first, first_path = rows[keyword].iloc[0], rows["path"].iloc[0]
        for path, value in zip(rows["path"], rows[keyword], strict=True):
            same = value == first or (isinstance(value, tuple) and np.allclose(value, first, atol=_SAME, rtol=0))
            if not same:
                raise InputError(
                    f"expected one {keyword} in a series, got {value} in {folder / path} and {first} in "
                    f"{folder / first_path}"
                )


def _check_axial(orientation: tuple[float, ...], path: Path) -> None:
    normal = np.cross(orientation[:3], orientation[3:])
    if abs(normal[2]) < 1 - _SAME:
        raise InputError(f"expected axial slices, got ImageOrientationPatient {orientation} in {path}")


def _order(rows: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """Sort slices by z, keep one per position, and return them with the slice of every SOPInstanceUID."""
    rows = rows.sort_values(["z_mm", "path"])
    position = (rows["z_mm"].diff().to_numpy(dtype=float) >= SAME_Z_MM).cumsum()
    slice_of = dict(zip(rows["SOPInstanceUID"], position.tolist(), strict=True))
    if position[-1] + 1 < len(rows):
        rows = pd.concat([_lowest_instance(group, folder) for _, group in rows.groupby(position)])
    return rows, slice_of


def _lowest_instance(slices: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return, as a frame with one row, the slice with the lowest InstanceNumber of those at one position."""
    if len(slices) > 1:
        slices = slices.sort_values("InstanceNumber", na_position="last")
        first, second = slices["InstanceNumber"].iloc[:2]
        if first is None or first == second:
            files = " and ".join(str(folder / path) for path in slices["path"].iloc[:2])
            raise InputError(
                f"expected different InstanceNumbers of the slices at z {slices['z_mm'].iloc[0]:g} mm, "
                f"got {'none' if first is None else first} in {files}"
            )
    return slices.iloc[:1]
