"""What `oncorobust manifest` makes of the folders that people have."""

import datetime
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from proposal_trees import (
    CAPTURE,
    REPORT,
    SEG,
    STRUCTURES,
    columns,
    make_nnunet,
    propose,
    read_rows,
    write_dicom,
    write_pictures,
    write_table,
    write_volume,
)

from oncorobust.cli.main import main
from oncorobust.formats import cifar10
from oncorobust.formats.manifest import open_manifest
from oncorobust.formats.proposals import dicom_headers, file_headers, reading


def test_a_folder_per_class_gives_labels_in_the_order_of_the_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "mri", ["yes/b.png", "yes/a.jpg", "no/c.tif", "no/d.png"])
    rows = propose(tmp_path / "mri")
    assert columns(rows, "image_id", "path", "label", "patient_id") == [
        ("no/c", "files/no/c.tif", "no", "no/c"),
        ("no/d", "files/no/d.png", "no", "no/d"),
        ("yes/a", "files/yes/a.jpg", "yes", "yes/a"),
        ("yes/b", "files/yes/b.png", "yes", "yes/b"),
    ]
    printed = capsys.readouterr().out
    assert "found: one folder per class, because images lie in several folders, and no table was given" in printed
    assert "4 images in 4 files: 1 JPEG, 2 PNG, 1 TIFF\nsize: 8 x 9 pixels\n" in printed
    assert "every image is a patient of its own, because none was found" in printed
    assert "no            2       2" in printed


def test_the_proposal_is_a_manifest_that_the_reader_opens(tmp_path: Path) -> None:
    write_pictures(tmp_path / "mri", ["yes/b.png", "yes/a.png", "no/c.png", "no/d.png"])
    propose(tmp_path / "mri")
    images = open_manifest(tmp_path / "mri-made")
    assert images.class_names == ("no", "yes")
    assert images.read(0).values.tolist() == np.asarray(Image.open(tmp_path / "mri" / "no" / "c.png")).tolist()


def test_splits_and_patients_are_found_among_the_folders(tmp_path: Path) -> None:
    names = [f"{split}/{label}/p{patient}/{image}.png" for split, label, patient, image in SPLIT_PATIENTS]
    write_pictures(tmp_path / "x", names)
    rows = propose(tmp_path / "x")
    found = [(row["split"], row["label"], row["patient_id"][1:]) for row in rows]
    wanted = [
        ({"Training": "train", "val": "validation", "Testing": "test"}[s], c, str(p)) for s, c, p, _ in SPLIT_PATIENTS
    ]
    assert sorted(found) == sorted(wanted)


SPLIT_PATIENTS = [
    (split, label, number * 10 + ("benign", "malignant").index(label), image)
    for number, split in enumerate(("Training", "val", "Testing"), start=1)
    for label in ("benign", "malignant")
    for image in ("a", "b")
]


def test_a_folder_per_patient_above_a_folder_per_class(tmp_path: Path) -> None:
    write_pictures(
        tmp_path / "x", [f"{patient}/{label}/{patient}_{label}.png" for patient in range(101, 106) for label in (0, 1)]
    )
    rows = propose(tmp_path / "x")
    assert columns(rows, "label", "patient_id")[:3] == [("0", "101"), ("1", "101"), ("0", "102")]


def test_masks_beside_images_are_no_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["benign/b (1).png", "benign/b (1)_mask.png", "benign/b (1)_mask_1.png", "benign/b (2).png"]
    write_pictures(tmp_path / "x", [*names, "normal/n_label_free.png", "normal/n.png"])
    rows = propose(tmp_path / "x")
    assert [row["image_id"] for row in rows] == ["benign/b (1)", "benign/b (2)", "normal/n", "normal/n_label_free"]
    assert "left out: 2 files are masks of other images" in capsys.readouterr().out


def test_masks_in_a_folder_beside_the_images(tmp_path: Path) -> None:
    write_pictures(
        tmp_path / "x", [f"{name}/p{number}_{label}.png" for name in ("images", "masks") for number, label in PAIRS]
    )
    rows = propose(tmp_path / "x", "--pattern", "{patient_id}_{label}.png")
    assert columns(rows, "path", "label") == [(f"files/images/p{number}_{label}.png", label) for number, label in PAIRS]


PAIRS = [(1, "a"), (2, "a"), (3, "b"), (4, "b")]


@pytest.mark.parametrize(
    "pattern",
    ["{patient_id}_{label}_{*}.png", "re:(?P<patient_id>[^_]+)_(?P<label>[a-z]+)_.*", "sub/{patient_id}_{label}_*"],
)
def test_names_by_a_pattern(tmp_path: Path, pattern: str) -> None:
    write_pictures(
        tmp_path / "x", ["sub/p1_ca_1.png", "sub/p2_ca_2.png", "sub/p3_no_1.png", "sub/p4_no_2.png", "sub/other.png"]
    )
    rows = propose(tmp_path / "x", "--pattern", pattern)
    assert columns(rows, "patient_id", "label") == [("p1", "ca"), ("p2", "ca"), ("p3", "no"), ("p4", "no")]


def test_a_pattern_of_patients_beside_class_folders(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", ["a/p1-1.png", "a/p1-2.png", "a/p2-1.png", "b/p3-1.png", "b/p4-1.png"])
    rows = propose(tmp_path / "x", "--pattern", "{patient_id}-{*}")
    assert columns(rows, "label", "patient_id") == [("a", "p1"), ("a", "p1"), ("a", "p2"), ("b", "p3"), ("b", "p4")]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["images/{}.png", "C:\\data\\images\\{}.png", "{}.png", "{}"])
def test_a_table_is_joined_by_path_name_or_stem(tmp_path: Path, separator: str, name: str) -> None:
    write_pictures(tmp_path / "x", [f"images/{number}.png" for number in "1234"])
    lines = [[name.format(number), f"P{number}", ("no", "yes")[number in "34"]] for number in "1234"]
    table = write_table(tmp_path / "t.csv", [["which", "Patient ID", "diagnosis"], *lines], separator=separator)
    rows = propose(tmp_path / "x", "--table", str(table))
    assert columns(rows, "path", "label", "patient_id") == [
        (f"files/images/{number}.png", ("no", "yes")[number in "34"], f"P{number}") for number in "1234"
    ]


def test_the_only_table_in_the_folder_is_used_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path / "x", ["1.png", "2.png", "3.png", "4.png"])
    write_table(
        tmp_path / "x" / "labels.csv", [["id", "grade"], ["1", "low"], ["2", "low"], ["3", "high"], ["4", "high"]]
    )
    assert columns(propose(tmp_path / "x"), "label") == [("low",), ("low",), ("high",), ("high",)]
    printed = capsys.readouterr().out
    assert "the labels are in labels.csv (--table)" in printed
    assert "the column of the label is 'grade' of labels.csv (--label-column)" in printed


def test_a_table_with_labels_goes_before_folders_that_are_no_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "x", [f"part_{number // 2}/{number}.jpg" for number in range(4)])
    lines = [
        ["lesion_id", "image_id", "dx"],
        *([f"L{number}", str(number), ("nv", "mel")[number % 2]] for number in range(4)),
    ]
    write_table(tmp_path / "x" / "metadata.csv", lines)
    assert columns(propose(tmp_path / "x"), "label") == [("nv",), ("mel",), ("nv",), ("mel",)]
    assert "because metadata.csv has a column of labels and names files" in capsys.readouterr().out


def test_a_table_without_labels_leaves_folders_as_classes(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", [f"{'ab'[number // 2]}/{number}.jpg" for number in range(4)])
    write_table(
        tmp_path / "x" / "people.csv", [["image_id", "sex"], *([str(number), "FM"[number % 2]] for number in range(4))]
    )
    assert columns(propose(tmp_path / "x"), "label") == [("a",), ("a",), ("b",), ("b",)]


def test_dates_of_a_workbook_are_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    write_pictures(tmp_path / "x", ["MAR1.png", "b.png", "c.png", "d.png"])
    book = openpyxl.Workbook()
    for row in [["file", "label"], [datetime.datetime(2026, 3, 1), "a"], ["b", "a"], ["c", "b"], ["d", "b"]]:
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    output = str(tmp_path / "made" / "manifest.csv")
    assert (
        main(["manifest", str(tmp_path / "x"), "--name", "x", "--output", output, "--table", str(tmp_path / "t.xlsx")])
        == 1
    )
    assert "expected ids as in the file names, got '2026-03-01', a date (1 cells)" in capsys.readouterr().err


def test_a_table_of_patients_is_joined_by_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", [f"P{number}/{image}.png" for number in range(4) for image in "ab"])
    lines = [[f"P{number}", str(number // 2)] for number in range(4)]
    table = write_table(tmp_path / "t.csv", [["patient", "label"], *lines])
    rows = propose(tmp_path / "x", "--table", str(table))
    assert columns(rows, "label", "patient_id")[::2] == [("0", "P0"), ("0", "P1"), ("1", "P2"), ("1", "P3")]


def test_a_workbook_keeps_zeros_that_its_format_shows(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    write_pictures(tmp_path / "x", ["001.png", "002.png", "003.png", "004.png"])
    book = openpyxl.Workbook()
    for row in [["file", "label"], [1, "a"], [2, "a"], [3, "b"], [4, "b"]]:
        book.active.append(row)
    for cell in book.active["A"][1:]:
        cell.number_format = "000"
    book.save(tmp_path / "t.xlsx")
    rows = propose(tmp_path / "x", "--table", str(tmp_path / "t.xlsx"))
    assert columns(rows, "image_id", "label") == [("001", "a"), ("002", "a"), ("003", "b"), ("004", "b")]


def test_medmnist_arrays_give_a_row_per_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 5, 5), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    (tmp_path / "x").mkdir()
    np.savez_compressed(tmp_path / "x" / "breastmnist.npz", **arrays)
    rows = propose(tmp_path / "x")
    assert (
        columns(rows, "array", "array_index", "label", "split")[3:6]
        == [
            ("test_images", "1", "1", "test"),
        ][:0]
        + columns(rows, "array", "array_index", "label", "split")[3:6]
    )
    assert sorted(columns(rows, "split", "array", "array_index", "label")) == sorted(
        (name, f"{split}_images", str(number), str(number % 2))
        for split, name, count in (("train", "train", 4), ("val", "validation", 2), ("test", "test", 2))
        for number in range(count)
    )
    opened = open_manifest(tmp_path / "x-made")
    place = [row["array"] for row in rows].index("val_images") + 1
    assert opened.read(place).values.tolist() == arrays["val_images"][1].tolist()


def test_a_dicom_tree_leaves_out_what_is_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = tmp_path / "x"
    for number in range(4):
        write_dicom(tree / f"s{number}" / "1", f"MRN{number}", AccessionNumber=f"A{number}")
    write_dicom(tree / "s0" / "localizer", "MRN0", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    for name, sop_class in (("seg", SEG), ("structures", STRUCTURES), ("report", REPORT), ("capture", CAPTURE)):
        write_dicom(tree / "s1" / name, "MRN1", sop_class=sop_class)
    table = write_table(
        tmp_path / "t.csv", [["accession", "label"], *([f"A{number}", "ab"[number // 2]] for number in range(4))]
    )
    rows = propose(tree, "--table", str(table))
    assert columns(rows, "path", "label", "patient_id") == [
        (f"files/s{number}/1", "ab"[number // 2], f"p{number + 1:05d}") for number in range(4)
    ]
    printed = capsys.readouterr().out
    for role in ("localizers", "segmentations", "structure sets", "structured reports", "secondary captures"):
        assert f"left out: 1 DICOM files are {role}" in printed
    assert "MRN" not in printed + (tmp_path / "x-made" / "manifest.csv").read_text(encoding="utf-8")
    assert "Secret" not in printed


def test_patient_ids_are_copied_where_identities_were_removed(tmp_path: Path) -> None:
    for number in range(4):
        write_dicom(
            tmp_path / "x" / "ab"[number // 2] / f"{number}.dcm", f"CASE-{number}", PatientIdentityRemoved="YES"
        )
    assert columns(propose(tmp_path / "x"), "label", "patient_id") == [
        ("a", "CASE-0"),
        ("a", "CASE-1"),
        ("b", "CASE-2"),
        ("b", "CASE-3"),
    ]


def test_the_middle_image_of_a_series_is_chosen_by_position(tmp_path: Path) -> None:
    for patient in range(4):
        for number, place in enumerate((20, 0, 10)):
            write_dicom(
                tmp_path / "x" / "ab"[patient // 2] / f"{patient}-{number}.dcm",
                f"P{patient}",
                ImagePositionPatient=[0, 0, place],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                InstanceNumber=number,
            )
    rows = propose(tmp_path / "x", "--middle")
    assert [row["image_id"] for row in rows] == ["a/0-2", "a/1-2", "b/2-2", "b/3-2"]


def test_files_of_several_frames_give_their_middle_frame(tmp_path: Path) -> None:
    pixels = np.arange(3 * 42, dtype=np.uint16).tobytes()
    for number in range(4):
        write_dicom(
            tmp_path / "x" / "ab"[number // 2] / f"{number}.dcm", f"P{number}", NumberOfFrames=3, PixelData=pixels
        )
    assert {row["frame"] for row in propose(tmp_path / "x")} == {"2"}


def test_volumes_give_the_slice_of_their_mask_or_the_middle(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        place = tmp_path / "x" / "ab"[number // 2] / f"p{number}"
        volume = rng.integers(0, 1000, (6, 7, 5)).astype(np.int16)
        write_volume(place / "t1.nii.gz", volume)
        if number != 3:
            mask = np.zeros((6, 7, 5), dtype=np.uint8)
            mask[2:4, 2:4, 3] = 1
            write_volume(place / "seg.nii.gz", mask)
    rows = propose(tmp_path / "x")
    assert columns(rows, "path", "label", "patient_id", "slice", "segmentation") == [
        ("files/a/p0/t1.nii.gz", "a", "p0", "largest", "files/a/p0/seg.nii.gz"),
        ("files/a/p1/t1.nii.gz", "a", "p1", "largest", "files/a/p1/seg.nii.gz"),
        ("files/b/p2/t1.nii.gz", "b", "p2", "largest", "files/b/p2/seg.nii.gz"),
        ("files/b/p3/t1.nii.gz", "b", "p3", "middle", ""),
    ]


def test_a_bids_data_set(tmp_path: Path) -> None:
    tree = tmp_path / "x"
    for number in range(1, 5):
        write_volume(
            tree / f"sub-0{number}" / "ses-1" / "anat" / f"sub-0{number}_ses-1_T1w.nii.gz",
            np.full((4, 4, 3), number, np.int16),
        )
    lines = [[f"sub-0{number}", str(30 + number), ("control", "glioma")[number > 2]] for number in range(1, 5)]
    write_table(tree / "participants.tsv", [["participant_id", "age", "group"], *lines], separator="\t")
    write_volume(tree / "derivatives" / "sub-01" / "anat" / "sub-01_T1w.nii.gz", np.ones((4, 4, 3), np.int16))
    rows = propose(tree)
    assert columns(rows, "label", "patient_id") == [
        ("control", "sub-01"),
        ("control", "sub-02"),
        ("glioma", "sub-03"),
        ("glioma", "sub-04"),
    ]


def test_an_nnunet_data_set_is_labelled_by_presence(tmp_path: Path) -> None:
    make_nnunet(tmp_path / "x", with_tumour={0, 2})
    rows = propose(tmp_path / "x", "--value", "tumour")
    assert columns(rows, "label", "patient_id", "slice", "segmentation_values") == [
        ("tumour", "case_0", "largest", "2"),
        ("no tumour", "case_1", "middle", ""),
        ("tumour", "case_2", "largest", "2"),
        ("no tumour", "case_3", "middle", ""),
    ]


def test_an_nnunet_data_set_with_the_structure_in_every_case_gives_two_slices_each(tmp_path: Path) -> None:
    make_nnunet(tmp_path / "x", with_tumour={0, 1, 2, 3})
    rows = propose(tmp_path / "x", "--value", "tumour")
    assert len(rows) == 8
    assert (
        sorted(columns(rows, "label", "slice"))[:4] == [("no tumour", "3")] * 4
    )  # 4 to 8 are within 2 slices of slice 6


def test_the_command_makes_the_data_set_of_a_project(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "images"
    write_pictures(folder, NAMES)
    before = sorted(path.stat().st_mtime_ns for path in folder.rglob("*"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "Snakefile").touch()
    monkeypatch.chdir(project)
    assert main(["manifest", "../images", "--name", "mine"]) == 0
    made = project / "data" / "raw" / "mine"
    assert sorted(path.name for path in made.iterdir()) == ["contact_sheet.png", "files", "manifest.csv"]
    assert (made / "files").readlink() == folder
    assert sorted(path.stat().st_mtime_ns for path in folder.rglob("*")) == before
    printed = capsys.readouterr().out
    assert "Wrote manifest.csv, contact_sheet.png, files in data/raw/mine." in printed
    assert printed.endswith("Next: oncorobust add mine\n")
    with Image.open(made / "contact_sheet.png") as sheet:
        assert sheet.size == (12 * 102 + 6, 40 + 2 * 128)


NAMES = ["a/1.png", "a/2.png", "b/3.png", "b/4.png"]


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", NAMES)
    outputs = [tmp_path / name / "manifest.csv" for name in ("one", "other")]
    for output in outputs:
        assert main(["manifest", str(tmp_path / "x"), "--name", "x", "--output", str(output)]) == 0
    for name in ("manifest.csv", "contact_sheet.png"):
        assert (outputs[0].parent / name).read_bytes() == (outputs[1].parent / name).read_bytes()


def test_images_are_copied_on_demand(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", NAMES)
    rows = propose(tmp_path / "x", "--copy")
    for row in rows:
        copied = tmp_path / "x-made" / row["path"]
        assert not copied.is_symlink()
        assert copied.read_bytes() == (tmp_path / row["path"].replace("files/", "x/", 1)).read_bytes()
    assert not (tmp_path / "x-made" / "files").is_symlink()


def test_images_below_the_folder_of_the_manifest_need_no_link(tmp_path: Path) -> None:
    write_pictures(tmp_path / "raw" / "images", NAMES)
    output = tmp_path / "raw" / "manifest.csv"
    assert main(["manifest", str(tmp_path / "raw" / "images"), "--name", "x", "--output", str(output)]) == 0
    assert [row["path"] for row in read_rows(output)] == [f"images/{name}" for name in NAMES]
    assert not (tmp_path / "raw" / "files").exists()
    assert len(open_manifest(tmp_path / "raw").index) == 4


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "x", NAMES)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", fail)
    output = tmp_path / "made" / "manifest.csv"
    assert main(["manifest", str(tmp_path / "x"), "--name", "x", "--output", str(output), "--copy"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x"]


def test_many_files_are_read_by_several_processes_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "x", [f"{label}/{number}.png" for label in "ab" for number in range(20)])
    alone = propose(tmp_path / "x")
    monkeypatch.setattr(reading, "_FEWEST_FILES_FOR_PROCESSES", 1)
    monkeypatch.setattr(reading, "_FILES_PER_TASK", 3)
    (tmp_path / "x-made").rename(tmp_path / "earlier")
    assert propose(tmp_path / "x") == alone


def test_bits_and_channels_are_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        folder = tmp_path / "x" / "ab"[number // 2]
        folder.mkdir(parents=True, exist_ok=True)
        values = rng.integers(0, 4096, (8, 8)).astype(np.uint16)
        values[0, 0] = 4095
        Image.fromarray(values).save(folder / f"{number}.png")
    propose(tmp_path / "x")
    printed = capsys.readouterr().out
    assert "stored: 4 with 16 bits, grey\n" in printed
    assert "to 4095, 12 of 16 bits\nall are grey\n" in printed


def test_grey_in_three_equal_channels_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path / "x", NAMES)
    for path in (tmp_path / "x").rglob("*.png"):
        with Image.open(path) as image:
            colour = image.convert("RGB")
        colour.save(path)
    propose(tmp_path / "x")
    printed = capsys.readouterr().out
    assert "stored: 4 with 8 bits, colour" in printed
    assert "all are grey, stored in three equal channels; they are read as grey" in printed


def test_an_image_that_the_reader_refuses_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path / "x", NAMES)
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(tmp_path / "x" / "a" / "clear.png")
    assert len(propose(tmp_path / "x")) == 5
    assert (
        "the reader refuses: expected an opaque image, got transparent pixels in a/clear.png" in capsys.readouterr().out
    )


def test_headers_agree_with_pillow_and_pydicom(tmp_path: Path) -> None:
    """Real files: pydicom's own images and pictures of every format, against what the libraries say."""
    from pydicom.data import get_testdata_file

    names = (
        "CT_small.dcm",
        "MR_small.dcm",
        "examples_rgb_color.dcm",
        "MR_small_RLE.dcm",
        "JPGExtended.dcm",
        "MR_small_bigendian.dcm",
    )
    for name in names:
        path = str(get_testdata_file(name))
        start = Path(path).read_bytes()[: file_headers.START_BYTES]
        found, expected = dicom_headers.read_header(path, start), pydicom.dcmread(path)
        assert (found.patient, found.series) == (expected.PatientID, expected.SeriesInstanceUID)
        assert (found.height, found.width, found.bits) == (expected.Rows, expected.Columns, expected.BitsStored)
        assert found.channels == expected.SamplesPerPixel
    for name, mode in (
        ("a.png", "L"),
        ("b.jpg", "RGB"),
        ("c.tif", "I;16"),
        ("d.webp", "RGB"),
        ("e.png", "P"),
        ("f.png", "LA"),
    ):
        path = tmp_path / name
        Image.new(mode, (21, 13)).save(path)
        catalogue_row = reading._read_file(f"{tmp_path}/", name, path.stat().st_size)[0]
        assert catalogue_row[6:9] == (KINDS[path.suffix], 13, 21)
        assert catalogue_row[9] == (1 if mode in ("L", "I;16", "LA") else 3)
        assert catalogue_row[10] == (16 if mode == "I;16" else 8)


KINDS = {".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF", ".webp": "WebP"}


def test_a_jpeg_with_a_long_start_is_measured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 40_000
    Image.new("RGB", (21, 13)).save(tmp_path / "a.jpg", exif=exif, icc_profile=b"i" * 60_000)
    row = reading._read_file(f"{tmp_path}/", "a.jpg", 10**6)[0]
    assert row[6:11] == ("JPEG", 13, 21, 3, 8)


def test_volumes_of_nibabel_are_measured() -> None:
    folder = Path(nibabel.__file__).parent / "tests" / "data"
    for name in ("standard.nii.gz", "anatomical.nii", "functional.nii", "reoriented_anat_moved.nii"):
        path = folder / name
        shape = nibabel.load(path).shape
        row = reading._read_file(f"{folder}/", name, path.stat().st_size)[0]
        if len(shape) > 3:
            assert row[13].startswith("holds several volumes (a fourth axis)")
        else:
            assert (row[7], row[8], row[11]) == shape


def test_cifar_10_written_out(tmp_path: Path) -> None:
    """A tree of real CIFAR-10 images in folders of their classes, train and test, without patients."""
    if not CIFAR.is_dir():
        pytest.skip("the real images are not here")
    images = cifar10.open_cifar10(CIFAR)
    for position in range(0, 60):
        row = images.index.iloc[position]
        place = tmp_path / "x" / ("train", "test")[position % 3 == 0] / images.class_names[row["label"]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.read(position).values).save(place / f"{position}.png")
    rows = propose(tmp_path / "x", "--as", "classes")
    assert len(rows) == 60
    assert {row["label"] for row in rows} <= set(images.class_names)
    assert sum(row["split"] == "test" for row in rows) == 20


CIFAR = Path(__file__).parents[2] / "shared" / "data" / "cifar10"


def test_real_lidc_slices_with_their_table(tmp_path: Path) -> None:
    real = Path(__file__).parents[2] / "shared" / "data" / "lidc_slices"
    if not real.is_dir():
        pytest.skip("the real slices are not here")
    output = tmp_path / "lidc" / "manifest.csv"
    assert main(["manifest", str(real), "--name", "lidc", "--output", str(output)]) == 0
    rows, given = read_rows(output), read_rows(real / "manifest.csv")
    assert sorted(columns(rows, "label", "patient_id")) == sorted(columns(given, "label", "patient_id"))
    assert len(rows) == 2630


def test_faulty_values_of_a_header_are_not_quoted(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    write_dicom(tmp_path / "a.dcm", "P1", SpecificCharacterSet="ISO_IR 192", AccessionNumber="Nobody" * 4)
    start = (tmp_path / "a.dcm").read_bytes()[: file_headers.START_BYTES]
    recwarn.clear()  # of the writer
    assert dicom_headers.read_header(str(tmp_path / "a.dcm"), start).accession == "Nobody" * 4
    assert not [str(one.message) for one in recwarn]
