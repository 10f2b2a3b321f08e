"""Brain regions listed beside DICOM series: places in millimetres and pixels, planes, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from brain_trees import (
    HEADER,
    LESIONS,
    SETTINGS,
    SHAPE,
    axial_affine,
    edit_dicom,
    make_scene,
    silent,
    write_case,
    write_lesions,
    write_series,
)

from oncorobust.base.errors import InputError
from oncorobust.formats.brain_mets.reader import open_brain_mets
from oncorobust.formats.records import RawImages

CASE = "BraTS-MET-00002-000"
NEGATIVES = ((6, 24, 37), (11, 33, 15))  # the mirror images of the lesions
PLACES = [*LESIONS, *NEGATIVES]
DIAMETERS = ("10", "8", "", "")


def open_tree(folder: Path) -> RawImages:
    return open_brain_mets(folder, SETTINGS, seed=0, on_progress=silent)


def rows_of(affine: np.ndarray, *, uid: str = "1.2.3", patient: str = "p1", study: str = "1.2") -> list[str]:
    """A row of lesions.csv for each place; lesion ids are unique per series."""
    rows = []
    for number, (place, diameter) in enumerate(zip(PLACES, DIAMETERS, strict=True)):
        x_mm, y_mm, z_mm = (affine @ (*place, 1))[:3]
        rows.append(f"{patient},{study},{uid},{uid}-{number},{int(number < 2)},{x_mm},{y_mm},{z_mm},{diameter}")
    return rows


def write_tree(folder: Path) -> Path:
    scene = make_scene()
    write_series(folder / "dicom" / "p1" / "s" / "t1", scene.values, scene.affine)
    write_lesions(folder, rows_of(scene.affine))
    return folder


def test_the_crops_of_nifti_and_dicom_are_the_same(tmp_path: Path) -> None:
    write_tree(tmp_path / "a")
    write_case(tmp_path / "b", CASE, make_scene(), axes="RAS")
    dicom, nifti = open_tree(tmp_path / "a"), open_tree(tmp_path / "b")
    for column in ("label", "slice", "row", "column", "x_mm", "y_mm", "z_mm"):
        np.testing.assert_allclose(dicom.index[column], nifti.index[column], atol=1e-6)
    for position in range(4):
        assert dicom.read(position).limits == nifti.read(position).limits
        np.testing.assert_array_equal(dicom.read(position).values, nifti.read(position).values)
    assert dicom.index["image_id"].tolist() == [f"1.2.3-{number}" for number in range(4)]
    assert dicom.index["source"].iloc[0] == "dicom/p1/s/t1/012.dcm", "slice 6 of 18, which are named backwards"
    assert set(dicom.index["patient_id"]) == {"p1"}
    assert (dicom.synthetic, dicom.notes) == (False, ())


def test_padded_pixels_of_the_crop_are_told(tmp_path: Path) -> None:
    """The crop of 12 x 12 pixels around the first lesion begins with column 12 of its slice."""
    write_tree(tmp_path)
    raw = open_tree(tmp_path)
    path = tmp_path / raw.index["source"][0]
    file = pydicom.dcmread(path)
    pixels = file.pixel_array.copy()
    pixels[:, :14] = 40000
    file.add_new("PixelPaddingValue", "US", 40000)
    file.PixelData = pixels.tobytes()
    file.save_as(path)
    raw = open_tree(tmp_path)
    for position, columns in enumerate((2, 0)):
        padded = raw.read(position).padded
        assert padded is not None
        assert padded[:, :columns].all() and padded.sum() == 12 * columns


def test_slices_stored_with_different_slopes_make_the_same_volume(tmp_path: Path) -> None:
    """Also with an intercept, which must not turn the background, stored as 0, into an image."""
    for name in ("a", "b"):
        write_tree(tmp_path / name)
    for folder, slopes in (("a", (2, 2)), ("b", (1, 2))):
        for number, path in enumerate(sorted((tmp_path / folder).rglob("*.dcm"))):
            file = pydicom.dcmread(path)
            slope = slopes[number % 2]
            pixels = file.pixel_array // 2 * 2
            file.PixelData = (pixels // slope).astype(pixels.dtype).tobytes()
            file.RescaleSlope, file.RescaleIntercept = slope, 64 if folder == "b" else 0
            file.save_as(path)
    first, second = open_tree(tmp_path / "a"), open_tree(tmp_path / "b")
    for position in range(4):
        np.testing.assert_array_equal(first.read(position).values, second.read(position).values)


def test_stored_directions_do_not_matter(tmp_path: Path) -> None:
    scene = make_scene()
    write_tree(tmp_path / "a")
    turned = scene.affine.copy()  # slices from the head, rows to the right, columns to the front
    turned[:3, 3] = (scene.affine @ (SHAPE[0] - 1, SHAPE[1] - 1, SHAPE[2] - 1, 1))[:3]
    turned[:3, 0], turned[:3, 1], turned[:3, 2] = -scene.affine[:3, 0], -scene.affine[:3, 2], -scene.affine[:3, 1]
    write_series(tmp_path / "b" / "x", scene.values[::-1, ::-1, ::-1].transpose(0, 2, 1), turned)
    write_lesions(tmp_path / "b", rows_of(scene.affine))
    first, second = open_tree(tmp_path / "a"), open_tree(tmp_path / "b")
    for position in range(4):
        np.testing.assert_array_equal(first.read(position).values, second.read(position).values)


def test_sagittal_slices_are_cut_as_acquired(tmp_path: Path) -> None:
    """Head on top, front on the left, whatever the stored directions; beside an axial series, which is noted."""
    write_tree(tmp_path)
    scene = make_scene(seed=2)
    affine = np.zeros((4, 4))
    affine[0, 0], affine[2, 1], affine[1, 2] = -3.0, 2.0, 2.0  # slices to the right, rows to the head, columns back
    affine[:, 3] = (20, -50, -60, 1)
    write_series(tmp_path / "sagittal", scene.values, affine, uid="1.2.4", study="1.4")
    write_lesions(tmp_path, rows_of(axial_affine()) + rows_of(affine, uid="1.2.4", study="1.4", patient="p2"))
    raw = open_tree(tmp_path)
    low, high = np.percentile(scene.values[scene.values != 0], (0.5, 99.5))
    for number, (slice_, row, column) in enumerate(LESIONS):
        expected = scene.values[slice_, row - 5 : row + 7, column - 6 : column + 6][::-1]  # half a pixel goes up
        np.testing.assert_allclose(raw.read(4 + number).values, (expected - low) / (high - low), atol=1e-6)
    assert raw.index["slice"].tolist()[4:6] == [SHAPE[0] - 1 - 6, SHAPE[0] - 1 - 11]
    assert raw.notes == ("series of several planes: 1 axial, 1 sagittal",)


def test_places_in_pixels_of_an_image(tmp_path: Path) -> None:
    scene = make_scene()
    write_tree(tmp_path)
    expected = open_tree(tmp_path)
    header = "patient_id,study_uid,series_uid,lesion_id,label,sop_uid,row,col,diameter_px"
    rows = [
        f"p1,1.2,1.2.3,{number},{int(number < 2)},1.2.3.{place[0]},{place[1]},{place[2]},{'5' if number < 2 else ''}"
        for number, place in enumerate(PLACES)
    ]
    write_lesions(tmp_path, rows, header=header)
    raw = open_tree(tmp_path)
    for column in ("x_mm", "y_mm", "z_mm", "slice", "row", "column"):
        np.testing.assert_allclose(raw.index[column], expected.index[column], atol=1e-9)
    assert raw.index["diameter_mm"].iloc[0] == 5 * scene.affine[1, 1]
    np.testing.assert_array_equal(raw.read(1).values, expected.read(1).values)
    write_lesions(tmp_path, [*rows[:3], rows[3].replace("1.2.3.11", "9.9")], header=header)
    with pytest.raises(InputError, match=r"a sop_uid of series 1\.2\.3, got 9\.9 in .*lesions\.csv, line 5"):
        open_tree(tmp_path)


def test_rows_of_a_series_stand_together(tmp_path: Path) -> None:
    scene = make_scene()
    affines = {"1.2.3": scene.affine, "1.2.4": scene.affine}
    for uid, affine in affines.items():
        write_series(tmp_path / uid, scene.values, affine, uid=uid, study=f"5.{uid}")
    pairs = zip(*(rows_of(affine, uid=uid, study=f"5.{uid}") for uid, affine in affines.items()), strict=True)
    write_lesions(tmp_path, [row for pair in pairs for row in pair])
    index = open_tree(tmp_path).index
    assert [source.split("/")[0] for source in index["source"]] == ["1.2.3"] * 4 + ["1.2.4"] * 4
    assert index["image_id"].tolist() == [f"1.2.3-{n}" for n in range(4)] + [f"1.2.4-{n}" for n in range(4)]


def change_row(number: int, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rows = rows_of(axial_affine())
        assert old in rows[number]
        rows[number] = rows[number].replace(old, new, 1)
        write_lesions(folder, rows)

    return change


def change_header(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "lesions.csv").write_text(text) and None


def change_slice(number: int, **elements: object) -> Callable[[Path], None]:
    """Slice files are named backwards: 018.dcm is the lowest."""
    return lambda folder: edit_dicom(folder / "dicom" / "p1" / "s" / "t1" / f"{18 - number:03d}.dcm", **elements)


def change_all(**elements: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for path in folder.rglob("*.dcm"):
            edit_dicom(path, **elements)

    return change


def remove_slice(number: int) -> Callable[[Path], None]:
    return lambda folder: (folder / "dicom" / "p1" / "s" / "t1" / f"{18 - number:03d}.dcm").unlink()


def only(label: int) -> Callable[[Path], None]:
    return lambda folder: (
        write_lesions(folder, [row for row in rows_of(axial_affine()) if row.split(",")[4] == str(label)]) and None
    )


REJECTED: dict[str, tuple[Callable[[Path], None], str]] = {
    "series": (
        change_row(2, "1.2.3,", "1.2.7,"),
        r"lesions\.csv, line 4: unknown series_uid 1\.2\.7 \(expected one of the 1 series below .*\)",
    ),
    "study": (
        lambda folder: (
            write_lesions(folder, [row.replace("p1,1.2,", "p1,1.9,") for row in rows_of(axial_affine())]) and None
        ),
        r"lesions\.csv, line 2: StudyInstanceUID of series 1\.2\.3 is 1\.2 \(expected 1\.9\)",
    ),
    "modality": (
        change_all(Modality="CT"),
        r"lesions\.csv, line 2: Modality of series 1\.2\.3 is CT \(expected MR\)",
    ),
    "label": (change_row(1, "-1,1,", "-1,2,"), r"label 1 \(lesion\) or 0, got '2' in .*lesions\.csv, line 3"),
    "lesion id": (
        change_row(1, "1.2.3-1", "1.2.3-0"),
        r"each lesion_id once over all patients and time points, got '1\.2\.3-0' again in .*lesions\.csv, line 3",
    ),
    "patient": (change_row(3, "p1,", ","), r"a value of patient_id, got an empty cell in .*lesions\.csv, line 5"),
    "two patients": (
        change_row(3, "p1,", "p2,"),
        r"one patient_id for study_uid 1\.2, got 2 in .*lesions\.csv",
    ),
    "no negatives": (only(1), r"rows with label 1 and with label 0, got only 1 in .*lesions\.csv"),
    "no lesions": (only(0), r"rows with label 1 and with label 0, got only 0 in .*lesions\.csv"),
    "no diameter": (change_row(0, ",10", ","), r"a number as diameter_mm, got '' in .*lesions\.csv, line 2"),
    "diameter": (change_row(0, ",10", ",0"), r"a diameter_mm above 0, got 0 in .*lesions\.csv, line 2"),
    "number": (change_row(0, ",-12.5,", ",left,"), r"a number as y_mm, got 'left' in .*lesions\.csv, line 2"),
    "outside": (
        change_row(1, ",25.0,", ",95.0,"),
        r"the 18 x 60 x 56 voxels .* of series 1\.2\.3, got \(95\.0, 5\.5, 12\.8\) mm, "
        r"which is voxel \(11\.0, 33\.0, 75\.0\), in .*lesions\.csv, line 3",
    ),
    "background": (
        change_row(2, ",-12.5,", ",-60.5,"),
        r"a position in the brain, got pixel \(0\.0, 37\.0\) of .*012\.dcm, .* all pixels are 0, in .*csv, line 4",
    ),
    "too near": (
        change_row(2, ",19.0,", ",-5.0,"),
        r"non-lesions at least 10 mm from all lesions, got '1\.2\.3-2' at 9\.0 mm from lesion '1\.2\.3-0' in .*csv, "
        r"line 4",
    ),
    "columns": (
        change_header("patient_id,study_uid,lesion_id,label\n"),
        r"one column `series_uid`, got none among patient_id, .* in .*lesions\.csv",
    ),
    "no place": (
        change_header("patient_id,study_uid,series_uid,lesion_id,label\np,1,2,3,1\n"),
        r"positions as x_mm, y_mm, z_mm or as sop_uid, row, col, got neither in .*lesions\.csv",
    ),
    "both places": (
        change_header(HEADER + ",sop_uid,row,col\np,1,2,3,1,0,0,0,1,5,6,7\n"),
        r"positions as x_mm, y_mm, z_mm or as sop_uid, row, col, got both in .*lesions\.csv",
    ),
    "no header": (change_header(""), r"one column `patient_id`, got an empty file in .*lesions\.csv"),
    "a missing slice": (
        remove_slice(8),
        r"slices 3 mm apart, got 6 mm between .*011\.dcm and .*009\.dcm",
    ),
    "a slice elsewhere": (
        change_slice(8, ImagePositionPatient=[-55.0, -60.5, 2.0]),
        r"slices 3 mm apart, got 1\.25 mm between .*01\d\.dcm and .*01\d\.dcm",
    ),
    "two orientations": (
        change_slice(3, ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
        r"one ImageOrientationPatient in a series, got .* in .*015\.dcm",
    ),
    "two spacings": (change_slice(3, PixelSpacing=[2.0, 2.1]), r"one PixelSpacing in a series, .* in .*015\.dcm"),
    "two sizes": (change_slice(3, Rows=56, Columns=60), r"one Rows in a series, got .* in .*0\d\d\.dcm"),
    "two frames of reference": (
        change_slice(3, FrameOfReferenceUID="7.7"),
        r"one FrameOfReferenceUID in a series, got .* in .*015\.dcm",
    ),
    "no frame of reference": (change_all(FrameOfReferenceUID=None), r"a FrameOfReferenceUID, got none in .*\.dcm"),
    "no position": (
        change_slice(4, ImagePositionPatient=None),
        r"3 numbers of ImagePositionPatient, got None in .*014\.dcm",
    ),
    "bad directions": (
        change_all(ImageOrientationPatient=[1, 0, 0, 0, 2, 0]),
        r"two unit vectors at right angles as ImageOrientationPatient, got .* in .*\.dcm",
    ),
    "oblong": (change_all(PixelSpacing=[2.0, 1.5]), r"square pixels on the slices, got 2 x 1\.5 mm in .*\.dcm"),
    "multi-frame": (change_slice(2, NumberOfFrames=3), r"one file per slice, got 3 frames in .*016\.dcm"),
    "one slice": (
        lambda folder: [remove_slice(number)(folder) for number in range(18) if number != 6] and None,
        r"a series of several slices, got only .*012\.dcm",
    ),
    "two intercepts": (
        change_slice(2, RescaleSlope=2, RescaleIntercept=5),
        r"one RescaleIntercept in a series, got 0 and 5 in .*\.dcm",
    ),
    "colour": (change_slice(2, SamplesPerPixel=3), r"SamplesPerPixel 1 \(grey\), got 3 in .*016\.dcm"),
    "burnt in": (change_slice(2, BurnedInAnnotation="YES"), r"got BurnedInAnnotation YES in .*016\.dcm"),
    "mixed": (change_slice(2, SyntheticData="YES"), r"expected real or synthetic images, got both in"),
    "truncated pixels": (change_slice(6, PixelData=b"\0\0"), r"expected .*, got .* in .*012\.dcm"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(tmp_path: Path, name: str) -> None:
    change, message = REJECTED[name]
    change(write_tree(tmp_path))
    with pytest.raises(InputError, match=message):
        open_tree(tmp_path)


def test_a_place_at_the_least_distance_is_kept(tmp_path: Path) -> None:
    write_tree(tmp_path)
    change_row(2, ",19.0,", ",-4.0,")(tmp_path)  # 15 mm from the centre of a lesion of 10 mm
    assert len(open_tree(tmp_path).index) == 4


@pytest.mark.parametrize("modality", ["RTSTRUCT", "SEG"])
def test_structures_instead_of_a_list(tmp_path: Path, modality: str) -> None:
    write_tree(tmp_path)
    (tmp_path / "lesions.csv").unlink()
    with pytest.raises(
        InputError, match=r"lesions\.csv beside DICOM series, or <case>-t1c\.nii\.gz files, got neither"
    ):
        open_tree(tmp_path)
    change_slice(0, Modality=modality)(tmp_path)
    message = (
        rf"got {modality}, which is not supported, in .*018\.dcm; convert it to lesions\.csv with one row per region"
    )
    with pytest.raises(InputError, match=message):
        open_tree(tmp_path)


def test_both_layouts(tmp_path: Path) -> None:
    write_case(write_tree(tmp_path), CASE, make_scene())
    message = r"expected either DICOM with lesions\.csv or NIfTI, got both .*(dcm|csv) and .*nii\.gz"
    with pytest.raises(InputError, match=message):
        open_tree(tmp_path)


def test_synthetic_is_read_from_the_files(tmp_path: Path) -> None:
    change_all(SyntheticData="YES")(write_tree(tmp_path))
    assert open_tree(tmp_path).synthetic


def test_pixels_of_a_slice_that_is_damaged_later_name_the_file(tmp_path: Path) -> None:
    write_tree(tmp_path)
    raw = open_tree(tmp_path)
    change_slice(1, PixelData=b"\0\0")(tmp_path)
    with pytest.raises(InputError, match=r"in .*017\.dcm"):
        raw.read(0)


def test_lists_of_nonsense(tmp_path: Path) -> None:
    write_tree(tmp_path)
    original = (tmp_path / "lesions.csv").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(original)
        for position in rng.integers(0, len(data), size=rng.integers(1, 4)):
            data[position] = rng.integers(256)
        (tmp_path / "lesions.csv").write_bytes(bytes(data[: rng.integers(1, len(data) + 1)]))
        try:
            open_tree(tmp_path)
        except InputError as error:
            assert str(tmp_path) in str(error)
