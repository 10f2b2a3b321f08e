"""Check that pixel data can be decoded, by the transfer syntax: what stands in the file, and what can be done about it.

pydicom decodes native pixels (little and big endian, deflated), RLE, JPEG, JPEG-LS, JPEG 2000 and HTJ2K. Other
transfer syntaxes of PS3.5 and PS3.6 hold videos, refer to pixels on a server, or are newer than pydicom's decoders.
"""

from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError

_STANDARD = "1.2.840.10008."
_NAMES = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}
"""Transfer syntaxes that pydicom 3.0 does not know by name."""

_VIDEO = ("MPEG", "HEVC", "SMPTE")
_CONVERT = (
    "convert it to Explicit VR Little Endian with software that decodes it; `oncorobust[compressed]` does not help"
)


def check_decodable(syntax: Any, path: Path) -> None:
    """Check that some decoder exists for a transfer syntax, installed or not. Raises InputError with the way out."""
    from pydicom.pixels.decoders.base import get_decoder

    try:
        get_decoder(syntax)
    except NotImplementedError as error:
        name = _NAMES.get(syntax, syntax.name)
        shown = name if name == syntax else f"{name} ({syntax})"
        found = shown if syntax.startswith(_STANDARD) else f"the private transfer syntax {shown}"
        raise InputError(f"expected pixels that can be decoded, got {found} in {path}; {_advice(name)}") from error


def _advice(name: str) -> str:
    if name.startswith(_VIDEO):
        return "it holds a video: save the frames that you need as images"
    if "JPIP" in name:
        return "its pixels are on a server: download the images themselves"
    return _CONVERT
