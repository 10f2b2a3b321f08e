"""Reader of LIDC-IDRI, as downloaded from any of its archives: lung nodules on CT, one image per nodule.

The tree holds CT series in DICOM, in any folders; the readers' annotations, as XML or as DICOM segmentations with
reports (`lidc.segmented_reads`), beside the images or in separate folders; and, optionally, the diagnosis spreadsheet.
Files are joined by UIDs, never by names. A series with both kinds of annotations is read from the XML, which is what
the readers wrote. Annotations of readers are grouped into nodules (`lidc.clusters`) and labelled (`lidc.labels`).
The image of a nodule is a square of fixed physical size, in Hounsfield units, on the slice with most of the nodule
(`lidc.consensus`); 50 mm covers 95 % of the nodules.

Opening a tree reads headers and annotations and keeps one row per nodule; `read` decodes one slice.

Source: Armato et al., Medical Physics 38, 2011, The Cancer Imaging Archive; annotations CC BY 3.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.formats.dicom.images import images_only
from oncorobust.formats.dicom.index import index_dicom
from oncorobust.formats.hu_squares import Square, cut_square, square_around
from oncorobust.formats.image_files import read_image
from oncorobust.formats.lesion_boxes import STORED_SIDE, box_columns
from oncorobust.formats.lidc.diagnosis import Diagnosis, find_spreadsheet, read_diagnoses
from oncorobust.formats.lidc.files import ReadFiles, choose_reads, find_reads
from oncorobust.formats.lidc.geometry import Series, check_series
from oncorobust.formats.lidc.join import check_join
from oncorobust.formats.lidc.labels import CLASS_NAMES, label_nodule
from oncorobust.formats.lidc.nodules import Nodule, find_nodules
from oncorobust.formats.lidc.notes import (
    describe_labels,
    describe_segmented_series,
    describe_series,
    describe_tree,
    describe_verified,
)
from oncorobust.formats.lidc.placed_frames import ct_planes
from oncorobust.formats.lidc.segmented_reads import (
    SegmentedReads,
    find_segmented_nodules,
    find_segmented_reads,
)
from oncorobust.formats.records import STACK_MM, RawImages, Scan, StoredImage, stack_of
from oncorobust.formats.synthetic_mark import is_synthetic
from oncorobust.settings.data import Lidc


def open_lidc(folder: Path, settings: Lidc, *, on_progress: Notify) -> RawImages:
    """Open a LIDC-IDRI tree without reading pixels. Values of `read` are HU.

    Besides the usual columns, the index has series_uid, sop_uid, z_mm, row, col (of the nodule, pixels), spacing_mm,
    diameter_mm, n_readers, ratings (malignancy, as 3;4;4), mean_rating, label_source (pathology, readers), and the
    nodule's box (`lesion_boxes`).
    Raises InputError naming the file and what is wrong with it.
    """
    headers = index_dicom(folder, on_progress=on_progress)
    images, left_out = images_only(headers, folder)
    ct = _ct_only(images, folder)
    files = find_reads(folder, image_folders={(folder / path).parent for path in headers["path"]})
    segmented = find_segmented_reads(images, folder, on_progress=on_progress)
    check_join(files, segmented, ct, folder)
    sheet = find_spreadsheet(folder)
    diagnoses = {} if sheet is None else read_diagnoses(sheet)
    nodules, beside, notes = _read_nodules(
        ct, files, segmented, diagnoses, settings, folder=folder, on_progress=on_progress
    )
    index = nodules[nodules["label"].notna()].astype({"label": "int64"}).reset_index(drop=True)
    if index.empty:
        raise InputError(f"expected nodules of at least 3 mm with {settings.min_readers} readers, got none in {folder}")
    reader = _Reader(folder, index, beside)
    return RawImages(
        index=index,
        class_names=CLASS_NAMES,
        read=reader.read,
        read_scan=reader.read_scan,
        synthetic=is_synthetic(folder, [flag == "YES" if flag else None for flag in ct["SyntheticData"].unique()]),
        verified=describe_verified(ct, sheet),
        intensity_unit="HU",
        notes=(
            *left_out,
            *describe_tree(ct, files, segmented, sheet, settings),
            *notes,
            *describe_labels(nodules, settings),
        ),
    )


def _ct_only(headers: pd.DataFrame, folder: Path) -> pd.DataFrame:
    ct = headers[headers["Modality"] == "CT"]
    if ct.empty:
        others = ", ".join(sorted(set(headers["Modality"]))) or "no DICOM file"
        raise InputError(f"expected CT series, got {others} in {folder}")
    for path in ct.loc[ct["SeriesInstanceUID"] == "", "path"]:
        raise InputError(f"expected SeriesInstanceUID as a UID, got none in {folder / path}")
    return ct


def _read_nodules(
    ct: pd.DataFrame,
    files: ReadFiles,
    segmented: SegmentedReads,
    diagnoses: dict[str, Diagnosis],
    settings: Lidc,
    *,
    folder: Path,
    on_progress: Notify,
) -> tuple[pd.DataFrame, dict[str, "_Beside"], list[str]]:
    """Read one row per nodule of each series, with label None if it is to be left out, and notes on the series.

    Also return the slices beside each nodule's, by its image_id.
    """
    rows: list[dict[str, object]] = []
    beside: dict[str, _Beside] = {}
    notes: list[str] = []
    annotated = {*files.by_series, *segmented.by_series}
    series_headers = ct[ct["SeriesInstanceUID"].isin(annotated)].groupby("SeriesInstanceUID", observed=True)
    for done, (_, headers) in enumerate(series_headers, start=1):
        series = check_series(headers, folder=folder)
        nodules, more = _find(files, segmented, series, headers)
        notes += more
        diagnosis = diagnoses.get(series.patient_id)
        for nodule in nodules:
            label = label_nodule(nodule.ratings, diagnosis, settings)
            rows.append(_row(nodule, series, label, crop_mm=settings.crop_mm))
            beside[str(rows[-1]["image_id"])] = _beside(series, nodule.place.slice)
        on_progress(done, len(annotated), "series")
    rows.sort(key=lambda row: str(row["image_id"]))
    return pd.DataFrame(rows, columns=None if rows else ["label"]), beside, sorted(notes)


def _find(
    files: ReadFiles, segmented: SegmentedReads, series: Series, headers: pd.DataFrame
) -> tuple[list[Nodule], list[str]]:
    """Return the nodules of one series and notes on it, from its XML, or else from its segmentations and reports."""
    if series.uid in files.by_series:
        chosen = choose_reads(files.by_series[series.uid])
        return find_nodules(chosen, series), list(describe_series(series, chosen))
    annotations = segmented.by_series[series.uid]
    nodules = find_segmented_nodules(annotations, series, ct_planes(headers))
    return nodules, list(describe_segmented_series(series, annotations, nodules))


def _row(nodule: Nodule, series: Series, label: tuple[int, str] | None, *, crop_mm: float) -> dict[str, object]:
    place = nodule.place
    square = square_around(place.row, place.col, side=max(2, round(crop_mm / series.spacing_mm)))
    return {
        "image_id": f"{series.patient_id}_{series.uid[-8:]}_n{nodule.number:02d}",
        "patient_id": series.patient_id,
        "label": None if label is None else label[0],
        "source": series.paths[place.slice],
        "series_uid": series.uid,
        "sop_uid": series.sop_uids[place.slice],
        "z_mm": float(series.z_mm[place.slice]),
        "row": place.row,
        "col": place.col,
        "spacing_mm": series.spacing_mm,
        "diameter_mm": nodule.diameter_mm,
        "n_readers": len(nodule.ratings),
        "ratings": ";".join(map(str, nodule.ratings)),
        "mean_rating": float(np.mean(nodule.ratings)),
        "label_source": None if label is None else label[1],
        **box_columns(place.box, top=square.top, left=square.left, side=square.side),
    }


@dataclass(frozen=True)
class _Beside:
    """The slices within STACK_MM of a nodule's: files, increasing positions, and which of them is the nodule's."""

    paths: tuple[str, ...]
    z_mm: np.ndarray
    own: int


def _beside(series: Series, own: int) -> _Beside:
    near = np.flatnonzero(np.abs(series.z_mm - series.z_mm[own]) <= STACK_MM)
    return _Beside(tuple(series.paths[at] for at in near), series.z_mm[near], int(np.searchsorted(near, own)))


@dataclass(frozen=True)
class _Reader:
    """Reads a nodule's slice, and cuts out the square around it.

    beside: the slices beside each nodule's, by image_id.
    """

    folder: Path
    index: pd.DataFrame
    beside: Mapping[str, _Beside]

    def read(self, position: int) -> StoredImage:
        image, square = read_image(self.folder / self.index["source"].iloc[position]), self._square(position)
        padded = None if image.padded is None else cut_square(image.padded, square) > 0
        return StoredImage(cut_square(image.values, square), limits=None, padded=padded, lossy=image.lossy)

    def read_scan(self, position: int) -> Scan:
        nodule, square = self.index.iloc[position], self._square(position)
        beside = self.beside[nodule["image_id"]]
        values = read_image(self.folder / nodule["source"]).values.astype(np.float32)
        return Scan(
            values,
            modality="CT",
            unit="HU",
            limits=None,
            spacing_mm=(float(nodule["spacing_mm"]),) * 2,
            stack=stack_of(beside.own, beside.z_mm, lambda at: self._slice(beside.paths[at]), values),
            cut=lambda changed: cut_square(changed, square),
        )

    def _slice(self, path: str) -> np.ndarray:
        return read_image(self.folder / path).values

    def _square(self, position: int) -> Square:
        nodule = self.index.iloc[position]
        return square_around(nodule["row"], nodule["col"], side=int(nodule[STORED_SIDE]))
