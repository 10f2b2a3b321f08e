"""Slices and planes of volumes that rows of a manifest name, whichever library wrote the file and in whatever order."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from volume_trees import (
    FIRST_MM,
    MARK,
    MARK_MM,
    ORDERS,
    SHAPE,
    affine_lps,
    marked,
    write_itk,
    write_manifest,
    write_nifti,
)

from oncorobust.base.errors import InputError
from oncorobust.formats import part_reading
from oncorobust.formats.manifest import open_manifest
from oncorobust.formats.parts import COLUMNS
from oncorobust.formats.volume_files import read_volume

WRITERS = {"nii.gz": write_nifti, "nrrd": write_itk, "mha": write_itk}


def read_rows(folder: Path, columns: str, *rows: str) -> list[np.ndarray]:
    """The images of a manifest, in its order; a second row of the other class is added to a single one."""
    more = rows if len(rows) > 1 else (*rows, *rows)
    raw = open_manifest(write_manifest(folder, columns, *more))
    return [raw.read(position).values for position in range(len(rows))]


@pytest.mark.parametrize("axes", ORDERS)
def test_every_order_of_axes_by_nibabel_gives_the_same_planes(tmp_path: Path, axes: str) -> None:
    write_nifti(tmp_path / "v.nii.gz", marked(), axes=axes)
    check_planes(tmp_path, "v.nii.gz")


@pytest.mark.parametrize("kind", ["nrrd", "mha", "mhd"])
@pytest.mark.parametrize("axes", ["LPS", "RAI", "SAR", "PIL", "ASL"])
def test_every_order_of_axes_by_simpleitk_gives_the_same_planes(tmp_path: Path, axes: str, kind: str) -> None:
    write_itk(tmp_path / f"v.{kind}", marked(), axes=axes)
    check_planes(tmp_path, f"v.{kind}")


def check_planes(folder: Path, file: str) -> None:
    """Axial slices count from the feet, coronal from the front, sagittal from the right; pixels are square."""
    values = marked()
    axial, coronal, sagittal, near = read_rows(
        folder, "path,plane,slice", f"{file},,1", f"{file},coronal,4", f"{file},sagittal,6", f"{file},axial,13.4 mm"
    )
    np.testing.assert_array_equal(axial, values[1])
    np.testing.assert_array_equal(near, values[1])
    assert coronal.shape == (6, 8)  # 4 slices of 3 mm are 6 rows of 2 mm
    assert sagittal.shape == (6, 6)
    np.testing.assert_allclose(coronal[0], values[3, 4])  # rows run from the head
    np.testing.assert_allclose(coronal[-1], values[0, 4])
    np.testing.assert_allclose(sagittal[0], values[3, :, 6])
    assert coronal.argmax() // 8 in (3, 4) and coronal.argmax() % 8 == 6


@pytest.mark.parametrize(
    ("position", "expected"),
    [("10 mm", 0), ("8.5 mm", 0), ("11.5 mm", 0), ("11.6 mm", 1), ("19mm", 3), ("+20.5 mm", 3), ("-0.0e0 mm", None)],
)
def test_the_slice_nearest_to_a_position_the_lower_of_two(tmp_path: Path, position: str, expected: int | None) -> None:
    write_nifti(tmp_path / "v.nii", marked(), axes="RAS")
    if expected is None:
        with pytest.raises(InputError, match="line 2: expected a whole number from 0, middle, largest, or a position"):
            read_rows(tmp_path, "path,slice", f"v.nii,{position}")
    else:
        np.testing.assert_array_equal(read_rows(tmp_path, "path,slice", f"v.nii,{position}")[0], marked()[expected])


def test_positions_lie_along_the_axis_of_the_plane(tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii", marked(), axes="PSR")
    coronal, sagittal = read_rows(
        tmp_path, "path,plane,slice", f"v.nii,coronal,{MARK_MM[1]} mm", f"v.nii,sagittal,{MARK_MM[0]} mm"
    )
    np.testing.assert_allclose(coronal[0], marked()[3, MARK[1]])
    np.testing.assert_allclose(sagittal[0], marked()[3, :, MARK[2]])


def test_a_slice_of_an_oblique_volume_has_the_position_of_its_middle(tmp_path: Path) -> None:
    angle = np.radians(20)
    turn = np.array(((1, 0, 0), (0, np.cos(angle), -np.sin(angle)), (0, np.sin(angle), np.cos(angle))))
    affine = affine_lps()
    affine[:3, :3] = turn @ affine[:3, :3]
    write_nifti(tmp_path / "v.nii", marked(), affine=affine)
    middle = affine @ (2, (SHAPE[1] - 1) / 2, (SHAPE[2] - 1) / 2, 1)
    np.testing.assert_array_equal(read_rows(tmp_path, "path,slice", f"v.nii,{middle[2]} mm")[0], marked()[2])


def test_the_middle_slice(tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii", marked())
    np.testing.assert_array_equal(read_rows(tmp_path, "path,slice", "v.nii,middle")[0], marked()[2])


def test_three_planes_through_a_point_are_channels(tmp_path: Path) -> None:
    affine, values = affine_lps((2.0, 2.0, 2.0)), marked()[:, :5, :7]
    write_nifti(tmp_path / "v.nii", values[:, :, :], axes="RIP", affine=affine)
    point = f"{FIRST_MM[0] + 3 * 2 + 0.7} {FIRST_MM[1] + 2 * 2 - 0.9} {FIRST_MM[2] + 2 * 2}"
    image = read_rows(tmp_path, "path,plane,point_mm", f"v.nii,orthogonal,{point}")[0]
    assert image.shape == (3, 3, 3)  # the shortest side is 4 voxels; 3 is odd
    np.testing.assert_array_equal(image[:, :, 0], values[2, 1:4, 2:5])
    np.testing.assert_array_equal(image[:, :, 1], values[3:0:-1, 2, 2:5])
    np.testing.assert_array_equal(image[:, :, 2], values[3:0:-1, 1:4, 3])
    assert (image[1, 1] == values[2, 2, 3]).all()


def test_three_planes_of_thick_slices_have_square_pixels_and_their_lowest_value_beyond(tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii", marked() + 7)
    image = read_rows(tmp_path, "path,plane,point_mm", f"v.nii,orthogonal,{FIRST_MM[0]} {FIRST_MM[1]} {FIRST_MM[2]}")[0]
    assert image.shape == (5, 5, 3)  # 12 mm in steps of 2 mm
    np.testing.assert_array_equal(image[2:, 2:, 0], marked()[0, :3, :3] + 7)
    assert (image[:2, :, 0] == 7).all() and (image[:, :2] == 7).all()
    expected = marked()[0, 0, 0] + (marked()[1, 0, 0] - marked()[0, 0, 0]) * 2 / 3 + 7  # 2 of 3 mm up
    np.testing.assert_allclose(image[1, 2, 1], expected, rtol=1e-6)


def test_four_dimensional_files_hold_several_volumes(tmp_path: Path) -> None:
    volumes = np.stack([marked().transpose(2, 1, 0), -marked().transpose(2, 1, 0)], axis=-1)
    affine = np.diag((-1.0, -1.0, 1.0, 1.0)) @ affine_lps()[:, [2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(volumes, affine), tmp_path / "v.nii.gz")
    first, second = read_rows(tmp_path, "path,array_index,slice", "v.nii.gz,0,1", "v.nii.gz,1,1")
    np.testing.assert_array_equal(first, marked()[1])
    np.testing.assert_array_equal(second, -marked()[1])
    with pytest.raises(
        InputError, match=r"line 2: expected array_index to name one of 2 volumes, got none for .*v\.nii"
    ):
        read_rows(tmp_path, "path,slice", "v.nii.gz,1")
    with pytest.raises(InputError, match=r"line 2: expected array_index from 0 to 1, got 2 for .*v\.nii"):
        read_rows(tmp_path, "path,array_index,slice", "v.nii.gz,2,1")


def test_stored_values_are_scaled(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(marked().transpose(2, 1, 0).astype(np.int16), np.diag((-2.0, -2.0, 3.0, 1.0)))
    image.header.set_slope_inter(0.5, -10)
    nibabel.save(image, tmp_path / "v.nii")
    np.testing.assert_allclose(
        read_rows(tmp_path, "path,slice", "v.nii,3")[0], nibabel.load(tmp_path / "v.nii").get_fdata()[:, :, 3].T
    )


def test_real_volumes_of_nibabel(tmp_path: Path) -> None:
    folder = Path(nibabel.__file__).parent / "tests" / "data"
    for name in ("anatomical.nii", "standard.nii.gz"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
        canonical = nibabel.as_closest_canonical(nibabel.load(folder / name))
        number = canonical.shape[2] // 3
        expected = canonical.get_fdata()[::-1, ::-1, number].T
        found = read_rows(tmp_path, "path,slice", f"{name},{number}")[0]
        sizes = canonical.header.get_zooms()
        if abs(sizes[0] - sizes[1]) < 1e-3:
            np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        ("slice", "4", r"line 2: expected axial slice from 0 to 3, got 4 for .*v\.nii"),
        ("plane,slice", "coronal,6", r"line 2: expected coronal slice from 0 to 5, got 6 for .*v\.nii"),
        (
            "slice",
            "8.4 mm",
            r"line 2: expected a position from 10 to 19 mm along z \(LPS\) for axial slices, got 8\.4 mm for .*v\.nii",
        ),
        (
            "slice",
            "-1",
            "line 2: expected a whole number from 0, middle, largest, or a position such as -35.5 mm as slice",
        ),
        ("slice", "", r"line 2: expected one slice, got 8 x 6 x 4 voxels in .*v\.nii; name one in a column `slice`"),
        ("plane", "coronal", r"line 2: expected a slice, got none for .*v\.nii, which has 8 x 6 x 4 voxels"),
        (
            "plane,slice",
            "transverse,1",
            r"line 2: unknown plane 'transverse' \(known: axial, coronal, sagittal, orthogonal\)",
        ),
        ("frame", "1", r"line 2: expected an empty cell of frame for a file of kind NIfTI, got one for .*v\.nii"),
        ("frame,slice", "1,1", "line 2: expected frame alone, got frame and slice"),
        ("array,slice", "x,1", r"expected an empty cell of array for a file of kind NIfTI"),
        ("plane", "orthogonal", "line 2: expected point_mm or segmentation with plane orthogonal, got neither"),
        ("plane,slice,point_mm", "orthogonal,1,0 0 0", "expected no slice with plane orthogonal"),
        ("slice,point_mm", "1,0 0 0", "expected point_mm only with plane orthogonal"),
        ("plane,point_mm", "orthogonal,0 0", "expected three numbers x y z in mm as point_mm, got '0 0'"),
        ("plane,point_mm", "orthogonal,0 0 nan", "expected three numbers x y z in mm as point_mm, got '0 0 nan'"),
        (
            "plane,point_mm",
            "orthogonal,0 0 0",
            r"expected a point_mm between -7 -5 10 and 7 5 19 \(LPS\), got 0 0 0 for .*v\.nii",
        ),
        ("slice", "largest", "expected a segmentation with slice largest, got none"),
        ("slice,segmentation_values", "1,2", "expected a segmentation with segmentation_values, got none"),
    ],
)
def test_what_a_row_cannot_name(tmp_path: Path, columns: str, row: str, message: str) -> None:
    write_nifti(tmp_path / "v.nii", marked())
    with pytest.raises(InputError, match=message):
        open_manifest(write_manifest(tmp_path, f"path,{columns}", f"v.nii,{row}", f"v.nii,{row}"))


def test_orthogonal_planes_and_slices_are_not_mixed(tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii", marked())
    with pytest.raises(InputError, match="line 3: expected plane orthogonal in all rows or in none, got both"):
        read_rows(tmp_path, "path,plane,slice,point_mm", "v.nii,,1,", "v.nii,orthogonal,,0 0 13")


def test_pixels_that_are_not_square_are_noted(tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii", marked())
    raw = open_manifest(write_manifest(tmp_path, "path,plane,slice", "v.nii,coronal,1", "v.nii,axial,2"))
    assert raw.notes == (
        "planes of 1 volumes have pixels that are not square, up to 3 x 2 mm: v.nii; resampled to the smaller spacing, "
        "bilinearly",
    )


def test_a_volume_is_decoded_once_however_the_rows_are_ordered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("v.nii", "w.nii"):
        write_nifti(tmp_path / name, marked())
    rows = [f"{'vw'[number % 2]}.nii,{number % 4}" for number in range(40)]
    raw = open_manifest(write_manifest(tmp_path, "path,slice", *rows))
    decoded = []

    def note(path: Path, *, index: int) -> np.ndarray:
        decoded.append(path.name)
        return read_volume(path, index=index)

    monkeypatch.setattr(part_reading, "read_volume", note)
    for position in range(40):
        number = int(raw.index["image_id"][position][1:])
        np.testing.assert_array_equal(raw.read(position).values, marked()[number % 4])
    assert decoded == ["v.nii", "w.nii"]


def test_the_reference_lists_every_column() -> None:
    text = (Path(__file__).parents[1] / "docs" / "reference" / "raw-trees.md").read_text(encoding="utf-8")
    assert [name for name in COLUMNS if f"| `{name}` |" not in text] == []
