"""Reader of CBIS-DDSM: cropped lesions of digitised film mammograms, benign or malignant by pathology.

The tree holds the published CSVs, at its top or one level below, and the DICOM files in any folders. Each lesion in one
view is one image: MALIGNANT is malignant, BENIGN and BENIGN_WITHOUT_CALLBACK are benign; the patient is the one in the
CSV. Crops are 16-bit film densities without a physical unit or spacing, so they are scaled by the constant of the
format,

    pixel = stored / 65535,

never by values of the image, and padded with 0 to a square: the crop's size follows the lesion's, and its aspect ratio
is part of the picture. The published split is returned as `given_split`, unless masses and calcifications are read
together, because 31 patients are in the training files of one and the test files of the other. The JPEG copy of the
collection is re-encoded to 8 bits and is not read. Images have no lesion box (`lesion_boxes`): the crop is all lesion
except for a margin, and no header says where in the mask it was cut.

Source: Lee et al., Scientific Data 4, 2017; the collection's page in the Cancer Imaging Archive.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.formats.cbis_ddsm.csv import find_case_files, patients_in_both_splits, read_lesions
from oncorobust.formats.cbis_ddsm.join import join_files, lesions_on_disk
from oncorobust.formats.cbis_ddsm.roles import LIMITS, pad_to_square, read_crop
from oncorobust.formats.dicom.images import images_only
from oncorobust.formats.dicom.index import index_dicom
from oncorobust.formats.records import GREY_LEVEL, RawImages, Scan, StoredImage, describe_sums
from oncorobust.formats.synthetic_mark import is_synthetic
from oncorobust.settings.data import CbisDdsm

CLASS_NAMES = ("benign", "malignant")


def open_cbis_ddsm(folder: Path, settings: CbisDdsm, *, on_progress: Notify) -> RawImages:
    """Open a tree from its CSVs and the DICOM headers, without reading pixels.

    Raises InputError naming the CSV and line, the lesions or the file, and what is wrong with them.
    """
    case_files = find_case_files(folder, settings.abnormalities)
    lesions = read_lesions(case_files)
    headers, left_out = images_only(index_dicom(folder, on_progress=on_progress), folder)
    if headers.empty:
        raise InputError(f"expected DICOM files, got {_instead_of_dicom(folder)} in {folder}")
    if settings.allow_missing:
        lesions, missing = _without_missing(lesions, headers, folder)
        left_out += missing
    files = join_files(lesions, headers, folder=folder)
    index, notes = _index(lesions, files)

    def read(position: int) -> StoredImage:
        crop, mask = (folder / files[kind].iloc[position] for kind in ("crop", "mask"))
        image = read_crop(crop, mask=mask)
        padded = None if image.padded is None else pad_to_square(image.padded)
        return StoredImage(pad_to_square(image.values), limits=LIMITS, padded=padded, lossy=image.lossy)

    spacings = headers.drop_duplicates("path").set_index("path")["PixelSpacing"]

    def read_scan(position: int) -> Scan:
        crop, mask = (files[kind].iloc[position] for kind in ("crop", "mask"))
        return Scan(
            read_crop(folder / crop, mask=folder / mask).values.astype(np.float32),
            modality="MG",
            unit=GREY_LEVEL,
            limits=LIMITS,
            spacing_mm=spacings[crop],
            cut=pad_to_square,
        )

    return RawImages(
        index=index,
        class_names=CLASS_NAMES,
        read=read,
        read_scan=read_scan,
        synthetic=is_synthetic(folder, _synthetic_flags(files)),
        verified=describe_sums({file.path.name: file.as_published for file in case_files}),
        intensity_unit=GREY_LEVEL,
        notes=(*left_out, *notes),
    )


def _index(lesions: pd.DataFrame, files: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the index of RawImages and the notes."""
    index = lesions[["image_id", "patient_id"]].assign(
        label=(lesions["pathology"] == "MALIGNANT").astype("int64"),
        source=files["crop"],
        mask_source=files["mask"],
    )
    details = ["pathology", "abnormality_type", "side", "view", "abnormality_id", "breast_density"]
    index[details] = lesions[details]
    both = patients_in_both_splits(lesions)
    if both:
        share = f"{len(both)} of {lesions['patient_id'].nunique()} patients"
        note = f"no given split: {share} are in a training file and in the test file of the other abnormality"
        return index, (note,)
    return index.assign(given_split=lesions["given_split"]), ()


def _without_missing(
    lesions: pd.DataFrame, headers: pd.DataFrame, folder: Path
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the lesions that are on disk, and a note on the others. Raises InputError if there are none."""
    present = lesions_on_disk(lesions, headers)
    if present.empty:
        raise InputError(f"expected crop and mask of some of the {len(lesions)} lesions, got none in {folder}")
    missing = len(lesions) - len(present)
    note = f"{missing} of {len(lesions)} lesions were left out: their crop or mask is not on disk (allow_missing)"
    return present, (note,) if missing else ()


def _instead_of_dicom(folder: Path) -> str:
    if any(path.is_dir() for pattern in ("jpeg", "*/jpeg") for path in folder.glob(pattern)):
        return "the JPEG copy (jpeg/), which is re-encoded to 8 bits and not supported,"
    return "none"


def _synthetic_flags(files: pd.DataFrame) -> list[bool | None]:
    values = pd.concat([files["crop_synthetic"], files["mask_synthetic"]])
    return [value == "YES" if value else None for value in values]
