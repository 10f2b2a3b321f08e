"""Reader of a DICOM file's frames, one at a time: modality values (`dicom.values`), Hounsfield units for CT.

Padded pixels (`dicom.padding`) lie outside the image and are set to the lowest value of the other pixels; the padding
value is interpreted by PixelRepresentation, because files with signed pixels often store -2000 as 63536. MONOCHROME1 is
inverted within the limits of the values, so that higher values are always brighter, except where values have a physical
unit (HU), which has its own meaning. No VOI window or LUT is applied, because it would replace physical values by
display values.

pydicom's plugins decode compressed pixel data: pydicom itself RLE, Pillow some JPEG, and the packages of the extra
`compressed` the rest. The error names that extra if a decoder is needed and not installed; `dicom.syntaxes` refuses
what no decoder reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom.frames import Frames, count_frames
from oncorobust.formats.dicom.header import read_dataset, scan_header
from oncorobust.formats.dicom.padding import fill, padded_pixels
from oncorobust.formats.dicom.pixel_shape import PIXEL_SHAPE, pixel_height, spacing_mm
from oncorobust.formats.dicom.syntaxes import check_decodable
from oncorobust.formats.dicom.values import (
    HEADER,
    RESCALED,
    STORED,
    is_lossy,
    modality_transform,
    stored_limits,
    stored_values,
)
from oncorobust.formats.records import Modality, StoredImage

_KIND = (
    *(*HEADER, *PIXEL_SHAPE),
    *("SyntheticData", "PhotometricInterpretation", "PixelRepresentation", "NumberOfFrames"),
)
_KNOWN: dict[str, Modality] = {"CT": "CT", "MR": "MR", "MG": "MG"}
_BINARY = "PixelRepresentation"
"""The only one of these elements that is not text; only lookup tables, which pydicom reads, need it."""
_START_BYTES = 16384  # headers in the archives have 2,000 to 6,000 bytes


@dataclass(frozen=True)
class DicomKind:
    """What a header says of the images of a file.

    unit: of the values that `read_dicom` returns. synthetic: SyntheticData (0008,001C), None if absent. pixel_height:
    divided by their width. modality: as in the header, where its physics is known here. spacing_mm: of rows and of
    columns, None if not stated.
    """

    unit: str
    synthetic: bool | None
    n_frames: int
    pixel_height: float
    modality: Modality
    spacing_mm: tuple[float, float] | None


def describe_dicom(path: Path) -> DicomKind:
    """Read a file's kind from its header. Raises InputError, also if its frames differ in unit."""
    header = _scan(path) or read_dataset(path, specific_tags=list(_KIND), stop_before_pixels=True)
    flag, n_frames = header.get("SyntheticData"), count_frames(header, path)
    unit = STORED if _is_colour(header) else _unit_of_frames(header, n_frames, path)
    synthetic = None if flag is None else flag == "YES"
    modality = _KNOWN.get(str(header.get("Modality")), "other")
    return DicomKind(unit, synthetic, n_frames, pixel_height(header), modality, spacing_mm(header))


def read_dicom(path: Path) -> StoredImage:
    """Read the image of a file of one frame: values (h, w), or colours (h, w, 3). Raises InputError."""
    file = read_dataset(path)
    check_decodable(file.file_meta.TransferSyntaxUID, path)
    n_frames = count_frames(file, path)
    if n_frames != 1:
        raise InputError(f"expected a single frame, got {n_frames} in {path}")
    return _image(file, _decode(lambda: file.pixel_array, file, path), path, frame=1)


def read_frame(frames: Frames, frame: int) -> StoredImage:
    """Read one frame, from 1, of an open file, and no other. Raises InputError."""
    if not 1 <= frame <= frames.n_frames:
        raise InputError(f"expected a frame from 1 to {frames.n_frames}, got {frame} in {frames.path}")
    decoded = _decode(lambda: frames.decode(frame), frames.header, frames.path)
    return _image(frames.header, decoded, frames.path, frame=frame)


def _image(file: Any, decoded: np.ndarray, path: Path, *, frame: int) -> StoredImage:
    """Return modality values (h, w), or colours within BitsStored (h, w, 3), of a decoded frame. Raises InputError."""
    stored = stored_values(file, decoded, path)
    if _is_colour(file):  # pydicom returns RGB for RGB and YBR
        return StoredImage(values=stored, limits=stored_limits(file))
    photometric = str(file.get("PhotometricInterpretation"))
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"expected MONOCHROME1, MONOCHROME2, RGB or YBR, got {photometric} in {path}")
    padded, lossy = padded_pixels(file, stored), is_lossy(file)
    if padded.all():
        raise InputError(f"expected an image, got only padded pixels in {path}")
    transform = modality_transform(file, path, frame=frame)
    values, limits = transform.apply(stored), transform.limits(*stored_limits(file))
    if photometric == "MONOCHROME1" and limits is not None:
        values = np.float32(limits[0] + limits[1]) - values.astype(np.float32)
    filled = fill(values, padded, lossy=lossy)
    return StoredImage(filled, limits, padded=padded, lossy=lossy)


def _scan(path: Path) -> dict[str, str] | None:
    """Return the elements that say the kind of a file, fast; None where pydicom has to read them.

    An absent element has no key, as with pydicom.
    """
    with path.open("rb", buffering=0) as stream:
        scanned = scan_header(stream.read(_START_BYTES), _names_by_tag())
    if scanned is None:
        return None
    found = {_names_by_tag()[tag]: value for tag, value in scanned[1].items() if value}
    if any(name.endswith("Sequence") for name in found):
        return None
    return {name: value.decode("latin-1").strip(" \0") for name, value in found.items() if name != _BINARY}


@cache
def _names_by_tag() -> dict[int, str]:
    from pydicom.datadict import tag_for_keyword

    return {int(tag_for_keyword(name) or 0): name for name in _KIND}


def _unit_of_frames(header: Any, n_frames: int, path: Path) -> str:
    """Return the one unit of all frames; a frame without a transform has the identity."""
    n_read = n_frames if header.get("PerFrameFunctionalGroupsSequence") else 1
    units = {modality_transform(header, path, frame=frame).unit for frame in range(1, n_read + 1)}
    if units == {STORED, RESCALED}:
        return RESCALED
    if len(units) > 1:
        raise InputError(f"expected all frames in one unit, got {' and '.join(sorted(units))} in {path}")
    return units.pop()


def _is_colour(file: Any) -> bool:
    return str(file.get("PhotometricInterpretation")).startswith(("RGB", "YBR"))


def _decode(decode: Callable[[], Any], file: Any, path: Path) -> np.ndarray:
    """Decode pixels. Raises InputError naming the extra that holds more decoders, where that may help."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import RLELossless

    try:
        return np.asarray(decode())
    except Exception as error:
        syntax = file.file_meta.TransferSyntaxUID
        if not syntax.is_encapsulated or syntax == RLELossless:
            raise
        decoder = get_decoder(syntax)
        if "pylibjpeg" in decoder.available_plugins:
            raise
        found = " ".join(str(error).split()) if decoder.is_available else "none"
        raise InputError(
            f"expected a decoder for {syntax.name} ({syntax}), got {found} for {path}; "
            "to install more decoders: pip install 'oncorobust[compressed]'"
        ) from error
