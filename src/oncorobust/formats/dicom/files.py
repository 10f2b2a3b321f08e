"""Reader of single-frame DICOM files: modality values (`dicom.values`), Hounsfield units for CT.

Padded pixels (`dicom.padding`) lie outside the image and are set to the lowest value of the other pixels; the padding
value is interpreted by PixelRepresentation, because files with signed pixels often store -2000 as 63536. MONOCHROME1 is
inverted within the limits of the values, so that higher values are always brighter, except where values have a physical
unit (HU), which has its own meaning. No VOI window or LUT is applied, because it would replace physical values by
display values.

pydicom's plugins decode compressed pixel data: pydicom itself RLE, Pillow some JPEG, and the packages of the extra
`compressed` the rest. The error names that extra if a decoder is needed and not installed; `dicom.syntaxes` refuses
what no decoder reads.
"""

from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom.header import read_dataset
from oncorobust.formats.dicom.padding import fill, padded_pixels
from oncorobust.formats.dicom.syntaxes import check_decodable
from oncorobust.formats.dicom.values import HEADER, STORED, is_lossy, modality_transform, stored_limits, stored_values
from oncorobust.formats.records import StoredImage


def describe_dicom(path: Path) -> tuple[str, bool | None]:
    """Read from the header the unit of `read_dicom`'s values, and SyntheticData (0008,001C) or None if absent."""
    wanted = [*HEADER, "SyntheticData", "PhotometricInterpretation", "PixelRepresentation"]
    header = read_dataset(path, specific_tags=wanted, stop_before_pixels=True)
    flag = header.get("SyntheticData")
    unit = STORED if _is_colour(header) else modality_transform(header, path).unit
    return unit, None if flag is None else flag == "YES"


def read_dicom(path: Path) -> StoredImage:
    """Read one image: modality values (h, w), or colours within BitsStored (h, w, 3). Raises InputError."""
    file = read_dataset(path)
    check_decodable(file.file_meta.TransferSyntaxUID, path)
    frames = int(file.get("NumberOfFrames") or 1)
    if frames != 1:
        raise InputError(f"expected a single frame, got {frames} in {path}")
    stored = stored_values(file, _pixels(file, path), path)
    if _is_colour(file):  # pydicom returns RGB for RGB and YBR
        return StoredImage(values=stored, limits=stored_limits(file))
    photometric = str(file.get("PhotometricInterpretation"))
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"expected MONOCHROME1, MONOCHROME2, RGB or YBR, got {photometric} in {path}")
    padded, lossy = padded_pixels(file, stored), is_lossy(file)
    if padded.all():
        raise InputError(f"expected an image, got only padded pixels in {path}")
    transform = modality_transform(file, path)
    values, limits = transform.apply(stored), transform.limits(*stored_limits(file))
    if photometric == "MONOCHROME1" and limits is not None:
        values = np.float32(limits[0] + limits[1]) - values.astype(np.float32)
    filled = fill(values, padded, lossy=lossy)
    return StoredImage(filled, limits, padded=padded, lossy=lossy)


def _is_colour(file: Any) -> bool:
    return str(file.get("PhotometricInterpretation")).startswith(("RGB", "YBR"))


def _pixels(file: Any, path: Path) -> np.ndarray:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import RLELossless

    try:
        return np.asarray(file.pixel_array)
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
