"""Reader of single image files: npy, npz, NIfTI, NRRD, MetaImage, DICOM, and PNG, JPEG, TIFF and WebP (`pictures`).

A file that holds more than one image is refused here; `part_reading` reads the one that a row of a manifest names.
The first bytes of a file decide its kind, not its name (except for NIfTI, whose plain header does not begin with a
signature). Values are as stored, and pictures are turned upright as their orientation tag says: rows and columns in a
manifest are those of the upright picture. Files that do not hold one grey or RGB image of finite numbers are rejected.
InputError, naming the file, is the only exception that leaves this module, whatever a decoder raises on damaged bytes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.arrays import ArrayFile, array_names, as_image, choose_array, is_npz
from oncorobust.formats.dicom.files import describe_dicom, read_dicom
from oncorobust.formats.dicom.header import is_dicom
from oncorobust.formats.dicom.stacks import SERIES, describe_series, describe_stack
from oncorobust.formats.dicom.values import STORED
from oncorobust.formats.itk_volumes import itk_kind, itk_size, read_itk_picture
from oncorobust.formats.outside import only_input_errors
from oncorobust.formats.pictures import read_picture
from oncorobust.formats.records import GREY_LEVEL, Modality, StoredImage
from oncorobust.formats.tiff_pages import STARTS

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    **dict.fromkeys(STARTS, "TIFF"),
    b"\x93NUMPY": "npy",
}
VOLUME_FILES = ("NIfTI", "NRRD", "MetaImage")
VOLUMES = (*VOLUME_FILES, SERIES)
ARRAYS = ("npy", "npz")
_LIMITS = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}
_SMALLEST_SIDE = 2


@dataclass(frozen=True)
class FileKind:
    """What the header of a file says of its images.

    synthetic: None where the format has no such mark. n_frames, pixel_height (divided by width): 1 for all but DICOM.
    modality, spacing_mm (of rows and columns): `other` and None for all but DICOM.
    """

    name: str
    unit: str
    synthetic: bool | None
    n_frames: int = 1
    pixel_height: float = 1.0
    modality: Modality = "other"
    spacing_mm: tuple[float, float] | None = None


def describe_image(path: Path) -> FileKind:
    """Read a file's kind, the unit of its values, and whether it is marked as synthetic. Raises InputError.

    A folder is a DICOM series.
    """
    with only_input_errors(path, "a readable image"):
        name = kind_of(path)
        if name in ("DICOM", SERIES):
            found = describe_dicom(path) if name == "DICOM" else describe_series(path)
            return FileKind(
                name,
                found.unit,
                found.synthetic,
                n_frames=found.n_frames,
                pixel_height=found.pixel_height,
                modality=found.modality,
                spacing_mm=found.spacing_mm,
            )
        return FileKind(name, STORED if name in (*VOLUMES, *ARRAYS) else GREY_LEVEL, None)


def read_image(path: Path) -> StoredImage:
    """Read one image: values (h, w) or (h, w, 3), finite, at least 2 x 2 pixels. Raises InputError."""
    with only_input_errors(path, "a readable image"):
        match kind_of(path):
            case "DICOM":
                image = read_dicom(path)
            case "NIfTI":
                image = _read_nifti(path)
            case "NRRD" | "MetaImage":
                image = StoredImage(values=read_itk_picture(path), limits=None)
            case "npy":
                image = _read_npy(path)
            case "npz":
                image = array_image(ArrayFile(path, choose_array(path, None, array_names(path))).whole, path)
            case _:
                image = read_picture(path)
        check_values(image.values, path)
        return image


def image_shape(path: Path) -> tuple[int, ...]:
    """Read the number of voxels along each stored axis of a volume. Raises InputError."""
    with only_input_errors(path, "a readable image"):
        kind = kind_of(path)
        if kind == SERIES:
            return describe_stack(path).shape
        if kind != "NIfTI":
            return itk_size(path)
        import nibabel

        image: Any = nibabel.load(path)
        return tuple(int(length) for length in image.shape)


def array_image(values: np.ndarray, path: Path) -> StoredImage:
    """Return an array (h, w), (h, w, 1) or (h, w, 3) as an image, with the limits of its type. Raises InputError."""
    values = values.view(np.uint8) if values.dtype.kind == "b" else values
    return StoredImage(values=as_image(values, str(path)), limits=_LIMITS.get(values.dtype.name))


def kind_of(path: Path) -> str:
    """Return the kind of a file by its first bytes, or NIfTI by its name; of a folder SERIES. Raises InputError."""
    if path.is_dir():
        return SERIES
    with path.open("rb") as stream:
        head = stream.read(132)
    if is_dicom(head):  # checked first: its first 128 bytes may be a TIFF header (PS3.10, 7.1)
        return "DICOM"
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if is_npz(head, path):
        return "npz"
    if kind := itk_kind(head):
        return kind
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return "NIfTI"
    found = repr(head[:8]) if head else "an empty file"
    raise InputError(
        f"expected PNG, JPEG, TIFF, WebP, DICOM, NIfTI, NRRD, MetaImage, npy or npz, got {found} in {path}"
    )


def _read_npy(path: Path) -> StoredImage:
    values = np.load(path, allow_pickle=False)
    if values.dtype.kind not in "iuf":
        raise InputError(f"expected an array of numbers, got {values.dtype} in {path}")
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    return StoredImage(values=values, limits=_LIMITS.get(values.dtype.name))


def _read_nifti(path: Path) -> StoredImage:
    """Read a 2-D image or a single slice; the first axis of the stored array is the row."""
    import nibabel  # takes half a second, and most trees have no NIfTI

    image: Any = nibabel.load(path)
    shape = tuple(length for length in image.shape if length != 1)
    if len(shape) != 2:
        raise InputError(f"expected one slice, got {' x '.join(map(str, image.shape))} voxels in {path}")
    if image.get_data_dtype().kind not in "iuf":
        raise InputError(f"expected real numbers, got {image.get_data_dtype()} in {path}")
    return StoredImage(values=np.asarray(image.dataobj, dtype=np.float32).reshape(shape), limits=None)


def check_values(values: np.ndarray, path: Path) -> None:
    """Check that values are a grey or RGB image of finite numbers, at least 2 x 2 pixels. Raises InputError."""
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] == 3)):
        raise InputError(f"expected a grey or RGB image, got {' x '.join(map(str, values.shape))} values in {path}")
    if min(values.shape[:2]) < _SMALLEST_SIDE:
        raise InputError(f"expected at least 2 x 2 pixels, got {values.shape[0]} x {values.shape[1]} in {path}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise InputError(f"expected finite values, got {bad} that are NaN or infinite in {path}")
