"""Who an image is of in a proposal: headers before folders, the outermost folder, and never silently."""

from pathlib import Path

import numpy as np
import pytest
from proposal_trees import Rows, columns, propose, write_dicom, write_pictures, write_table

from oncorobust.cli.main import main

Captured = pytest.CaptureFixture[str]


def patients(rows: Rows) -> dict[str, str]:
    """Return the patient of each image by its path below the folder."""
    return {row["path"].removeprefix("files/"): row["patient_id"] for row in rows}


def groups(rows: Rows) -> list[list[str]]:
    """Return the paths of each patient."""
    held: dict[str, list[str]] = {}
    for path, patient in patients(rows).items():
        held.setdefault(patient, []).append(path)
    return sorted(held.values())


def unsure(captured: Captured) -> str:
    return captured.readouterr().out.partition("unsure:")[2]


def write_exam(path: Path, patient: str, *, number: int, **elements: object) -> None:
    """Write a DICOM image of its own pixels."""
    pixels = np.random.default_rng(number).integers(0, 4000, 42).astype(np.uint16).tobytes()
    write_dicom(path, patient, PixelData=pixels, **elements)


def write_exams(tree: Path, *, patient: str = "MRN{}{}", split: str = "") -> None:
    """Write two classes of four patients with two exams each, in a folder per exam; patient: of a class and number."""
    for number in range(16):
        name, person = "ab"[number // 8], number // 2 % 4
        place = tree / split / name / f"exam{number}"
        write_exam(place / "1.dcm", patient.format(name, person), number=number, StudyInstanceUID=f"1.2.{number}")


@pytest.mark.parametrize("exam", ["E{}", "visit{}", "2019010{}", "T{}"])
@pytest.mark.parametrize("person", ["P{}", "person {}", "1.2.840.{}"])
def test_the_outermost_folder_that_can_be_a_patient_is_it(tmp_path: Path, person: str, exam: str) -> None:
    names = [
        f"{label}/{person.format(number)}/{exam.format(visit)}/{image}.png"
        for label, people in (("benign", "123"), ("malignant", "456"))
        for number in people
        for visit in (1, 2)
        for image in "ab"
    ]
    write_pictures(tmp_path / "x", names)
    assert patients(propose(tmp_path / "x")) == {name: name.split("/")[1] for name in names}


def test_names_without_numbers_can_be_patients(tmp_path: Path) -> None:
    labels, people = ("benign", "malignant"), ("abel", "bert", "carl")
    names = [f"{label}/{name}/visit{n}/1.png" for label in labels for name in people for n in range(4)]
    write_pictures(tmp_path / "x", names)
    assert {row["patient_id"] for row in propose(tmp_path / "x")} == {"abel", "bert", "carl"}


def test_another_level_that_can_be_the_patient_is_told_with_its_pattern(tmp_path: Path, capsys: Captured) -> None:
    names = [f"{c}/{c}{p}/E{c}{p}{e}/{i}.png" for c in "ab" for p in range(3) for e in range(2) for i in range(2)]
    write_pictures(tmp_path / "x", names)
    propose(tmp_path / "x")
    assert (
        "the patients are the folders a0, a1, a2, b0, b1, b2 (level 2); if they are others, state the folders Ea00, "
        "Ea01, Ea10, Ea11, Ea20, Ea21, ... (12) (level 3) with --pattern '*/*/{patient_id}/*'" in unsure(capsys)
    )
    (tmp_path / "x-made").rename(tmp_path / "earlier")
    rows = propose(tmp_path / "x", "--pattern", "*/*/{patient_id}/*")
    assert patients(rows) == {name: name.split("/")[2] for name in names}


@pytest.mark.parametrize("shared", ["40X 100X 200X", "visit1 visit2 visit3", "axial coronal sagittal", "T1 T2 FLAIR"])
def test_what_patients_share_is_no_patient_and_is_told(tmp_path: Path, capsys: Captured, shared: str) -> None:
    write_pictures(
        tmp_path / "x", [f"{c}/{s}/{i}.png" for c in ("benign", "malignant") for s in shared.split() for i in "ab"]
    )
    assert len({row["patient_id"] for row in propose(tmp_path / "x")}) == 12
    told = unsure(capsys)
    assert (
        f"no folders are taken for the patients; if some are, state the folders {', '.join(sorted(shared.split()))} "
        in told
    )
    assert "(level 2) with --pattern '*/{patient_id}/*'" in told


def test_a_level_of_a_few_images_is_no_patient_and_is_told(tmp_path: Path, capsys: Captured) -> None:
    names = [f"{c}/{number}.png" for c in "ab" for number in range(5)]
    write_pictures(tmp_path / "x", [*names, *(f"{c}/{c}{p}/1.png" for c in "ab" for p in range(2))])
    assert len(propose(tmp_path / "x")) == 14
    assert "no folders are taken for the patients; if some are, state the folders a0, a1, b0, b1 (level 2)" in (
        unsure(capsys)
    )


def test_folders_of_more_patients_than_names_held_are_patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncorobust.formats.proposals.folders._MOST_NAMES", 5)
    names = [f"{'ab'[number // 10]}/P{number}/{image}.png" for number in range(20) for image in "12"]
    write_pictures(tmp_path / "x", names)
    assert len({row["patient_id"] for row in propose(tmp_path / "x")}) == 20


def test_a_stated_pattern_goes_before_folders(tmp_path: Path) -> None:
    names = [f"{c}/batch {b}/{c}{p}-{b}.png" for c in "ab" for b in range(3) for p in range(3)]
    write_pictures(tmp_path / "x", [*names, *(f"{c}/lot{b}/{c}{b}-9.png" for c in "ab" for b in range(3))])
    rows = propose(tmp_path / "x", "--pattern", "{patient_id}-{*}")
    assert all(patient == path.split("/")[-1].split("-")[0] for path, patient in patients(rows).items())


def test_a_pattern_of_splits_beside_class_folders(tmp_path: Path, capsys: Captured) -> None:
    people = [(1, "train"), (2, "train"), (3, "test"), (4, "test")]
    write_pictures(tmp_path / "x", [f"{c}/{c}{p}-{s}-{i}.png" for c in "ab" for p, s in people for i in "12"])
    rows = propose(tmp_path / "x", "--pattern", "{patient_id}-{split}-{*}")
    assert {(row["patient_id"], row["split"]) for row in rows} == {(f"{c}{p}", s) for c in "ab" for p, s in people}
    write_pictures(tmp_path / "x", ["a/other.png"], first=50)
    (tmp_path / "x-made").rename(tmp_path / "earlier")
    propose(tmp_path / "x", "--pattern", "{patient_id}-{split}-{*}")
    assert "1 images do not fit --pattern, which gives the split, for example 'a/other.png'" in unsure(capsys)


def test_headers_decide_against_folders_and_it_is_told(tmp_path: Path, capsys: Captured) -> None:
    write_exams(tmp_path / "x")
    rows = propose(tmp_path / "x")
    assert groups(rows) == sorted(
        sorted([f"{'ab'[n // 8]}/exam{n}/1.dcm", f"{'ab'[n // 8]}/exam{n + 1}/1.dcm"]) for n in range(0, 16, 2)
    )
    told = unsure(capsys)
    assert "the DICOM headers name 8 patients, which are taken; the folders would give 16 others" in told
    assert "the patients are numbered by PatientID" in told
    assert "the patients are the folders" not in told


def test_folders_that_group_as_the_headers_keep_their_names(tmp_path: Path) -> None:
    for number in range(12):
        name, person, series = "ab"[number // 6], number // 2, number % 2
        write_exam(tmp_path / "x" / name / f"C{person}" / f"1.2.{person}.{series}" / "1", f"M{person}", number=number)
    assert {row["patient_id"] for row in propose(tmp_path / "x")} == {f"C{person}" for person in range(6)}


def test_a_patient_of_two_splits_is_found_by_the_headers(tmp_path: Path, capsys: Captured) -> None:
    write_exams(tmp_path / "x", split="train")
    write_exams(tmp_path / "x", split="test")
    output = str(tmp_path / "made" / "manifest.csv")
    assert main(["manifest", str(tmp_path / "x"), "--name", "x", "--output", output]) == 1
    assert "expected each patient in one split, got 8 patients in two" in capsys.readouterr().err


@pytest.mark.parametrize("patient", ["", "ANONYMOUS", "Anonymized", "XXX", "one"])
def test_images_of_one_study_are_of_one_patient_where_no_id_tells_patients_apart(
    tmp_path: Path, capsys: Captured, patient: str
) -> None:
    for number in range(24):
        study = number // 4
        write_exam(
            tmp_path / "x" / "ab"[study // 3] / f"{number}", patient, number=number, StudyInstanceUID=f"1.2.{study}"
        )
    rows = propose(tmp_path / "x")
    assert sorted(map(len, groups(rows))) == [4] * 6
    told = unsure(capsys)
    assert "24 images have no PatientID that tells patients apart; those of one StudyInstanceUID" in told
    assert ("all images have the same PatientID, which is not taken for a patient" in told) == (patient == "one")
    assert "none was found" not in told


def test_series_tie_images_where_there_is_no_study(tmp_path: Path) -> None:
    for number in range(24):
        series = {"StudyInstanceUID": None, "SeriesInstanceUID": f"1.2.{number // 4}"}
        write_exam(tmp_path / "x" / "ab"[number // 12] / f"{number}", "", number=number, **series)
    assert sorted(map(len, groups(propose(tmp_path / "x")))) == [4] * 6


def test_folders_of_series_are_joined_by_their_study(tmp_path: Path, capsys: Captured) -> None:
    write_exams(tmp_path / "x", patient="")
    for number in range(16):
        path = tmp_path / "x" / "ab"[number // 8] / f"exam{number}" / "1.dcm"
        write_exam(path, "", number=number, StudyInstanceUID=f"1.2.{number // 2}")
    assert sorted(map(len, groups(propose(tmp_path / "x")))) == [2] * 8
    assert "16 patients that share a PatientID, study or series of the DICOM headers with another were joined" in (
        unsure(capsys)
    )


def test_an_exam_of_a_table_is_no_patient(tmp_path: Path) -> None:
    for number in range(8):
        write_exam(tmp_path / "x" / f"{number}" / "1", f"MRN{number // 2}", number=number, AccessionNumber=f"A{number}")
    lines = [[f"A{number}", "ab"[number // 4]] for number in range(8)]
    table = write_table(tmp_path / "t.csv", [["case_id", "diagnosis"], *lines])
    rows = propose(tmp_path / "x", "--table", str(table))
    assert [row["patient_id"] for row in rows] == [f"p{1 + number // 2:05d}" for number in range(8)]


def test_patients_of_a_table_that_share_a_header_are_joined_unless_they_are_stated(
    tmp_path: Path, capsys: Captured
) -> None:
    for number in range(8):
        write_exam(tmp_path / "x" / f"{number}.dcm", f"MRN{number // 2}", number=number)
    lines = [[f"{number}", f"C{number}", "ab"[number // 4]] for number in range(8)]
    table = str(write_table(tmp_path / "t.csv", [["file", "case_id", "label"], *lines]))
    assert sorted(map(len, groups(propose(tmp_path / "x", "--table", table)))) == [2] * 4
    assert "8 patients that share a PatientID, study or series of the DICOM headers with another" in unsure(capsys)
    (tmp_path / "x-made").rename(tmp_path / "earlier")
    rows = propose(tmp_path / "x", "--table", table, "--patient-column", "case_id")
    assert [row["patient_id"] for row in rows] == [f"C{number}" for number in range(8)]
    assert "the stated patients (8) group the images otherwise than the DICOM headers (4)" in unsure(capsys)


@pytest.mark.parametrize(
    "name", ["Patient No.", "BraTS_2020_subject_ID", "PatientID", "subject number", "ID_Patient", "Patienten-Nr", "who"]
)
def test_the_patient_of_a_table_that_is_joined_by_folder(tmp_path: Path, name: str) -> None:
    write_pictures(tmp_path / "x", [f"P{number}/{image}.png" for number in range(4) for image in "ab"])
    table = write_table(tmp_path / "t.csv", [[name, "label"], *([f"P{n}", str(n // 2)] for n in range(4))])
    rows = propose(tmp_path / "x", "--table", str(table))
    assert columns(rows, "patient_id")[::2] == [("P0",), ("P1",), ("P2",), ("P3",)]


@pytest.mark.parametrize("name", ["Patient No.", "brats_subject_id", "lesion_id", "Case number", "patient"])
def test_the_patient_of_a_table_of_files(tmp_path: Path, name: str) -> None:
    write_pictures(tmp_path / "x", [f"{number}.png" for number in range(8)])
    lines = [[str(n), "50", "F", f"P{n // 2}", "ab"[n // 4]] for n in range(8)]
    table = write_table(tmp_path / "t.csv", [["file", "patient_age", "Patient sex", name, "label"], *lines])
    rows = propose(tmp_path / "x", "--table", str(table))
    assert [row["patient_id"] for row in rows] == [f"P{number // 2}" for number in range(8)]


def test_lesions_of_one_image_are_no_patients(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x", [f"{number}.png" for number in range(4)])
    lines = [[str(n // 2), f"L{n}", "ab"[n // 4]] for n in range(8)]
    table = write_table(tmp_path / "t.csv", [["file", "lesion_id", "label"], *lines])
    rows = propose(tmp_path / "x", "--table", str(table))
    assert [row["patient_id"] for row in rows] == ["0", "1", "2", "3"]


def test_a_word_for_a_missing_value_is_no_patient(tmp_path: Path, capsys: Captured) -> None:
    write_pictures(tmp_path / "x", [f"{number}.png" for number in range(4)])
    lines = [[str(n), ("P1", "NA", "nan", "P2")[n], "aabb"[n]] for n in range(4)]
    table = write_table(tmp_path / "t.csv", [["file", "patient", "label"], *lines])
    rows = propose(tmp_path / "x", "--table", str(table))
    assert [row["patient_id"] for row in rows] == ["P1", "1", "2", "P2"]
    assert "each of 2 images is a patient of its own, because none was found" in unsure(capsys)
