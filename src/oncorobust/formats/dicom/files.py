"""Reader of single-frame DICOM files: stored values, and Hounsfield units for CT.

CT: HU = RescaleSlope x stored + RescaleIntercept (PS3.3 C.11.1.1); both are required and the slope must not be 0. Other
modalities keep their stored values. Padded pixels (PixelPaddingValue, or the range up to PixelPaddingRangeLimit, PS3.3
C.7.5.1.1.2) lie outside the image and are set to the lowest value of the other pixels; the padding value is interpreted
by PixelRepresentation, because files with signed pixels often store -2000 as 63536. MONOCHROME1 is inverted within the
range of BitsStored, so that higher values are always brighter, except in CT, where HU have their own meaning. No VOI
window or LUT is applied, because it would replace physical values by display values.

pydicom's plugins decode compressed pixel data: pydicom itself RLE, Pillow some JPEG, and the packages of the extra
`compressed` the rest. The error names that extra if a decoder is needed and not installed.
"""

from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom.header import read_dataset
from oncorobust.formats.records import StoredImage


def describe_dicom(path: Path) -> tuple[str, bool | None]:
    """Read from the header the unit of `read_dicom`'s values, and SyntheticData (0008,001C) or None if absent."""
    header = read_dataset(path, specific_tags=["Modality", "SyntheticData"], stop_before_pixels=True)
    flag = header.get("SyntheticData")
    return "HU" if header.get("Modality") == "CT" else "stored value", None if flag is None else flag == "YES"


def read_dicom(path: Path) -> StoredImage:
    """Read one image, (h, w) or (h, w, 3): HU for CT, otherwise values within BitsStored. Raises InputError."""
    file = read_dataset(path)
    frames = int(file.get("NumberOfFrames") or 1)
    if frames != 1:
        raise InputError(f"expected a single frame, got {frames} in {path}")
    photometric = str(file.get("PhotometricInterpretation"))
    values = _pixels(file, path)
    if photometric.startswith(("RGB", "YBR")):  # pydicom returns RGB for both
        return StoredImage(values=values, limits=_stored_limits(file))
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"expected MONOCHROME1, MONOCHROME2, RGB or YBR, got {photometric} in {path}")
    padded = _padded(file, values)
    if padded.all():
        raise InputError(f"expected an image, got only padded pixels in {path}")
    if file.get("Modality") == "CT":
        return StoredImage(values=_fill(_hounsfield(file, values, path), padded), limits=None)
    low, high = _stored_limits(file)
    if photometric == "MONOCHROME1":
        values = low + high - values.astype(np.float32)
    return StoredImage(values=_fill(values, padded), limits=(low, high))


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


def _stored_limits(file: Any) -> tuple[float, float]:
    bits = int(file.BitsStored)
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if file.PixelRepresentation else (0.0, 2.0**bits - 1)


def _hounsfield(file: Any, values: np.ndarray, path: Path) -> np.ndarray:
    slope, intercept = file.get("RescaleSlope"), file.get("RescaleIntercept")
    if slope is None or intercept is None:
        raise InputError(f"expected RescaleSlope and RescaleIntercept in a CT image, got at most one in {path}")
    if float(slope) == 0:
        raise InputError(f"expected a RescaleSlope other than 0, got 0 in {path}")
    return values.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _padded(file: Any, values: np.ndarray) -> np.ndarray:
    first = file.get("PixelPaddingValue")
    if first is None:
        return np.zeros(values.shape, dtype=bool)
    last = file.get("PixelPaddingRangeLimit")
    low, high = sorted((_signed(file, first), _signed(file, first if last is None else last)))
    return np.asarray((values >= low) & (values <= high))


def _signed(file: Any, value: int | bytes) -> int:
    """Interpret a padding value by PixelRepresentation; pydicom may leave it as bytes if its VR is ambiguous."""
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
    if file.PixelRepresentation and number >= 2 ** (file.BitsAllocated - 1):
        return number - int(2**file.BitsAllocated)
    return number


def _fill(values: np.ndarray, padded: np.ndarray) -> np.ndarray:
    return np.where(padded, values[~padded].min(), values) if padded.any() else values
