"""One single-frame DICOM file to stored values; CT to Hounsfield units.

CT: HU = RescaleSlope x stored + RescaleIntercept (PS3.3 C.11.1.1); both are required and the slope is not zero. Other
modalities keep their stored values. Padded pixels (PixelPaddingValue, or the range it forms with
PixelPaddingRangeLimit, PS3.3 C.7.5.1.1.2) lie outside of the image and become the lowest of the others; the padding
value is read through PixelRepresentation, because files with signed pixels often give -2000 as 63536. MONOCHROME1 is
inverted within the range of BitsStored, so that higher is brighter everywhere; not in CT, where HU have their own
meaning. No VOI window or LUT is applied: it would replace physical values by display values.

Compressed pixel data are decoded by pydicom's plugins: RLE by pydicom itself, some JPEG by Pillow, the rest by those of
the extra `compressed`, which is named in the error when one of them is needed and not installed.
"""

from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.records import StoredImage


def describe_dicom(path: Path) -> tuple[str, bool | None]:
    """From the header: the unit of the values that `read_dicom` gives, and SyntheticData (0008,001C) if it is there."""
    import pydicom  # a third of a second, and most trees have no DICOM

    header = pydicom.dcmread(path, specific_tags=["Modality", "SyntheticData"], stop_before_pixels=True)
    flag = header.get("SyntheticData")
    return "HU" if header.get("Modality") == "CT" else "stored value", None if flag is None else flag == "YES"


def read_dicom(path: Path) -> StoredImage:
    """Read one image: HU for CT, else values within BitsStored, (h, w) or (h, w, 3). Raises InputError."""
    import pydicom

    file = pydicom.dcmread(path)
    frames = int(file.get("NumberOfFrames") or 1)
    if frames != 1:
        raise InputError(f"expected a single frame, got {frames} in {path}")
    photometric = str(file.get("PhotometricInterpretation"))
    values = _pixels(file, path)
    if photometric.startswith(("RGB", "YBR")):  # pydicom gives RGB for both
        return StoredImage(values=values, limits=_stored_limits(file))
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"expected MONOCHROME1, MONOCHROME2, RGB or YBR, got {photometric} in {path}")
    padded = _padded(file, values)
    if padded.all():
        raise InputError(f"expected an image, got nothing but padding in {path}")
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
            f"expected a decoder of {syntax.name} ({syntax}), got {found} for {path}; "
            "more decoders: pip install 'oncorobust[compressed]'"
        ) from error


def _stored_limits(file: Any) -> tuple[float, float]:
    bits = int(file.BitsStored)
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if file.PixelRepresentation else (0.0, 2.0**bits - 1)


def _hounsfield(file: Any, values: np.ndarray, path: Path) -> np.ndarray:
    slope, intercept = file.get("RescaleSlope"), file.get("RescaleIntercept")
    if slope is None or intercept is None:
        raise InputError(f"expected RescaleSlope and RescaleIntercept in a CT image, got none in {path}")
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
    """A padding value through PixelRepresentation; with an ambiguous VR pydicom may leave it as bytes."""
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
    if file.PixelRepresentation and number >= 2 ** (file.BitsAllocated - 1):
        return number - int(2**file.BitsAllocated)
    return number


def _fill(values: np.ndarray, padded: np.ndarray) -> np.ndarray:
    return np.where(padded, values[~padded].min(), values) if padded.any() else values
