"""Masks beside images, under the names that data sets and tools give them, and images that are no masks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from proposal_trees import columns, make_nnunet, propose, write_pictures, write_volume
from test_proposal_messages import refusal

from oncorobust.formats.proposals.mask_names import folder_word, shorter_rests, split_name

Captured = pytest.CaptureFixture[str]
SEQUENCES = ("flair", "t1", "t1ce", "t2")


@pytest.mark.parametrize(
    ("stem", "word", "rest"),
    [
        ("b (1)_mask_1", "mask", "b_(1)"),
        ("mask_0", "mask", "0"),
        ("image_0", "", "0"),
        ("img0007", "", "0007"),
        ("label0007", "label", "0007"),
        ("Segmentation.seg", "seg", ""),
        ("Segment_1-label", "label", "1"),
        ("ISIC_1_Segmentation", "segmentation", "isic_1"),
        ("lesion_0", "lesion", "0"),
        ("n_label_free", "", "n_label_free"),
        ("CHNCXR_1_GroundTruth", "groundtruth", "chncxr_1"),
    ],
)
def test_the_word_and_the_rest_of_a_name(stem: str, word: str, rest: str) -> None:
    assert split_name(stem) == (word, rest)


def test_words_of_folders_and_words_between_a_name_and_mask() -> None:
    folders = ("ManualMask", "leftMask", "labelsTr", "GroundTruth", "ground_truth", "imagesTr", "unmasked")
    assert [folder_word(folder) for folder in folders] == [
        *("mask", "mask", "labels", "groundtruth", "groundtruth"),
        *("", ""),
    ]
    assert shorter_rests("ucsf_0004_whole_tumor") == ["ucsf_0004_whole_tumor", "ucsf_0004"]
    assert shorter_rests("ana_left") == ["ana_left"]


def paths(tree: Path, *options: str) -> list[str]:
    return [row["path"].removeprefix("files/") for row in propose(tree, *options)]


def make_brats(tree: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        case = f"BraTS_{number}"
        for sequence in SEQUENCES:
            place = tree / ("HGG", "LGG")[number // 3] / case / f"{case}_{sequence}.nii.gz"
            write_volume(place, rng.integers(0, 999, (6, 7, 5)).astype(np.int16))
        mask = np.zeros((6, 7, 5), np.uint8)
        mask[2:4, 2:4, 3] = 1
        write_volume(tree / ("HGG", "LGG")[number // 3] / case / f"{case}_seg.nii.gz", mask)


def test_a_mask_of_several_sequences_belongs_to_each(tmp_path: Path, capsys: Captured) -> None:
    make_brats(tmp_path / "x")
    rows = propose(tmp_path / "x")
    assert len(rows) == 24
    assert {row["segmentation"].rpartition("_")[2] for row in rows} == {"seg.nii.gz"}
    printed = capsys.readouterr().out
    assert "left out: 6 files are masks of other images" in printed
    assert "the volumes of a case are sequences (6 flair, 6 t1, 6 t1ce, 6 t2), each of which is an image" in printed
    assert "--modality flair takes one alone" in printed


def test_sequences_of_a_case_are_one_patient(tmp_path: Path, capsys: Captured) -> None:
    make_brats(tmp_path / "x")
    for path in sorted((tmp_path / "x").glob("*/*/*")):  # no folder for a patient
        path.rename(path.parents[1] / path.name)
    rows = propose(tmp_path / "x")
    assert {row["patient_id"] for row in rows} == {f"{'HL'[n // 3]}GG/BraTS_{n}" for n in range(6)}
    printed = capsys.readouterr().out
    assert "the reader refuses" not in printed
    assert "the patients of 24 volumes are their cases, by the names that sequences share" in printed


def test_one_sequence_can_be_chosen(tmp_path: Path, capsys: Captured) -> None:
    make_brats(tmp_path / "x")
    rows = propose(tmp_path / "x", "--modality", "t1ce")
    assert columns(rows, "image_id", "slice")[:1] == [("HGG/BraTS_0/BraTS_0_t1ce", "largest")]
    assert len(rows) == 6
    assert "left out: 18 volumes are not t1ce (--modality)" in capsys.readouterr().out
    said = refusal(tmp_path / "x", capsys, "--modality", "t3")
    assert "--modality: expected one of flair, t1, t1ce, t2, got 't3'" in said


def test_volumes_of_a_folder_per_class_are_no_sequences(tmp_path: Path, capsys: Captured) -> None:
    for number in range(6):
        write_volume(tmp_path / "x" / "ab"[number // 3] / f"v{number}.nii", np.full((3, 3, 3), number, np.int16))
    assert len(propose(tmp_path / "x")) == 6
    assert "sequences" not in capsys.readouterr().out


def test_masks_of_3d_slicer(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    rng, mask = np.random.default_rng(0), np.zeros((5, 6, 7), np.uint8)
    mask[2, 2:4, 2:4] = 1
    for number in range(4):
        place = tmp_path / "x" / "ab"[number // 2] / f"p{number}"
        place.mkdir(parents=True)
        image = rng.integers(0, 99, (5, 6, 7)).astype(np.int16)
        for name, values in (("CT", image), ("Segmentation.seg", mask), ("Segment_1-label", mask)):
            sitk.WriteImage(sitk.GetImageFromArray(values), str(place / f"{name}.nrrd"))
    assert [Path(path).name for path in paths(tmp_path / "x")] == ["CT.nrrd"] * 4


@pytest.mark.parametrize(
    ("image", "masks"),
    [
        ("{}/image_{}.png", ["{}/mask_{}.png"]),
        ("{}/Input/ISIC_{}.png", ["{}/GroundTruth/ISIC_{}_segmentation.png"]),
        ("{}/{}.jpg", ["{}/masks/{}.png", "{}/{}_Mask.png", "{}/{}_left_mask.png"]),
        ("images/{}/{}.png", ["masks/{}/{}.png"]),
        ("CT_seg/{}/{}.png", ["CT_seg/{}/{}_mask.png"]),
    ],
)
def test_pictures_with_masks(tmp_path: Path, image: str, masks: list[str]) -> None:
    images = sorted(image.format(label, number) for label in ("mel", "nev") for number in (1, 2, 3))
    found = [mask.format(label, number) for mask in masks for label in ("mel", "nev") for number in (1, 2, 3)]
    write_pictures(tmp_path / "x", [*images, *found])
    assert paths(tmp_path / "x") == images


def test_masks_in_two_folders_beside_images_of_another_name(tmp_path: Path) -> None:
    names = [f"MCU_{number}_{number % 2}.png" for number in range(4)]
    folders = ("CXR_png", "ManualMask/leftMask", "ManualMask/rightMask")
    write_pictures(tmp_path / "x", [f"{folder}/{name}" for folder in folders for name in names])
    assert paths(tmp_path / "x", "--pattern", "{*}_{*}_{label}.png") == [f"CXR_png/{name}" for name in names]


@pytest.mark.parametrize("number", [12, 25, 60])
def test_a_word_that_the_pattern_takes_as_the_label_makes_no_mask(tmp_path: Path, number: int) -> None:
    names = [f"P{n:02}_{label}.png" for n in range(number) for label in ("lesion", "mask", "normal")[: 2 + (n > 3)]]
    write_pictures(tmp_path / "x", names)
    assert paths(tmp_path / "x", "--pattern", "{patient_id}_{label}.png") == sorted(names)


def test_images_that_are_named_as_lesions_are_no_masks(tmp_path: Path) -> None:
    names = [f"{label}/{name}.png" for label in ("mel", "nev") for name in ("lesion_0", "lesion_1", "overview")]
    pairs = [f"{label}/{n}_{name}.png" for label in ("mel", "nev") for n in (1, 2) for name in ("lesion", "skin")]
    write_pictures(tmp_path / "x", [*names, *pairs])
    assert paths(tmp_path / "x") == sorted([*names, *pairs])


def test_class_folders_named_as_lesions_are_no_masks(tmp_path: Path) -> None:
    names = [f"{label}/{number}.png" for label in ("lesion", "normal") for number in range(4)]
    write_pictures(tmp_path / "x", names)
    assert paths(tmp_path / "x") == names


def test_labels_of_few_values_beside_images_are_masks(tmp_path: Path) -> None:
    images = [f"{label}/{number}.png" for label in "ab" for number in range(4)]
    write_pictures(tmp_path / "x", images)
    for name in images:
        Image.fromarray((np.eye(8, 9) * 255).astype(np.uint8)).save(tmp_path / "x" / name.replace(".png", "_label.png"))
    assert paths(tmp_path / "x") == images


def test_masks_without_an_image_are_masks_where_the_others_have_one_and_else_named(
    tmp_path: Path, capsys: Captured
) -> None:
    images = [f"{label}/{number}.png" for label in "ab" for number in range(10)]
    write_pictures(tmp_path / "x", [*images, *(name.replace(".", "_mask.") for name in images), "a/99_mask.png"])
    assert paths(tmp_path / "x") == images
    assert "left out: 21 files are masks of other images" in capsys.readouterr().out
    write_pictures(tmp_path / "y", [f"{label}/{number}_mask.png" for label in "ab" for number in range(2)])
    assert len(paths(tmp_path / "y")) == 4
    assert (
        "4 files are named as masks (mask), but no image bears the rest of the name, so they are images here, for "
        "example 'a/0_mask.png'" in capsys.readouterr().out
    )


def test_a_folder_above_an_nnunet_or_bids_set_is_refused(tmp_path: Path, capsys: Captured) -> None:
    make_nnunet(tmp_path / "x" / "Dataset001_A", with_tumour={0, 2})
    said = refusal(tmp_path / "x", capsys)
    assert "expected the folder of one nnU-Net data set, got one above Dataset001_A; give" in said
    assert said.endswith(str(tmp_path / "x" / "Dataset001_A"))
    (tmp_path / "x" / "Dataset001_A" / "dataset.json").unlink()
    assert "beside imagesTr and labelsTr, got none" in refusal(tmp_path / "x" / "Dataset001_A", capsys)
    for number in "12":
        write_volume(tmp_path / "y" / "ds" / f"sub-{number}" / "anat" / f"sub-{number}_T1w.nii", np.ones((3, 3, 2)))
    (tmp_path / "y" / "ds" / "participants.tsv").write_text("participant_id\tgroup\n1\ta\n2\tb\n", encoding="utf-8")
    assert "expected the folder of one BIDS data set, got one above ds; give" in refusal(tmp_path / "y", capsys)
