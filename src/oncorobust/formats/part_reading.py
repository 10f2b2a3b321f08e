"""Reader of the part of a file that a row of a manifest names; holds one volume, header or open array at a time.

Rows of one file that follow each other decode its volume once. Headers were checked before (`part_checks`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.arrays import ArrayFile
from oncorobust.formats.dicom.files import read_frame
from oncorobust.formats.dicom.frames import Frames, open_frames
from oncorobust.formats.image_files import ARRAYS, VOLUMES, FileKind, array_image, check_values, kind_of, read_image
from oncorobust.formats.outside import only_input_errors
from oncorobust.formats.part_checks import only_array
from oncorobust.formats.parts import WHOLE, Part
from oncorobust.formats.planes import nearest_voxel, order_for, orthogonal_planes, slice_at, square_pixels, turn
from oncorobust.formats.records import Scan, StoredImage, stack_of
from oncorobust.formats.segmentations import Mask, Region, find_region, place
from oncorobust.formats.volume_files import describe_volume, mask_of, read_mask, read_volume
from oncorobust.formats.volume_header import VolumeHeader
from oncorobust.formats.volumes import Grid, reorder_grid

Held = TypeVar("Held")


class _Latest(Generic[Held]):
    """The latest value that was made, by its key; let go before the next is made."""

    def __init__(self) -> None:
        self._key: object = None
        self._value: Held | None = None

    def get(self, key: object, make: Callable[[], Held]) -> Held:
        if self._value is None or key != self._key:
            self._value = None
            self._key, self._value = key, make()
        return self._value


class PartReader:
    """Read the images of a manifest's rows. Raises InputError naming the file, and no other exception."""

    def __init__(self) -> None:
        """Start without a volume."""
        self._frames: _Latest[Frames] = _Latest()
        self._array: _Latest[ArrayFile] = _Latest()
        self._header: _Latest[VolumeHeader] = _Latest()
        self._volume: _Latest[np.ndarray] = _Latest()
        self._mask: _Latest[Mask] = _Latest()

    def read(self, file: Path, part: Part) -> StoredImage:
        """Read one image: values (h, w) or (h, w, 3)."""
        if part == WHOLE:
            return read_image(file)
        with only_input_errors(file, "a readable image"):
            image = self._read(file, part)
            check_values(image.values, file)
            return image

    def read_scan(self, file: Path, part: Part, kind: FileKind) -> Scan:
        """Read one image as its scanner made it: of a volume the slice before its pixels are made square, and stack.

        kind: of the file.
        """
        in_volume = kind.name in (*VOLUMES, "DICOM") and part.frame is None
        if in_volume and part != WHOLE and part.plane != "orthogonal":
            with only_input_errors(file, "a readable image"):
                scan = self._scan_slice(file, part, kind)
                check_values(scan.values, file)
                return scan
        image = self.read(file, part)
        return Scan(
            image.values.astype(np.float32),
            modality=kind.modality,
            unit=kind.unit,
            limits=image.limits,
            spacing_mm=kind.spacing_mm,
        )

    def _read(self, file: Path, part: Part) -> StoredImage:
        if part.frame is not None:
            return read_frame(self._frames.get(file, lambda: open_frames(file)), part.frame)
        if kind_of(file) in ARRAYS:
            return self._read_array(file, part)
        return StoredImage(self._read_plane(file, part), limits=None)

    def _read_array(self, file: Path, part: Part) -> StoredImage:
        name = part.array or only_array(file)
        array = self._array.get((file, name), lambda: ArrayFile(file, name))
        entry = part.array_index
        if "slice" not in part.named:
            return array_image(array.whole if entry is None else array.read(entry), file)
        number = self._slice_of_array(part, array.header.shape[0 if entry is None else 1])
        return array_image(array.read(number) if entry is None else array.read(entry)[number], file)

    def _slice_of_array(self, part: Part, n_slices: int) -> int:
        if isinstance(part.slice, int):
            return part.slice
        if part.slice == "middle" or part.segmentation is None:
            return n_slices // 2
        path, values = part.segmentation, part.segmentation_values
        mask = self._mask.get((path, values), lambda: mask_of(ArrayFile(path, only_array(path)).whole, values, path))
        return int(np.argmax(mask.sum(axis=(1, 2))))

    def _read_plane(self, file: Path, part: Part) -> np.ndarray:
        values, shown, mask_grid = self._turned(file, part)
        if part.plane == "orthogonal":
            if part.point_mm is not None:
                return orthogonal_planes(values, shown, nearest_voxel(shown, part.point_mm, file))
            return orthogonal_planes(values, shown, self._region(file, part, shown, mask_grid).centre())
        number = self._slice_number(file, part, shown, mask_grid)
        return square_pixels(values[number].astype(np.float32), _in_plane(shown))

    def _scan_slice(self, file: Path, part: Part, kind: FileKind) -> Scan:
        values, shown, mask_grid = self._turned(file, part)
        number, spacing_mm = self._slice_number(file, part, shown, mask_grid), _in_plane(shown)
        own = values[number].astype(np.float32)
        return Scan(
            own,
            modality=kind.modality,
            unit=kind.unit,
            limits=None,
            spacing_mm=spacing_mm,
            stack=stack_of(number, np.arange(len(values)) * shown.spacing_mm[0], lambda at: values[at], own),
            cut=lambda changed: square_pixels(changed, spacing_mm),
        )

    def _turned(self, file: Path, part: Part) -> tuple[np.ndarray, Grid, Grid]:
        """Return a volume in the display order of the plane, its grid, and the grid of the segmentation as stored."""
        index = part.array_index or 0
        stored = self._volume.get((file, index), lambda: read_volume(file, index=index))
        header = self._header.get(file, lambda: describe_volume(file))
        grid = mask_grid = next(iter(header.forms.values()))
        if part.segmentation is not None:
            grid, mask_grid = place(header, describe_volume(part.segmentation), file, part.segmentation)
        order = order_for(grid, part.plane)
        return turn(stored, order), reorder_grid(grid, order), mask_grid

    def _slice_number(self, file: Path, part: Part, shown: Grid, mask_grid: Grid) -> int:
        if part.slice_mm is not None:
            return slice_at(shown, part.slice_mm, part.plane, file)
        if part.slice == "middle":
            return shown.shape[0] // 2
        return part.slice if isinstance(part.slice, int) else self._region(file, part, shown, mask_grid).largest_slice()

    def _region(self, file: Path, part: Part, shown: Grid, mask_grid: Grid) -> Region:
        """Return the voxels of the segmentation on the grid of the image in display order."""
        path, values = part.segmentation, part.segmentation_values
        if path is None:
            raise InputError(f"expected a segmentation, got none for {file}")
        mask = self._mask.get((path, values), lambda: read_mask(path, values))
        return find_region(mask, mask_grid, shown, image_path=file, path=path)


def _in_plane(shown: Grid) -> tuple[float, float]:
    _, rows_mm, columns_mm = shown.spacing_mm
    return rows_mm, columns_mm
