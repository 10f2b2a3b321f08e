"""LIDC-IDRI trees from folder to images: layouts, joins, labels, crops, notes and what is refused."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lidc_trees as trees
import msgspec
import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEG2000Lossless
from test_lidc_labels import SETTINGS, write_sheet

import oncorobust.formats.lidc.notes as lidc_notes
from oncorobust.base.errors import InputError
from oncorobust.formats.hu_squares import Square, cut_square, square_around
from oncorobust.formats.lidc.reader import open_lidc
from oncorobust.formats.records import RawImages

FIRST_ID, SECOND_ID = "LIDC-IDRI-9001_2.25.200_n01", "LIDC-IDRI-9002_2.25.300_n01"

BOX = {"lesion_top": 17.0, "lesion_left": 17.0, "lesion_bottom": 24.0, "lesion_right": 24.0, "stored_side": 40}
"""Rows 27 to 33 of the slice, in a square of 20 mm that begins with row 10."""


def ignore(done: int, total: int, word: str) -> None:
    pass


def open_tree(folder: Path, **changes: Any) -> RawImages:
    return open_lidc(folder, msgspec.structs.replace(SETTINGS, **changes), on_progress=ignore)


def refused(folder: Path, message: str, **changes: Any) -> None:
    with pytest.raises(InputError, match=message):
        open_tree(folder, **changes)


def test_a_tree_gives_a_row_a_nodule(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    raw = open_tree(tmp_path)
    assert raw.class_names == ("benign", "malignant")
    assert (raw.synthetic, raw.verified, raw.intensity_unit) == (True, "unverified", "HU")
    assert raw.index.to_dict("records") == [
        {
            "image_id": FIRST_ID,
            "patient_id": "LIDC-IDRI-9001",
            "label": 1,
            "source": "LIDC-IDRI/a/1-003.dcm",
            "series_uid": "2.25.200",
            "sop_uid": "2.25.200.3",
            "z_mm": -95.0,
            "row": 30.0,
            "col": 40.0,
            "spacing_mm": 0.5,
            "diameter_mm": pytest.approx(4 * 2**0.5),
            "n_readers": 3,
            "ratings": "4;4;4",
            "mean_rating": 4.0,
            "label_source": "readers",
            **BOX,
        },
        {
            "image_id": SECOND_ID,
            "patient_id": "LIDC-IDRI-9002",
            "label": 0,
            "source": "LIDC-IDRI/b/1-003.dcm",
            "series_uid": "2.25.300",
            "sop_uid": "2.25.300.3",
            "z_mm": -95.0,
            "row": 30.0,
            "col": 40.0,
            "spacing_mm": 0.5,
            "diameter_mm": pytest.approx(4 * 2**0.5),
            "n_readers": 2,
            "ratings": "2;2",
            "mean_rating": 2.0,
            "label_source": "readers",
            **BOX,
        },
    ]


def test_padded_pixels_of_the_crop_are_told(tmp_path: Path) -> None:
    """The square of 20 mm begins with row 10 of the slice; what lies outside the slice is no padding."""
    trees.write_tree(tmp_path)
    path = tmp_path / "LIDC-IDRI/a/1-003.dcm"
    file = pydicom.dcmread(path)
    pixels = file.pixel_array.copy()
    pixels[:15] = -2000
    file.PixelData = pixels.tobytes()
    file.save_as(path)
    image, whole = open_tree(tmp_path).read(0), open_tree(tmp_path, crop_mm=40.0).read(0)
    assert image.padded is not None and whole.padded is not None
    assert image.padded[:5].all() and not image.padded[5:].any()
    assert image.values[:5].max() == image.values.min()
    assert whole.values.shape == (80, 80)
    assert whole.padded.sum() == 15 * 64


def test_the_crop_has_its_size_in_mm_and_values_in_hu(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    image = open_tree(tmp_path, crop_mm=10.0).read(0)
    rows, cols = np.mgrid[20:40, 30:50]
    np.testing.assert_array_equal(image.values, 10 * rows + cols)
    assert image.limits is None


def test_beyond_the_image_there_is_air(tmp_path: Path) -> None:
    note = trees.annotate(4, row=4, col=59)
    trees.write_tree(tmp_path, [note])
    values = open_tree(tmp_path, crop_mm=10.0).read(0).values
    expected = np.full((20, 20), -1024.0)
    rows, cols = np.mgrid[0:14, 49:64]
    expected[6:, :15] = 10 * rows + cols
    np.testing.assert_array_equal(values, expected)


def test_what_is_below_air_becomes_air(tmp_path: Path) -> None:
    pixels = np.full((64, 64), -2000, dtype="<i2")
    pixels[30, 40] = 1000
    trees.write_tree(tmp_path, PixelData=pixels.tobytes(), PixelPaddingValue=None)
    values = open_tree(tmp_path, crop_mm=10.0).read(0).values
    assert sorted(np.unique(values)) == [-1024.0, -24.0]


def test_squares_by_hand() -> None:
    assert square_around(10.0, 20.0, side=3) == Square(9, 19, 3)
    assert square_around(10.0, 20.5, side=4) == Square(8, 19, 4)
    assert square_around(10.4, 10.6, side=3) == Square(9, 10, 3)
    ones = np.ones((4, 4))
    assert cut_square(ones, Square(10, 10, 2)).tolist() == [[-1024, -1024], [-1024, -1024]]
    assert cut_square(ones, Square(-1, 3, 2)).tolist() == [[-1024, -1024], [1, -1024]]
    assert cut_square(ones, Square(-2, -2, 8)).sum() == 16 - 1024 * 48


def test_no_pixel_is_decoded_until_an_image_is_read(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    for path in (tmp_path / "LIDC-IDRI").rglob("*.dcm"):
        path.write_bytes(path.read_bytes()[:-100])
    raw = open_tree(tmp_path)
    with pytest.raises(InputError, match=r"expected a readable image, got .* in .*LIDC-IDRI/a/1-003\.dcm"):
        raw.read(0)


def test_only_the_slice_of_the_nodule_is_decoded(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    for path in (tmp_path / "LIDC-IDRI").rglob("*.dcm"):
        if path.name != "1-003.dcm":
            path.write_bytes(path.read_bytes()[:-100])
    raw = open_tree(tmp_path)
    assert [raw.read(position).values.shape for position in (0, 1)] == [(40, 40), (40, 40)]


def test_compressed_pixels_without_a_decoder_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.write_tree(tmp_path)
    path = tmp_path / "LIDC-IDRI" / "a" / "1-003.dcm"
    file = pydicom.dcmread(path)
    file.file_meta.TransferSyntaxUID = JPEG2000Lossless
    file.PixelData = encapsulate([b"\xff\x4f\xff\x51\0\0"])
    file["PixelData"].VR = "OB"
    file.save_as(path, enforce_file_format=True)
    monkeypatch.setattr(get_decoder(JPEG2000Lossless), "_available", {})
    raw = open_tree(tmp_path)
    with pytest.raises(InputError, match=r"JPEG 2000.* for .*1-003\.dcm; .*oncorobust\[compressed\]"):
        raw.read(0)


def test_folders_and_names_do_not_matter(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    expected = open_tree(tmp_path).index
    flat = tmp_path / "flat"
    for number, path in enumerate(sorted((tmp_path / "LIDC-IDRI").rglob("*.*"))):
        target = flat / ("xml" if path.suffix == ".xml" else "dicom") / f"{number}{path.suffix.replace('.dcm', '')}"
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    (tmp_path / "LIDC-IDRI").rename(tmp_path / "flat" / "empty")
    found = open_tree(flat).index
    pd.testing.assert_frame_equal(found.drop(columns="source"), expected.drop(columns="source"))


def test_a_patient_may_have_two_scans(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    trees.write_series(tmp_path / "c", series_uid="2.25.400")
    (tmp_path / "c" / "1.xml").write_text(trees.reads_xml([trees.annotate(5, sop_uid="")], series_uid="2.25.400"))
    raw = open_tree(tmp_path)
    assert raw.index["patient_id"].tolist() == ["LIDC-IDRI-9001", "LIDC-IDRI-9001", "LIDC-IDRI-9002"]
    assert raw.index["image_id"].is_unique


def test_numbers_of_nodules_do_not_depend_on_which_are_left_out(tmp_path: Path) -> None:
    lone = replace(trees.annotate(1, row=10, col=10), nodule_id="lone")
    trees.write_tree(tmp_path, [lone, *(trees.annotate(4, session=session) for session in (1, 2))])
    assert open_tree(tmp_path).index["image_id"].tolist()[:2] == [FIRST_ID, FIRST_ID.replace("n01", "n02")]
    raw = open_tree(tmp_path, min_readers=2)
    assert raw.index["image_id"].tolist() == [FIRST_ID.replace("n01", "n02"), SECOND_ID]
    assert "1 of 3 nodules were left out: fewer than 2 readers" in raw.notes


def test_ties_are_dropped_and_counted(tmp_path: Path) -> None:
    tie = replace(trees.annotate(3, row=10, col=10), nodule_id="tie")
    trees.write_tree(tmp_path, [tie, trees.annotate(4)])
    raw = open_tree(tmp_path, tie="drop")
    assert raw.index["label"].tolist() == [1, 0]
    assert "1 of 3 nodules were left out: rated exactly 3" in raw.notes


def test_pathology_overrules_the_readers(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    rows = [("LIDC-IDRI-9001", 1, 2), ("LIDC-IDRI-9002", 2, 3), ("LIDC-IDRI-0068", 2, 3)]
    write_sheet(tmp_path, rows)
    raw = open_tree(tmp_path)
    assert raw.index["label"].tolist() == [0, 1]
    assert set(raw.index["label_source"]) == {"pathology"}
    assert "2 nodules have their patient's diagnosis as label instead of the readers'" in raw.notes


def test_notes_tell_what_was_left_out_or_corrected(tmp_path: Path) -> None:
    first = trees.write_tree(tmp_path)
    trees.write_slice(tmp_path / "x.dcm", 9, InstanceNumber=50, ImagePositionPatient=[-16, -16, trees.slice_z(2)])
    trees.write_series(tmp_path / "no xml", series_uid="2.25.500", patient=9003)
    eight = [trees.annotate(4, session=session) for session in range(1, 9)]
    text = trees.reads_xml(eight, sessions=8)
    for name in ("1.xml", "1-resubmitted.xml"):
        (tmp_path / "xml").mkdir(exist_ok=True)
        (tmp_path / "xml" / name).write_text(text.replace("<malignancy>4", "<malignancy>5") if "re" in name else text)
    cxr = '<IdriReadMessage xmlns="http://www.nih.gov/idri"/>'
    (first.parent / "cxr.xml").write_text(cxr)
    name = "LIDC-IDRI-9001 series 2.25.200"
    assert open_tree(tmp_path).notes == (
        "1 CT series have no XML and were left out",
        "reads of chest X-rays were left out: 1 XML",
        "1 XML files beside images gave way to XML of the same series elsewhere",
        "there is no diagnosis spreadsheet, so all labels are the readers'",
        f"{name}: 1 slices at the position of another were left out (higher InstanceNumber)",
        f"{name}: 8 reading sessions instead of 4",
        f"{name}: the corrected reads of 1-resubmitted.xml were taken",
    )


def test_what_is_not_ct_plays_no_part(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    trees.write_slice(tmp_path / "dx.dcm", 3, series_uid="2.25.600", Modality="DX", PatientID="x", SyntheticData=None)
    assert len(open_tree(tmp_path).index) == 2


def test_real_and_synthetic_images_are_not_mixed(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    trees.write_series(tmp_path / "c", series_uid="2.25.700", patient=1, SyntheticData=None)
    refused(tmp_path, "expected real or synthetic images, got both in")


def test_a_tree_without_the_tag_is_real(tmp_path: Path) -> None:
    trees.write_tree(tmp_path, SyntheticData=None)
    trees.write_series(tmp_path / "LIDC-IDRI" / "b", series_uid="2.25.300", patient=9002, SyntheticData="NO")
    assert open_tree(tmp_path).synthetic is False


def test_what_is_as_published_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.write_tree(tmp_path)
    sheet = write_sheet(tmp_path)
    assert open_tree(tmp_path).verified == "unverified"
    monkeypatch.setattr(lidc_notes, "PUBLISHED", {"PatientID": 2, "SeriesInstanceUID": 2, "SOPInstanceUID": 12})
    monkeypatch.setattr(lidc_notes, "SHA256", lidc_notes.file_sha256(sheet))
    assert open_tree(tmp_path).verified == "1,018 CT series as published; diagnosis sheet: SHA-256 as published"


def test_progress_reaches_the_end_of_headers_and_of_reads(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    told: list[tuple[int, int, str]] = []
    open_lidc(tmp_path, SETTINGS, on_progress=lambda *step: told.append(step))
    assert told[-2:] == [(1, 2, "series"), (2, 2, "series")]
    assert told[0][2] == "headers"


def test_a_tree_without_ct_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "expected CT series, got no DICOM file in")
    trees.write_slice(tmp_path / "a.dcm", Modality="CR")
    refused(tmp_path, "expected CT series, got CR in")


def test_a_tree_without_xml_is_refused(tmp_path: Path) -> None:
    trees.write_series(tmp_path)
    refused(
        tmp_path,
        r"expected the readers' XML \(LidcReadMessage\) or segmentations .*, got none in .*; .*LIDC-XML-only\.zip",
    )


def test_xml_of_other_series_is_refused_and_listed(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    (tmp_path / "xml").mkdir()
    for number in range(12):
        (tmp_path / "xml" / f"{number}.xml").write_text(trees.reads_xml([], series_uid=f"2.25.8{number:02d}"))
    refused(
        tmp_path,
        r"got none for 12 of 14: 2\.25\.800 \(.*xml/0\.xml\), .*2\.25\.809 \(.*9\.xml\); download these series",
    )


def test_a_series_uid_is_required(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    trees.write_slice(tmp_path / "a.dcm", SeriesInstanceUID=None)
    refused(tmp_path, r"expected SeriesInstanceUID as a UID, got none in .*a\.dcm")


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ([], "expected images of at least two classes, got benign"),
        ([trees.annotate(4, sop_uid="1.2", z_mm=3.0)], r"expected a slice of series .* in .*069\.xml, session 1, "),
        ([trees.annotate(4, col=61)], r"expected a contour inside 64 rows x 64 columns, .* in .*069\.xml, session 1"),
    ],
)
def test_reads_that_are_refused_name_their_file(tmp_path: Path, annotations: Sequence[Any], message: str) -> None:
    trees.write_tree(tmp_path, annotations)
    refused(tmp_path, message)


def test_a_tree_without_nodules_is_refused(tmp_path: Path) -> None:
    trees.write_tree(tmp_path)
    refused(tmp_path, "expected nodules of at least 3 mm with 5 readers, got none in", min_readers=5)
