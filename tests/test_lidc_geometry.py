"""CT series as stacks of slices: what is refused, what is decided, and where contours go."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import lidc_trees as trees
import pandas as pd
import pytest

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom.index import index_dicom
from oncorobust.formats.lidc.geometry import Series, check_series, place_contours

NOTE = trees.annotate(slices=(2, 3))


def ignore(done: int, total: int, word: str) -> None:
    pass


def headers(folder: Path) -> pd.DataFrame:
    return index_dicom(folder, on_progress=ignore)


def series_of(folder: Path, **changes: Any) -> Series:
    trees.write_series(folder, **changes)
    return check_series(headers(folder), folder=folder)


def test_slices_are_ordered_by_position(tmp_path: Path) -> None:
    for number, name in enumerate(("f", "b", "d", "a", "c")):
        trees.write_slice(tmp_path / f"{name}.dcm", number)
    series = check_series(headers(tmp_path), folder=tmp_path)
    assert series.paths == ("f.dcm", "b.dcm", "d.dcm", "a.dcm", "c.dcm")
    assert series.z_mm.tolist() == [-100.0, -97.5, -95.0, -92.5, -90.0]
    assert series.slice_of[trees.sop_uid(3)] == 3
    assert (series.patient_id, series.uid) == ("LIDC-IDRI-9001", trees.SERIES_UID)
    assert (series.spacing_mm, series.thickness_mm, series.rows, series.columns) == (0.5, 2.5, 64, 64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PatientID": "LIDC-1"}, "expected PatientID like LIDC-IDRI-0001, got another"),
        ({"PatientID": None}, "expected PatientID like LIDC-IDRI-0001, got none"),
        ({"StudyInstanceUID": None}, "expected StudyInstanceUID as a UID, got none"),
        ({"SOPInstanceUID": ""}, "expected SOPInstanceUID as a UID, got none"),
        ({"NumberOfFrames": 2}, "expected NumberOfFrames 1, got 2"),
        ({"SamplesPerPixel": 3}, "expected SamplesPerPixel 1, got 3"),
        ({"PhotometricInterpretation": "RGB"}, "expected PhotometricInterpretation MONOCHROME2, got RGB"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME2, got MONOCHROME1"),
        ({"Rows": None}, "expected Rows from 2 to 2048, got none"),
        ({"Columns": 60000}, "expected Columns from 2 to 2048, got 60000"),
        ({"BitsAllocated": None}, "expected BitsAllocated 8 or 16, got none"),
        ({"PixelRepresentation": None, "PixelPaddingValue": None}, "expected PixelRepresentation 0 or 1, got none"),
        ({"RescaleSlope": None}, "expected RescaleSlope other than 0, got none"),
        ({"RescaleSlope": 0}, "expected RescaleSlope other than 0, got 0"),
        ({"RescaleIntercept": None}, "expected RescaleIntercept as a number, got none"),
        ({"SliceThickness": None}, "expected SliceThickness above 0 mm, got none"),
        ({"SliceThickness": 0}, "expected SliceThickness above 0 mm, got 0"),
        ({"ImagePositionPatient": None}, "expected ImagePositionPatient of 3 numbers, got none"),
        ({"ImageOrientationPatient": [1, 0, 0]}, "expected ImageOrientationPatient of 6 numbers, got"),
        ({"PixelSpacing": [0.5, 0.7]}, r"expected PixelSpacing of 2 equal numbers above 0, got \(0\.5, 0\.7\)"),
        ({"PixelSpacing": None}, "expected PixelSpacing of 2 equal numbers above 0, got none"),
    ],
)
def test_what_every_slice_must_have(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    trees.write_series(tmp_path, n=3)
    trees.write_slice(tmp_path / "1-004.dcm", 3, **changes)
    with pytest.raises(InputError, match=rf"{message}.* in .*1-004\.dcm"):
        check_series(headers(tmp_path), folder=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"ImageOrientationPatient": [-1, 0, 0, 0, -1, 0]},
            r"expected one ImageOrientationPatient in a series, got \(",
        ),
        ({"PixelSpacing": [0.6, 0.6]}, r"expected one PixelSpacing in a series, got \(0\.6, 0\.6\)"),
        ({"Rows": 32}, "expected one Rows in a series, got 32"),
        ({"patient": 9002}, "expected one PatientID in a series, got LIDC-IDRI-9002"),
    ],
)
def test_a_series_is_not_mixed(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    trees.write_series(tmp_path, n=3)
    trees.write_slice(tmp_path / "1-004.dcm", 3, **changes)
    with pytest.raises(InputError, match=rf"{message}.* in .*1-004\.dcm and .* in .*1-001\.dcm"):
        check_series(headers(tmp_path), folder=tmp_path)


def test_slices_that_are_not_axial_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected axial slices, got ImageOrientationPatient .* in .*1-001\.dcm"):
        series_of(tmp_path, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])


def test_patients_may_lie_on_their_front(tmp_path: Path) -> None:
    assert series_of(tmp_path, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]).rows == 64


def test_a_repeated_sop_instance_uid_is_refused(tmp_path: Path) -> None:
    trees.write_series(tmp_path)
    trees.write_slice(tmp_path / "copy.dcm", 2)
    with pytest.raises(
        InputError, match=r"expected each SOPInstanceUID once, got 2\.25\.200\.3 in .*003\.dcm and .*copy"
    ):
        check_series(headers(tmp_path), folder=tmp_path)


def test_of_two_slices_at_a_position_the_lower_instance_number_stays(tmp_path: Path) -> None:
    trees.write_series(tmp_path)
    position = [-16, -16, trees.slice_z(2) + 0.005]
    trees.write_slice(tmp_path / "0.dcm", 9, InstanceNumber=2, ImagePositionPatient=position)
    series = check_series(headers(tmp_path), folder=tmp_path)
    assert series.paths[2] == "0.dcm", "2 is lower than 3"
    assert series.n_left_out == 1
    assert len(series.z_mm) == 6
    assert series.slice_of[trees.sop_uid(2)] == series.slice_of[trees.sop_uid(9)] == 2, "contours of both are kept"


@pytest.mark.parametrize(("number", "found"), [(3, "3"), (None, "3")])
def test_slices_that_cannot_be_told_apart_are_refused(tmp_path: Path, number: int | None, found: str) -> None:
    trees.write_series(tmp_path, n=5)
    position = [-16, -16, trees.slice_z(2)]
    trees.write_slice(tmp_path / "copy.dcm", 9, InstanceNumber=number, ImagePositionPatient=position)
    if number is None:
        trees.write_slice(tmp_path / "1-003.dcm", 2, InstanceNumber=None)
        found = "none"
    with pytest.raises(
        InputError, match=rf"InstanceNumbers of the slices at z -95 mm, got {found} in .*1-003\.dcm and .*copy\.dcm"
    ):
        check_series(headers(tmp_path), folder=tmp_path)


def test_contours_go_by_uid_and_else_by_position(tmp_path: Path) -> None:
    series = series_of(tmp_path)
    by_uid = replace(NOTE.contours[0], z_mm=0.0)
    by_z = replace(NOTE.contours[1], sop_uid="1.2.3", z_mm=trees.slice_z(3) + 0.009)
    placed = place_contours(replace(NOTE, contours=(by_uid, by_z)), series, where="a.xml")
    assert [contour.slice for contour in placed] == [2, 3]
    assert placed[0].points[0].tolist() == [26, 36], "row, then column"


def test_a_contour_on_no_slice_is_refused(tmp_path: Path) -> None:
    series = series_of(tmp_path)
    lost = trees.annotate(slices=(2,), sop_uid="1.2.3", z_mm=-94.9)
    message = (
        r"expected a slice of series 2\.25\.200, got imageSOP_UID 1\.2\.3 and z -94\.9 mm \(nearest -95 mm\) in a\.xml"
    )
    with pytest.raises(InputError, match=message):
        place_contours(lost, series, where="a.xml")


def test_a_contour_outside_of_the_image_is_refused(tmp_path: Path) -> None:
    series = series_of(tmp_path)
    with pytest.raises(
        InputError, match="expected a contour inside 64 rows x 64 columns, got row 34 and column 64 in a"
    ):
        place_contours(trees.annotate(col=60), series, where="a.xml")
    assert len(place_contours(trees.annotate(col=59, row=59), series, where="a.xml")) == 2


@pytest.mark.parametrize("slices", [(2,), (4, 5), (2, 4)])
def test_a_gap_beside_or_inside_a_nodule_is_refused(tmp_path: Path, slices: tuple[int, ...]) -> None:
    series = gapped(tmp_path)
    with pytest.raises(
        InputError, match=r"expected slices 2\.5 mm apart around the nodule, got 5 mm in series .* a\.xml"
    ):
        place_contours(trees.annotate(slices=slices), series, where="a.xml")


def test_a_gap_elsewhere_is_no_matter(tmp_path: Path) -> None:
    assert len(place_contours(trees.annotate(slices=(0, 1)), gapped(tmp_path), where="a.xml")) == 2


def gapped(folder: Path) -> Series:
    """Slices 0 to 7 without slice 3."""
    trees.write_series(folder, n=8)
    (folder / "1-004.dcm").unlink()
    return check_series(headers(folder), folder=folder)
