"""Check that annotations and CT series of a LIDC-IDRI tree belong together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.lidc.files import ReadFiles
from oncorobust.formats.lidc.segmented_reads import SegmentedReads

_LISTED = 10


def check_join(files: ReadFiles, segmented: SegmentedReads, ct: pd.DataFrame, folder: Path) -> None:
    """Raise InputError for a tree without annotations, and for annotations without a CT series, naming files."""
    if not files.by_series and not segmented.by_series:
        raise InputError(
            f"expected the readers' XML (LidcReadMessage) or segmentations and reports (SEG, SR), got none in "
            f"{folder}; some archives omit the XML: download LIDC-XML-only.zip, which has all of it, from The Cancer "
            "Imaging Archive, or the SEG and SR series of the same collection from Imaging Data Commons"
        )
    _check_series("XML file", "keep only the XML of the series you have", files.by_series, ct)
    of_segments = {uid: [one.segment.path for one in notes] for uid, notes in segmented.by_series.items()}
    _check_series("segmentation", "keep only the SEG and SR of the series you have", of_segments, ct)


def _check_series(one: str, way_out: str, by_series: Mapping[str, Sequence[Path]], ct: pd.DataFrame) -> None:
    unknown = sorted(set(by_series) - set(ct["SeriesInstanceUID"]))
    if unknown:
        listed = ", ".join(f"{uid} ({by_series[uid][0]})" for uid in unknown[:_LISTED])
        raise InputError(
            f"expected a CT series for each {one}, got none for {len(unknown)} of {len(by_series)}: {listed}; "
            f"download these series, or {way_out}"
        )
