"""From the pixels that a decoder returns to stored values, and from stored values to modality values, for every reader.

Stored values have BitsStored bits. Bits above them do not belong to the pixel (they may hold an overlay), and decoders
of compressed files may return them; `stored_values` removes them.

The modality transform (PS3.3 C.11.1) makes the values of different files comparable:

    modality value = RescaleSlope x stored + RescaleIntercept    or    an entry of ModalityLUTSequence

It is looked for in the functional groups of the frame, in the groups that all frames share (PixelValueTransformation,
PS3.3 C.7.6.16.2.9), and in the file itself; for radiation doses it is DoseGridScaling (PS3.3 C.8.8.3). CT and PET
images must have one; elsewhere a file without one has modality values equal to its stored values. The unit is that of
the transform: RescaleType, Units of PET and DoseUnits, and HU for CT without RescaleType.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError

STORED, RESCALED = "stored value", "rescaled value"
"""Units of values without a transform, and with one that names no unit."""

HEADER = (
    "Modality",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "Units",
    "DoseGridScaling",
    "DoseUnits",
)
"""Elements that `modality_transform` reads."""

_UNITS = {"HU": "HU", "BQML": "Bq/ml", "GML": "g/ml", "MGML": "mg/ml", "PCT": "%", "GY": "Gy", "CNTS": "counts"}
_NO_UNIT = ("", "US", "NONE")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_]{0,15}")
_RESCALE = ("RescaleSlope", "RescaleIntercept")
_REQUIRED = {"CT": "CT", "PT": "PET"}


@dataclass(frozen=True)
class Lut:
    """A lookup table: entries of the given number of bits; the first belongs to stored value `first` and all below."""

    entries: np.ndarray
    first: int
    bits: int


@dataclass(frozen=True)
class Transform:
    """A modality transform and the unit of its values; `lut`, where there is one, stands for slope and intercept."""

    slope: float
    intercept: float
    lut: Lut | None
    unit: str

    @property
    def has_limits(self) -> bool:
        """Whether the limits of stored values limit the modality values; physical units have no limits of their own."""
        return self.unit in (STORED, RESCALED)

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """Return modality values: float32, or the stored values themselves where there is no transform."""
        if self.lut is not None:
            places = np.clip(stored.astype(np.int64) - self.lut.first, 0, len(self.lut.entries) - 1)
            return np.asarray(self.lut.entries[places], dtype=np.float32)
        if self.unit == STORED:
            return stored
        return (stored * np.float64(self.slope) + self.intercept).astype(np.float32)

    def limits(self, low: float, high: float) -> tuple[float, float] | None:
        """Return the limits of modality values for these limits of stored values."""
        if not self.has_limits:
            return None
        if self.lut is not None:
            return 0.0, 2.0**self.lut.bits - 1
        first, last = sorted(self.slope * edge + self.intercept for edge in (low, high))
        return first, last


def stored_values(file: Any, decoded: np.ndarray, path: Path) -> np.ndarray:
    """Return decoded pixels without the bits above BitsStored, signed as PixelRepresentation says.

    Values that lossy compression has moved beyond BitsStored are limited to its range, unless the file has an overlay
    in those bits. Raises InputError for a HighBit other than BitsStored - 1.
    """
    if decoded.dtype.kind not in "iu":
        return decoded
    bits, high = int(file.BitsStored), int(file.get("HighBit", file.BitsStored - 1))
    if high != bits - 1:
        raise InputError(f"expected HighBit {bits - 1} for BitsStored {bits}, got {high} in {path}")
    unused = 8 * decoded.dtype.itemsize - bits
    if unused <= 0:
        return decoded
    if is_lossy(file) and not _has_overlay_in_pixels(file):
        low, top = stored_limits(file)
        return np.clip(decoded, int(low), int(top))
    whole = decoded.astype(f"{'iu'[file.PixelRepresentation == 0]}{decoded.dtype.itemsize}")
    return (whole << unused) >> unused


def stored_limits(file: Any) -> tuple[float, float]:
    """Return the lowest and highest value that BitsStored and PixelRepresentation allow."""
    bits = int(file.BitsStored)
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if file.PixelRepresentation else (0.0, 2.0**bits - 1)


def is_lossy(file: Any) -> bool:
    """Return whether pixels went through lossy compression, by LossyImageCompression or the transfer syntax."""
    syntax = file.file_meta.TransferSyntaxUID
    lossless = "lossless" in syntax.name.lower() or not syntax.is_encapsulated
    return file.get("LossyImageCompression") == "01" or not lossless


def modality_transform(file: Any, path: Path, *, frame: int = 1) -> Transform:
    """Return the modality transform of a frame, from 1. Raises InputError."""
    place = _place(file, frame)
    kind = str(file.get("Modality") or "")
    stated = [name for name in _RESCALE if place.get(name) is not None]
    if place.get("ModalityLUTSequence"):
        if stated:
            raise InputError(f"expected either ModalityLUTSequence or {stated[0]}, got both in {path}")
        return _from_lut(place.ModalityLUTSequence[0], file, path)
    if not stated and file.get("DoseGridScaling") is not None:
        return _checked(float(file.get("DoseGridScaling")), 0.0, unit=_unit(file.get("DoseUnits")), where=path)
    if len(stated) == 1 or (not stated and kind in _REQUIRED):
        article = f"a {_REQUIRED[kind]}" if kind in _REQUIRED else "an"
        raise InputError(f"expected RescaleSlope and RescaleIntercept in {article} image, got at most one in {path}")
    if not stated:
        return Transform(1.0, 0.0, None, STORED)
    slope, intercept = (float(place.get(name)) for name in _RESCALE)
    return _checked(slope, intercept, unit=_unit_of_rescale(place, file, kind), where=path)


def _checked(slope: float, intercept: float, *, unit: str, where: Path) -> Transform:
    if slope == 0 or not math.isfinite(slope) or not math.isfinite(intercept):
        found = f"{slope:g}" if math.isfinite(intercept) else f"{slope:g} and RescaleIntercept {intercept:g}"
        raise InputError(f"expected a RescaleSlope other than 0, got {found} in {where}")
    if unit == RESCALED and (slope, intercept) == (1, 0):
        unit = STORED
    return Transform(slope, intercept, None, unit)


def _place(file: Any, frame: int) -> Any:
    """Return the data set that holds the transform: the frame's groups, the shared groups, or the file itself."""
    for groups, number in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 1)):
        for group in (file.get(groups) or [])[number - 1 : number]:
            for item in (group.get("PixelValueTransformationSequence") or [])[:1]:
                return item
    return file


def _unit_of_rescale(place: Any, file: Any, kind: str) -> str:
    stated = place.get("RescaleType")
    if kind == "PT" and (stated is None or str(stated) in _NO_UNIT):
        return _unit(file.get("Units"))
    if kind == "CT" and not stated:
        return "HU"
    return _unit(stated)


def _unit(stated: object) -> str:
    code = str(stated or "").strip().upper()
    if code in _NO_UNIT or not _CODE.fullmatch(code):
        return RESCALED
    return _UNITS.get(code, code)


def _from_lut(item: Any, file: Any, path: Path) -> Transform:
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    count = count or 2**16  # PS3.3 C.11.1.1: 0 means 65536
    if file.get("PixelRepresentation") and first >= 2**15:  # written as unsigned
        first -= 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        order = "<" if file.file_meta.TransferSyntaxUID.is_little_endian else ">"
        data = np.frombuffer(data, dtype="u1" if len(data) < 2 * count else f"{order}u2")
    entries = np.atleast_1d(np.asarray(data))[:count]
    if len(entries) < count or not 1 <= bits <= 16:
        raise InputError(
            f"expected {count} entries of 1 to 16 bits in ModalityLUTSequence, got {len(entries)} of {bits} in {path}"
        )
    return Transform(1.0, 0.0, Lut(entries, first, bits), _unit(item.get("ModalityLUTType")))


def _has_overlay_in_pixels(file: Any) -> bool:
    """Return whether an overlay's bits lie in the pixels: it has a bit position and no data of its own (C.9.2)."""
    groups = range(0x6000, 0x6020, 2)
    return any((group, 0x0102) in file and (group, 0x3000) not in file for group in groups)
