"""DICOM slices as one volume: a folder with the files of a series, or the frames of one file.

Slices are ordered by ImagePositionPatient along the normal of ImageOrientationPatient, never by InstanceNumber, frame
number or file name. With `first` and `last` the positions of the first and last of n slices, r and c the two directions
of ImageOrientationPatient and (dr, dc) = PixelSpacing, the voxel (slice, row, column) lies at (PS3.3 C.7.6.2.1.1)

    first + slice (last - first) / (n - 1) + row dr c + column dc r .

Distances between neighbouring slices may differ from their median by at most a tenth. Two slices at one place (echoes,
phases, copies), missing slices, other spacings and tilted stacks are refused with the names of the files.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom.files import DicomKind, describe_dicom, read_dicom, read_frame
from oncorobust.formats.dicom.frames import Frames, open_frames
from oncorobust.formats.dicom.index import index_dicom
from oncorobust.formats.dicom.slices import Slice, stack_slices
from oncorobust.formats.dicom.values import RESCALED, STORED
from oncorobust.formats.records import StoredImage
from oncorobust.formats.volume_header import VolumeHeader, check_size
from oncorobust.formats.volumes import Grid

SERIES = "DICOM series"
"""Kind of a folder of DICOM files."""
_NAMED = 3
_NUMBERS = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}


def describe_series(folder: Path) -> DicomKind:
    """Return what the headers of a series say of its images. Raises InputError, also if its files differ."""
    kinds = {path: describe_dicom(path) for path in series_files(folder)}
    units = {kind.unit for kind in kinds.values()}
    if units == {STORED, RESCALED}:
        units = {RESCALED}
    marks = {kind.synthetic is True for kind in kinds.values()}
    for found, what in ((units, "one unit"), (marks, "all files or none marked as synthetic")):
        if len(found) > 1:
            raise InputError(f"expected {what} in a series, got {' and '.join(map(str, sorted(found)))} in {folder}")
    first = next(iter(kinds.values()))
    return replace(first, unit=units.pop(), n_frames=1)


def describe_stack(path: Path) -> VolumeHeader:
    """Return the grid of a folder's series or of a file's frames, along (slice, row, column). Raises InputError."""
    _, grid = _open_folder(path) if path.is_dir() else _open_file(open_frames(path))
    check_size(grid.shape, path)
    return VolumeHeader(grid.shape, {"header": grid})


def read_stack(path: Path) -> np.ndarray:
    """Read all slices of `describe_stack`: modality values (slice, row, column), float32. Raises InputError."""
    if path.is_dir():
        files, grid = _open_folder(path)
        return _filled(grid, [lambda file=file: read_dicom(file) for file in files], path)
    frames = open_frames(path)
    numbers, grid = _open_file(frames)
    return _filled(grid, [lambda number=number: read_frame(frames, number) for number in numbers], path)


def _filled(grid: Grid, readers: Sequence[Any], path: Path) -> np.ndarray:
    check_size(grid.shape, path)
    values = np.empty(grid.shape, dtype=np.float32)
    for number, read in enumerate(readers):
        image: StoredImage = read()
        if image.values.shape != grid.shape[1:]:
            raise InputError(f"expected grey slices of {grid.shape[1]} x {grid.shape[2]} pixels, got others in {path}")
        values[number] = image.values
    return values


def _open_folder(folder: Path) -> tuple[list[Path], Grid]:
    """Return the files of a series in the order of their slices, and the grid."""
    headers = _headers(folder)
    slices = [_slice_of_file(folder, row) for row in headers.to_dict("records")]
    order, grid = stack_slices(slices, str(folder))
    return [folder / headers["path"].iloc[number] for number in order], grid


def series_files(folder: Path) -> list[Path]:
    """Return the files of the one series below a folder. Raises InputError for none or several."""
    return [folder / path for path in _headers(folder)["path"]]


def _headers(folder: Path) -> pd.DataFrame:
    """Return the headers of the images of the one series below a folder. Raises InputError for none or several."""
    table = index_dicom(folder, on_progress=lambda *_: None)
    table = table[table["Rows"].notna()]  # without DICOMDIR, reports and other files that are no images
    if table.empty:
        raise InputError(f"expected a file at {folder}, got none, but a folder without DICOM images")
    several = table.drop_duplicates("SeriesInstanceUID")["path"]
    if len(several) > 1:
        named = ", ".join(str(folder / path) for path in several[:_NAMED])
        raise InputError(f"expected one series in {folder}, got {len(several)}, of {named}: make a folder of each")
    return table


def _slice_of_file(folder: Path, row: Any) -> Slice:
    where = str(folder / row["path"])
    frames, samples = row["NumberOfFrames"], row["SamplesPerPixel"]
    if not pd.isna(frames) and frames != 1:
        raise InputError(f"expected one slice per file of a series, got {frames} frames in {where}: name that file")
    if not pd.isna(samples) and samples != 1:
        raise InputError(f"expected grey slices, got SamplesPerPixel {samples} in {where}")
    position, directions, spacing = (_numbers(row[name], name, where) for name in _NUMBERS)
    shape = int(row["Rows"]), int(row["Columns"])
    return Slice(where, position, directions, spacing, shape, str(row["FrameOfReferenceUID"]))


def _open_file(frames: Frames) -> tuple[list[int], Grid]:
    """Return the frames, from 1, of a file in the order of their slices, and the grid."""
    header, path = frames.header, frames.path
    if not header.get("PerFrameFunctionalGroupsSequence"):
        raise InputError(
            f"expected positions of the frames (PlanePositionSequence), got none in {path}; name a frame, from 1 to "
            f"{frames.n_frames}, in a column `frame`"
        )
    order, grid = stack_slices([_slice_of_frame(frames, number) for number in range(frames.n_frames)], str(path))
    return [number + 1 for number in order], grid


def _slice_of_frame(frames: Frames, number: int) -> Slice:
    header, where = frames.header, f"frame {number + 1} of {frames.path}"
    groups = [header.PerFrameFunctionalGroupsSequence[number], *(header.get("SharedFunctionalGroupsSequence") or [])]
    stated = (
        _of_groups(groups, "PlanePositionSequence", "ImagePositionPatient", where),
        _of_groups(groups, "PlaneOrientationSequence", "ImageOrientationPatient", where),
        _of_groups(groups, "PixelMeasuresSequence", "PixelSpacing", where),
    )
    return Slice(where, *stated, (int(header.Rows), int(header.Columns)), str(header.get("FrameOfReferenceUID") or ""))


def _of_groups(groups: Sequence[Any], sequence: str, name: str, where: str) -> np.ndarray:
    """Return the numbers that a frame's functional groups state, or else the shared ones. Raises InputError."""
    for group in groups:
        for item in group.get(sequence) or []:
            return _numbers(item.get(name), name, where)
    return _numbers(None, name, where)


def _numbers(value: Any, name: str, where: str) -> np.ndarray:
    found = np.array([] if value is None else [float(number) for number in value])
    if len(found) != _NUMBERS[name] or not np.isfinite(found).all():
        stated = "none" if value is None else value
        raise InputError(f"expected {_NUMBERS[name]} numbers of {name}, got {stated} in {where}")
    return found
