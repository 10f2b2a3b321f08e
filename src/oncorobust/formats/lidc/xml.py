"""Reader of LIDC-IDRI's XML files: the marks of up to four readers on one CT series.

    LidcReadMessage / ResponseHeader / SeriesInstanceUid
                    / readingSession / unblindedReadNodule / noduleID, characteristics, roi
    roi: imageZposition, imageSOP_UID, inclusion (TRUE, FALSE), edgeMap (xCoord = column, yCoord = row) *

Nodules of 3 mm or more have ratings and a contour. Smaller ones use the same element with one edge point, and their
`characteristics` are absent or empty; they are passed over, like `nonNodule`. Reads of chest X-rays have another root
element. The file is read element by element and each is dropped when it ends, so memory holds only the contours of one
file. Document types and entities are refused (defusedxml), and so are files, nesting and lists above a limit.

Source: Armato et al., Medical Physics 38, 2011; schema http://www.nih.gov LidcReadMessage.xsd.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.formats.outside import finite_number, only_input_errors

CT_ROOT = "{http://www.nih.gov}LidcReadMessage"
CXR_ROOT = "{http://www.nih.gov/idri}IdriReadMessage"
SCALES = {
    "subtlety": 5,
    "internalStructure": 5,  # its scale has 4 steps, but one nodule of LIDC-IDRI is rated 5
    "calcification": 6,
    "sphericity": 5,
    "margin": 5,
    "lobulation": 5,
    "spiculation": 5,
    "texture": 5,
    "malignancy": 5,
}
"""The nine characteristics and the highest step of each scale; the lowest is 1."""

_LARGEST_BYTES = 32 * 2**20  # the largest published file is about 3 MB
_DEEPEST = 12  # the schema has 6 levels
_MOST_CHILDREN = 10_000  # within one element at a time; the parser reads ahead by up to 4,096 of the smallest ones
_KEPT = {"SeriesInstanceUid", "SeriesInstanceUID", "noduleID", "imageZposition", "imageSOP_UID", "inclusion"}
_KEPT |= {"xCoord", "yCoord", "characteristics", *SCALES}


@dataclass(frozen=True)
class Contour:
    """An outline on one slice: points (column, row), whole pixels from 0, on the first pixels outside.

    included: False for a cavity, which is not part of the nodule. sop_uid: "" if the file gives none.
    """

    z_mm: float
    sop_uid: str
    included: bool
    points: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Annotation:
    """One nodule of at least 3 mm as marked by one reader.

    session: from 1. characteristics: ratings by the names in SCALES.
    """

    session: int
    nodule_id: str
    characteristics: dict[str, int]
    contours: tuple[Contour, ...]


@dataclass(frozen=True)
class Reads:
    """All reading sessions of one series; two files with the same content compare equal."""

    series_uid: str
    n_sessions: int
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class _Outline:
    """A roi as text; marks below 3 mm are dropped before their numbers are read."""

    z_mm: str
    sop_uid: str
    inclusion: str
    points: list[tuple[str, str]]


def read_series_uid(path: Path) -> str | None:
    """Read the SeriesInstanceUid of the CT series that a file belongs to; None for reads of a chest X-ray.

    Only the beginning of the file is read. Raises InputError naming the file.
    """
    with only_input_errors(path, "XML without entities"):
        for name, element in _elements(path):
            if element.tag == CXR_ROOT:
                return None
            if name == "ResponseHeader":
                return _series_uid(element, path)
        raise InputError(f"expected a ResponseHeader, got none in {path}")


def read_reads(path: Path) -> Reads:
    """Read one file of a CT series. Raises InputError naming the file, the session and the nodule."""
    series_uid, n_sessions = None, 0
    annotations: list[Annotation] = []
    points: list[tuple[str, str]] = []
    outlines: list[_Outline] = []
    with only_input_errors(path, "XML without entities"):
        for name, element in _elements(path):
            match name:
                case "ResponseHeader":
                    series_uid = _series_uid(element, path)
                case "edgeMap":
                    texts = _texts(element)
                    points.append((texts.get("xCoord", ""), texts.get("yCoord", "")))
                case "roi":
                    outlines.append(_outline(element, points))
                    points = []
                case "unblindedReadNodule":
                    annotations += _annotation(element, outlines, session=n_sessions + 1, path=path)
                    outlines = []
                case "readingSession":
                    n_sessions += 1
    if series_uid is None:
        raise InputError(f"expected a ResponseHeader, got none in {path}")
    return Reads(series_uid=series_uid, n_sessions=n_sessions, annotations=tuple(annotations))


def _elements(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield each element at its end, with its name without namespace, after the root, which is still empty.

    An element is dropped from its parent as soon as it was yielded, unless its name is in _KEPT.
    """
    from defusedxml.ElementTree import iterparse

    size = path.stat().st_size
    if size > _LARGEST_BYTES:
        raise InputError(f"expected at most {_LARGEST_BYTES // 2**20} MiB of XML, got {size // 2**20} MiB in {path}")
    open_elements: list[Any] = []
    with path.open("rb") as stream:
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
            if event == "start":
                if not open_elements:
                    yield _root(element, path), element
                elif len(open_elements) == _DEEPEST or len(open_elements[-1]) > _MOST_CHILDREN:
                    raise InputError(f"expected the elements of LidcReadMessage, got more or deeper ones in {path}")
                open_elements.append(element)
                continue
            open_elements.pop()
            name = element.tag.rpartition("}")[2]
            yield name, element
            if open_elements and name not in _KEPT:
                open_elements[-1].remove(element)


def _root(element: Any, path: Path) -> str:
    if element.tag not in (CT_ROOT, CXR_ROOT):
        raise InputError(f"expected {CT_ROOT} (CT) or {CXR_ROOT} (chest X-ray), got {element.tag} in {path}")
    return str(element.tag)


def _series_uid(header: Any, path: Path) -> str:
    texts = _texts(header)
    uid = texts.get("SeriesInstanceUid") or texts.get("SeriesInstanceUID")
    if not uid:
        raise InputError(f"expected a SeriesInstanceUid, got none in {path}")
    return uid


def _texts(element: Any) -> dict[str, str]:
    """Return the stripped text of each child, by its name without namespace."""
    return {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element}


def _outline(roi: Any, points: list[tuple[str, str]]) -> _Outline:
    texts = _texts(roi)
    return _Outline(texts.get("imageZposition", ""), texts.get("imageSOP_UID", ""), texts.get("inclusion", ""), points)


def _annotation(element: Any, outlines: list[_Outline], *, session: int, path: Path) -> list[Annotation]:
    """Return a list with the nodule, empty for a mark below 3 mm: no characteristics or a single point."""
    ratings = next((_texts(child) for child in element if child.tag.endswith("}characteristics")), {})
    if not ratings or sum(len(outline.points) for outline in outlines) < 2:
        return []
    nodule_id = _texts(element).get("noduleID", "")
    where = f"{path}, session {session}, nodule {nodule_id!r}"
    contours = tuple(_contour(outline, where) for outline in outlines)
    if not any(contour.included for contour in contours):
        raise InputError(f"expected at least one roi with inclusion TRUE, got none in {where}")
    return [Annotation(session, nodule_id, {name: _rating(ratings, name, where) for name in SCALES}, contours)]


def _rating(ratings: dict[str, str], name: str, where: str) -> int:
    if name not in ratings:
        raise InputError(f"expected nine characteristics, got none named {name} in {where}")
    if not (re.fullmatch(r"[0-9]", ratings[name]) and 1 <= int(ratings[name]) <= SCALES[name]):
        raise InputError(f"expected {name} from 1 to {SCALES[name]}, got {ratings[name]!r} in {where}")
    return int(ratings[name])


def _contour(outline: _Outline, where: str) -> Contour:
    inclusion = outline.inclusion.upper()
    if inclusion not in ("TRUE", "FALSE"):
        raise InputError(f"expected inclusion TRUE or FALSE, got {outline.inclusion!r} in {where}")
    if not outline.points:
        raise InputError(f"expected an edgeMap in each roi, got none at z {outline.z_mm or 'unknown'} in {where}")
    return Contour(
        z_mm=finite_number(outline.z_mm, expected="imageZposition in mm", where=where),
        sop_uid=outline.sop_uid,
        included=inclusion == "TRUE",
        points=_pixels(outline.points, where),
    )


def _pixels(points: list[tuple[str, str]], where: str) -> tuple[tuple[int, int], ...]:
    for text in chain.from_iterable(points):
        if not re.fullmatch(r"[0-9]{1,5}", text):
            raise InputError(f"expected whole pixels from 0 in an edgeMap, got {text!r} in {where}")
    return tuple((int(x), int(y)) for x, y in points)
