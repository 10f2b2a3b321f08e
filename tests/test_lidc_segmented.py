"""LIDC-IDRI's annotations as DICOM segmentations and reports: the same nodules as from XML, and what is refused."""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lidc_segmented_trees as made
import lidc_trees as trees
import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless
from test_lidc_reader import FIRST_ID, SECOND_ID, open_tree, refused
from test_phantom_trees import silent

from oncorobust.acquire.phantoms.lidc_segmentation_writing import Named
from oncorobust.acquire.phantoms.lidc_tree import write_lidc_phantom
from oncorobust.formats.lidc.reader import open_lidc
from oncorobust.settings.data import Lidc, Phantom

DCMQI = Path(__file__).parent / "lidc_dcmqi.zip"
"""One annotation on the CT of lidc_trees, written by dcmqi 1.5.7 (itkimage2segimage --skip 1, tid1500writer): rows 27
to 33 and columns 37 to 43 on slices 2 and 3 (without row 30, column 40 on slice 3), 2 x 4 pixels on slice 4."""


def edit(path: Path, change: Callable[[Any], object]) -> None:
    file = pydicom.dcmread(path)
    change(file)
    file.save_as(path)


def test_a_phantom_gives_the_same_records_from_xml_and_from_segmentations(tmp_path: Path) -> None:
    settings = Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=(), crop_mm=50.0)
    opened = {}
    for kind in ("xml", "dicom"):
        (tmp_path / kind).mkdir()
        write_lidc_phantom(tmp_path / kind, Phantom(n_images=20, difficulty=1.0, seed=3, annotations=kind))
        opened[kind] = open_lidc(tmp_path / kind, settings, on_progress=silent)
    frames = list((tmp_path / "dicom").rglob("3000569*/1-1.dcm"))
    heights = [
        [float(f.PlanePositionSequence[0].ImagePositionPatient[2]) for f in groups]
        for groups in (pydicom.dcmread(path).PerFrameFunctionalGroupsSequence for path in frames)
    ]
    assert any(z != sorted(z) for z in heights), "frames run against the slice normal"
    assert not list((tmp_path / "dicom").rglob("[0-9]*[1-9].xml"))
    pd.testing.assert_frame_equal(opened["xml"].index, opened["dicom"].index, check_exact=True)
    assert opened["dicom"].synthetic
    assert any("of 20 CT series come from" in note for note in opened["dicom"].notes)


def test_rectangles_by_hand(tmp_path: Path) -> None:
    made.write_tree(tmp_path)
    raw = open_tree(tmp_path)
    assert list(raw.index["image_id"]) == [FIRST_ID, SECOND_ID]
    assert list(raw.index["label"]) == [1, 0]
    first = raw.index.iloc[0]
    assert (first["row"], first["col"], first["ratings"], first["n_readers"]) == (30.0, 40.0, "4;4;4", 3)
    assert first["sop_uid"] == trees.sop_uid(2)
    assert (first["lesion_top"], first["lesion_left"], first["lesion_bottom"], first["lesion_right"]) == (
        17,
        17,
        24,
        24,
    )
    # The outline one pixel outside of 7 x 7 pixels is widest between its corners, which a cross does not reach.
    assert first["diameter_mm"] == pytest.approx(0.5 * np.hypot(8, 6))


def test_objects_of_dcmqi(tmp_path: Path) -> None:
    made.write_tree(tmp_path)
    for path in (tmp_path / "marks").glob("1-[abc]-*.dcm"):
        path.unlink()
    with zipfile.ZipFile(DCMQI) as packed:
        packed.extractall(tmp_path / "dcmqi")
    raw = open_tree(tmp_path)
    nodule = raw.index.iloc[0]
    assert (nodule["image_id"], nodule["ratings"], nodule["sop_uid"]) == (FIRST_ID, "4", trees.sop_uid(2))
    assert (nodule["row"], nodule["col"], nodule["lesion_top"]) == (30.0, 40.0, 17.0)


def test_the_consensus_is_half_of_the_readers(tmp_path: Path) -> None:
    made.write_tree(tmp_path)
    for annotation, box in {"f": (27, 37, 34, 44), "g": (20, 37, 34, 44)}.items():
        made.write_pair(tmp_path / "marks", {4: box}, 1, nodule=2, annotation=annotation)
    made.write_pair(tmp_path / "marks", {4: (27, 37, 36, 44)}, 5, nodule=2, annotation="h")
    second = open_tree(tmp_path).index.iloc[1]
    assert (second["image_id"], second["ratings"]) == (FIRST_ID.replace("n01", "n02"), "1;1;5")
    assert second["lesion_bottom"] - second["lesion_top"] == 7, "rows 27 to 33 in the areas of two of three"


@pytest.mark.parametrize("order", [(2, 3, 4), (4, 3, 2), (3, 4, 2)])
def test_the_order_of_frames_says_nothing(tmp_path: Path, order: tuple[int, ...]) -> None:
    made.write_tree(tmp_path)
    boxes = {2: (30, 40, 32, 42), 3: (28, 38, 33, 43), 4: (29, 39, 32, 42)}
    made.write_pair(tmp_path / "marks", {k: boxes[k] for k in order}, nodule=2)
    second = open_tree(tmp_path).index.iloc[1]
    assert (second["sop_uid"], second["row"], second["z_mm"]) == (trees.sop_uid(3), 30.0, trees.slice_z(3))


def test_frames_without_a_reference_are_placed_by_position(tmp_path: Path) -> None:
    marks = made.write_tree(tmp_path)

    def forget(file: Any) -> None:
        for group in file.PerFrameFunctionalGroupsSequence:
            del group.DerivationImageSequence

    before = open_tree(tmp_path).index
    edit(marks / "1-a-seg.dcm", forget)
    pd.testing.assert_frame_equal(open_tree(tmp_path).index, before)


def test_columns_that_run_the_other_way(tmp_path: Path) -> None:
    marks = made.write_tree(tmp_path)

    def mirror(file: Any) -> None:
        pixels = file.pixel_array[:, :, ::-1]
        file.PixelData = np.packbits(pixels, bitorder="little").tobytes()
        file.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]
        for group in file.PerFrameFunctionalGroupsSequence:
            x, y, z = group.PlanePositionSequence[0].ImagePositionPatient
            group.PlanePositionSequence[0].ImagePositionPatient = [x + 63 * 0.5, y, z]

    before = open_tree(tmp_path).index
    edit(marks / "1-a-seg.dcm", mirror)
    pd.testing.assert_frame_equal(open_tree(tmp_path).index, before)


def deflate(file: Any) -> None:
    file.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian


def run_lengths(file: Any) -> None:
    """RLE as PS3.5 Annex G has it: literal runs and, for bytes that repeat, replicate runs, and a no-operation."""
    frames = []
    for mask in file.pixel_array:
        packed = np.packbits(mask.ravel(), bitorder="little").tobytes()
        coded = b"\x80"
        for start in range(0, len(packed), 64):
            part = packed[start : start + 64]
            same = len(set(part)) == 1
            coded += bytes([257 - len(part)]) + part[:1] if same else bytes([len(part) - 1]) + part
        frames.append(struct.pack("<16I", 1, 64, *[0] * 14) + coded + b"\0" * (len(coded) % 2))
    file.PixelData = encapsulate(frames)
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = RLELossless


@pytest.mark.parametrize("compress", [deflate, run_lengths])
def test_compressed_segmentations(tmp_path: Path, compress: Callable[[Any], None]) -> None:
    marks = made.write_tree(tmp_path)
    before = open_tree(tmp_path).index
    edit(marks / "1-a-seg.dcm", compress)
    pd.testing.assert_frame_equal(open_tree(tmp_path).index, before)


def test_several_segments_in_one_file(tmp_path: Path) -> None:
    """Both annotations of the second patient in one segmentation, with frames of one slice beside each other."""
    marks = made.write_tree(tmp_path)
    before = open_tree(tmp_path).index
    second = pydicom.dcmread(marks / "1-e-seg.dcm")

    def join(file: Any) -> None:
        file.SegmentSequence.append(second.SegmentSequence[0])
        file.SegmentSequence[1].SegmentNumber = 2
        del file.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence
        groups = [*file.PerFrameFunctionalGroupsSequence, *second.PerFrameFunctionalGroupsSequence]
        order = [2, 0, 3, 1]
        for number, group in enumerate(groups):
            item = pydicom.Dataset()
            item.ReferencedSegmentNumber = 1 + number // 2
            group.SegmentIdentificationSequence = [item]
        pixels = np.concatenate([file.pixel_array, second.pixel_array])[order]
        file.PerFrameFunctionalGroupsSequence = [groups[k] for k in order]
        file.NumberOfFrames = 4
        file.PixelData = np.packbits(pixels, bitorder="little").tobytes()

    edit(marks / "1-d-seg.dcm", join)
    (marks / "1-e-seg.dcm").unlink()
    joined = pydicom.dcmread(marks / "1-d-seg.dcm").SOPInstanceUID

    def follow(file: Any) -> None:
        reference = group_of(file)[3].ReferencedSOPSequence[0]
        reference.ReferencedSOPInstanceUID, reference.ReferencedSegmentNumber = joined, 2

    edit(marks / "1-e-sr.dcm", follow)
    pd.testing.assert_frame_equal(open_tree(tmp_path).index, before)


def group_of(file: Any) -> Any:
    """The content of the measurement group: tracking id, tracking UID, finding, segment, source series, malignancy."""
    return file.ContentSequence[0].ContentSequence[0].ContentSequence


def test_xml_comes_first_and_a_note_says_so(tmp_path: Path) -> None:
    made.write_tree(tmp_path)
    (tmp_path / "069.xml").write_text(trees.reads_xml([trees.annotate(5, session=1)]))
    raw = open_tree(tmp_path)
    assert list(raw.index["ratings"]) == ["5", "2;2"]
    assert "1 CT series have both XML and segmentations; the XML was read" in raw.notes
    assert "the annotations of 1 CT series come from 2 DICOM segmentations and reports (SEG, SR)" in raw.notes


def test_other_segmentations_are_passed_over(tmp_path: Path) -> None:
    marks = made.write_tree(tmp_path)
    other = made.segmented({2: (1, 1, 5, 5)}, name=Named(1, "z"))
    other.SeriesDescription = "QIN CT challenge: alg01 run1segmentation result"
    other.SegmentSequence[0].SegmentLabel = other.SegmentSequence[0].SegmentDescription = "Nodule"
    made.save(other, marks / "qin.dcm")
    raw = open_tree(tmp_path)
    assert len(raw.index) == 2
    assert "1 segmentations or reports are not those of LIDC-IDRI's readers and were left out" in raw.notes


def test_a_nodule_without_a_pixel_is_left_out(tmp_path: Path) -> None:
    made.write_tree(tmp_path)
    made.write_pair(tmp_path / "marks", {3: (5, 5, 5, 5)}, nodule=2)
    raw = open_tree(tmp_path)
    assert len(raw.index) == 2
    assert "LIDC-IDRI-9001 series 2.25.200: 1 nodules without a segmented pixel were left out" in raw.notes


def test_malignancy_of_the_converters_first_version(tmp_path: Path) -> None:
    marks = made.write_tree(tmp_path)

    def older(file: Any) -> None:
        concept = group_of(file)[5].ConceptNameCodeSequence[0]
        concept.CodeValue, concept.CodingSchemeDesignator = "900", "99LIDCQIICR"

    edit(marks / "1-a-sr.dcm", older)
    assert open_tree(tmp_path).index["ratings"].iloc[0] == "4;4;4"


def test_reports_without_their_partner(tmp_path: Path) -> None:
    marks = made.write_tree(tmp_path)
    (marks / "1-a-seg.dcm").unlink()
    refused(
        tmp_path,
        r"expected a segmentation \(SEG\) for each report \(SR\), got none for 1 of 5: .*marks/1-a-sr.dcm; download "
        "the other series of these annotations, or remove these files",
    )


def test_segmentations_without_their_partner(tmp_path: Path) -> None:
    marks = made.write_tree(tmp_path)
    for annotation in "abc":
        (marks / f"1-{annotation}-sr.dcm").unlink()
    refused(tmp_path, r"expected a report \(SR\) for each segmentation \(SEG\), got none for 3 of 5: .*1-a-seg.dcm, .*")


def test_segmentations_without_their_ct(tmp_path: Path) -> None:
    made.write_tree(tmp_path)
    for path in (tmp_path / "b").glob("*.dcm"):
        path.unlink()
    refused(
        tmp_path,
        r"expected a CT series for each segmentation, got none for 1 of 2: 2\.25\.300 \(.*1-d-seg.dcm\); download "
        "these series, or keep only the SEG and SR of the series you have",
    )


def test_a_series_with_missing_slices(tmp_path: Path) -> None:
    made.write_tree(tmp_path)
    (tmp_path / "a" / "1-003.dcm").unlink()
    refused(
        tmp_path,
        r"expected a CT image 2\.25\.200\.3 in series 2\.25\.200, to which a frame refers, got none: download the "
        r"whole series, or remove the segmentation of another CT; .*1-a-seg.dcm, nodule 1, annotation 'a'",
    )


def other_frame_of_reference(file: Any) -> None:
    file.FrameOfReferenceUID = "2.25.7"


def frame_elsewhere(file: Any) -> None:
    for group in file.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    file.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = [-16, -16, 50]


def contradiction(file: Any) -> None:
    file.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = [-16, -16, -90]


def other_grid(file: Any) -> None:
    file.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.6, 0.6]


def outside(file: Any) -> None:
    for group in file.PerFrameFunctionalGroupsSequence:
        group.PlanePositionSequence[0].ImagePositionPatient[0] = 4


def no_reference(file: Any) -> None:
    del file.ReferencedSeriesSequence
    for group in file.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence


def fractional(file: Any) -> None:
    file.SegmentationType = "FRACTIONAL"


def fewer_frames(file: Any) -> None:
    del file.PerFrameFunctionalGroupsSequence[1]


def no_position(file: Any) -> None:
    del file.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            other_frame_of_reference,
            r"expected a segmentation of CT series 2\.25\.200 \(FrameOfReferenceUID 2\.25\.9\), got 2\.25\.7",
        ),
        (frame_elsewhere, r"got one at z 50 mm \(the nearest slice is at -87\.5 mm\) in .*1-a-seg.dcm"),
        (contradiction, r"got one at z -90 mm \(the image that it refers to is at -95 mm\)"),
        (other_grid, r"expected the pixel grid of CT series 2\.25\.200, got another spacing or shift"),
        (outside, r"expected frames inside 64 x 64 CT pixels, got more"),
        (no_reference, r"expected a reference to the CT series, got none that can be followed in .*1-a-seg.dcm"),
        (fractional, r"expected SegmentationType BINARY, got FRACTIONAL in .*1-a-seg.dcm"),
        (fewer_frames, r"expected 1 frames, as described in the header, got 2 in"),
        (no_position, r"expected a readable segmentation \(SEG\), got no PlanePositionSequence in .*1-a-seg.dcm"),
    ],
)
def test_a_segmentation_that_does_not_fit(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    marks = made.write_tree(tmp_path)
    for path in (tmp_path / "a").glob("*.dcm"):
        edit(path, lambda file: setattr(file, "FrameOfReferenceUID", "2.25.9"))
    edit(marks / "1-a-seg.dcm", change)
    refused(tmp_path, message)


def no_rating(file: Any) -> None:
    del group_of(file)[5]


def unknown_code(file: Any) -> None:
    group_of(file)[5].ConceptCodeSequence[0].CodeValue = "907"


def foreign_code(file: Any) -> None:
    group_of(file)[5].ConceptCodeSequence[0].CodingSchemeDesignator = "99OTHER"


def no_segment(file: Any) -> None:
    del group_of(file)[3]


def other_nodule(file: Any) -> None:
    group_of(file)[1].UID = "2.25.8"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_rating, r"expected one malignancy rating \(RID36042, RadLex\) of an annotation, got none in .*1-a-sr.dcm"),
        (unknown_code, r"expected malignancy as 901 to 905 \(99LIDCQIICR\), got 907 \(99LIDCQIICR\) in .*1-a-sr.dcm"),
        (foreign_code, r"got 904 \(99OTHER\) in"),
        (no_segment, r"expected one referenced segment in a measurement group, got 0 in"),
        (other_nodule, r"expected one tracking UID of an annotation, got .*1-a-seg.dcm and 2\.25\.8 in .*1-a-sr.dcm"),
    ],
)
def test_a_report_that_does_not_fit(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    marks = made.write_tree(tmp_path)
    edit(marks / "1-a-sr.dcm", change)
    refused(tmp_path, message)
