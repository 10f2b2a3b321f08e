"""Writer of a LIDC-IDRI phantom: one CT series per nodule, with the marks of four simulated readers.

    LIDC-IDRI/LIDC-IDRI-9001/01-01-2000-NA-NA-<study>/3000566.000000-NA-<series>/1-001.dcm ... and 069.xml
                                                      /3000567.000000-NA-<series>/1-1.dcm       (SEG; SR is 3000568)

The marks are the readers' XML beside the images or, instead, segmentations and reports in series of their own.
This is the layout of the archive's current download client; <...> are the last five digits of the UID. Like the real
collection, the tree has several scans of one patient, explicit and implicit value representations, signed pixels with
padding around the scanner's circle and unsigned pixels without, instance numbers that rise or fall with z, and a chest
X-ray with its own read. Patients start at LIDC-IDRI-9001; the real ones end at 1012.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int16, UInt16

from oncorobust.acquire.phantoms.dicom_writing import (
    CT_INTERCEPT_HU,
    PADDING_VALUE,
    Geometry,
    Series,
    ct_slice,
    instance_uid,
    radiograph,
    synthetic_uid,
    write_dicom,
)
from oncorobust.acquire.phantoms.lidc_reads import read_scan
from oncorobust.acquire.phantoms.lidc_segmented_reads import Plane, segmented_reads
from oncorobust.acquire.phantoms.lidc_xml_writing import ReadSeries, idri_read_message, lidc_read_message
from oncorobust.acquire.phantoms.lung import NoduleAttributes, render_lung, sample_nodules
from oncorobust.acquire.phantoms.marks import mark_synthetic
from oncorobust.acquire.phantoms.texture import power_law
from oncorobust.base.seeds import child_rng
from oncorobust.settings.data import Phantom

FIRST_PATIENT, MOST_PATIENTS = 9001, 999
PATIENTS_PER_NODULE = 0.7

SIZE = 120
"""Rows and columns; real slices have 512 of each, but the format does not require it."""

PIXEL_SPACINGS_MM = (0.6, 0.65, 0.7, 0.75, 0.8)
SLICE_THICKNESSES_MM = (2.0, 2.5, 3.0)

SIGNED_SHARE = 0.72  # 731 of the 1,018 real series
EXPLICIT_SHARE = 0.27  # 272
CIRCLE = 0.6
"""Radius of the circle outside which pixels are padding (only in the corners), as a fraction of the image's side."""


def write_lidc_phantom(folder: Path, settings: Phantom) -> None:
    """Write a tree with one scan for each of `n_images` nodules, and about 7 patients per 10 nodules."""
    mark_synthetic(folder, settings, stands_for="LIDC-IDRI (CT and the readers' XML)")
    nodules = sample_nodules(settings.n_images, rng=child_rng(settings.seed, "lidc", "nodules"))
    n_patients = min(round(PATIENTS_PER_NODULE * settings.n_images), MOST_PATIENTS)
    for number, attributes in enumerate(nodules):
        patient_id = f"LIDC-IDRI-{FIRST_PATIENT + number % n_patients}"
        _write_scan(folder, settings, number, patient_id, attributes)
    _write_radiograph(folder, settings, f"LIDC-IDRI-{FIRST_PATIENT}")


def _write_scan(folder: Path, settings: Phantom, number: int, patient_id: str, attributes: NoduleAttributes) -> None:
    rng = child_rng(settings.seed, "lidc", "scan", number)
    spacing_mm, thickness_mm = float(rng.choice(PIXEL_SPACINGS_MM)), float(rng.choice(SLICE_THICKNESSES_MM))
    phantom = render_lung(
        attributes,
        difficulty=settings.difficulty,
        rng=rng,
        size=SIZE,
        pixel_spacing_mm=spacing_mm,
        slice_thickness_mm=thickness_mm,
    )
    implicit_vr = bool(rng.random() > EXPLICIT_SHARE)
    signed, descending = rng.random() < SIGNED_SHARE, rng.random() < 0.5
    series = _series(settings, f"scan {number}", patient_id, number=3000566, implicit_vr=implicit_vr)
    place = _place(folder, series)
    n_slices = len(phantom.volume_hu)
    z_mm = tuple(float(z) for z in thickness_mm * (np.arange(n_slices) - rng.integers(20, 120)))
    numbers = range(n_slices, 0, -1) if descending else range(1, n_slices + 1)
    corner_mm = -spacing_mm * SIZE / 2
    geometries = [Geometry((corner_mm, corner_mm, z), spacing_mm, thickness_mm) for z in z_mm]
    for instance, geometry, slice_hu in zip(numbers, geometries, phantom.volume_hu, strict=True):
        stored = _stored(slice_hu, signed=signed)
        image = ct_slice(stored, series=series, number=instance, geometry=geometry, padded=signed)
        write_dicom(image, place / f"1-{instance:03d}.dcm")
    planes = [Plane(instance_uid(series, k), geometry) for k, geometry in zip(numbers, geometries, strict=True)]
    sessions = read_scan(phantom.mask, attributes, rng=rng)
    if settings.annotations == "dicom":
        for name, file in segmented_reads(sessions, ct=series, planes=planes, size=SIZE):
            write_dicom(file, place.parent / name / "1-1.dcm")
    else:
        text = lidc_read_message(
            sessions,
            series=ReadSeries(series.study_uid, series.series_uid, z_mm, tuple(plane.sop_uid for plane in planes)),
            uid=synthetic_uid(series.series_uid, "reads"),
            empty_element=bool(rng.random() < 0.1),
        )
        (place / f"{number + 1:03d}.xml").write_text(text, encoding="utf-8")


def _write_radiograph(folder: Path, settings: Phantom, patient_id: str) -> None:
    rng = child_rng(settings.seed, "lidc", "radiograph")
    series = _series(settings, "radiograph", patient_id, number=3000923, implicit_vr=True)
    place = _place(folder, series)
    grey = np.clip(16000 + 4000 * power_law((SIZE, SIZE), beta=2.8, rng=rng), 0, 2**15 - 1)
    write_dicom(radiograph(grey.astype(np.uint16), series=series, number=1), place / "1-1.dcm")
    text = idri_read_message(
        study_uid=series.study_uid,
        series_uid=series.series_uid,
        sop_uid=instance_uid(series, 1),
        uid=synthetic_uid(series.series_uid, "reads"),
    )
    (place / "000.xml").write_text(text, encoding="utf-8")


def _series(settings: Phantom, name: str, patient_id: str, *, number: int, implicit_vr: bool) -> Series:
    return Series(
        patient_id=patient_id,
        study_uid=synthetic_uid("lidc", settings.seed, name, "study"),
        series_uid=synthetic_uid("lidc", settings.seed, name, "series"),
        date="20000101",  # as in every real study
        number=number,
        description="",
        implicit_vr=implicit_vr,
    )


def _place(folder: Path, series: Series) -> Path:
    study = f"01-01-2000-NA-NA-{series.study_uid[-5:]}"
    return folder / "LIDC-IDRI" / series.patient_id / study / f"{series.number}.000000-NA-{series.series_uid[-5:]}"


def _stored(
    slice_hu: Float32[np.ndarray, "rows cols"], *, signed: bool
) -> Int16[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"]:
    """Convert HU to stored values; signed ones have padding in the corners."""
    stored = np.round(slice_hu - CT_INTERCEPT_HU)
    if not signed:
        return stored.astype(np.uint16)
    middle = (SIZE - 1) / 2
    rows, columns = np.ogrid[:SIZE, :SIZE]
    outside = np.hypot(rows - middle, columns - middle) > CIRCLE * SIZE
    return np.where(outside, PADDING_VALUE, stored).astype(np.int16)
