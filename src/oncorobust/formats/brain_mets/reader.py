"""Reader of brain metastases, and regions without, on contrast-enhanced T1 MRI, in either of two layouts.

DICOM series with lesions.csv (`brain_mets.dicom`): the regions are those listed. NIfTI volumes with segmentations named
as in BraTS-METS (`brain_mets.nifti`): metastases are the components of the segmentation, and negatives are chosen in
the same volumes (`brain_mets.regions`). A tree has one layout; names of folders do not matter.

An image is a square of `crop_mm` around the region's centre on its slice. MRI has no physical unit, so values are
scaled to (v - p0.5) / (p99.5 - p0.5), where the percentiles are those of the volume's voxels other than 0. Their limits
are 0 and 1, to which preprocessing clips them. Squares are filled with 0 where they extend beyond the slice.
"""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.base.seeds import child_rng
from oncorobust.formats.brain_mets.dicom import LESIONS, open_dicom
from oncorobust.formats.brain_mets.nifti import FILE, find_cases, open_nifti
from oncorobust.formats.brain_mets.regions import Regions
from oncorobust.formats.dicom.values import STORED
from oncorobust.formats.records import UNVERIFIED, RawImages, Scan, StoredImage, stack_of
from oncorobust.formats.synthetic_mark import is_synthetic
from oncorobust.formats.tree_walk import files_below
from oncorobust.formats.volumes import crop_side, crop_square
from oncorobust.settings.data import BrainMets

CLASS_NAMES = ("no metastasis", "metastasis")
_UIDS = ("study_uid", "volume", "sop_uid")
"""Columns that identify an examination (a DICOM volume is a series); no output contains them."""

UNIT = "share of the volume's 0.5 to 99.5 percentile"


def open_brain_mets(folder: Path, settings: BrainMets, *, seed: int, on_progress: Notify) -> RawImages:
    """Open a tree of either layout, one volume at a time. Raises InputError naming the file or the line of the CSV."""
    volumes = _find_nifti(folder)
    if volumes:
        regions = open_nifti(folder, find_cases(folder, volumes), settings, seed=seed, on_progress=on_progress)
    else:
        regions = open_dicom(folder, settings, on_progress=on_progress)
    return _raw_images(folder, regions, settings, seed=seed)


def keep_at_most(index: pd.DataFrame, *, max_per_patient: int, seed: int) -> pd.DataFrame:
    """Draw at most `max_per_patient` regions per patient and class, over all time points, with the seed.

    Both classes of a patient are drawn with the same seed, so that metastases mostly keep their matched negatives.
    """
    kept: list[int] = []
    for patient, rows in index.assign(position=range(len(index))).groupby("patient_id", sort=False):
        for _, positions in rows.groupby("label")["position"]:
            rng = child_rng(seed, "brain_mets", str(patient))
            kept.extend(int(position) for position in rng.permutation(positions.to_numpy())[:max_per_patient])
    return index.iloc[sorted(kept)].reset_index(drop=True)


def _raw_images(folder: Path, regions: Regions, settings: BrainMets, *, seed: int) -> RawImages:
    index, notes = regions.index, regions.notes
    for label, name in enumerate(CLASS_NAMES):
        if index.empty or not (index["label"] == label).any():
            raise InputError(f"expected regions of both classes, got none of class {name} in {folder}")
    if settings.max_per_patient is not None:
        index = keep_at_most(index, max_per_patient=settings.max_per_patient, seed=seed)
        left_out = len(regions.index) - len(index)
        notes += (f"{left_out} regions were left out (max_per_patient {settings.max_per_patient})",) if left_out else ()
    load = lru_cache(maxsize=1)(regions.load)

    def read(position: int) -> StoredImage:
        row = index.iloc[position]
        volume = load(row["volume"])
        side = crop_side(volume.grid, crop_mm=settings.crop_mm, where=row["source"])
        cut = partial(crop_square, row=row["row"], column=row["column"], side=side)
        padded = None if volume.padded is None else cut(volume.padded[row["slice"]])
        values = cut(volume.share(volume.values[row["slice"]]))
        return StoredImage(values, limits=(0.0, 1.0), padded=padded, lossy=volume.lossy)

    def read_scan(position: int) -> Scan:
        row = index.iloc[position]
        volume, number = load(row["volume"]), int(row["slice"])
        slices_mm, rows_mm, columns_mm = volume.grid.spacing_mm
        side = crop_side(volume.grid, crop_mm=settings.crop_mm, where=row["source"])
        cut = partial(crop_square, row=row["row"], column=row["column"], side=side)
        own = volume.values[number]
        return Scan(
            own,
            modality="MR",
            unit=STORED,
            limits=None,
            spacing_mm=(rows_mm, columns_mm),
            stack=stack_of(number, np.arange(len(volume.values)) * slices_mm, lambda at: volume.values[at], own),
            cut=lambda values: cut(volume.share(values)),
        )

    return RawImages(
        index=index.drop(columns=[name for name in _UIDS if name in index]),
        class_names=CLASS_NAMES,
        read=read,
        read_scan=read_scan,
        synthetic=is_synthetic(folder, regions.flags),
        verified=UNVERIFIED,
        intensity_unit=UNIT,
        notes=notes,
    )


def _find_nifti(folder: Path) -> list[Path]:
    """Find the NIfTI files of the tree, none if it has the other layout. Raises InputError if it has both."""
    files = list(files_below(folder))
    volumes = sorted(file for file in files if FILE.fullmatch(file.name))
    others = [file for file in files if file == folder / LESIONS or file.suffix.lower() == ".dcm"]
    if volumes and others:
        raise InputError(f"expected either DICOM with {LESIONS} or NIfTI, got both {others[0]} and {volumes[0]}")
    return volumes
