"""Images as their scanner made them: whole slices, spacing and neighbouring slices; `cut` gives what `read` returns."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from cbis_trees import PAIR, dicom_path, edit_dicom
from cbis_trees import write_tree as write_cbis_tree
from PIL import Image
from test_image_files import write_dicom
from test_luna16 import in_patient, opened
from test_luna16 import write_tree as write_luna_tree
from test_phantom_trees import silent, written
from volume_trees import SHAPE, SPACING_MM, marked, write_manifest, write_nifti

from oncorobust.formats.brain_mets.reader import open_brain_mets
from oncorobust.formats.cbis_ddsm.reader import open_cbis_ddsm
from oncorobust.formats.manifest import open_manifest
from oncorobust.formats.records import RawImages, stack_of
from oncorobust.settings.data import BrainMets, CbisDdsm, Phantom

BRAIN = BrainMets(crop_mm=40.0, min_distance_mm=10.0, max_per_patient=None)


def check_cut(raw: RawImages) -> None:
    """Unchanged values of each scan give the values of `read`; the stack holds them at 0 mm."""
    for position in range(len(raw.index)):
        scan, stored = raw.scan(position), raw.read(position).values.astype(np.float32)
        assert scan.values.dtype == np.float32
        np.testing.assert_array_equal(scan.cut(scan.values), stored)
        if scan.stack is not None:
            (own,) = np.flatnonzero(scan.stack.positions_mm == 0)
            np.testing.assert_array_equal(scan.stack.values[own], scan.values)
            assert (np.diff(scan.stack.positions_mm) > 0).all()
            assert np.abs(scan.stack.positions_mm).max() <= 6


def test_a_stack_holds_the_slices_within_6_mm() -> None:
    slices = np.arange(5, dtype=np.int16)[:, None, None] * np.ones((1, 2, 3), dtype=np.int16)
    stack = stack_of(1, np.array([-4.0, 0.5, 3.0, 6.5, 6.6]), lambda at: slices[at], slices[1].astype(np.float32))
    assert stack is not None
    np.testing.assert_array_equal(stack.positions_mm, [-4.5, 0, 2.5, 6])
    np.testing.assert_array_equal(stack.values[:, 1, 2], [0, 1, 2, 3])
    assert stack.values.dtype == np.float32
    assert stack_of(0, np.array([0.0, 7.0]), lambda at: slices[at], slices[0].astype(np.float32)) is None


def test_luna16_returns_the_whole_slice_in_hu_and_the_slices_beside_it(tmp_path: Path) -> None:
    write_luna_tree(tmp_path)
    raw = opened(tmp_path)
    check_cut(raw)
    for scan in (raw.scan(0), raw.scan(1)):  # stored in two directions
        assert (scan.modality, scan.unit, scan.limits, scan.spacing_mm) == ("CT", "HU", None, (0.5, 0.5))
        np.testing.assert_array_equal(scan.values, in_patient()[2])
        np.testing.assert_array_equal(scan.stack.positions_mm, [-5, -2.5, 0, 2.5, 5])
        np.testing.assert_array_equal(scan.stack.values, in_patient())


def test_a_change_follows_the_crop_of_the_format(tmp_path: Path) -> None:
    write_luna_tree(tmp_path)
    scan = opened(tmp_path).scan(0)
    changed = scan.values.copy()
    changed[10, 10] += 7  # the crop begins here
    expected = scan.cut(scan.values)
    expected[0, 0] += 7
    np.testing.assert_array_equal(scan.cut(changed), expected)


@pytest.mark.parametrize("name", ["brain_mets", "brain_mets_nifti"])
def test_brain_volumes_return_stored_values_before_their_scale(tmp_path: Path, name: str) -> None:
    tree = written(tmp_path / "tree", name, Phantom(n_images=20, difficulty=1.0, seed=1))
    raw = open_brain_mets(tree, BRAIN, seed=0, on_progress=silent)
    check_cut(raw)
    scan = raw.scan(0)
    assert (scan.modality, scan.unit, scan.limits) == ("MR", "stored value", None)
    assert scan.values.min() == 0  # background as stored
    assert scan.values.shape > raw.read(0).values.shape
    assert scan.stack is not None and scan.spacing_mm is not None and scan.spacing_mm[0] == scan.spacing_mm[1]


def test_cbis_crops_have_the_spacing_that_their_file_states(tmp_path: Path) -> None:
    write_cbis_tree(tmp_path, *PAIR)
    edit_dicom(dicom_path(tmp_path, PAIR[0], "crop"), PixelSpacing=[0.05, 0.05])
    raw = open_cbis_ddsm(tmp_path, CbisDdsm(abnormalities=("mass",)), on_progress=silent)
    check_cut(raw)
    spacings = {raw.scan(position).spacing_mm for position in range(len(raw.index))}
    assert spacings == {None, (0.05, 0.05)}
    scan = raw.scan(0)
    assert (scan.modality, scan.unit, scan.limits, scan.stack) == ("MG", "grey level", (0.0, 65535.0), None)
    assert scan.values.shape[0] != scan.values.shape[1], "before it is padded to a square"


def test_a_manifests_dicom_files_state_modality_unit_and_spacing(tmp_path: Path) -> None:
    stored = np.arange(60, dtype=np.uint16).reshape(6, 10)
    for number in range(2):
        tags = {"Modality": "CT", "RescaleSlope": "2", "RescaleIntercept": "-1024", "PixelSpacing": [0.7, 0.8]}
        write_dicom(tmp_path / f"{number}.dcm", stored, **tags)
    columns = "path,crop_top,crop_left,crop_height,crop_width"
    raw = open_manifest(write_manifest(tmp_path, columns, "0.dcm,1,2,3,4", "1.dcm,0,0,6,10"))
    check_cut(raw)
    scan = raw.scan(0)
    assert (scan.modality, scan.unit, scan.limits, scan.spacing_mm) == ("CT", "HU", None, (0.7, 0.8))
    np.testing.assert_array_equal(scan.values, 2.0 * stored - 1024)
    np.testing.assert_array_equal(scan.cut(scan.values), 2.0 * stored[1:4, 2:6] - 1024)


@pytest.mark.parametrize(
    ("tags", "spacing_mm"),
    [
        ({"ImagerPixelSpacing": [0.05, 0.06]}, (0.05, 0.06)),
        ({"NominalScannedPixelSpacing": [0.05, 0.05]}, (0.05, 0.05)),
        ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.2, 0.2]}, (0.1, 0.1)),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelAspectRatio": [2, 1]}, None),
        ({}, None),
    ],
)
def test_the_spacing_of_mammograms(
    tmp_path: Path, tags: dict[str, list[float]], spacing_mm: tuple[float, float] | None
) -> None:
    for number in range(2):
        write_dicom(tmp_path / f"{number}.dcm", np.ones((6, 10), dtype=np.uint16), Modality="MG", **tags)
    scan = open_manifest(write_manifest(tmp_path, "path", "0.dcm", "1.dcm")).scan(0)
    assert (scan.modality, scan.spacing_mm) == ("MG", spacing_mm)


def test_a_manifests_volumes_have_spacing_and_stack_where_the_plane_is_a_slice(tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii.gz", marked(), axes="RAS")
    raw = open_manifest(write_manifest(tmp_path, "path,plane,slice", "v.nii.gz,,1", "v.nii.gz,coronal,4"))
    check_cut(raw)
    axial, coronal = raw.scan(0), raw.scan(1)
    assert (axial.modality, axial.unit, axial.limits) == ("other", "stored value", None)
    assert axial.spacing_mm == SPACING_MM[1:]
    np.testing.assert_array_equal(axial.stack.positions_mm, [-3, 0, 3, 6])
    np.testing.assert_array_equal(axial.stack.values, marked())
    assert coronal.spacing_mm == SPACING_MM[:2]
    assert coronal.values.shape == (SHAPE[0], SHAPE[2]), "before its pixels are made square"
    assert coronal.cut(coronal.values).shape == (6, 8)
    rows = ("v.nii.gz,orthogonal,1.0 -1.0 16.0", "v.nii.gz,orthogonal,1.0 -1.0 13.0")
    raw = open_manifest(write_manifest(tmp_path, "path,plane,point_mm", *rows))
    check_cut(raw)
    planes = raw.scan(0)
    assert (planes.values.shape[2], planes.spacing_mm, planes.stack) == (3, None, None)


def test_pictures_and_flat_volumes_state_nothing(tmp_path: Path) -> None:
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((6, 10, 3), dtype=np.uint8)).save(tmp_path / "c.png")
    raw = open_manifest(write_manifest(tmp_path, "path", "a.png", "c.png"))
    check_cut(raw)
    scan = raw.scan(0)
    assert (scan.modality, scan.unit, scan.limits) == ("other", "grey level", (0.0, 255.0))
    assert (scan.spacing_mm, scan.stack) == (None, None)
    nibabel.save(nibabel.Nifti1Image(marked()[0], np.eye(4)), tmp_path / "flat.nii")
    raw = open_manifest(write_manifest(tmp_path, "path", "flat.nii", "flat.nii"))
    check_cut(raw)
    assert raw.scan(0).spacing_mm is None
