"""Volumes of any supported kind (NIfTI, NRRD, MetaImage, DICOM): their headers, values and segmentations."""

from pathlib import Path

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.brain_mets.labels import round_labels
from oncorobust.formats.dicom.header import is_dicom
from oncorobust.formats.dicom.stacks import describe_stack, read_stack
from oncorobust.formats.itk_volumes import describe_itk, itk_kind, read_itk
from oncorobust.formats.nifti_volumes import describe_nifti, read_nifti
from oncorobust.formats.segmentations import Mask
from oncorobust.formats.volume_header import VolumeHeader


def describe_volume(path: Path) -> VolumeHeader:
    """Read the header of a volume. Raises InputError."""
    if _is_dicom(path):
        return describe_stack(path)
    return describe_itk(path) if _is_itk(path) else describe_nifti(path)


def read_volume(path: Path, *, index: int) -> np.ndarray:
    """Read one volume of a file, values (i, j, k) along its stored axes. Raises InputError."""
    if _is_dicom(path):
        return read_stack(path)
    return read_itk(path) if _is_itk(path) else read_nifti(path, index=index)


def read_mask(path: Path, values: tuple[int, ...]) -> Mask:
    """Read which voxels of a segmentation have one of these values, or any but 0 if there are none.

    Raises InputError for values that are not whole numbers.
    """
    stored = read_volume(path, index=0)
    return mask_of(stored, values, path)


def mask_of(stored: np.ndarray, values: tuple[int, ...], path: Path) -> Mask:
    """Return which stored values are one of these, or any but 0 if there are none. Raises InputError."""
    labels = round_labels(stored, path) if stored.dtype.kind == "f" else stored
    mask: Mask = np.isin(labels, values) if values else labels != 0
    if not mask.any():
        wanted = f"values {' or '.join(map(str, values))}" if values else "values other than 0"
        found = ", ".join(f"{value:g}" for value in np.unique(labels)[:10])
        raise InputError(f"expected a segmentation with {wanted}, got only {found} in {path}")
    return mask


def check_one_volume(header: VolumeHeader, path: Path) -> None:
    """Check that a file holds one volume. Raises InputError."""
    if header.n_volumes != 1:
        raise InputError(f"expected one volume, got {header.n_volumes} in {path}")


def _is_dicom(path: Path) -> bool:
    """Return whether a volume is a folder of DICOM files, or one DICOM file with its frames."""
    if path.is_dir():
        return True
    with path.open("rb") as stream:
        return is_dicom(stream.read(132))


def _is_itk(path: Path) -> bool:
    """Return whether a volume is NRRD or MetaImage by its first bytes; otherwise it is NIfTI."""
    with path.open("rb") as stream:
        return itk_kind(stream.read(16)) is not None
