"""LIDC-IDRI trees with segmentations and reports for tests, on the CT slices of lidc_trees."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lidc_trees as trees
import numpy as np
from pydicom.dataset import FileDataset

from oncorobust.acquire.phantoms.dicom_writing import Geometry, Series
from oncorobust.acquire.phantoms.lidc_segmentation_writing import Named, SegmentedSlice, report, segmentation

SIDE = 64
Boxes = Mapping[int, tuple[int, int, int, int]]
"""First row, first column, row and column after the last, by slice."""


def ct_of(series_uid: str = trees.SERIES_UID, patient: int = 9001) -> Series:
    return Series(f"LIDC-IDRI-{patient:04d}", trees.STUDY_UID, series_uid, "20000101", 1000, "", False)


def geometry(number: int) -> Geometry:
    return Geometry((-16.0, -16.0, trees.slice_z(number)), 0.5, 2.5)


def segmented(boxes: Boxes, *, name: Named, number: int = 1001, ct: Series | None = None) -> FileDataset:
    """The segmentation of rectangles on slices of `trees.write_series`, frames in the order of `boxes`."""
    ct = ct_of() if ct is None else ct
    slices = []
    for index, (top, left, bottom, right) in boxes.items():
        mask = np.zeros((SIDE, SIDE), bool)
        mask[top:bottom, left:right] = True
        slices.append(SegmentedSlice(trees.sop_uid(index, ct.series_uid), geometry(index), mask))
    file = segmentation(slices, ct=ct, name=name, number=number)
    del file.FrameOfReferenceUID  # the CT slices of lidc_trees have none
    return file


def rated(segments: FileDataset, rating: int, *, name: Named, number: int = 1002, ct: Series | None = None) -> Any:
    return report(rating, segments=segments, ct=ct_of() if ct is None else ct, name=name, number=number)


def save(file: FileDataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)
    return path


def write_pair(
    folder: Path, boxes: Boxes, rating: int = 4, *, nodule: int = 1, annotation: str = "a", ct: Series | None = None
) -> tuple[Path, Path]:
    """Write segmentation and report of one annotation; returns their paths."""
    name = Named(nodule, annotation)
    number = 1001 + 2 * len(list(folder.glob("*.dcm")))
    segments = segmented(boxes, name=name, number=number, ct=ct)
    report_file = rated(segments, rating, name=name, number=number + 1, ct=ct)
    stem = f"{nodule}-{annotation}"
    return save(segments, folder / f"{stem}-seg.dcm"), save(report_file, folder / f"{stem}-sr.dcm")


def write_tree(folder: Path) -> Path:
    """Two patients of one nodule each, malignant and benign, as in `trees.write_tree`; returns the marks' folder."""
    trees.write_series(folder / "a")
    trees.write_series(folder / "b", series_uid="2.25.300", patient=9002)
    inside = (27, 37, 34, 44)
    for annotation in "abc":
        write_pair(folder / "marks", {2: inside, 3: inside}, 4, annotation=annotation)
    for annotation in "de":
        write_pair(folder / "marks", {2: inside, 3: inside}, 2, annotation=annotation, ct=ct_of("2.25.300", 9002))
    return folder / "marks"
