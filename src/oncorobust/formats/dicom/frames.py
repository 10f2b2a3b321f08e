"""A DICOM file opened for its frames: its header, read once, and the pixels of one frame at a time.

The functional groups of a thousand frames take longer to read than a frame to decode, so the header is kept; the pixels
stay in the file, of which pydicom's decoders read the bytes of one frame.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom.header import read_dataset
from oncorobust.formats.dicom.syntaxes import check_decodable

_KEYWORDS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}


@dataclass(frozen=True)
class Frames:
    """Header of a file without its pixels, number of frames, and what decoders need to find and read one of them.

    start: where the value of the pixel data begins; None where the file is deflated as a whole.
    """

    path: Path
    header: Any
    n_frames: int
    options: dict[str, Any]
    start: int | None

    def decode(self, frame: int) -> np.ndarray:
        """Return the decoded pixels of a frame, from 1. Raises what a decoder raises."""
        from pydicom.pixels.decoders.base import get_decoder
        from pydicom.pixels.utils import pixel_array

        syntax = self.header.file_meta.TransferSyntaxUID
        if self.start is None:
            return np.asarray(pixel_array(self.path, index=frame - 1))
        with self.path.open("rb") as stream:
            stream.seek(self.start)
            return np.asarray(get_decoder(syntax).as_array(stream, index=frame - 1, **self.options)[0])


def open_frames(path: Path) -> Frames:
    """Read a file's header for its frames. Raises InputError."""
    from pydicom.pixels.utils import as_pixel_options

    with path.open("rb") as stream:
        header = read_dataset(stream, stop_before_pixels=True)
        syntax = header.file_meta.TransferSyntaxUID
        check_decodable(syntax, path)
        options = as_pixel_options(header, transfer_syntax_uid=syntax)
        if syntax.is_deflated:
            return Frames(path, header, count_frames(header, path), options, None)
        options |= _read_pixel_element(stream, syntax, path)
        return Frames(path, header, count_frames(header, path), options, stream.tell())


def count_frames(file: Any, path: Path) -> int:
    """Return NumberOfFrames, after a check that there are as many per-frame functional groups, or none."""
    n_frames = int(file.get("NumberOfFrames") or 1)
    n_groups = len(file.get("PerFrameFunctionalGroupsSequence") or [])
    if n_groups not in (0, n_frames):
        raise InputError(f"expected per-frame functional groups for {n_frames} frames, got {n_groups} in {path}")
    return n_frames


def _read_pixel_element(stream: BinaryIO, syntax: Any, path: Path) -> dict[str, str]:
    """Read tag, VR and length of the pixel data, after which its value begins (PS3.5, 7.1). Raises InputError."""
    order = "<" if syntax.is_little_endian else ">"
    start = stream.read(8)
    keyword = None
    if len(start) == 8:
        group, element = struct.unpack(f"{order}HH", start[:4])
        keyword = _KEYWORDS.get(group << 16 | element)
    if keyword is None:
        raise InputError(f"expected pixel data, got none in {path}")
    if syntax.is_implicit_VR:
        return {"pixel_keyword": keyword}
    stream.read(4)  # the length
    return {"pixel_keyword": keyword, "pixel_vr": start[4:6].decode("latin-1")}
