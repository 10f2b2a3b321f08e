"""CBIS-DDSM's case descriptions: the published files' counts and quirks, and what is refused."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from cbis_trees import CALCIFICATION, MASS, PAIR, Lesion, csv_name, write_csvs

from oncorobust.base.errors import InputError
from oncorobust.formats.cbis_ddsm.csv import CaseFile, find_case_files, patients_in_both_splits, read_lesions

BOTH = ("mass", "calcification")
PUBLISHED = Path(os.environ.get("ONCOROBUST_CBIS_CSV", "nowhere"))
needs_published = pytest.mark.skipif(
    not all((PUBLISHED / csv_name(kind, split)).is_file() for kind in BOTH for split in ("train", "test")),
    reason="needs the folder of CBIS-DDSM's four CSVs in ONCOROBUST_CBIS_CSV",
)
TRAIN = csv_name("mass", "train")


def read(folder: Path, *abnormalities: str) -> pd.DataFrame:
    return read_lesions(find_case_files(folder, abnormalities or ("mass",)))


def edit(path: Path, change: Callable[[str], str]) -> None:
    with path.open(newline="") as stream:
        text = stream.read()
    changed = change(text)
    assert changed != text
    path.write_bytes(changed.encode())


@needs_published
def test_counts_of_the_published_files() -> None:
    files = find_case_files(PUBLISHED, BOTH)
    assert all(file.as_published for file in files)
    counts = {}
    for file in files:
        rows = read_lesions([file])
        pathology = rows["pathology"].value_counts()
        counts[csv_name(file.abnormality, file.split)] = (
            len(rows),
            rows["patient_id"].nunique(),
            rows["image_series"].nunique(),
            tuple(pathology[["MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK"]]),
        )
    assert counts == {
        "mass_case_description_train_set.csv": (1318, 691, 1231, (637, 577, 104)),
        "mass_case_description_test_set.csv": (378, 201, 361, (147, 194, 37)),
        "calc_case_description_train_set.csv": (1546, 602, 1227, (544, 528, 474)),
        "calc_case_description_test_set.csv": (326, 151, 284, (129, 130, 67)),
    }


@needs_published
def test_the_published_masses() -> None:
    masses = read(PUBLISHED)
    assert len(masses) == 1696
    assert (masses["pathology"] == "MALIGNANT").sum() == 784
    assert masses["patient_id"].nunique() == 892
    assert len(masses.drop_duplicates(["patient_id", "side", "abnormality_id"])) == 1005
    assert patients_in_both_splits(masses) == []
    assert masses["image_id"][0] == "mass_P_00001_LEFT_CC_1"
    assert (masses["crop_series"] != masses["mask_series"]).sum() == 103


@needs_published
def test_thirty_one_patients_are_in_training_and_test_files_of_different_types() -> None:
    lesions = read(PUBLISHED, *BOTH)
    assert len(lesions) == 3568
    assert len(patients_in_both_splits(lesions)) == 31


def test_rows_of_files_with_every_quirk(tmp_path: Path) -> None:
    uid = "1.3.6.1.4.1.9590.100.1.2.1"
    rows = [
        f"P_00001,3,LEFT,CC,1,mass,OVAL,N/A,4,MALIGNANT ,4,F/{uid}1/{uid}2/000000.dcm,"
        f'C/{uid}3/{uid}4/000000.dcm,"C/{uid}3/{uid}4/000001.dcm\n"\r\n',
        f"P_00001, 3,RIGHT,MLO,2,mass,,CIRCUMSCRIBED,0,BENIGN_WITHOUT_CALLBACK,0,F/{uid}5/{uid}6/000000.dcm,"
        f'C/{uid}7/{uid}8/000000.dcm,"D/{uid}9/{uid}10/000000.dcm\n"\r\n',
    ]
    text = MASS + rows[0] + "\r\n" + rows[1]
    assert text.count("\n") == 6  # two rows, a blank one and the header
    (tmp_path / TRAIN).write_bytes(b"\xef\xbb\xbf" + text.encode())
    lesions = read_lesions([CaseFile(tmp_path / TRAIN, "mass", "train")])
    assert lesions.to_dict("records") == [
        {
            "image_id": "mass_P_00001_LEFT_CC_1",
            "patient_id": "P_00001",
            "breast_density": "3",
            "side": "LEFT",
            "view": "CC",
            "abnormality_id": "1",
            "abnormality_type": "mass",
            "pathology": "MALIGNANT",
            "image_study": f"{uid}1",
            "image_series": f"{uid}2",
            "crop_study": f"{uid}3",
            "crop_series": f"{uid}4",
            "mask_study": f"{uid}3",
            "mask_series": f"{uid}4",
            "given_split": "train",
            "where": f"{tmp_path / TRAIN}, line 2",
        },
        {
            "image_id": "mass_P_00001_RIGHT_MLO_2",
            "patient_id": "P_00001",
            "breast_density": "3",
            "side": "RIGHT",
            "view": "MLO",
            "abnormality_id": "2",
            "abnormality_type": "mass",
            "pathology": "BENIGN_WITHOUT_CALLBACK",
            "image_study": f"{uid}5",
            "image_series": f"{uid}6",
            "crop_study": f"{uid}7",
            "crop_series": f"{uid}8",
            "mask_study": f"{uid}9",
            "mask_series": f"{uid}10",
            "given_split": "train",
            "where": f"{tmp_path / TRAIN}, line 5",
        },
    ]


def test_calcification_files_write_breast_density_with_a_space(tmp_path: Path) -> None:
    assert ",breast density," in CALCIFICATION
    assert ",breast_density," in MASS
    write_csvs(
        tmp_path,
        *PAIR,
        Lesion("P_00003", kind="calcification"),
        Lesion("P_00004", "MALIGNANT", "calcification", "test"),
    )
    lesions = read(tmp_path, "calcification", "mass")
    assert lesions["image_id"].tolist() == [
        "mass_P_00001_LEFT_CC_1",
        "mass_P_00002_LEFT_CC_1",
        "calcification_P_00003_LEFT_CC_1",
        "calcification_P_00004_LEFT_CC_1",
    ]
    assert lesions["breast_density"].tolist() == ["2"] * 4
    assert lesions["given_split"].tolist() == ["train", "test", "train", "test"]
    assert len(read(tmp_path, "calcification")) == 2


def test_files_one_level_below(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    write_csvs(tmp_path / "csv", *PAIR)
    assert len(read(tmp_path)) == 2
    write_csvs(tmp_path, PAIR[0], Lesion("P_00003"), PAIR[1])
    with pytest.raises(InputError, match=rf"expected {TRAIN} once, got .*{TRAIN} and .*csv.{TRAIN}"):
        read(tmp_path)


def test_bytes_that_are_not_as_published(tmp_path: Path) -> None:
    write_csvs(tmp_path, *PAIR)
    assert not any(file.as_published for file in find_case_files(tmp_path, ("mass",)))


def test_missing_csv(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"expected {TRAIN}, got no CSV at the top of {tmp_path} and one level below"):
        read(tmp_path)
    write_csvs(tmp_path, *PAIR)
    found = "mass_case_description_test_set.csv, mass_case_description_train_set.csv"
    with pytest.raises(InputError, match=f"expected calc_case_description_train_set.csv, got {found} at the top"):
        read(tmp_path, "calcification")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "patient_id,",
            "Patient,",
            r"expected one column `patient id`, got none among patient, breast density,.* in {path}",
        ),
        (
            "cropped image file path",
            "cropped_image_path",
            r"expected one column `cropped image file path`, got none among",
        ),
        ("subtlety", "pathology", r"expected one column `pathology`, got several among .* in {path}"),
        (
            "MALIGNANT",
            "UNKNOWN",
            r"expected pathology MALIGNANT or BENIGN or BENIGN_WITHOUT_CALLBACK, got 'UNKNOWN' in {row}",
        ),
        (",CC,", ",XCC,", r"expected image view CC or MLO, got 'XCC' in {row}"),
        (",LEFT,", ",BOTH,", r"expected left or right breast LEFT or RIGHT, got 'BOTH' in {row}"),
        (",2,LEFT", ",7,LEFT", r"expected breast density 0 or 1 or 2 or 3 or 4, got '7' in {row}"),
        (",mass,", ",calcification,", r"expected abnormality type mass, got 'calcification' in {row}"),
        ("P_00001,", "P_00001_LEFT_CC.dcm,", r"expected patient id like P_.*, got another in {row}"),
        (",CC,1,", ",CC,0,", r"expected abnormality id like .*, got '0' in {row}"),
        (",mass,OVAL", ",mass", r"expected 14 cells, got 13 in {row}"),
        ("/2.25.", "/2.x.", r"expected UIDs of digits and dots in image file path, got '2\.x\.[0-9]+' in {row}"),
        ("/2.25.", "/2.025.", r"expected UIDs of digits and dots in image file path, got '2\.025\.[0-9]+' in {row}"),
        (
            "/2.25.",
            "/2.25." + 40 * "9",
            r"expected UIDs of digits and dots in image file path, got '2\.25\.9+.*' in {row}",
        ),
        ("/000000.dcm", "", r"expected case/StudyUID/SeriesUID/file as image file path, got '.*' in {row}"),
        ('.dcm\n"', '.dcm\n"x', r"expected a CSV, got .* in {row}"),
        ('.dcm\n"', ".dcm\n", r"expected a CSV, got unexpected end of data in {row}"),
    ],
)
def test_what_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_csvs(tmp_path, *PAIR)
    path = tmp_path / TRAIN
    edit(path, lambda text: text.replace(old, new))
    with pytest.raises(InputError, match=message.format(path=re.escape(str(path)), row=re.escape(f"{path}, line 2"))):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected one column `patient id`, got an empty file in"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:d1b4\nsize 772680\n", "got a git-lfs pointer .* in"),
        (b"\r\n<!DOCTYPE html>\n<html></html>", "expected a CSV, got an HTML page in"),
        (b"\xff\xfe\x00", "expected a text file in UTF-8, got .* in"),
        (MASS.encode(), "expected at least one row, got only a header in"),
        (MASS.encode() + b'"' + 200_000 * b"a", "expected a CSV, got field larger than field limit .* in"),
        (
            b"patient_id,side,view,abn_num,breast_density,mass_shape,mass_margins,assessment,pathology,subtlety,"
            b"od_img_path,od_crop_path,mask_path\r\nP_00001,LEFT,CC,1,3,OVAL,N/A,4,BENIGN,4,.\\a\\b,.\\c\\d,.\\e\\f\r\n",
            r"expected the columns of the current release, got those of 2016 \(side, view, abn num, od img path,",
        ),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, content: bytes, message: str) -> None:
    write_csvs(tmp_path, *PAIR)
    (tmp_path / TRAIN).write_bytes(content)
    with pytest.raises(InputError, match=f"{message} .*{TRAIN}"):
        read(tmp_path)


def test_a_folder_in_place_of_a_file_is_no_csv(tmp_path: Path) -> None:
    (tmp_path / TRAIN).mkdir()
    with pytest.raises(InputError, match=f"expected {TRAIN}, got no CSV at the top"):
        read(tmp_path)


def test_a_lesion_twice(tmp_path: Path) -> None:
    write_csvs(tmp_path, *PAIR, PAIR[0])
    with pytest.raises(InputError, match=rf"each lesion once, got mass_P_00001_LEFT_CC_1 again in .*{TRAIN}, line 4"):
        read(tmp_path)


def test_one_image_under_two_lesions(tmp_path: Path) -> None:
    first, second = (Lesion(f"P_0000{number}", separate=True) for number in (3, 4))
    write_csvs(tmp_path, *PAIR, first, second)
    edit(tmp_path / TRAIN, lambda text: text.replace(second.uids("mask")[1], first.uids("crop")[1]))
    with pytest.raises(
        InputError, match=rf"each series for only one lesion, got {first.uids('crop')[1]} again in .* line 6"
    ):
        read(tmp_path)


def test_a_patient_in_both_splits_of_one_type(tmp_path: Path) -> None:
    write_csvs(tmp_path, *PAIR, Lesion("P_00001", split="test", view="MLO"))
    message = rf"each patient's mass rows in one split, got P_00001 in .*{TRAIN}, line 2 and in .*test_set\.csv, line 4"
    with pytest.raises(InputError, match=message):
        read(tmp_path)
