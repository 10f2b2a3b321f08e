"""Which files of an nnU-Net set, or of the Medical Segmentation Decathlon, are images of which case."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from proposal_trees import columns, make_decathlon, make_nnunet, propose, write_pictures, write_volume
from test_proposal_messages import refusal

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("numbers", [(1, 2, 50, 99, 100, 101, 200), (1, 7, 96, 99)])
def test_cases_without_a_channel_in_their_names(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    make_decathlon(tmp_path / "x", numbers, with_cancer={1, 99})
    rows = propose(tmp_path / "x", "--value", "cancer")
    assert columns(rows, "patient_id", "label") == [
        (f"pancreas_{number:03}", "cancer" if number in (1, 99) else "no cancer") for number in numbers
    ]


def test_a_number_of_four_digits_that_belongs_to_the_case(tmp_path: Path) -> None:
    make_nnunet(tmp_path / "x", with_tumour={0, 2})
    for number in range(4):
        for folder, end in (("imagesTr", "_0000"), ("labelsTr", "")):
            old = tmp_path / "x" / folder / f"case_{number}{end}.nii.gz"
            old.rename(tmp_path / "x" / folder / f"case_{number:04}.nii.gz")
    rows = propose(tmp_path / "x", "--value", "tumour")
    assert columns(rows, "patient_id") == [(f"case_{number:04}",) for number in range(4)]


def test_what_has_no_partner_is_counted(tmp_path: Path, capsys: Captured) -> None:
    make_nnunet(tmp_path / "x", with_tumour={0, 2})
    volume = np.ones((6, 7, 9), np.int16)
    for name in ("imagesTr/case_9_0000", "imagesTr/case_0_0001", "labelsTr/case_8", "imagesTs/case_7_0000"):
        write_volume(tmp_path / "x" / f"{name}.nii.gz", volume)
    assert len(propose(tmp_path / "x", "--value", "tumour")) == 4
    printed = capsys.readouterr().out
    assert (
        "1 images in imagesTr have no segmentation of their name in labelsTr\n    imagesTr/case_9_0000.nii.gz"
        in printed
    )
    assert "1 images are of other channels (--modality)\n    imagesTr/case_0_0001.nii.gz" in printed
    assert "1 segmentations in labelsTr have no image of the channel in imagesTr\n    case_8" in printed
    assert "1 images lie outside imagesTr\n    imagesTs/case_7_0000.nii.gz" in printed


def test_images_of_several_volumes_are_refused_with_the_reason(tmp_path: Path, capsys: Captured) -> None:
    make_decathlon(tmp_path / "x", (1, 2), with_cancer={1})
    for number in (1, 2):
        write_volume(tmp_path / "x" / "imagesTr" / f"pancreas_00{number}.nii.gz", np.ones((6, 7, 9, 4), np.int16))
    said = refusal(tmp_path / "x", capsys, "--value", "cancer")
    assert "got none; imagesTr/pancreas_001.nii.gz holds several volumes (a fourth axis)" in said


def make_pictures(tree: Path, held: tuple[int, ...]) -> None:
    write_pictures(tree, [f"imagesTr/c{number}_0000.png" for number in range(len(held))])
    (tree / "labelsTr").mkdir()
    for number, value in enumerate(held):
        Image.fromarray((np.eye(8, 9) * value).astype(np.uint8)).save(tree / "labelsTr" / f"c{number}.png")
    described = {"channel_names": {"0": "grey"}, "labels": {"background": 0, "tumour": 2}, "file_ending": ".png"}
    (tree / "dataset.json").write_text(json.dumps(described), encoding="utf-8")


def test_pictures_are_labelled_by_presence(tmp_path: Path, capsys: Captured) -> None:
    make_pictures(tmp_path / "x", (1, 2, 1, 2))
    rows = propose(tmp_path / "x")
    assert columns(rows, "path", "label") == [
        (f"files/imagesTr/c{number}_0000.png", ("no tumour", "tumour")[number % 2]) for number in range(4)
    ]
    assert "slice" not in rows[0]
    assert "the reader refuses" not in capsys.readouterr().out


def test_pictures_that_all_hold_the_structure(tmp_path: Path, capsys: Captured) -> None:
    make_pictures(tmp_path / "x", (2, 2, 2, 2))
    assert "expected pictures with and without tumour, got it in each of 4" in refusal(tmp_path / "x", capsys)
