"""MetaImage volumes as LUNA16 has them: a text header `.mhd` beside a `.raw` file of 16-bit Hounsfield units.

A slice is read without the rest of the volume, which has about 150 MB. The header states the centre of the first voxel
(Offset), the distances of voxels (ElementSpacing) and the direction of each axis (TransformMatrix, one axis after the
other), in LPS mm, so a point of the patient is voxel

    (column, row, slice) = diag(1 / spacing) D^-1 (point - offset),    the columns of D being the directions.

Some scans of LUNA16 are stored upside down (TransformMatrix -1 0 0 0 -1 0 0 0 1). `read_slice` turns every slice so
that rows run from front to back and columns from the patient's right to the left.

Source: MetaIO, https://github.com/Kitware/MetaIO; only what LUNA16 uses of the format is read, and the rest is refused.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int16

from oncorobust.base.errors import InputError

_LARGEST_HEADER = 16384
_LARGEST_SIDE = 4096
_WANTED = {
    "NDims": "3",
    "BinaryData": "True",
    "CompressedData": "False",
    "ElementType": "MET_SHORT",
    "ElementNumberOfChannels": "1",
    "HeaderSize": "0",
}
"""Values that this reader can use; those that are missing have them by default, except ElementType."""
_SAME = 1e-3


@dataclass(frozen=True)
class CtVolume:
    """The header of one volume.

    shape: slices, rows, columns. offset_mm, spacing_mm: x, y, z. signs: 1 or -1 for each stored axis (column, row,
    slice), the direction in which it runs along x, y and z.
    """

    path: Path
    raw: Path
    shape: tuple[int, int, int]
    offset_mm: Float[np.ndarray, "3"]
    spacing_mm: Float[np.ndarray, "3"]
    signs: tuple[int, int, int]
    big_endian: bool

    @property
    def uid(self) -> str:
        """SeriesInstanceUID of the CT series, which is the name of the file."""
        return self.path.stem

    def to_voxel(self, points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Return (slice, row, column) of points (x, y, z), in the orientation of `read_slice`; centres are whole."""
        stored = (points_mm - self.offset_mm) * np.array(self.signs) / self.spacing_mm
        last = np.array(self.shape[::-1]) - 1
        turned = np.where((np.array(self.signs) < 0) & (np.arange(3) < 2), last - stored, stored)
        return turned[:, ::-1]

    def holds(self, voxels: Float[np.ndarray, "n 3"]) -> np.ndarray:
        """Return for each voxel whether it is in the volume, which extends half a voxel beyond the outer centres."""
        return np.asarray(((voxels >= -0.5) & (voxels < np.array(self.shape) - 0.5)).all(axis=1))


def read_header(path: Path) -> CtVolume:
    """Read the header of a volume and check the size of its raw file. Raises InputError naming the file."""
    fields = _fields(path)
    for key, wanted in _WANTED.items():
        found = fields.get(key, "" if key == "ElementType" else wanted)
        if found.casefold() != wanted.casefold():
            raise InputError(f"expected {key} = {wanted}, got {found or 'none'} in {path}")
    columns, rows, slices = (int(number) for number in _numbers(fields, "DimSize", 3, path))
    if min(columns, rows, slices) < 1 or max(columns, rows, slices) > _LARGEST_SIDE:
        raise InputError(f"expected DimSize from 1 to {_LARGEST_SIDE}, got {fields['DimSize']} in {path}")
    spacing = _numbers(fields, "ElementSpacing", 3, path)
    if spacing.min() <= 0 or not math.isclose(spacing[0], spacing[1], rel_tol=_SAME):
        raise InputError(
            f"expected ElementSpacing above 0 with square pixels, got {fields['ElementSpacing']} in {path}"
        )
    name = fields.get("ElementDataFile", "")
    if not name or name != Path(name).name or name in ("LOCAL", "LIST"):
        raise InputError(f"expected ElementDataFile as the name of a file beside it, got {name or 'none'} in {path}")
    volume = CtVolume(
        path=path,
        raw=path.with_name(name),
        shape=(slices, rows, columns),
        offset_mm=_numbers(fields, "Offset", 3, path),
        spacing_mm=spacing,
        signs=_signs(fields, path),
        big_endian=fields.get("BinaryDataByteOrderMSB", "False").casefold() == "true",
    )
    _check_length(volume)
    return volume


def read_slice(volume: CtVolume, number: int) -> Int16[np.ndarray, "rows columns"]:
    """Read one slice, HU, with rows from front to back and columns from right to left."""
    _, rows, columns = volume.shape
    values = np.fromfile(
        volume.raw,
        dtype=">i2" if volume.big_endian else "<i2",
        count=rows * columns,
        offset=2 * rows * columns * number,
    )
    if len(values) < rows * columns:
        raise InputError(f"expected {rows * columns} values of slice {number}, got {len(values)} in {volume.raw}")
    across, down, _ = volume.signs
    return np.ascontiguousarray(values.reshape(rows, columns)[::down, ::across].astype(np.int16))


def _fields(path: Path) -> dict[str, str]:
    with path.open("rb") as stream:
        start = stream.read(_LARGEST_HEADER + 1)
    text = start.decode("latin-1")
    lines = [line.partition("=") for line in text.splitlines() if line.strip()]
    if len(start) > _LARGEST_HEADER or not lines or not all(mark for _, mark, _ in lines):
        raise InputError(f"expected a MetaImage header of lines `key = value`, got another file in {path}")
    return {key.strip(): value.strip() for key, _, value in lines}


def _numbers(fields: dict[str, str], key: str, count: int, path: Path) -> Float[np.ndarray, " n"]:
    try:
        numbers = np.array([float(part) for part in fields.get(key, "").split()])
    except ValueError:
        numbers = np.array([])
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InputError(f"expected {key} as {count} numbers, got {fields.get(key) or 'none'} in {path}")
    return numbers


def _signs(fields: dict[str, str], path: Path) -> tuple[int, int, int]:
    if "TransformMatrix" not in fields:
        return 1, 1, 1
    matrix = _numbers(fields, "TransformMatrix", 9, path).reshape(3, 3)
    if np.abs(np.abs(matrix) - np.eye(3)).max() > _SAME:
        raise InputError(
            f"expected axial slices (TransformMatrix of 1 and -1), got {fields['TransformMatrix']} in {path}"
        )
    first, second, third = (int(sign) for sign in np.rint(np.diag(matrix)))
    return first, second, third


def _check_length(volume: CtVolume) -> None:
    wanted = 2 * math.prod(volume.shape)
    if not volume.raw.is_file():
        raise InputError(f"expected the voxels of {volume.path} in {volume.raw}, got no such file")
    found = volume.raw.stat().st_size
    if found != wanted:
        size = " x ".join(map(str, volume.shape))
        raise InputError(
            f"expected {wanted} bytes ({size} voxels, according to {volume.path.name}), got {found} in {volume.raw}; "
            "unpack or download it again"
        )
