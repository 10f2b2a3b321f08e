"""How far apart the pixels of a DICOM file are, and how much higher than wide, from its header or functional groups.

The spacing of rows and columns is looked for in the groups of each frame, in those that all frames share (Pixel
Measures, PS3.3 C.7.6.16.2.1), and in the file itself; Pixel Aspect Ratio (C.7.6.3.1.7) is used where none is stated.
"""

from collections.abc import Iterator
from typing import Any

_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
PIXEL_SHAPE = (*_SPACINGS, "PixelAspectRatio")
"""Elements of the file that `pixel_height` reads, beside the functional groups."""


def pixel_height(header: Any) -> float:
    """Return height divided by width of the pixels, of the frame where they differ most from squares; 1 if unknown."""
    heights = [pair[0] / pair[1] for pair in _pairs(header) if min(pair) > 0]
    return max(heights, key=lambda height: max(height, 1 / height), default=1.0)


def spacing_mm(header: Any) -> tuple[float, float] | None:
    """Return the distance of neighbouring rows and columns, mm, of a file's first frame; None where none is stated.

    It is measured in the patient, or else at the detector (mammography) or on the scanned film.
    """
    stated = next(_of_groups(header), None) or next(filter(None, (_pair(header.get(one)) for one in _SPACINGS)), None)
    return stated if stated and min(stated) > 0 else None


def _pairs(header: Any) -> Iterator[tuple[float, float]]:
    """Yield spacing of rows and of columns for each group of frames, or for the file."""
    of_groups = list(_of_groups(header))
    stated = (_pair(header.get(name)) for name in PIXEL_SHAPE)
    if of_groups:
        yield from of_groups
    elif pair := next(filter(None, stated), None):
        yield pair


def _of_groups(header: Any) -> Iterator[tuple[float, float]]:
    """Yield the spacing that each group of frames states."""
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for group in header.get(groups) or []:
            for item in group.get("PixelMeasuresSequence") or []:
                if pair := _pair(item.get("PixelSpacing")):
                    yield pair


def _pair(value: Any) -> tuple[float, float] | None:
    """Return two numbers of an element, as pydicom gives them or as text with a backslash; None without two."""
    numbers = value.split("\\") if isinstance(value, str) else list(value or [])
    return (float(numbers[0]), float(numbers[1])) if len(numbers) == 2 else None
