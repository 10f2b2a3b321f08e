"""Slices and planes chosen by a segmentation: largest area, centre, and grids that differ from the image's."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from volume_trees import FIRST_MM, MARK, SHAPE, affine_lps, marked, write_itk, write_manifest, write_nifti

from oncorobust.base.errors import InputError
from oncorobust.formats.manifest import open_manifest


def lesion(*areas: int, value: int = 1) -> np.ndarray:
    """A segmentation with so many voxels on each slice, in rows from (1, 2)."""
    mask = np.zeros(SHAPE, dtype=np.int16)
    for number, area in enumerate(areas):
        mask[number, 1:5, 2:6].ravel()
        for voxel in range(area):
            mask[number, 1 + voxel // 4, 2 + voxel % 4] = value
    return mask


def read_one(folder: Path, columns: str, row: str) -> np.ndarray:
    raw = open_manifest(write_manifest(folder, columns, row, row.replace("s1", "s2")))
    return raw.read(0).values


def both(folder: Path, write: object, suffix: str, mask: np.ndarray, **options: object) -> None:
    """Write the segmentation twice, because two patients do not share one."""
    for name in ("s1", "s2"):
        write(folder / f"{name}.{suffix}", mask, **options)


@pytest.mark.parametrize("axes", ["LPS", "RAS", "PIR", "SAL"])
@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "mha"])
def test_the_slice_with_the_largest_area_the_first_of_several(tmp_path: Path, suffix: str, axes: str) -> None:
    write_nifti(tmp_path / "v.nii", marked(), axes="RAS")
    both(tmp_path, write_nifti if suffix == "nii.gz" else write_itk, suffix, lesion(2, 5, 7, 7), axes=axes)
    found = read_one(tmp_path, "path,slice,segmentation", f"v.nii,largest,s1.{suffix}")
    np.testing.assert_array_equal(found, marked()[2])


def test_the_largest_area_along_another_plane(tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii", marked(), affine=affine_lps((2.0, 2.0, 2.0)))
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[:, 3, 4], mask[1, 5, :2] = 1, 1
    both(tmp_path, write_nifti, "nii", mask, affine=affine_lps((2.0, 2.0, 2.0)))
    row = "v.nii,coronal,largest,s1.nii"
    np.testing.assert_array_equal(read_one(tmp_path, "path,plane,slice,segmentation", row), marked()[::-1, 3])


def test_only_the_values_that_count(tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii", marked())
    mask = lesion(9, 1, 0, 0, value=1)
    mask[3, 1, 2:4], mask[2, 1, 2] = (3, 4), 4
    both(tmp_path, write_nifti, "nii", mask)
    for values, expected in (("", 0), ("1", 0), ("3 4", 3), ("4", 2)):
        row = f"v.nii,largest,s1.nii,{values}"
        found = read_one(tmp_path, "path,slice,segmentation,segmentation_values", row)
        np.testing.assert_array_equal(found, marked()[expected])
    with pytest.raises(InputError, match=r"expected a segmentation with values 2, got only 0, 1, 3, 4 in .*s1\.nii"):
        read_one(tmp_path, "path,slice,segmentation,segmentation_values", "v.nii,largest,s1.nii,2")
    with pytest.raises(InputError, match="expected whole numbers from 1 such as `1 3` as segmentation_values, got '0'"):
        read_one(tmp_path, "path,slice,segmentation,segmentation_values", "v.nii,largest,s1.nii,0")


def test_a_finer_grid_with_another_origin_is_mapped_by_world_coordinates(tmp_path: Path) -> None:
    """Voxels of a third, half and half the size, from another corner: most lie around the image's slice 2."""
    write_nifti(tmp_path / "v.nii", marked())
    fine = np.zeros((15, 16, 18), dtype=np.uint8)
    fine[7:10, 2:8, 3:9] = 1  # z from 10 - 2 + 7 = 15 to 17: the image's slice 2 at 16 mm
    fine[4, 2:4, 3:5] = 1
    affine = affine_lps((1.0, 1.0, 1.0))
    affine[:3, 3] = (FIRST_MM[0] + 1, FIRST_MM[1] + 1, FIRST_MM[2] - 2)
    both(tmp_path, write_nifti, "nii", fine, axes="ASR", affine=affine)
    found = read_one(tmp_path, "path,slice,segmentation", "v.nii,largest,s1.nii")
    np.testing.assert_array_equal(found, marked()[2])


def test_mapping_agrees_with_simpleitk(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    from oncorobust.formats.segmentations import find_region
    from oncorobust.formats.volume_files import describe_volume, read_mask

    rng = np.random.default_rng(3)
    image = write_itk(tmp_path / "v.nrrd", marked(), axes="PIR")
    angle = np.radians(25)
    affine = affine_lps((1.7, 1.1, 0.9))
    affine[:3, :3] = (
        np.array(((1, 0, 0), (0, np.cos(angle), -np.sin(angle)), (0, np.sin(angle), np.cos(angle)))) @ affine[:3, :3]
    )
    mask = (rng.random((9, 12, 14)) < 0.5).astype(np.uint8)
    segmentation = write_itk(tmp_path / "s.nrrd", mask, axes="LPS", affine=affine)
    expected = sitk.GetArrayFromImage(
        sitk.Resample(
            sitk.ReadImage(str(segmentation)), sitk.ReadImage(str(image)), sitk.Transform(), sitk.sitkNearestNeighbor
        )
    ).transpose(2, 1, 0)
    (grid,), (other,) = (describe_volume(path).forms.values() for path in (image, segmentation))
    region = find_region(read_mask(segmentation, ()), other, grid, image_path=image, path=segmentation)
    found = np.zeros(grid.shape, dtype=bool)
    box = tuple(slice(first, first + length) for first, length in zip(region.first, region.inside.shape, strict=True))
    found[box] = region.inside
    assert 20 < expected.sum() < expected.size - 20
    np.testing.assert_array_equal(found, expected.astype(bool))


def test_planes_through_the_centre_of_the_segmentation(tmp_path: Path) -> None:
    affine = affine_lps((2.0, 2.0, 2.0))
    write_nifti(tmp_path / "v.nii", marked(), affine=affine)
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[1:3, 2:5, 3:6] = 1
    both(tmp_path, write_nifti, "nii", mask, axes="SRA", affine=affine)
    found = read_one(tmp_path, "path,plane,segmentation", "v.nii,orthogonal,s1.nii")
    np.testing.assert_array_equal(found[:, :, 0], marked()[2, 2:5, 3:6])  # the mean of 1 and 2 goes up
    np.testing.assert_array_equal(found[:, :, 1], marked()[3:0:-1, 3, 3:6])


def test_the_first_form_of_the_image_on_which_the_segmentation_lies(tmp_path: Path) -> None:
    """The image's sform turns its slices over; its qform agrees with the segmentation's only form."""
    values = marked().transpose(2, 1, 0)
    right = np.diag((-1.0, -1.0, 1.0, 1.0)) @ affine_lps()[:, [2, 1, 0, 3]]
    turned = right.copy()
    turned[2, 2], turned[2, 3] = -3.0, 19.0
    image = nibabel.Nifti1Image(values, right)
    image.set_qform(right, 1)
    image.set_sform(turned, 2)
    nibabel.save(image, tmp_path / "v.nii")
    both(tmp_path, write_nifti, "nii", lesion(0, 3, 0, 0))
    raw = open_manifest(write_manifest(tmp_path, "path,slice,segmentation", "v.nii,largest,s1.nii", "v.nii,1,"))
    np.testing.assert_array_equal(raw.read(0).values, marked()[1])
    np.testing.assert_array_equal(raw.read(1).values, marked()[::-1][1])  # alone, its sform counts
    assert raw.notes == (
        "headers of 1 volumes place the voxels twice, up to 9.0 mm apart (sform and qform, or voxel sizes in pixdim): "
        "v.nii; used the first of sform and qform, or with a segmentation the first that agrees with it",
    )
    both(tmp_path, write_nifti, "nii", lesion(0, 3, 0, 0)[:3])
    with pytest.raises(
        InputError, match=r"line 2: expected sform and qform within 0\.1 mm, got 9 mm apart in .*v\.nii"
    ):
        open_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("empty", r"expected a segmentation with values other than 0, got only 0 in .*s1\.nii"),
        ("far", r"expected a segmentation that overlaps .*v\.nii, got one beside it in .*s1\.nii"),
        ("between", r"expected a segmentation with voxels of .*v\.nii inside, got none in .*s1\.nii"),
        ("broken", r"expected whole labels \(within 0\.01\), got 0\.5 in .*s1\.nii"),
    ],
)
def test_segmentations_that_show_nothing(tmp_path: Path, change: str, message: str) -> None:
    write_nifti(tmp_path / "v.nii", marked())
    mask, affine = np.zeros(SHAPE, dtype=np.float32), affine_lps()
    if change == "far":
        affine[2, 3] += 100
        mask[1, 2, 3] = 1
    elif change == "between":
        affine = affine_lps((0.2, 0.2, 0.2))
        affine[:3, 3] += 0.3
        mask[1, 2, 3] = 1
    elif change == "broken":
        mask[MARK] = 0.5
    both(tmp_path, write_nifti, "nii", mask, affine=affine)
    raw = open_manifest(write_manifest(tmp_path, "path,slice,segmentation", "v.nii,largest,s1.nii", "v.nii,1,s2.nii"))
    with pytest.raises(InputError, match=message):
        raw.read(0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("v.nii,largest,s3.nii", r"line 2: expected a file at .*s3\.nii, got none"),
        ("v.nii,largest,../s1.nii", r"expected a path inside the raw tree, got '\.\./s1\.nii'"),
        ("v.nii,largest,a.png", r"line 2: expected a segmentation in NIfTI, NRRD, MetaImage, got PNG in .*a\.png"),
        ("v.nii,largest,s1.npy", r"line 2: expected a segmentation in NIfTI, NRRD, MetaImage, got npy in .*s1\.npy"),
    ],
)
def test_segmentations_that_cannot_be_read(tmp_path: Path, row: str, message: str) -> None:
    from PIL import Image

    write_nifti(tmp_path / "v.nii", marked())
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    np.save(tmp_path / "s1.npy", lesion(1))
    with pytest.raises(InputError, match=message):
        open_manifest(write_manifest(tmp_path, "path,slice,segmentation", row, "v.nii,1,"))


def test_a_segmentation_belongs_to_one_patient(tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii", marked())
    write_nifti(tmp_path / "s.nii", lesion(1))
    message = r"expected each segmentation to be of one patient, got .*s\.nii for two in .*manifest\.csv, lines 2 and 3"
    with pytest.raises(InputError, match=message):
        open_manifest(write_manifest(tmp_path, "path,slice,segmentation", "v.nii,largest,s.nii", "v.nii,1,s.nii"))
