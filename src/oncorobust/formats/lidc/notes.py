"""Notes for the user about an opened LIDC-IDRI tree: what was left out, corrected or decided."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from oncorobust.base.files import file_sha256
from oncorobust.formats.lidc.diagnosis import SHA256
from oncorobust.formats.lidc.files import ChosenReads, ReadFiles
from oncorobust.formats.lidc.geometry import Series
from oncorobust.formats.lidc.nodules import Nodule
from oncorobust.formats.lidc.segmented_reads import RatedSegment, SegmentedReads
from oncorobust.formats.records import UNVERIFIED
from oncorobust.settings.data import Lidc

PUBLISHED = {"PatientID": 1010, "SeriesInstanceUID": 1018, "SOPInstanceUID": 243_958}
"""Number of CT patients, series and images in the whole collection."""

USUAL_SESSIONS = 4


def describe_verified(ct: pd.DataFrame, sheet: Path | None) -> str:
    """Describe what matches the publication: the numbers of patients, series and images, and the spreadsheet."""
    counts = {keyword: ct[keyword].nunique() for keyword in PUBLISHED}
    parts = ["1,018 CT series as published"] if counts == PUBLISHED else []
    if sheet is not None and file_sha256(sheet) == SHA256:
        parts.append("diagnosis sheet: SHA-256 as published")
    return "; ".join(parts) or UNVERIFIED


def describe_tree(
    ct: pd.DataFrame, files: ReadFiles, segmented: SegmentedReads, sheet: Path | None, settings: Lidc
) -> Iterator[str]:
    """Describe which files of the tree are not part of the data set, and which kind of annotations was read."""
    both = set(files.by_series) & set(segmented.by_series)
    from_dicom = set(segmented.by_series) - both
    without = ct["SeriesInstanceUID"].nunique() - len(files.by_series) - len(from_dicom)
    if without:
        kinds = "neither XML nor segmentations" if segmented.by_series else "no XML"
        yield f"{without} CT series have {kinds} and were left out"
    if from_dicom:
        n_annotations = sum(len(segmented.by_series[uid]) for uid in from_dicom)
        yield (
            f"the annotations of {len(from_dicom)} CT series come from {n_annotations} DICOM segmentations and reports "
            "(SEG, SR)"
        )
    if both:
        yield f"{len(both)} CT series have both XML and segmentations; the XML was read"
    if segmented.n_others:
        yield f"{segmented.n_others} segmentations or reports are not those of LIDC-IDRI's readers and were left out"
    if files.n_cxr:
        yield f"reads of chest X-rays were left out: {files.n_cxr} XML"
    if files.n_gave_way:
        yield f"{files.n_gave_way} XML files beside images gave way to XML of the same series elsewhere"
    if settings.pathology_methods and sheet is None:
        yield "there is no diagnosis spreadsheet, so all labels are the readers'"


def describe_series(series: Series, chosen: ChosenReads) -> Iterator[str]:
    """Describe what is unusual about one series and its reads."""
    name = f"{series.patient_id} series {series.uid}"
    if series.n_left_out:
        yield f"{name}: {series.n_left_out} slices at the position of another were left out (higher InstanceNumber)"
    if chosen.corrects:
        yield f"{name}: the corrected reads of {chosen.path.name} were taken"
    if chosen.reads.n_sessions > USUAL_SESSIONS:
        yield f"{name}: {chosen.reads.n_sessions} reading sessions instead of {USUAL_SESSIONS}"


def describe_segmented_series(
    series: Series, annotations: Sequence[RatedSegment], nodules: Sequence[Nodule]
) -> Iterator[str]:
    """Describe what is unusual about one series and its segmentations."""
    name = f"{series.patient_id} series {series.uid}"
    if series.n_left_out:
        yield f"{name}: {series.n_left_out} slices at the position of another were left out (higher InstanceNumber)"
    empty = len({one.segment.nodule for one in annotations}) - len(nodules)
    if empty:
        yield f"{name}: {empty} nodules without a segmented pixel were left out"


def describe_labels(nodules: pd.DataFrame, settings: Lidc) -> Iterator[str]:
    """Describe how many nodules were left out (their label is NA) and how many labels come from pathology."""
    few = int((nodules["n_readers"] < settings.min_readers).sum())
    if few:
        yield f"{few} of {len(nodules)} nodules were left out: fewer than {settings.min_readers} readers"
    ties = int(nodules["label"].isna().sum()) - few
    if ties:
        yield f"{ties} of {len(nodules)} nodules were left out: rated exactly 3"
    by_pathology = int((nodules["label_source"] == "pathology").sum())
    if by_pathology:
        yield f"{by_pathology} nodules have their patient's diagnosis as label instead of the readers'"
