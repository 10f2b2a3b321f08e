"""Writer of a CBIS-DDSM phantom: CSV files in the published form, and mammograms, crops and masks in DICOM.

    mass_case_description_train_set.csv  mass_case_description_test_set.csv
    CBIS-DDSM/Mass-Training_P_90001_LEFT_CC/10-04-2016-DDSM-NA-<study>/1.000000-full mammogram images-<series>/1-1.dcm
    CBIS-DDSM/Mass-Training_P_90001_LEFT_CC_1/10-04-2016-DDSM-NA-<study>/1.000000-cropped images-<series>/1-1.dcm, 1-2

This is the layout of the archive's current download client; <...> are the last five digits of the UID. The tree
reproduces the difficulties of the real collection: PatientID is the case; crop and mask are in one series, in either
order, under a description drawn at random, except for 6 in 100 lesions, whose mask has its own study and series; the
paths in the CSV are those of an older client, so only their UIDs lead to the files. Most masses are seen in two views.
Patients start at P_90001; the real ones end at P_02584.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from oncorobust.acquire.phantoms.breast import MassAttributes, render_breast, sample_masses
from oncorobust.acquire.phantoms.cbis_ddsm_csv import CaseRow, write_cases
from oncorobust.acquire.phantoms.dicom_writing import Series, secondary_capture, synthetic_uid, write_dicom
from oncorobust.acquire.phantoms.marks import mark_synthetic
from oncorobust.base.seeds import child_rng
from oncorobust.settings.data import Phantom

FIRST_PATIENT = 90001
MASSES_PER_PATIENT = 1.13  # 1,005 real masses of 892 patients
TEST_SHARE = 0.22  # of the patients
TWO_VIEWS_SHARE = 0.41  # real masses in two views, divided by the number of rows
SEPARATE_SHARE = 0.06  # 103 of 1,696 rows
WITHOUT_CALLBACK_SHARE = 0.15  # 141 of 912 benign rows

DESCRIPTIONS = ("cropped images", "ROI mask images")


@dataclass(frozen=True)
class View:
    """One row of a CSV: a mass in one view of one breast."""

    attributes: MassAttributes
    patient_id: str
    side: str
    view: str
    part: str
    pathology: str

    @property
    def image_case(self) -> str:
        """Name of the mammogram's case."""
        return f"Mass-{self.part}_{self.patient_id}_{self.side}_{self.view}"

    @property
    def mass_case(self) -> str:
        """Name of the mass's case; its number among the masses of the view is always 1."""
        return f"{self.image_case}_1"


def write_cbis_ddsm_phantom(folder: Path, settings: Phantom) -> None:
    """Write a tree with `n_images` rows, half of them malignant (rounded down)."""
    mark_synthetic(folder, settings, stands_for="CBIS-DDSM (masses on mammograms)")
    views = _plan_views(settings)
    rows = {view: _write_view(folder, settings, view) for view in views}
    for part, name in (("Training", "train"), ("Test", "test")):
        chosen = [rows[view] for view in views if view.part == part]
        write_cases(folder / f"mass_case_description_{name}_set.csv", chosen)


def _plan_views(settings: Phantom) -> list[View]:
    """Plan all rows, in the order of the patients: assign masses to patients, and patients to training or test."""
    rng = child_rng(settings.seed, "cbis_ddsm", "plan")
    masses = _draw_masses(settings.n_images, rng)
    n_patients = int(np.ceil(len(masses) / MASSES_PER_PATIENT))
    n_train = n_patients - round(TEST_SHARE * n_patients)
    first_sides = rng.permutation(np.arange(n_patients) % 2)
    views = []
    for number, (attributes, names) in enumerate(masses):
        patient = number % n_patients
        # A patient's second mass is in the other breast.
        side = ("LEFT", "RIGHT")[(first_sides[patient] + number // n_patients) % 2]
        called = attributes.malignant or rng.random() >= WITHOUT_CALLBACK_SHARE
        benign = "BENIGN" if called else "BENIGN_WITHOUT_CALLBACK"
        shared = View(
            attributes=attributes,
            patient_id=f"P_{FIRST_PATIENT + patient}",
            side=side,
            view="",
            part="Training" if patient < n_train else "Test",
            pathology="MALIGNANT" if attributes.malignant else benign,
        )
        views += [replace(shared, view=name) for name in names]
    return sorted(views, key=lambda view: view.mass_case)


def _draw_masses(n_rows: int, rng: np.random.Generator) -> list[tuple[MassAttributes, tuple[str, ...]]]:
    """Draw masses with their views in random order: `n_rows` views in total, half of them of malignant masses."""
    masses = sample_masses(n_rows, rng=rng)
    chosen = []
    for malignant, rows in ((True, n_rows // 2), (False, n_rows - n_rows // 2)):
        two = round(TWO_VIEWS_SHARE * rows)
        of_class = (attributes for attributes in masses if attributes.malignant == malignant)
        for number, attributes in zip(range(rows - two), of_class, strict=False):
            chosen.append((attributes, ("CC", "MLO") if number < two else (str(rng.choice(["CC", "MLO"])),)))
    return [chosen[place] for place in rng.permutation(len(chosen))]


def _write_view(folder: Path, settings: Phantom, view: View) -> CaseRow:
    """Render a view, write its mammogram, crop and mask, and return its row."""
    rng = child_rng(settings.seed, "cbis_ddsm", view.mass_case)
    phantom = render_breast(view.attributes, difficulty=settings.difficulty, rng=rng)
    top, left, height, width = phantom.box
    crop = phantom.full[top : top + height, left : left + width]
    image = _series(settings, view.image_case, view.image_case, "full mammogram images")
    _write_series(folder, image, [phantom.full], view)
    mask = np.where(phantom.mask, 255, 0).astype(np.uint8)
    if rng.random() < SEPARATE_SHARE:
        crops = _series(settings, view.mass_case, "crop", "cropped images")
        masks = _series(settings, view.mass_case, "mask", "ROI mask images")
        _write_series(folder, crops, [crop], view)
        _write_series(folder, masks, [mask], view)
        mask_name = "000000.dcm"
    else:
        crops = masks = _series(settings, view.mass_case, "crop and mask", str(rng.choice(DESCRIPTIONS)))
        _write_series(folder, crops, [crop, mask] if rng.random() < 0.5 else [mask, crop], view)
        mask_name = "000001.dcm"
    return CaseRow(
        patient_id=view.patient_id,
        side=view.side,
        view=view.view,
        pathology=view.pathology,
        attributes=view.attributes,
        image_path=_published_path(image, "000000.dcm"),
        crop_path=_published_path(crops, "000000.dcm"),
        mask_path=_published_path(masks, mask_name),
    )


def _series(settings: Phantom, case: str, name: str, description: str) -> Series:
    return Series(
        patient_id=case,
        study_uid=synthetic_uid("cbis_ddsm", settings.seed, case, name, "study"),
        series_uid=synthetic_uid("cbis_ddsm", settings.seed, case, name, "series"),
        date="20161004",
        number=1,
        description=description,
        implicit_vr=True,
    )


def _write_series(folder: Path, series: Series, images: list[np.ndarray], view: View) -> None:
    study = f"10-04-2016-DDSM-NA-{series.study_uid[-5:]}"
    place = folder / "CBIS-DDSM" / series.patient_id / study
    place /= f"1.000000-{series.description}-{series.series_uid[-5:]}"
    for number, stored in enumerate(images, start=1):
        image = secondary_capture(stored, series=series, number=number, laterality=view.side[0])
        write_dicom(image, place / f"1-{number}.dcm")


def _published_path(series: Series, name: str) -> str:
    """Return the path for the CSV: an older client's folders and file names, with complete UIDs."""
    return f"{series.patient_id}/{series.study_uid}/{series.series_uid}/{name}"
