"""Reader of LIDC-IDRI's annotations as DICOM Segmentation objects (SEG): one segment is one reader's nodule.

The collection "Standardized representation of the TCIA LIDC-IDRI annotations using DICOM", which Imaging Data Commons
serves with the images, has one SEG per annotation, named "Nodule <number> - Annotation <id>"; the number is that of the
nodule within its CT series. Other segmentations of the same images have other names and are passed over.

A frame belongs to the CT image that it refers to, or else to its position: the order of frames says nothing, because
frames may run against the slice normal, and empty ones are left out.

Source: Fedorov et al., Medical Physics 47, 2020, and their program lidc2dicom; DICOM PS3.3 A.51, C.8.20.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom.header import read_dataset
from oncorobust.formats.dicom.syntaxes import check_decodable

STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
NAME = re.compile(r"Nodule ([0-9]{1,4}) - Annotation (.+)")
"""Name of an annotation: in SegmentLabel, SegmentDescription or SeriesDescription."""


@dataclass(frozen=True)
class Frame:
    """The pixels of one segment in one frame that are 1, as (row, column).

    source_uid: SOPInstanceUID of the CT image, "" if none is given. position_mm, row_mm, column_mm: centre of the first
    pixel and the steps from one row and one column to the next (x, y, z), LPS.
    """

    source_uid: str
    position_mm: tuple[float, ...]
    row_mm: tuple[float, ...]
    column_mm: tuple[float, ...]
    pixels: Int[np.ndarray, "n 2"]


@dataclass(frozen=True)
class Segment:
    """One reader's annotation of one nodule.

    order: SeriesNumber and segment number, in which the annotations were converted. series_uid: the CT series, "" if it
    is not stated. tracking_uid: "" if it is not stated.
    """

    path: Path
    sop_uid: str
    number: int
    nodule: int
    annotation: str
    order: tuple[int, int]
    series_uid: str
    frame_of_reference_uid: str
    tracking_uid: str
    frames: tuple[Frame, ...]

    @property
    def where(self) -> str:
        """Name the annotation and its file, for messages."""
        return f"{self.path}, nodule {self.nodule}, annotation {self.annotation!r}"


def read_segments(path: Path) -> list[Segment]:
    """Read the segments of a SEG file that are named as LIDC-IDRI's; none for another segmentation.

    Raises InputError naming the file.
    """
    try:
        file = read_dataset(path)
        named = _named_segments(file)
        return [] if not named else _segments(file, named, path)
    except InputError:
        raise
    except Exception as error:  # a damaged file can raise almost any exception
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected a readable segmentation (SEG), got {text} in {path}") from error


def _named_segments(file: Any) -> dict[int, tuple[Any, re.Match[str]]]:
    """Return the segments with LIDC-IDRI's names, by segment number."""
    segments = file.get("SegmentSequence") or []
    named = {}
    for segment in segments:
        texts = [str(segment.get(key) or "") for key in ("SegmentLabel", "SegmentDescription")]
        if len(segments) == 1:
            texts.append(str(file.get("SeriesDescription") or "").removeprefix("Segmentation of "))
        found = next((match for text in texts if (match := NAME.fullmatch(text.strip()))), None)
        if found:
            named[int(segment.SegmentNumber)] = (segment, found)
    return named


def _segments(file: Any, named: dict[int, tuple[Any, re.Match[str]]], path: Path) -> list[Segment]:
    if file.get("SegmentationType") != "BINARY":
        raise InputError(f"expected SegmentationType BINARY, got {file.get('SegmentationType')} in {path}")
    frames = _frames(file, path)
    series = file.get("ReferencedSeriesSequence") or []
    return [
        Segment(
            path=path,
            sop_uid=str(file.SOPInstanceUID),
            number=number,
            nodule=int(name[1]),
            annotation=name[2],
            order=(int(file.get("SeriesNumber") or 0), number),
            series_uid=str(series[0].SeriesInstanceUID) if len(series) == 1 else "",
            frame_of_reference_uid=str(file.get("FrameOfReferenceUID") or ""),
            tracking_uid=str(segment.get("TrackingUID") or ""),
            frames=tuple(frame for of, frame in frames if of == number and len(frame.pixels)),
        )
        for number, (segment, name) in named.items()
    ]


def _frames(file: Any, path: Path) -> list[tuple[int, Frame]]:
    """Return every frame with the number of its segment."""
    groups = file.PerFrameFunctionalGroupsSequence
    pixels = _pixels(file, path)
    if len(pixels) != len(groups):
        raise InputError(f"expected {len(groups)} frames, as described in the header, got {len(pixels)} in {path}")
    shared = (file.get("SharedFunctionalGroupsSequence") or [{}])[0]
    return [
        (_segment_of(group, shared), _frame(group, shared, mask)) for group, mask in zip(groups, pixels, strict=True)
    ]


def _pixels(file: Any, path: Path) -> np.ndarray:
    """Return all frames, (n, rows, columns), 0 or 1. pydicom reads 1-bit pixels, but not those compressed by RLE."""
    from pydicom.uid import RLELossless

    size = int(file.Rows), int(file.Columns)
    if file.file_meta.TransferSyntaxUID == RLELossless:
        return np.stack([_unpack_rle(frame, size) for frame in _encoded_frames(file)])
    check_decodable(file.file_meta.TransferSyntaxUID, path)
    return np.asarray(file.pixel_array).reshape(-1, *size)


def _encoded_frames(file: Any) -> Iterator[bytes]:
    from pydicom.encaps import generate_frames

    return generate_frames(file.PixelData, number_of_frames=int(file.NumberOfFrames))


def _unpack_rle(frame: bytes, size: tuple[int, int]) -> np.ndarray:
    """Decode one frame of bits in one RLE segment (PS3.5 G.3: PackBits; the first pixel is the lowest bit, 8.1.1)."""
    at, decoded = int.from_bytes(frame[4:8], "little"), bytearray()
    needed = -(-size[0] * size[1] // 8)
    while len(decoded) < needed and at < len(frame):
        code = frame[at]
        if code < 128:
            decoded += frame[at + 1 : at + 2 + code]
            at += 2 + code
        else:
            decoded += frame[at + 1 : at + 2] * (257 - code if code > 128 else 0)
            at += 2 if code > 128 else 1
    bits = np.unpackbits(np.frombuffer(bytes(decoded), np.uint8), bitorder="little")
    return bits[: size[0] * size[1]].reshape(size)


def _frame(group: Any, shared: Any, mask: np.ndarray) -> Frame:
    position = _macro("PlanePositionSequence", group, shared).ImagePositionPatient
    orientation = np.array(_macro("PlaneOrientationSequence", group, shared).ImageOrientationPatient, dtype=float)
    between_rows, between_columns = _macro("PixelMeasuresSequence", group, shared).PixelSpacing
    return Frame(
        source_uid=_source_uid(group),
        position_mm=tuple(float(part) for part in position),
        row_mm=tuple(float(between_rows) * orientation[3:]),
        column_mm=tuple(float(between_columns) * orientation[:3]),
        pixels=np.argwhere(mask).astype(np.int32),
    )


def _segment_of(group: Any, shared: Any) -> int:
    return int(_macro("SegmentIdentificationSequence", group, shared).ReferencedSegmentNumber)


def _macro(keyword: str, group: Any, shared: Any) -> Any:
    """Return the item of a functional group, which stands with the frame or is shared by all frames."""
    items = group.get(keyword) or shared.get(keyword)
    if not items:
        raise ValueError(f"no {keyword}")
    return items[0]


def _source_uid(group: Any) -> str:
    """Return the SOPInstanceUID of the one source image of a frame; "" if there is none or there are several."""
    images = [
        str(image.ReferencedSOPInstanceUID)
        for derivation in group.get("DerivationImageSequence") or []
        for image in derivation.get("SourceImageSequence") or []
    ]
    return images[0] if len(images) == 1 else ""
