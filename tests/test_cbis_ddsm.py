"""CBIS-DDSM's trees: lesions joined to files by their UIDs, the frame of images, and what is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from cbis_trees import FULL, PAIR, Lesion, dicom_path, edit_dicom, grey, outline, write_csvs, write_dicom, write_tree

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.formats.cbis_ddsm import csv as cbis_csv
from oncorobust.formats.cbis_ddsm.reader import open_cbis_ddsm
from oncorobust.formats.records import RawImages
from oncorobust.settings.data import CbisDdsm

CROP = dicom_path(Path(), PAIR[0], "crop")
MASK = dicom_path(Path(), PAIR[0], "mask")
CALCIFICATIONS = (
    Lesion("P_00001", kind="calcification", split="test", separate=True),
    Lesion("P_00009", "MALIGNANT", kind="calcification"),
)


def silent(done: int, total: int, word: str) -> None:
    pass


def open_tree(folder: Path, *abnormalities: Any) -> RawImages:
    return open_cbis_ddsm(folder, CbisDdsm(abnormalities=abnormalities or ("mass",)), on_progress=silent)


def test_the_frame_of_images(tmp_path: Path) -> None:
    lesions = (
        PAIR[0],
        Lesion("P_00001", "MALIGNANT", view="MLO"),
        PAIR[1],
        Lesion("P_00003", "BENIGN_WITHOUT_CALLBACK"),
    )
    raw = open_tree(write_tree(tmp_path, *lesions))
    assert raw.index.to_dict("list") == {
        "image_id": [
            f"mass_{name}_1" for name in ("P_00001_LEFT_CC", "P_00001_LEFT_MLO", "P_00003_LEFT_CC", "P_00002_LEFT_CC")
        ],
        "patient_id": ["P_00001", "P_00001", "P_00003", "P_00002"],
        "label": [1, 1, 0, 0],
        "source": [dicom_path(Path(), lesions[i], "crop").as_posix() for i in (0, 1, 3, 2)],
        "mask_source": [dicom_path(Path(), lesions[i], "mask").as_posix() for i in (0, 1, 3, 2)],
        "pathology": ["MALIGNANT", "MALIGNANT", "BENIGN_WITHOUT_CALLBACK", "BENIGN"],
        "abnormality_type": ["mass"] * 4,
        "side": ["LEFT"] * 4,
        "view": ["CC", "MLO", "CC", "CC"],
        "abnormality_id": ["1"] * 4,
        "breast_density": ["2"] * 4,
        "given_split": ["train", "train", "train", "test"],
    }
    assert raw.class_names == ("benign", "malignant")
    assert (raw.intensity_unit, raw.verified, raw.notes, raw.synthetic) == ("grey level", "unverified", (), False)


def test_pixels_are_the_crop_padded_to_a_square(tmp_path: Path) -> None:
    raw = open_tree(write_tree(tmp_path, *PAIR))
    image = raw.read(0)
    assert image.limits == (0, 65535)
    assert image.values.shape == (12, 12)
    np.testing.assert_array_equal(image.values[2:10], grey())
    assert not image.values[:2].any()
    assert not image.values[10:].any()


def test_padded_pixels_of_the_crop_are_told(tmp_path: Path) -> None:
    write_tree(tmp_path, *PAIR)
    crop = grey()
    crop[:, 0] = 0
    file = pydicom.dcmread(path := dicom_path(tmp_path, PAIR[0], "crop"))
    file.add_new("PixelPaddingValue", "US", 0)
    file.PixelData = crop.tobytes()
    file.save_as(path)
    first, second = (open_tree(tmp_path).read(position) for position in (0, 1))
    assert first.padded is not None and second.padded is not None
    assert first.padded[2:10, 0].all() and first.padded.sum() == 8, "the square around the crop is no padding"
    assert set(first.values[2:10, 0]) == {1100}
    assert not second.padded.any()


def test_names_of_files_and_folders_say_nothing(tmp_path: Path) -> None:
    write_csvs(tmp_path, *PAIR)
    for number, lesion in enumerate(PAIR):  # crop and mask under each other's names, the patient's name on neither
        study = tmp_path / "manifest-1" / "CBIS-DDSM" / "case" / f"10-04-2016-DDSM-NA-{number}"
        changes = {"PatientID": "P_00038_LEFT_CC.dcm", "SeriesDescription": "cropped images"}
        write_dicom(study / "1.000000-ROI mask images-1" / "1-2.dcm", lesion.crop, lesion, "crop", **changes)
        write_dicom(study / "1.000000-ROI mask images-1" / "1-1.dcm", lesion.mask, lesion, "mask", **changes)
    raw = open_tree(tmp_path)
    assert raw.index["patient_id"].tolist() == ["P_00001", "P_00002"]
    for position in range(2):
        assert raw.index["source"][position].endswith("1-2.dcm")
        np.testing.assert_array_equal(raw.read(position).values[2:10], grey())


def test_two_series_of_one_file_each_whichever_the_csv_calls_the_crop(tmp_path: Path) -> None:
    lesion = Lesion("P_00003", separate=True)
    write_tree(tmp_path, *PAIR, lesion)
    path = tmp_path / "mass_case_description_train_set.csv"
    crop, mask = ("/".join(lesion.uids(role)) for role in ("crop", "mask"))
    text = path.read_bytes().decode()
    assert crop in text and mask in text
    path.write_bytes(text.replace(crop, "-").replace(mask, crop).replace("-/0", f"{mask}/0").encode())
    raw = open_tree(tmp_path)
    assert raw.index["source"][1] == dicom_path(Path(), lesion, "crop").as_posix()
    np.testing.assert_array_equal(raw.read(1).values[2:10], grey())


def test_masses_and_calcifications_together_have_no_split_of_their_own(tmp_path: Path) -> None:
    write_tree(tmp_path, *PAIR, *CALCIFICATIONS)
    masses, calcifications = open_tree(tmp_path), open_tree(tmp_path, "calcification")
    assert masses.index["given_split"].tolist() == ["train", "test"]
    assert calcifications.index["given_split"].tolist() == ["train", "test"]
    both = open_tree(tmp_path, "mass", "calcification")
    assert len(both.index) == 4
    assert "given_split" not in both.index
    assert both.notes == (
        "no given split: 1 of 3 patients are in a training file and in the test file of the other abnormality",
    )
    apart = (Lesion("P_00005", kind="calcification", split="test"), CALCIFICATIONS[1])
    (tmp_path / "apart").mkdir()
    raw = open_tree(write_tree(tmp_path / "apart", *PAIR, *apart), "mass", "calcification")
    assert raw.index["given_split"].tolist() == ["train", "test", "train", "test"]
    assert raw.notes == ()


def test_files_as_published_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "mass_case_description_test_set.csv"
    monkeypatch.setitem(cbis_csv.SHA256, name, file_sha256(write_tree(tmp_path, *PAIR) / name))
    verified = f"{name}: SHA-256 as published; mass_case_description_train_set.csv: unverified"
    assert open_tree(tmp_path).verified == verified


def test_synthetic_images_say_so(tmp_path: Path) -> None:
    write_tree(tmp_path, *PAIR)
    (tmp_path / "SYNTHETIC.txt").touch()
    assert open_tree(tmp_path).synthetic
    (tmp_path / "SYNTHETIC.txt").unlink()
    files = [tmp_path / dicom_path(Path(), lesion, role) for lesion in PAIR for role in ("crop", "mask")]
    for path in files:
        edit_dicom(path, SyntheticData="YES")
    assert open_tree(tmp_path).synthetic
    edit_dicom(files[-1], SyntheticData="NO")
    with pytest.raises(InputError, match=f"expected real or synthetic images, got both in {tmp_path}"):
        open_tree(tmp_path)


def test_a_mammogram_bounds_the_crop(tmp_path: Path) -> None:
    write_tree(tmp_path, *PAIR)
    path = tmp_path / "full.dcm"
    write_dicom(path, grey(*FULL), PAIR[0], "image")
    assert len(open_tree(tmp_path).index) == 2
    write_dicom(path, grey(8, 12), PAIR[0], "image")
    message = f"crop smaller than its mammogram, got 8 x 12 pixels in .*{CROP} and 8 x 12 pixels in {path}"
    with pytest.raises(InputError, match=message):
        open_tree(tmp_path)


def test_a_crop_as_large_as_its_mask(tmp_path: Path) -> None:
    write_tree(tmp_path, Lesion("P_00001", "MALIGNANT", crop=grey(*FULL)), PAIR[1])
    message = f"expected a crop smaller than its mask, got 40 x 30 pixels in .*{CROP} and 40 x 30 pixels in .*{MASK}"
    with pytest.raises(InputError, match=message):
        open_tree(tmp_path)


def test_a_mask_where_the_crop_should_be_is_told_by_its_pixels(tmp_path: Path) -> None:
    small = outline(shape=(20, 20)).astype(np.uint16)
    raw = open_tree(write_tree(tmp_path, Lesion("P_00001", "MALIGNANT", crop=small), PAIR[1]))
    with pytest.raises(InputError, match=f"got only 0 and 255 in .*{CROP} and only 0 and 255 in .*{MASK}"):
        raw.read(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"PhotometricInterpretation": "RGB"},
            "expected PhotometricInterpretation MONOCHROME2 or MONOCHROME1, got RGB in",
        ),
        ({"SamplesPerPixel": 3}, "expected SamplesPerPixel 1, got 3 in"),
        ({"PixelRepresentation": 1}, r"expected PixelRepresentation 0 \(unsigned\), got 1 in"),
        ({"BitsAllocated": 32}, "expected BitsAllocated 8 or 16, got 32 in"),
        ({"BitsAllocated": None}, "expected BitsAllocated 8 or 16, got none in"),
        ({"BitsAllocated": 8}, "expected a crop of 16 bits, got 8 in"),
        ({"Rows": 0}, "expected Rows and Columns, got 0 and 12 in"),
        ({"Columns": None}, "expected Rows and Columns, got 8 and None in"),
        ({"BurnedInAnnotation": "YES"}, "expected BurnedInAnnotation NO or absent .*, got YES in"),
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"},
            "expected SOPClassUID of Secondary Capture, .* or Digital Mammography, got 1.2.840.10008.5.1.4.1.1.66.4",
        ),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    edit_dicom(write_tree(tmp_path, *PAIR) / CROP, **changes)
    with pytest.raises(InputError, match=f"{message} .*{tmp_path / CROP}"):
        open_tree(tmp_path)


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.2"])
def test_digital_radiographs_and_mammograms_are_read(tmp_path: Path, sop_class: str) -> None:
    edit_dicom(write_tree(tmp_path, *PAIR) / CROP, SOPClassUID=sop_class, BurnedInAnnotation="NO")
    np.testing.assert_array_equal(open_tree(tmp_path).read(0).values[2:10], grey())


def test_lesions_that_are_not_on_disk(tmp_path: Path) -> None:
    lesions = [*PAIR, *(Lesion(f"P_00{number}") for number in range(100, 112))]
    write_tree(tmp_path, *PAIR)
    write_csvs(tmp_path, *lesions)
    with pytest.raises(InputError) as caught:
        open_tree(tmp_path)
    message = str(caught.value)
    assert message.startswith("expected the series of all 14 lesions on disk, got 12 missing")
    assert "the first 10, with SeriesInstanceUID: mass_P_00100_LEFT_CC_1 (" + lesions[2].uids("crop")[1] in message
    assert len(re.findall(r"mass_P_00\d{3}", message)) == 10


def test_a_series_under_another_study_is_not_the_lesions(tmp_path: Path) -> None:
    write_tree(tmp_path, *PAIR)
    for path in (CROP, MASK):
        edit_dicom(tmp_path / path, StudyInstanceUID="2.25.1")
    series = PAIR[0].uids("crop")[1]
    with pytest.raises(InputError, match=rf"got 1 missing; .* first 1, .*: mass_P_00001_LEFT_CC_1 \({series}\)"):
        open_tree(tmp_path)


def test_a_series_with_a_file_too_many_or_too_few(tmp_path: Path) -> None:
    copy = tmp_path / "copy.dcm"
    copy.write_bytes((write_tree(tmp_path, *PAIR) / MASK).read_bytes())
    edit_dicom(copy, SOPInstanceUID="1.2.3")
    series = PAIR[0].uids("crop")[1]
    message = (
        f"expected 2 files in series {series} of mass_P_00001_LEFT_CC_1, got 3: .*000000.dcm, .*000001.dcm, copy.dcm"
    )
    with pytest.raises(InputError, match=f"{message} in {tmp_path}"):
        open_tree(tmp_path)
    copy.unlink()
    (tmp_path / MASK).unlink()
    with pytest.raises(InputError, match=f"expected 2 files in series {series} .*, got 1: .*000000.dcm in {tmp_path}"):
        open_tree(tmp_path)


def test_trees_without_dicom(tmp_path: Path) -> None:
    write_csvs(tmp_path, *PAIR)
    with pytest.raises(InputError, match=f"expected DICOM files, got none in {tmp_path}"):
        open_tree(tmp_path)
    (tmp_path / "jpeg" / "1.3.6").mkdir(parents=True)
    with pytest.raises(
        InputError, match=rf"got the JPEG copy \(jpeg/\), which is re-encoded to 8 bits .* in {tmp_path}"
    ):
        open_tree(tmp_path)


def test_part_of_the_collection_is_read_with_a_note_where_allowed(tmp_path: Path) -> None:
    lesions = (*PAIR, Lesion("P_00003"), Lesion("P_00004", separate=True))
    write_tree(tmp_path, *lesions)
    dicom_path(tmp_path, lesions[2], "mask").unlink()
    dicom_path(tmp_path, lesions[3], "crop").unlink()
    with pytest.raises(InputError, match=r"got 1 missing; .*set allow_missing: true to go on"):
        open_tree(tmp_path)
    settings = CbisDdsm(abnormalities=("mass",), allow_missing=True)
    raw = open_cbis_ddsm(tmp_path, settings, on_progress=silent)
    assert raw.index["patient_id"].tolist() == ["P_00001", "P_00002"]
    assert raw.notes == ("2 of 4 lesions were left out: their crop or mask is not on disk (allow_missing)",)
    assert raw.read(1).values.shape == (12, 12)


def test_part_of_the_collection_without_any_lesion_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, *PAIR)
    for lesion in PAIR:
        dicom_path(tmp_path, lesion, "mask").unlink()
    settings = CbisDdsm(abnormalities=("mass",), allow_missing=True)
    with pytest.raises(InputError, match="expected crop and mask of some of the 2 lesions, got none in"):
        open_cbis_ddsm(tmp_path, settings, on_progress=silent)


def test_a_case_description_downloaded_twice_is_read_once(tmp_path: Path) -> None:
    write_tree(tmp_path, *PAIR)
    name = "mass_case_description_test_set.csv"
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / name).write_bytes((tmp_path / name).read_bytes())
    assert len(open_tree(tmp_path).index) == 2
