"""Writer of readers' marks in LIDC-IDRI's XML: LidcReadMessage for CT, IdriReadMessage for chest X-rays.

Spelling and layout follow the published files: SeriesInstanceUid but StudyInstanceUID in the CT header,
SeriesInstanceUID in that of the X-ray; a blank after imageZposition; the same element for nodules of at least 3 mm,
smaller ones and cavities; `characteristics` of a smaller nodule absent, or empty in some files. Source: the
collection's XML files and their schema, http://www.nih.gov LidcReadMessage.xsd.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oncorobust.acquire.phantoms.lidc_reads import MarkedNodule, Point, Session

_OPENING = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<LidcReadMessage uid="{uid}" xmlns="http://www.nih.gov" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://www.nih.gov http://troll.rad.med.umich.edu/lidc/LidcReadMessage.xsd">\n'
    "<ResponseHeader>\n<Version>1.7</Version>\n<MessageId>0</MessageId>\n"
    "<DateRequest>2000-01-01</DateRequest>\n<TimeRequest>00:00:00</TimeRequest>\n"
    "<RequestingSite>removed</RequestingSite>\n<ServicingSite>removed</ServicingSite>\n"
    "<TaskDescription>Second unblinded read</TaskDescription>\n<CtImageFile>removed</CtImageFile>\n"
    "<SeriesInstanceUid>{series_uid}</SeriesInstanceUid>\n"
    "<DateService>2000-01-01</DateService>\n<TimeService>00:00:00</TimeService>\n"
    "<ResponseDescription>SYNTHETIC: simulated readers</ResponseDescription>\n"
    "<StudyInstanceUID>{study_uid}</StudyInstanceUID>\n</ResponseHeader>\n"
)

_RADIOGRAPH = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<IdriReadMessage uid="{uid}" xmlns="http://www.nih.gov/idri">\n'
    "<ResponseHeader>\n<Version>1.7</Version>\n<TaskDescription>CXR read</TaskDescription>\n"
    "<ResponseDescription>SYNTHETIC: simulated readers</ResponseDescription>\n"
    "<SeriesInstanceUID>{series_uid}</SeriesInstanceUID>\n<StudyInstanceUID>{study_uid}</StudyInstanceUID>\n"
    "</ResponseHeader>\n"
    "<CXRreadingSession>\n<annotationVersion>3.12</annotationVersion>\n"
    "<servicingRadiologistID>anonymous</servicingRadiologistID>\n"
    "<unblindedRead>\n<noduleID>0</noduleID>\n"
    "<roi>\n<imageSOP_UID>{sop_uid}</imageSOP_UID>\n"
    "<edgeMap><xCoord>40</xCoord><yCoord>40</yCoord></edgeMap>\n</roi>\n"
    "</unblindedRead>\n</CXRreadingSession>\n</IdriReadMessage>\n"
)


@dataclass(frozen=True)
class ReadSeries:
    """The series that was read, with z in mm and SOPInstanceUID of each slice."""

    study_uid: str
    series_uid: str
    z_mm: tuple[float, ...]
    sop_uids: tuple[str, ...]


def lidc_read_message(sessions: Sequence[Session], *, series: ReadSeries, uid: str, empty_element: bool) -> str:
    """Return the XML text of a CT series' reads.

    empty_element: whether nodules smaller than 3 mm have an empty `characteristics` element instead of none.
    """
    parts = [_OPENING.format(uid=uid, series_uid=series.series_uid, study_uid=series.study_uid)]
    for number, session in enumerate(sessions):
        parts.append("<readingSession>\n<annotationVersion>3.12</annotationVersion>\n")
        parts.append("<servicingRadiologistID>anonymous</servicingRadiologistID>\n")
        parts += [_nodule(nodule, f"Nodule {number}{k:02d}", series) for k, nodule in enumerate(session.nodules)]
        for k, point in enumerate(session.small_nodules):
            parts.append(f"<unblindedReadNodule>\n<noduleID>{7000 + 100 * number + k}</noduleID>\n")
            parts.append("<characteristics/>\n" if empty_element else "")
            parts.append(f"{_roi(point.slice_index, 'TRUE', [(point.x, point.y)], series)}</unblindedReadNodule>\n")
        parts += [_non_nodule(point, 9000 + 100 * number + k, series) for k, point in enumerate(session.non_nodules)]
        parts.append("</readingSession>\n")
    return "".join([*parts, "</LidcReadMessage>\n"])


def idri_read_message(*, study_uid: str, series_uid: str, sop_uid: str, uid: str) -> str:
    """Return the XML text of a chest X-ray's reads, which the CT reader has to skip."""
    return _RADIOGRAPH.format(uid=uid, study_uid=study_uid, series_uid=series_uid, sop_uid=sop_uid)


def _nodule(nodule: MarkedNodule, name: str, series: ReadSeries) -> str:
    ratings = "".join(f"<{key}>{value}</{key}>\n" for key, value in nodule.ratings.items())
    rois = "".join(
        _roi(contour.slice_index, "TRUE" if contour.included else "FALSE", contour.outline, series)
        for contour in nodule.contours
    )
    head = f"<unblindedReadNodule>\n<noduleID>{name}</noduleID>\n"
    return f"{head}<characteristics>\n{ratings}</characteristics>\n{rois}</unblindedReadNodule>\n"


def _roi(slice_index: int, inclusion: str, outline: Sequence[tuple[int, int]], series: ReadSeries) -> str:
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>\n" for x, y in outline)
    return "\n".join(["<roi>", *_slice(slice_index, series), f"<inclusion>{inclusion}</inclusion>", f"{edges}</roi>\n"])


def _non_nodule(point: Point, number: int, series: ReadSeries) -> str:
    place = f"<locus><xCoord>{point.x}</xCoord><yCoord>{point.y}</yCoord></locus>"
    lines = ["<nonNodule>", f"<nonNoduleID>{number}</nonNoduleID>", *_slice(point.slice_index, series), place]
    return "\n".join([*lines, "</nonNodule>\n"])


def _slice(slice_index: int, series: ReadSeries) -> Iterator[str]:
    yield f"<imageZposition>{series.z_mm[slice_index]:.6f} </imageZposition>"
    yield f"<imageSOP_UID>{series.sop_uids[slice_index]}</imageSOP_UID>"
