"""NRRD and MetaImage volumes, through SimpleITK (extra `volumes`).

Both keep a text header, alone or before the values; the values may be in another file, which must be in the same folder
because a manifest reads only its own tree. ITK gives positions in DICOM's LPS, and converts NRRD's RAS. A NRRD header
whose `space` is none of the patient does not say where the patient's left is, so it is refused, as NIfTI without sform
and qform is.

Sources: NRRD file format (teem.sourceforge.net/nrrd/format.html); MetaIO (itk.org, "MetaImage Documentation").
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.tree_links import is_inside
from oncorobust.formats.volume_header import VolumeHeader, check_size, times
from oncorobust.formats.volumes import Grid, check_grid

_LONGEST_HEADER = 65536
_DATA_FILE = {
    "NRRD": re.compile(r"^[ \t]*data ?file:[ \t]*(.*?)[ \t]*$", re.MULTILINE | re.IGNORECASE),
    "MetaImage": re.compile(r"^[ \t]*ElementDataFile[ \t]*[=:][ \t]*(.*?)[ \t]*$", re.MULTILINE),
}
_RAW = {
    "NRRD": re.compile(r"^[ \t]*encoding:[ \t]*raw[ \t]*$", re.MULTILINE | re.IGNORECASE),
    "MetaImage": re.compile(r"^[ \t]*CompressedData[ \t]*[=:][ \t]*False[ \t]*$", re.MULTILINE),
}
_PLAIN = re.compile(r"[^%/\\]+")
_END = {"NRRD": "\n\n", "MetaImage": "\n"}
"""What stands between the last line of a header and the values."""
_SPACES_OF_PATIENTS = {
    *("left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las"),
}
"""Names of NRRD's `space` that say where the patient's sides are; those of scanners and of handedness do not."""
_FIRST_BYTES = {b"NRRD000": "NRRD", b"ObjectType": "MetaImage", b"NDims": "MetaImage"}


def itk_kind(start: bytes) -> str | None:
    """Return NRRD or MetaImage by the first bytes of a file, or None."""
    return next((kind for mark, kind in _FIRST_BYTES.items() if start.startswith(mark)), None)


def describe_itk(path: Path) -> VolumeHeader:
    """Read the header of a 3-D volume of real numbers whose position is defined. Raises InputError."""
    reader = _open(path)
    size = tuple(int(length) for length in reader.GetSize())
    if len(size) != 3 or reader.GetNumberOfComponents() != 1:
        raise InputError(f"expected a 3-D volume of single values, got {_shape(reader)} in {path}")
    if _kind(path) == "NRRD":
        _check_space(reader, path)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(reader.GetDirection(), (3, 3)) * reader.GetSpacing()
    affine[:3, 3] = reader.GetOrigin()
    shape = (size[0], size[1], size[2])
    grid = Grid(affine=affine, shape=shape)
    check_grid(grid, str(path))
    return VolumeHeader(shape, {"header": grid})


def _check_space(reader: Any, path: Path) -> None:
    space = str(reader.GetMetaData("NRRD_space")) if reader.HasMetaDataKey("NRRD_space") else "none"
    if space.lower() not in _SPACES_OF_PATIENTS:
        raise InputError(
            "expected a NRRD header with a `space` of the patient, such as left-posterior-superior, to know where the "
            f"patient's left is, got {space} in {path}"
        )


def read_itk(path: Path) -> np.ndarray:
    """Read a volume, values (i, j, k) as stored. Raises InputError."""
    values: np.ndarray = _read(path).transpose(2, 1, 0)
    return values


def read_itk_picture(path: Path) -> np.ndarray:
    """Read a 2-D image, or a volume of one slice: values (rows, columns) as stored. Raises InputError."""
    reader = _open(path)
    size = tuple(int(length) for length in reader.GetSize())
    if reader.GetNumberOfComponents() != 1 or len(size) - size.count(1) > 2 or len(size) > 3:
        raise InputError(f"expected one slice, got {_shape(reader)} in {path}")
    values = _read(path)
    return values if len(size) == 2 else values.reshape([length for length in values.shape if length != 1])


def itk_size(path: Path) -> tuple[int, ...]:
    """Return the number of pixels along each stored axis, from the header. Raises InputError."""
    return tuple(int(length) for length in _open(path).GetSize())


def _open(path: Path) -> Any:
    """Return a reader that has read the header of a file of real numbers, after checks of its text."""
    kind = _kind(path)
    data = _data_file(path, kind)
    with _only_input_errors(path, kind):
        sitk = _simpleitk(path, kind)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        check_size(tuple(reader.GetSize()), path)
        name = sitk.GetPixelIDValueAsString(reader.GetPixelID())
        if "complex" in name:
            raise InputError(f"expected real numbers, got {name} in {path}")
        _check_length(path, kind, data, reader, name)
        return reader


def _read(path: Path) -> np.ndarray:
    reader = _open(path)
    with _only_input_errors(path, _kind(path)):
        import SimpleITK as sitk

        return np.asarray(sitk.GetArrayFromImage(reader.Execute()))


def _kind(path: Path) -> str:
    with path.open("rb") as stream:
        kind = itk_kind(stream.read(16))
    if kind is None:
        raise InputError(f"expected NRRD or MetaImage, got another file at {path}")
    return kind


def _header_text(path: Path, kind: str) -> str:
    """Return the header up to its last line. Raises InputError if it does not end."""
    with path.open("rb") as stream:
        start = stream.read(_LONGEST_HEADER).decode("latin-1").replace("\r\n", "\n")
    if kind == "NRRD":
        text, end, _ = start.partition(_END[kind])
        is_whole = bool(end) or path.stat().st_size <= _LONGEST_HEADER
    else:
        found = _DATA_FILE[kind].search(start)
        text, is_whole = (start[: found.end()], True) if found else (start, False)
    if not is_whole:
        raise InputError(f"expected a {kind} header of at most {_LONGEST_HEADER} bytes, got no end of it in {path}")
    return text


def _data_file(path: Path, kind: str) -> Path:
    """Return the file with the values: the file itself, or another in its folder. Raises InputError."""
    found = _DATA_FILE[kind].search(_header_text(path, kind))
    if found is None or (kind == "MetaImage" and found[1].upper() == "LOCAL"):
        return path
    name = found[1].removeprefix("./")
    if name.split(" ")[0].upper() == "LIST" or not _PLAIN.fullmatch(name) or name == "..":
        raise InputError(f"expected the values in one file beside the header, got {found[1]!r} in {path}")
    data = path.with_name(name)
    if not data.is_file():
        raise InputError(f"expected the values of {path} in {data}, which its header names, got no file there")
    if not is_inside(data.resolve(), (path.parent.resolve(),)):
        raise InputError(f"expected the values of {path} in its folder, got a link to {data.resolve()}")
    return data


def _check_length(path: Path, kind: str, data: Path, reader: Any, name: str) -> None:
    """Check that uncompressed values are as long as their header says; ITK's own message names another cause."""
    text = _header_text(path, kind)
    if not _RAW[kind].search(text):
        return
    expected = int(np.prod(reader.GetSize(), dtype=float)) * reader.GetNumberOfComponents() * _bytes_each(name)
    found = data.stat().st_size - (len(text) + len(_END[kind]) if data == path else 0)
    if found < expected:
        raise InputError(
            f"expected {expected} bytes of values in {data}, as its header says, got {found}; copy the file again"
        )


def _bytes_each(name: str) -> int:
    """Return the bytes of a value by SimpleITK's name of its type, e.g. `16-bit signed integer`."""
    found = re.search(r"(\d+)-bit", name)
    return int(found[1]) // 8 if found else 1


def _shape(reader: Any) -> str:
    components = reader.GetNumberOfComponents()
    voxels = times(tuple(int(length) for length in reader.GetSize()))
    return f"{voxels} voxels" + (f" of {components} values" if components > 1 else "")


def _simpleitk(path: Path, kind: str) -> Any:
    try:
        import SimpleITK
    except ImportError as error:
        raise InputError(
            f"expected SimpleITK, which reads {kind}, got no such package for {path}; to install it: "
            "pip install 'oncorobust[volumes]'"
        ) from error
    return SimpleITK


@contextmanager
def _only_input_errors(path: Path, kind: str) -> Iterator[None]:
    """Turn any exception of SimpleITK into an InputError that names the file; its last line says what is wrong."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        text = lines[-1] if lines else type(error).__name__
        raise InputError(f"expected a readable {kind} file, got {text} in {path}") from error
