"""Reader of LIDC-IDRI's ratings as DICOM structured reports (SR, template TID 1500): malignancy of each annotation.

    Imaging Measurement Report / Imaging Measurements (126010) / Measurement Group (125007)
        Referenced Segment: SOPInstanceUID and number of the segment
        Tracking Unique Identifier (112040): the nodule, the same in all annotations of it
        Malignancy (RID36042, RadLex): 901 to 905 (99LIDCQIICR), "3 out of 5 (Indeterminate Likelihood)"

The report of an annotation is named as its segmentation, with "evaluations" at the end. Only the codes count: meanings
are texts for people.

Source: Fedorov et al., Medical Physics 47, 2020, and their program lidc2dicom; DICOM PS3.16 TID 1500, 1411.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom.header import read_dataset

NAME = re.compile(r"Nodule [0-9]+ - Annotation .+ evaluations")
MALIGNANCY = (("RID36042", "RadLex"), ("900", "99LIDCQIICR"))
"""Codes of the concept: those of the publication, and those of the converter's first version."""

RATINGS = {(f"90{step}", "99LIDCQIICR"): step for step in range(1, 6)}

_MEASUREMENTS = ("126010", "DCM")
_GROUP = ("125007", "DCM")
_TRACKING_UID = ("112040", "DCM")


@dataclass(frozen=True)
class Rated:
    """The malignancy rating, 1 to 5, of one segment of one segmentation."""

    path: Path
    segmentation_uid: str
    segment: int
    tracking_uid: str
    malignancy: int


def is_named_as_report(file: Any) -> bool:
    """Return whether a report bears the name of LIDC-IDRI's."""
    return bool(NAME.fullmatch(str(file.get("SeriesDescription") or "").strip()))


def read_ratings(path: Path) -> list[Rated]:
    """Read the ratings of a LIDC-IDRI report; none for a report with another name.

    Raises InputError naming the file.
    """
    try:
        file = read_dataset(path)
        groups = list(_groups(file)) if is_named_as_report(file) else []
        return [_rated(group, path) for group in groups]
    except InputError:
        raise
    except Exception as error:  # a damaged file can raise almost any exception
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected a readable structured report (SR), got {text} in {path}") from error


def _groups(file: Any) -> Iterator[list[Any]]:
    """Yield the content of each measurement group, without parsing the image library beside them."""
    for part in _content(file):
        if _concept(part) == _MEASUREMENTS:
            yield from (list(_content(group)) for group in _content(part) if _concept(group) == _GROUP)


def _content(item: Any) -> Any:
    return item.get("ContentSequence") or []


def _concept(item: Any) -> tuple[str, str]:
    names = item.get("ConceptNameCodeSequence")
    return _code(names[0]) if names else ("", "")


def _code(item: Any) -> tuple[str, str]:
    return str(item.get("CodeValue") or ""), str(item.get("CodingSchemeDesignator") or "")


def _rated(group: list[Any], path: Path) -> Rated:
    segments = [item.ReferencedSOPSequence[0] for item in group if item.get("ReferencedSOPSequence")]
    segments = [one for one in segments if one.get("ReferencedSegmentNumber") is not None]
    if len(segments) != 1:
        raise InputError(f"expected one referenced segment in a measurement group, got {len(segments)} in {path}")
    tracking = [str(item.UID) for item in group if _concept(item) == _TRACKING_UID]
    return Rated(
        path=path,
        segmentation_uid=str(segments[0].ReferencedSOPInstanceUID),
        segment=int(segments[0].ReferencedSegmentNumber),
        tracking_uid=tracking[0] if tracking else "",
        malignancy=_malignancy(group, path),
    )


def _malignancy(group: list[Any], path: Path) -> int:
    codes = {_code(item.ConceptCodeSequence[0]) for item in group if _concept(item) in MALIGNANCY}
    if len(codes) != 1:
        raise InputError(
            f"expected one malignancy rating (RID36042, RadLex) of an annotation, got {len(codes) or 'none'} in {path}"
        )
    (code,) = codes
    if code not in RATINGS:
        raise InputError(
            f"expected malignancy as 901 to 905 (99LIDCQIICR), got {code[0] or 'no code'} ({code[1] or 'no scheme'}) "
            f"in {path}"
        )
    return RATINGS[code]
