"""Size, channels and bits of an image file from its first bytes.

Sources: PNG (W3C, 11.2.2), JPEG (ITU-T T.81, B.2.2), NIfTI-1 and -2 headers (nifti.nimh.nih.gov), NRRD 5, MetaIO.
"""

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import AnyStr, NamedTuple

START_BYTES = 16384

ReadAt = Callable[[int, int], bytes]
"""A function of (place, number of bytes) that reads from the file."""


class Shape(NamedTuple):
    """What a header says: pixels, channels (1 or 3; 0 if the format does not say), bits per sample, slices."""

    height: int
    width: int
    channels: int = 1
    bits: int = 8
    depth: int = 1


class UnreadAxesError(ValueError):
    """A header states more axes than a row of a manifest can name; the message is what the file has."""


READABLE = ("PNG", "JPEG", "TIFF", "WebP", "npy", "NIfTI", "NRRD", "MetaImage", "DICOM")
"""Kinds that `formats.manifest` reads."""

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\x93NUMPY": "npy",
    b"NRRD000": "NRRD",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"version https://git-lfs": "git-lfs pointer",
}
_NIFTI = (".nii", ".nii.gz")
_META = (".mha", ".mhd")
_PALETTE = 3
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def kind_of(name: str, start: bytes) -> str:
    """Return the kind of a file that is not DICOM, by its first bytes and name; empty for another file."""
    for signature, kind in _STARTS.items():
        if start.startswith(signature):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    lower = name.lower()
    if lower.endswith(_NIFTI):
        return "NIfTI"
    if lower.endswith(_META) and b"DimSize" in start:
        return "MetaImage"
    return "npz" if lower.endswith(".npz") and start.startswith(b"PK") else ""


def shape_of(kind: str, path: str, start: bytes, read_at: ReadAt) -> Shape:
    """Return what the header of a file of a READABLE kind says.

    Raises UnreadAxesError for too many axes, and ValueError, KeyError or struct.error for a damaged header.
    """
    match kind:
        case "PNG":
            width, height, bits, colour = struct.unpack_from(">IIBB", start, 16)
            return Shape(height, width, _PNG_CHANNELS[colour], 8 if colour == _PALETTE else bits)
        case "JPEG":
            return _jpeg(read_at)
        case "npy":
            return _npy(start)
        case "NIfTI":
            return _nifti(start)
        case "NRRD":
            return _lines(start, rb"(?m)^sizes:\s*(.+?)\s*$", rb"(?m)^type:\s*(.+?)\s*$")
        case "MetaImage":
            return _lines(start, rb"(?m)^DimSize\s*=\s*(.+?)\s*$", rb"(?m)^ElementType\s*=\s*(.+?)\s*$")
        case "TIFF":
            return _tiff(Path(path))
        case _:
            return _pillow(Path(path))


def _jpeg(read_at: ReadAt) -> Shape:
    place = 2
    while True:
        mark, code, length = struct.unpack(">BBH", read_at(place, 4))
        if mark != 0xFF:
            raise ValueError("expected a marker")
        if code == 0xFF:  # a fill byte
            place += 1
        elif code in _FRAME_HEADERS:
            bits, height, width, channels = struct.unpack(">BHHB", read_at(place + 4, 6))
            return Shape(height, width, 1 if channels == 1 else 3, bits)
        else:
            place += 2 + length


def _npy(start: bytes) -> Shape:
    text = start[:START_BYTES].decode("latin-1")
    axes = [int(one) for one in re.findall(r"\d+", _stated(r"'shape': \(([^)]*)\)", text))]
    size = int(_stated(r"'descr': '[<>|=][a-z](\d+)'", text))
    if len(axes) == 3 and axes[2] not in (1, 3):
        return Shape(axes[1], axes[2], 1, 8 * size, axes[0])
    if len(axes) > 3:
        raise UnreadAxesError("has more than three axes; save one image or volume as a file of its own")
    return Shape(axes[0], axes[1], 3 if len(axes) == 3 and axes[2] == 3 else 1, 8 * size)


def _nifti(start: bytes) -> Shape:
    if start[:2] == b"\x1f\x8b":
        start = zlib.decompressobj(31).decompress(start, 1024)
    for order in "<>":
        if struct.unpack_from(order + "i", start)[0] == 348:
            axes, bits = struct.unpack_from(order + "8h", start, 40), struct.unpack_from(order + "h", start, 72)[0]
            break
        if struct.unpack_from(order + "i", start)[0] == 540:
            axes, bits = struct.unpack_from(order + "8q", start, 16), struct.unpack_from(order + "h", start, 14)[0]
            break
    else:
        raise ValueError("expected a NIfTI header")
    lengths = [*axes[1 : 1 + axes[0]], 1, 1, 1]
    if any(length > 1 for length in lengths[3:]):
        raise UnreadAxesError(
            "holds several volumes (a fourth axis); save one of them, or write a manifest by hand with array_index"
        )
    return Shape(lengths[0], lengths[1], 1, bits, lengths[2])


def _lines(start: bytes, sizes: bytes, kind: bytes) -> Shape:
    axes = [int(one) for one in _stated(sizes, start).split()]
    bits = 8 if b"char" in _stated(kind, start).lower() else 16
    return Shape(axes[1], axes[0], 1, bits, axes[2] if len(axes) > 2 else 1)


def _stated(pattern: AnyStr, header: AnyStr) -> AnyStr:
    """Return what a header states at the group of a pattern. Raises ValueError where it states nothing."""
    found = re.search(pattern, header)
    if found is None:
        raise ValueError(f"expected {pattern!r} in the header")
    return found[1]


def _tiff(path: Path) -> Shape:
    from oncorobust.formats.tiff_pages import read_pages, the_image

    pages = read_pages(path)
    page = pages[the_image(pages, path)]
    return Shape(*page.size, 3 if page.first(277, 1) > 2 or page.first(262, 1) == 3 else 1, page.first(258, 1))


def _pillow(path: Path) -> Shape:
    from PIL import Image

    with Image.open(path) as picture:
        return Shape(picture.height, picture.width, 3)
