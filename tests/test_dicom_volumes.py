"""DICOM series and multi-frame files as volumes: order, places and values against SimpleITK, and what is refused."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage
from test_image_files import write_dicom
from test_volume_slices import read_rows
from volume_trees import affine_lps, marked, write_manifest, write_nifti

from oncorobust.base.errors import InputError
from oncorobust.data.tree_facts import read_facts
from oncorobust.formats.image_files import read_image
from oncorobust.formats.manifest import open_manifest
from oncorobust.formats.volume_files import describe_volume, read_volume
from oncorobust.formats.volumes import Grid

STORED = np.arange(4 * 6 * 8, dtype=np.int16).reshape(4, 6, 8)
"""Slices from the feet."""
NAMES = ("c.dcm", "a.dcm", "d", "b.dcm")
"""Files of the slices from the feet: neither names nor InstanceNumber are in order."""
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
STEP_MM, ROW_MM, COLUMN_MM = 3.0, 2.0, 2.0
FIRST_MM = (-7.0, -5.0, 10.0)


def write_series(folder: Path, orientation: tuple[float, ...] = AXIAL, **of_slice: Any) -> Path:
    """Write the four slices; `of_slice`: tag by name with a function from the number of the slice."""
    folder.mkdir(parents=True)
    normal = np.cross(orientation[:3], orientation[3:])
    for number, name in enumerate(NAMES):
        tags = {
            "Modality": "CT",
            "SeriesInstanceUID": "1.2.3",
            "FrameOfReferenceUID": "1.2.4",
            "InstanceNumber": (number * 7) % 5 + 1,
            "ImagePositionPatient": [float(mm) for mm in np.array(FIRST_MM) + number * STEP_MM * normal],
            "ImageOrientationPatient": list(orientation),
            "PixelSpacing": [ROW_MM, COLUMN_MM],
            "RescaleSlope": number + 1,
            "RescaleIntercept": -1024,
        }
        tags |= {name: change(number) for name, change in of_slice.items()}
        write_dicom(folder / name, STORED[number], **tags)
    return folder


def values_of(number: int) -> np.ndarray:
    return STORED[number] * np.float32(number + 1) - np.float32(1024)


def test_slices_by_number_position_and_word(tmp_path: Path) -> None:
    write_series(tmp_path / "ct" / "p1")
    columns = "path,slice,plane"
    rows = ("ct/p1,0,", "ct/p1,16.4 mm,", "ct/p1,middle,axial", "ct/p1,3,coronal")
    bottom, third, middle, coronal = read_rows(tmp_path, columns, *rows)
    np.testing.assert_array_equal(bottom, values_of(0))
    np.testing.assert_array_equal(third, values_of(2))  # at 10 + 2 x 3 mm
    np.testing.assert_array_equal(middle, values_of(2))
    np.testing.assert_array_equal(bottom, read_image(tmp_path / "ct" / "p1" / "c.dcm").values)
    assert coronal.shape == (6, 8)  # 4 rows of 3 mm become 6 of 2 mm, from head to feet
    np.testing.assert_allclose(coronal[0], values_of(3)[3], atol=1e-3)
    assert open_manifest(tmp_path).intensity_unit == "HU"


def test_the_largest_area_of_a_segmentation_in_another_order(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", RescaleSlope=lambda _: 1, RescaleIntercept=lambda _: 0)
    mask = np.zeros(STORED.shape, dtype=np.float32)
    mask[1, 2:4, 2:4], mask[2, 2, 2] = 1, 1
    write_nifti(tmp_path / "mask.nii.gz", mask, axes="RSA")
    largest, _ = read_rows(tmp_path, "path,slice,segmentation", "ct,largest,mask.nii.gz", "ct,0,")
    np.testing.assert_array_equal(largest, STORED[1])
    with pytest.raises(InputError, match=r"expected a segmentation in NIfTI, NRRD, MetaImage, got DICOM series in"):
        read_rows(tmp_path, "path,slice,segmentation", "ct,largest,ct", "ct,0,")
    (planes,) = read_rows(tmp_path, "path,plane,point_mm", f"ct,orthogonal,{-7 + 6 * 2} {-5 + 4 * 2} {10 + 3}")
    assert planes[planes.shape[0] // 2, planes.shape[1] // 2].tolist() == [STORED[1, 4, 6]] * 3
    assert affine_lps()[2, 0] == STEP_MM and marked().shape == STORED.shape  # the grid of `volume_trees`


@pytest.mark.parametrize(
    "orientation",
    [AXIAL, (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1), (-1, 0, 0, 0, -1, 0), (0.8, 0.6, 0, -0.6, 0.8, 0)],
)
def test_values_and_places_are_those_of_simpleitk(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    sitk: Any = pytest.importorskip("SimpleITK")
    folder = write_series(tmp_path / "ct", orientation, RescaleSlope=lambda _: 2)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    grid = next(iter(describe_volume(folder).forms.values()))
    found = read_volume(folder, index=0)
    np.testing.assert_array_equal(found, sitk.GetArrayFromImage(image))
    assert grid.shape == image.GetSize()[::-1]
    for voxel in ((0, 0, 0), (3, 0, 0), (1, 5, 2), (2, 0, 7)):
        place = image.TransformIndexToPhysicalPoint([int(one) for one in voxel[::-1]])
        np.testing.assert_allclose(grid.to_mm(*map(float, voxel)), place, atol=1e-4)


@pytest.mark.parametrize(
    ("of_slice", "message"),
    [
        (
            {"ImagePositionPatient": lambda number: [0, 0, (0, 3, 6, 12)[number]]},
            r"expected slices 3 mm apart, got 6 mm between .*d and .*b\.dcm: a slice is missing, or the spacings",
        ),
        (
            {"ImagePositionPatient": lambda number: [0, 0, (0, 3, 3, 6)[number]]},
            r"expected one slice at each place, got two at the same: .*a\.dcm and .*d; keep one echo, phase or copy",
        ),
        (
            {"PixelSpacing": lambda number: [2, 2 + number // 3]},
            r"expected one PixelSpacing in a volume, got 2 2 in .*a\.dcm and 2 3 in .*b\.dcm",
        ),
        (
            {"ImageOrientationPatient": lambda number: list(AXIAL) if number else [0, 1, 0, 0, 0, -1]},
            r"expected one ImageOrientationPatient in a volume, got 1 0 0 0 1 0 in .*a\.dcm and 0 1 0 0 0 -1 in",
        ),
        (
            {"ImagePositionPatient": lambda number: [0, 2.0 * number, 3.0 * number]},
            r"expected axes at right angles, got an angle of \d+\.\d+ degrees in .*ct",
        ),
        (
            {"ImagePositionPatient": lambda number: [0, 0.5 * (number == 1), 3.0 * number]},
            r"expected slices in one line, got one 0\.5 mm beside it in .*a\.dcm",
        ),
        (
            {"SeriesInstanceUID": lambda number: f"1.2.{number // 2}"},
            r"expected one series in .*ct, got 2, of .*a\.dcm, .*b\.dcm: make a folder of each",
        ),
        (
            {"FrameOfReferenceUID": lambda number: f"1.2.{number // 2}"},
            r"expected one FrameOfReferenceUID in a volume, got two in .*a\.dcm and .*b\.dcm",
        ),
        ({"ImagePositionPatient": lambda _: None}, r"expected 3 numbers of ImagePositionPatient, got none in .*a\.dcm"),
    ],
)
def test_series_that_are_no_volume_are_refused_by_file(tmp_path: Path, of_slice: dict[str, Any], message: str) -> None:
    write_series(tmp_path / "ct", **of_slice)
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path, "path,slice", "ct,1")


def test_folders_that_are_no_series(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    with pytest.raises(InputError, match=r"line 2: expected one slice, got 4 x 6 x 8 voxels in .*ct; name one in a"):
        read_rows(tmp_path, "path", "ct")
    with pytest.raises(InputError, match=r"line 2: expected axial slice from 0 to 3, got 4 for .*ct"):
        read_rows(tmp_path, "path,slice", "ct,4")
    for name in NAMES[1:]:
        (tmp_path / "ct" / name).unlink()
    with pytest.raises(InputError, match=r"expected several slices, got one in .*ct: name it alone"):
        read_rows(tmp_path, "path,slice", "ct,0")
    with pytest.raises(InputError, match=r"expected slice only for a volume, got it for .*c\.dcm, which has one frame"):
        read_rows(tmp_path, "path,slice", "ct/c.dcm,0")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"line 2: expected a file at .*empty, got none, but a folder without DICOM"):
        read_rows(tmp_path, "path,slice", "empty,0")
    (tmp_path / "ct" / "link.dcm").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match=r"line 2: .*link\.dcm links to /etc/hostname \(expected a file inside"):
        read_rows(tmp_path, "path,slice", "ct,0")


def groups(**sequences: dict[str, Any]) -> Dataset:
    """Functional groups: a sequence of one item for each name."""
    found = Dataset()
    for name, elements in sequences.items():
        item = Dataset()
        for keyword, value in elements.items():
            setattr(item, keyword, value)
        setattr(found, name, [item])
    return found


def write_enhanced(path: Path, *, order: tuple[int, ...] = (2, 0, 3, 1), **tags: Any) -> Path:
    """Write the slices as frames in this order, each with its own rescale."""
    frames = [
        groups(
            PlanePositionSequence={"ImagePositionPatient": [*FIRST_MM[:2], FIRST_MM[2] + STEP_MM * number]},
            PixelValueTransformationSequence={
                "RescaleSlope": number + 1,
                "RescaleIntercept": -1024,
                "RescaleType": "HU",
            },
        )
        for number in order
    ]
    shared = groups(
        PlaneOrientationSequence={"ImageOrientationPatient": list(AXIAL)},
        PixelMeasuresSequence={"PixelSpacing": [ROW_MM, COLUMN_MM]},
    )
    elements = {
        "Modality": "CT",
        "SOPClassUID": EnhancedCTImageStorage,
        "NumberOfFrames": 4,
        "Rows": 6,
        "Columns": 8,
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": frames,
    }
    return write_dicom(path, STORED[list(order)], **elements | tags)


def test_the_files_of_a_series_state_its_modality_and_window(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", WindowCenter=lambda _: 40, WindowWidth=lambda _: 400)
    raw = open_manifest(write_manifest(tmp_path, "path,slice", "ct,0", "ct,1"))
    facts = read_facts(raw, tmp_path, on_progress=lambda *_: None)
    assert (facts.modalities, facts.windows, facts.unit) == (("CT",), ((-160.0, 240.0),), "HU")


def test_frames_by_position_whatever_their_order(tmp_path: Path) -> None:
    write_enhanced(tmp_path / "ct.dcm")
    first, third, last = read_rows(tmp_path, "path,slice", "ct.dcm,0", "ct.dcm,16 mm", "ct.dcm,19.2 mm")
    np.testing.assert_array_equal(first, values_of(0))
    np.testing.assert_array_equal(third, values_of(2))
    np.testing.assert_array_equal(last, values_of(3))
    write_series(tmp_path / "ct")
    np.testing.assert_array_equal(read_volume(tmp_path / "ct.dcm", index=0), read_volume(tmp_path / "ct", index=0))
    grids = [next(iter(describe_volume(tmp_path / name).forms.values())) for name in ("ct.dcm", "ct")]
    np.testing.assert_array_equal(*(grid.affine for grid in grids))
    assert isinstance(grids[0], Grid)


def test_frames_that_are_no_volume(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "ct.dcm", order=(0, 1, 1, 2))
    with pytest.raises(
        InputError, match=r"got two at the same: frame 2 of .*ct\.dcm and frame 3 of .*ct\.dcm; keep one"
    ):
        read_rows(tmp_path, "path,slice", "ct.dcm,0")
    with pytest.raises(
        InputError, match=r"expected a position from 10 to 19 mm along z \(LPS\) for axial slices, got 30"
    ):
        write_enhanced(path)
        read_rows(tmp_path, "path,slice", "ct.dcm,30 mm")
    with pytest.raises(InputError, match=r"expected positions of the frames \(PlanePositionSequence\), got none in"):
        write_dicom(path, STORED, NumberOfFrames=4, Rows=6, Columns=8)
        read_rows(tmp_path, "path,slice", "ct.dcm,0")
    with pytest.raises(InputError, match=r"or, where frames are slices of a volume, one in a column `slice`"):
        read_rows(tmp_path, "path", "ct.dcm")
    groupless = copy.deepcopy(groups(PlaneOrientationSequence={"ImageOrientationPatient": list(AXIAL)}))
    with pytest.raises(InputError, match=r"expected 2 numbers of PixelSpacing, got none in frame 1 of .*ct\.dcm"):
        write_enhanced(path, SharedFunctionalGroupsSequence=[groupless])
        read_rows(tmp_path, "path,slice", "ct.dcm,0")
