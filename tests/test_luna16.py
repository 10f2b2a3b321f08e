"""LUNA16: volumes of .mhd and .raw, places in mm, nodules against candidates, and what is refused."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from test_phantom_trees import silent

from oncorobust.base.errors import InputError
from oncorobust.formats.lesion_boxes import LESION_BOX
from oncorobust.formats.luna16.reader import open_luna16
from oncorobust.formats.luna16.volumes import read_header, read_slice
from oncorobust.formats.open_raw import open_raw
from oncorobust.formats.records import RawImages
from oncorobust.settings.data import Luna16

SETTINGS = Luna16(crop_mm=10.0, min_distance_mm=8.0, max_per_patient=None)
FIRST, SECOND = "1.3.6.1", "1.3.6.2"
SHAPE = (5, 40, 60)  # slices, rows, columns
FLIPPED = "-1 0 0 0 -1 0 0 0 1"
NODULES = f"seriesuid,coordX,coordY,coordZ,diameter_mm\n{FIRST},-90,-70,-195,4\n{SECOND},-90,-70,-195,4\n"
CANDIDATES = (
    "seriesuid,coordX,coordY,coordZ,class\n"
    f"{FIRST},-90.5,-70,-195,1\n"
    f"{FIRST},-80,-65,-190,0\n"
    f"{FIRST},-90,-68,-195,0\n"
    f"{SECOND},-80,-65,-190,0\n"
)


def in_patient() -> np.ndarray:
    """Voxels (slice, row, column) in LPS order, each with a value of its own, HU."""
    slices, rows, columns = np.indices(SHAPE)
    return (100 * rows + columns - 1000 + 5 * slices).astype(np.int16)


def write_volume(folder: Path, uid: str, *, flipped: bool = False, **changes: str | None) -> Path:
    """A volume with its first voxel, in LPS order, at (-100, -80, -200) mm, voxels of 0.5 x 0.5 x 2.5 mm."""
    values = in_patient()[:, ::-1, ::-1] if flipped else in_patient()
    offset = "-70.5 -60.5 -200" if flipped else "-100 -80 -200"
    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": FLIPPED if flipped else "1 0 0 0 1 0 0 0 1",
        "Offset": offset,
        "CenterOfRotation": "0 0 0",
        "AnatomicalOrientation": "RAI",
        "ElementSpacing": "0.5 0.5 2.5",
        "DimSize": "60 40 5",
        "ElementType": "MET_SHORT",
        "ElementDataFile": f"{uid}.raw",
    }
    lines = [f"{key} = {value}" for key, value in (header | changes).items() if value is not None]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{uid}.raw").write_bytes(values.astype("<i2").tobytes())
    path = folder / f"{uid}.mhd"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_tree(folder: Path, *, nodules: str = NODULES, candidates: str = CANDIDATES) -> None:
    write_volume(folder / "subset0", FIRST)
    write_volume(folder / "subset1", SECOND, flipped=True)
    write_volume(folder / "seg-lungs-LUNA16", FIRST)
    (folder / "annotations.csv").write_text(nodules)
    (folder / "candidates_V2.csv").write_text(candidates)


def opened(folder: Path, **changes: Any) -> RawImages:
    settings = msgspec.structs.replace(SETTINGS, **changes)
    return open_luna16(folder, settings, seed=0, on_progress=silent)


def refused(folder: Path, message: str, **changes: Any) -> None:
    with pytest.raises(InputError, match=message):
        opened(folder, **changes)


def test_nodules_and_candidates(tmp_path: Path) -> None:
    write_tree(tmp_path)
    raw = open_raw(tmp_path, SETTINGS, seed=0, on_progress=silent)
    assert raw.class_names == ("non-nodule", "nodule")
    assert list(raw.index["image_id"]) == [f"{FIRST}_n2", f"{SECOND}_n3", f"{FIRST}_c3", f"{SECOND}_c5"]
    assert list(raw.index["label"]) == [1, 1, 0, 0]
    assert list(raw.index["patient_id"]) == [FIRST, SECOND, FIRST, SECOND]
    first = raw.index.iloc[0]
    assert (first["source"], first["slice"], first["row"], first["col"]) == (f"subset0/{FIRST}.mhd", 2, 20.0, 20.0)
    # 4 mm are 8 pixels about the pixel centre (20, 20), edges 16.5 to 24.5, in a square of 20 pixels from 10.
    assert list(first[list(LESION_BOX)]) == [6.5, 6.5, 14.5, 14.5]
    assert raw.index[list(LESION_BOX)].iloc[2:].isna().all(axis=None)
    assert raw.intensity_unit == "HU"
    np.testing.assert_array_equal(raw.read(0).values, in_patient()[2, 10:30, 10:30])
    assert "not whether a nodule is malignant" in raw.notes[0]
    assert "1 candidates of class 1 were left out, because they lie on nodules of annotations.csv" in raw.notes
    assert "1 candidates of class 0 were left out: less than 8 mm from a nodule" in raw.notes


def test_a_flipped_scan_shows_the_same(tmp_path: Path) -> None:
    """The two scans are the same patient's space, stored in two directions."""
    write_tree(tmp_path)
    raw = opened(tmp_path)
    one, other = raw.index.iloc[0], raw.index.iloc[1]
    assert list(one[["slice", "row", "col", *LESION_BOX]]) == list(other[["slice", "row", "col", *LESION_BOX]])
    np.testing.assert_array_equal(raw.read(0).values, raw.read(1).values)
    np.testing.assert_array_equal(raw.read(2).values, raw.read(3).values)


def test_slices_that_run_from_head_to_feet(tmp_path: Path) -> None:
    path = write_volume(tmp_path, FIRST, TransformMatrix="1 0 0 0 1 0 0 0 -1")
    voxels = read_header(path).to_voxel(np.array([[-100.0, -80.0, -205.0]]))
    np.testing.assert_array_equal(voxels, [[2, 0, 0]])


@pytest.mark.parametrize("matrix", ["1 0 0 0 1 0 0 0 1", FLIPPED, "1 0 0 0 -1 0 0 0 -1"])
def test_places_and_values_are_those_of_simpleitk(tmp_path: Path, matrix: str) -> None:
    itk = pytest.importorskip("SimpleITK")
    path = write_volume(tmp_path, FIRST, TransformMatrix=matrix)
    image, volume = itk.ReadImage(str(path)), read_header(path)
    for index in ((0, 0, 0), (7, 11, 3), (59, 39, 4)):
        voxel = volume.to_voxel(np.array([image.TransformIndexToPhysicalPoint(index)]))[0]
        number, row, column = (int(part) for part in np.rint(voxel))
        assert read_slice(volume, number)[row, column] == image[index]


def test_big_endian(tmp_path: Path) -> None:
    path = write_volume(tmp_path, FIRST, BinaryDataByteOrderMSB="True")
    (tmp_path / f"{FIRST}.raw").write_bytes(in_patient().astype(">i2").tobytes())
    np.testing.assert_array_equal(read_slice(read_header(path), 3), in_patient()[3])


def test_a_square_beyond_the_edge_is_air(tmp_path: Path) -> None:
    write_tree(tmp_path, candidates=CANDIDATES + f"{FIRST},-100,-80,-200,0\n")
    raw = opened(tmp_path)
    corner = raw.read(int(np.flatnonzero(raw.index["image_id"] == f"{FIRST}_c6")[0])).values
    assert (corner[:10] == -1024).all()
    np.testing.assert_array_equal(corner[10:, 10:], in_patient()[0, :10, :10])


def test_some_of_each_scan(tmp_path: Path) -> None:
    many = "".join(f"{FIRST},{-80 + k},-65,-190,0\n" for k in range(1, 6))
    write_tree(tmp_path, candidates=CANDIDATES + many)
    index = opened(tmp_path, max_per_patient=2).index
    assert index.groupby(["patient_id", "label"]).size().to_dict() == {
        (FIRST, 0): 2,
        (FIRST, 1): 1,
        (SECOND, 0): 1,
        (SECOND, 1): 1,
    }


def test_a_scan_that_is_not_there(tmp_path: Path) -> None:
    write_tree(tmp_path, nodules=NODULES + "1.3.6.9,0,0,0,5\n")
    refused(
        tmp_path,
        r"expected a scan subset\*/<seriesuid>.mhd for each row, but 1 of 3 rows of annotations.csv name 1 scans that "
        r"are not in the tree: 1\.3\.6\.9 \(.*annotations.csv\); add the missing subsets, or set "
        "preprocess.format.allow_missing: true",
    )
    raw = opened(tmp_path, allow_missing=True)
    assert len(raw.index) == 4
    assert "1 of 3 rows of annotations.csv name 1 scans that are not in the tree; they were left out" in raw.notes


def test_a_place_outside_of_the_volume(tmp_path: Path) -> None:
    write_tree(tmp_path, nodules=NODULES + f"{FIRST},-90,-70,-230,5\n")
    refused(
        tmp_path, r"expected a place inside the scan, got \(-90, -70, -230\) mm outside of .*annotations.csv, line 4"
    )


@pytest.mark.parametrize("length", [0, 23_998, 24_002])
def test_a_raw_file_of_another_length(tmp_path: Path, length: int) -> None:
    write_tree(tmp_path)
    (tmp_path / "subset0" / f"{FIRST}.raw").write_bytes(b"\0" * length)
    refused(tmp_path, rf"expected 24000 bytes \(5 x 40 x 60 voxels, .*\), got {length} in .*raw; unpack or download it")


def test_no_raw_file(tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "subset0" / f"{FIRST}.raw").unlink()
    refused(tmp_path, r"expected the voxels of .*mhd in .*raw, got no such file")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"CompressedData": "True"}, "expected CompressedData = False, got True"),
        ({"ElementType": "MET_UCHAR"}, "expected ElementType = MET_SHORT, got MET_UCHAR"),
        ({"ElementType": None}, "expected ElementType = MET_SHORT, got none"),
        ({"NDims": "4"}, "expected NDims = 3, got 4"),
        ({"DimSize": "60 40"}, "expected DimSize as 3 numbers, got 60 40"),
        ({"DimSize": "60 40 -5"}, "expected DimSize from 1 to 4096, got 60 40 -5"),
        ({"ElementSpacing": "0.5 0.6 2.5"}, "expected ElementSpacing above 0 with square pixels, got 0.5 0.6 2.5"),
        ({"Offset": None}, "expected Offset as 3 numbers, got none"),
        ({"TransformMatrix": "0 1 0 1 0 0 0 0 1"}, "expected axial slices .*, got 0 1 0 1 0 0 0 0 1"),
        (
            {"ElementDataFile": "../other.raw"},
            r"expected ElementDataFile as the name of a file beside it, got \.\./oth",
        ),
        ({"ElementDataFile": "LOCAL"}, "expected ElementDataFile as the name of a file beside it, got LOCAL"),
    ],
)
def test_a_header_that_cannot_be_used(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    write_tree(tmp_path)
    write_volume(tmp_path / "subset0", FIRST, **changes)
    refused(tmp_path, f"{message}.* in .*subset0/{FIRST}.mhd")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "subset0" / f"{FIRST}.mhd").write_bytes(b"\x89PNG\r\n")
    refused(tmp_path, "expected a MetaImage header of lines `key = value`, got another file in .*mhd")


@pytest.mark.parametrize(
    ("nodules", "candidates", "message"),
    [
        (
            NODULES.replace("-90", "x", 1),
            CANDIDATES,
            "expected a number as coordX, got 'x' in .*annotations.csv, line 2",
        ),
        (NODULES.replace(",4\n", ",0\n", 1), CANDIDATES, "expected diameter_mm above 0, got 0 in .*line 2"),
        (NODULES, CANDIDATES.replace(",1\n", ",2\n"), "expected class 0 or 1, got 2 in .*candidates_V2.csv, line 2"),
        (NODULES, CANDIDATES.replace("class", "label"), "expected one column `class`, got none among"),
        (NODULES, "seriesuid,coordX,coordY,coordZ,class\n" + f"{FIRST},-90,-70,-195,0\n", "at least two classes"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, nodules: str, candidates: str, message: str) -> None:
    write_tree(tmp_path, nodules=nodules, candidates=candidates)
    refused(tmp_path, message)


def test_trees_without_scans_or_tables(tmp_path: Path) -> None:
    refused(tmp_path, r"expected scans as subset0 \.\.\. subset9/\*\.mhd, got none in")
    write_tree(tmp_path)
    write_volume(tmp_path / "subset3", FIRST)
    refused(tmp_path, "expected each scan once, got .*subset3.* and .*subset0")
    (tmp_path / "subset3" / f"{FIRST}.mhd").unlink()
    (tmp_path / "candidates_V2.csv").rename(tmp_path / "c.csv")
    refused(tmp_path, "expected candidates_V2.csv or candidates.csv in the folder or one below, got none in")
