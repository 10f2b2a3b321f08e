"""Checks, from headers alone, that a file has the part that a row of a manifest names. No pixel is read."""

from dataclasses import dataclass, field
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.formats.arrays import ArrayFile, array_names, choose_array
from oncorobust.formats.dicom.stacks import SERIES
from oncorobust.formats.image_files import ARRAYS, VOLUME_FILES, VOLUMES, FileKind, describe_image, image_shape
from oncorobust.formats.nifti_forms import SAME_PLACE_MM
from oncorobust.formats.outside import only_input_errors
from oncorobust.formats.parts import WHOLE, Part
from oncorobust.formats.planes import is_square, nearest_voxel, order_for, slice_at, spacing_in_plane
from oncorobust.formats.segmentations import place
from oncorobust.formats.volume_files import check_one_volume, describe_volume
from oncorobust.formats.volume_header import VolumeHeader, times
from oncorobust.formats.volumes import check_grid, reorder_grid

_OF_VOLUMES = ("plane", "slice", "point_mm", "segmentation", "segmentation_values")
_USED_BY = {
    "DICOM": ("frame", *_OF_VOLUMES),
    SERIES: _OF_VOLUMES,
    "NIfTI": ("array_index", *_OF_VOLUMES),
    "NRRD": _OF_VOLUMES,
    "MetaImage": _OF_VOLUMES,
    "npz": ("array", "array_index", "slice", "segmentation", "segmentation_values"),
    "npy": ("array_index", "slice", "segmentation", "segmentation_values"),
}
_NAMED = 3
"""Number of files that a note names."""


@dataclass
class PartChecks:
    """Checks of a manifest's rows, which keep the headers read so far, and what notes say of them."""

    headers: dict[Path, VolumeHeader] = field(default_factory=dict)
    arrays: dict[tuple[Path, str | None], tuple[int, ...]] = field(default_factory=dict)
    names: dict[Path, list[str]] = field(default_factory=dict)
    not_square: dict[Path, tuple[float, float]] = field(default_factory=dict)
    high_pixels: dict[Path, float] = field(default_factory=dict)
    n_rows: int = 0
    n_orthogonal: int = 0

    def check(self, file: Path, kind: FileKind, part: Part) -> None:
        """Check one row. Raises InputError."""
        unused = [name for name in part.named if name not in _USED_BY.get(kind.name, ())]
        if unused:
            raise InputError(
                f"expected an empty cell of {unused[0]} for a file of kind {kind.name}, got one for {file}"
            )
        with only_input_errors(file, "a readable image"):
            self._check_kind(file, kind, part)
        self.n_orthogonal += part.plane == "orthogonal"
        self.n_rows += 1
        if self.n_orthogonal not in (0, self.n_rows):
            raise InputError("expected plane orthogonal in all rows or in none, got both: their channels differ")

    def _check_kind(self, file: Path, kind: FileKind, part: Part) -> None:
        if kind.name == "DICOM":
            if part.frame is None and part != WHOLE:
                _check_frames(file, kind.n_frames, part)
                self._check_volume(file, part)
                return
            _check_frame(file, kind.n_frames, part)
            if not is_square((kind.pixel_height, 1.0)):
                self.high_pixels[file] = kind.pixel_height
        elif kind.name in ARRAYS:
            self._check_array(file, kind, part)
        elif kind.name in VOLUMES and part != WHOLE:
            self._check_volume(file, part)
        elif kind.name in VOLUMES:
            _check_one_slice(file)

    def notes(self) -> tuple[str, ...]:
        """Return notes on headers that contradict themselves, and on pixels that are not square."""
        notes = []
        apart = {file: header for file, header in self.headers.items() if header.apart_mm > SAME_PLACE_MM}
        if apart:
            most = max(header.apart_mm for header in apart.values())
            notes.append(
                f"headers of {len(apart)} volumes place the voxels twice, up to {most:.1f} mm apart (sform and qform, "
                f"or voxel sizes in pixdim): {_some(list(apart))}; used the first of sform and qform, or with a "
                "segmentation the first that agrees with it"
            )
        if self.not_square:
            rows, columns = max(self.not_square.values(), key=lambda pair: max(pair) / min(pair))
            notes.append(
                f"planes of {len(self.not_square)} volumes have pixels that are not square, up to {rows:g} x "
                f"{columns:g} mm: {_some(list(self.not_square))}; resampled to the smaller spacing, bilinearly"
            )
        if self.high_pixels:
            most = max(self.high_pixels.values(), key=lambda height: max(height, 1 / height))
            notes.append(
                f"pixels of {len(self.high_pixels)} DICOM files are not square, up to {most:.3g} times as high as "
                f"wide, and used as stored: {_some(list(self.high_pixels))}"
            )
        return tuple(notes)

    def _check_volume(self, file: Path, part: Part) -> None:
        header = self._header(file)
        if part.array_index is None and header.n_volumes != 1:
            raise InputError(f"expected array_index to name one of {header.n_volumes} volumes, got none for {file}")
        _check_index("array_index", part.array_index, header.n_volumes, file)
        if part.slice is None and part.slice_mm is None and part.plane != "orthogonal":
            raise InputError(f"expected a slice, got none for {file}, which has {times(header.shape)} voxels")
        grid = next(iter(header.forms.values()))
        if part.segmentation is not None:
            self._check_is_volume(part.segmentation)
            other = self._header(part.segmentation)
            check_one_volume(other, part.segmentation)
            grid, _ = place(header, other, file, part.segmentation)
        check_grid(grid, str(file))
        order = order_for(grid, part.plane)
        shown = reorder_grid(grid, order)
        if isinstance(part.slice, int):
            _check_index(f"{part.plane or 'axial'} slice", part.slice, shown.shape[0], file)
        if part.slice_mm is not None:
            slice_at(shown, part.slice_mm, part.plane, file)
        if part.point_mm is not None:
            nearest_voxel(shown, part.point_mm, file)
        spacing = spacing_in_plane(grid, order)
        if part.plane != "orthogonal" and not is_square(spacing):
            self.not_square[file] = spacing

    def _check_array(self, file: Path, kind: FileKind, part: Part) -> None:
        name = self._array_name(file, part.array) if kind.name == "npz" else None
        shape = self._shape(file, name)
        where = f"{name} of {file}" if name else str(file)
        if part.array_index is not None:
            _check_index("array_index", part.array_index, shape[0] if shape else 0, where)
            shape = shape[1:]
        if "slice" in part.named:
            _check_slices(part, shape, where)
        elif not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
            raise InputError(
                f"expected a grey or RGB image, got {times(shape)} values in {where}; name one in array_index or slice"
            )
        if part.segmentation is not None and self._shape(part.segmentation, only_array(part.segmentation)) != shape:
            raise InputError(f"expected {times(shape)} voxels as in {where}, got others in {part.segmentation}")

    def _header(self, file: Path) -> VolumeHeader:
        if file not in self.headers:
            self.headers[file] = describe_volume(file)
        return self.headers[file]

    def _array_name(self, file: Path, name: str | None) -> str:
        if file not in self.names:
            self.names[file] = array_names(file)
        return choose_array(file, name, self.names[file])

    def _shape(self, file: Path, name: str | None) -> tuple[int, ...]:
        if (file, name) not in self.arrays:
            array = ArrayFile(file, name)
            self.arrays[file, name] = array.header.shape
            array.close()
        return self.arrays[file, name]

    def _check_is_volume(self, file: Path) -> None:
        known = file in self.headers and not file.is_dir()
        if not known and (kind := describe_image(file).name) not in VOLUME_FILES:
            raise InputError(f"expected a segmentation in {', '.join(VOLUME_FILES)}, got {kind} in {file}")


def only_array(file: Path) -> str | None:
    """Return the name of the only array of a segmentation in .npz, None for .npy. Raises InputError."""
    kind = describe_image(file).name
    if kind not in ARRAYS:
        raise InputError(f"expected a segmentation in npy or npz, as its image, got {kind} in {file}")
    return choose_array(file, None, array_names(file)) if kind == "npz" else None


def _check_frame(file: Path, n_frames: int, part: Part) -> None:
    if part.frame is None and n_frames != 1:
        raise InputError(
            f"expected a single frame, got {n_frames} in {file}; name one, from 1 to {n_frames}, in a column `frame`, "
            "or, where frames are slices of a volume, one in a column `slice`"
        )
    if part.frame is not None and part.frame > n_frames:
        raise InputError(f"expected a frame from 1 to {n_frames}, got {part.frame} for {file}")


def _check_frames(file: Path, n_frames: int, part: Part) -> None:
    if n_frames == 1:
        raise InputError(
            f"expected {part.named[0]} only for a volume, got it for {file}, which has one frame: name the folder "
            "of its series"
        )


def _check_one_slice(file: Path) -> None:
    shape = image_shape(file)
    if len(shape) - shape.count(1) > 2:
        raise InputError(
            f"expected one slice, got {times(shape)} voxels in {file}; name one in a column `slice`: its number from "
            "0, middle, largest, or a position such as -35.5 mm"
        )


def _check_index(what: str, index: int | None, length: int, where: object) -> None:
    if index is not None and index >= length:
        raise InputError(f"expected {what} from 0 to {length - 1}, got {index} for {where}")


def _check_slices(part: Part, shape: tuple[int, ...], where: str) -> None:
    if len(shape) != 3 or shape[2] in (1, 3):
        raise InputError(f"expected a volume of slices, got {times(shape)} values in {where}")
    if part.slice_mm is not None:
        raise InputError(f"expected the number of a slice, because an array has no position, got mm for {where}")
    if isinstance(part.slice, int):
        _check_index("slice", part.slice, shape[0], where)


def _some(files: list[Path]) -> str:
    return ", ".join(file.name for file in files[:_NAMED]) + (" and others" if len(files) > _NAMED else "")
