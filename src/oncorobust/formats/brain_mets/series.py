"""MR series in DICOM as volumes: slices in spatial order, and the positions of their voxels.

Slices are ordered by ImagePositionPatient along the normal of ImageOrientationPatient, never by InstanceNumber or file
name. Let `first` and `last` be the positions of the first and last of n slices, r and c the two directions of
ImageOrientationPatient and (dr, dc) = PixelSpacing. Then the stored voxel (slice, row, column) lies at (PS3.3
C.7.6.2.1.1)

    first + slice (last - first) / (n - 1) + row dr c + column dc r .

Slices may differ in RescaleSlope, which `read_image` applies, but not in RescaleIntercept, which is taken off again
because background is what is stored as 0. Distances between neighbouring slices may differ from their median by at most
a tenth; larger differences mean a second stack, a missing slice or a tilt.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.image_files import read_image
from oncorobust.formats.records import StoredImage
from oncorobust.formats.volumes import (
    Grid,
    Order,
    Volume,
    check_grid,
    check_square_pixels,
    display_order,
    percentiles_inside,
    reorder,
    reorder_grid,
)

_SAME = ("FrameOfReferenceUID", "Rows", "Columns")
_VECTORS = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
_TOLERANCE = 1e-3
_SHARE_OF_STEP = 0.1


@dataclass(frozen=True)
class Series:
    """The slices of a series in spatial order.

    paths: relative to the tree. grid: of the stack as stored (slice, row, column). order: display order of the stack.
    intercept: RescaleIntercept, 0 where there is none.
    """

    uid: str
    paths: tuple[str, ...]
    sop_uids: tuple[str, ...]
    frame_of_reference: str
    grid: Grid
    order: Order
    intercept: float


def build_series(folder: Path, headers: pd.DataFrame) -> Series:
    """Build a series from its rows in `index_dicom`. Raises InputError naming the file that does not fit."""
    uid = str(headers["SeriesInstanceUID"].iloc[0])
    slices = headers.to_dict("records")
    for header in slices:
        _check_slice(header, str(folder / header["path"]))
        _check_alike(header, slices[0], str(folder / header["path"]))
    if len(headers) < 2:
        raise InputError(f"expected a series of several slices, got only {folder / headers['path'].iloc[0]}")
    along, down = np.split(np.array(headers["ImageOrientationPatient"].iloc[0]), 2)
    depth = np.stack(headers["ImagePositionPatient"].to_list()) @ np.cross(along, down)
    ordered = headers.iloc[np.argsort(depth, kind="stable")]
    grid = _grid(folder, ordered, along, down)
    check_square_pixels(grid, f"{folder / headers['path'].iloc[0]}")
    return Series(
        uid=uid,
        paths=tuple(ordered["path"]),
        sop_uids=tuple(ordered["SOPInstanceUID"]),
        frame_of_reference=str(headers["FrameOfReferenceUID"].iloc[0]),
        grid=grid,
        order=display_order(grid, slice_axis=0),
        intercept=_intercept(slices[0]),
    )


def read_slice(folder: Path, path: str, series: Series) -> StoredImage:
    """Read one slice, with values of 0 where 0 is stored. Raises InputError."""
    image = read_image(folder / path)
    return replace(image, values=image.values - np.float32(series.intercept)) if series.intercept else image


def read_series(folder: Path, series: Series) -> Volume:
    """Read all slices in display order. Raises InputError."""
    stored, padded = np.empty(series.grid.shape, dtype=np.float32), np.zeros(series.grid.shape, dtype=bool)
    lossy = False
    for number, path in enumerate(series.paths):
        image = read_slice(folder, path, series)
        if image.values.shape != stored.shape[1:]:
            size = " x ".join(map(str, image.values.shape))
            raise InputError(f"expected {stored.shape[1]} x {stored.shape[2]} pixels, got {size} in {folder / path}")
        stored[number], padded[number] = image.values, image.padded
        lossy |= image.lossy
    values = reorder(stored, series.order)
    return Volume(
        values=values,
        grid=reorder_grid(series.grid, series.order),
        percentiles=percentiles_inside(values, f"series {series.uid}, {folder / series.paths[0]}"),
        padded=reorder(padded, series.order),
        lossy=lossy,
    )


def _grid(folder: Path, ordered: pd.DataFrame, along: np.ndarray, down: np.ndarray) -> Grid:
    """Return the stack's grid, from its first and last slice, after checking the distances between slices."""
    positions = np.stack(ordered["ImagePositionPatient"].to_list())
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    between_rows, between_columns = ordered["PixelSpacing"].iloc[0]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = step, down * between_rows, along * between_columns
    affine[:3, 3] = positions[0]
    rows, columns = int(ordered["Rows"].iloc[0]), int(ordered["Columns"].iloc[0])
    grid = Grid(affine=affine, shape=(len(positions), rows, columns))
    check_grid(grid, str(folder / ordered["path"].iloc[0]))
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    median = float(np.median(steps))
    uneven = np.abs(steps - median) > _SHARE_OF_STEP * median
    if uneven.any():
        number = int(np.argmax(np.abs(steps - median)))
        pair = " and ".join(str(folder / path) for path in ordered["path"].iloc[number : number + 2])
        raise InputError(f"expected slices {median:g} mm apart, got {steps[number]:g} mm between {pair}")
    return grid


def _check_slice(header: dict[Hashable, Any], where: str) -> None:
    for name, length in _VECTORS.items():
        value = header[name]
        if value is None or len(value) != length or not np.isfinite(value).all():
            raise InputError(f"expected {length} numbers of {name}, got {value} in {where}")
    directions = np.reshape(header["ImageOrientationPatient"], (2, 3))
    if np.abs(directions @ directions.T - np.eye(2)).max() > _TOLERANCE:
        found = header["ImageOrientationPatient"]
        raise InputError(
            f"expected two unit vectors at right angles as ImageOrientationPatient, got {found} in {where}"
        )
    frames = header["NumberOfFrames"]
    if not pd.isna(frames) and frames != 1:
        raise InputError(f"expected one file per slice, got {frames} frames in {where}; convert the series")
    for name in ("Rows", "Columns", "SamplesPerPixel"):
        if pd.isna(header[name]) or header[name] < 1:
            raise InputError(f"expected {name} of at least 1, got {header[name]} in {where}")
    if header["SamplesPerPixel"] != 1:
        raise InputError(f"expected SamplesPerPixel 1 (grey), got {header['SamplesPerPixel']} in {where}")
    if not header["FrameOfReferenceUID"]:
        raise InputError(f"expected a FrameOfReferenceUID, got none in {where}")
    if header["BurnedInAnnotation"] == "YES":
        raise InputError(f"expected no text burnt into the pixels, got BurnedInAnnotation YES in {where}")


def _check_alike(header: dict[Hashable, Any], first: dict[Hashable, Any], where: str) -> None:
    for name in _SAME:
        if not (pd.isna(header[name]) and pd.isna(first[name])) and header[name] != first[name]:
            raise InputError(f"expected one {name} in a series, got {first[name]} and {header[name]} in {where}")
    if _intercept(header) != _intercept(first):
        found = f"{_intercept(first):g} and {_intercept(header):g}"
        raise InputError(f"expected one RescaleIntercept in a series, got {found} in {where}")
    for name in ("ImageOrientationPatient", "PixelSpacing"):
        if np.abs(np.subtract(header[name], first[name])).max() > _TOLERANCE:
            raise InputError(f"expected one {name} in a series, got {first[name]} and {header[name]} in {where}")


def _intercept(header: dict[Hashable, Any]) -> float:
    value = header["RescaleIntercept"]
    return 0.0 if pd.isna(value) else float(value)
