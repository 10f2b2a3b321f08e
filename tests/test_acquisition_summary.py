"""Summary and picture of a model under changes, from rows made by hand; no framework."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from schema_check import document_problems, table_problems

from oncorobust.base.errors import InputError
from oncorobust.base.files import write_csv
from oncorobust.base.schema.acquisition import ACQUISITION, ACQUISITION_SUMMARY
from oncorobust.base.schema.version import write_results
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.acquisition_examples import ChangedExample, changed_examples
from oncorobust.evaluation.acquisition_outcomes import worst_case
from oncorobust.evaluation.acquisition_summary import summarise_acquisition
from oncorobust.evaluation.changed_images import ChangeLevel, Rescanned, rescanned
from oncorobust.report.figures.acquisition_sheet import draw_acquisition_sheet, to_png

NOISE = tuple(ChangeLevel("dose_noise", "Dose noise", 10.0 * level, "HU", level) for level in (1, 2, 3))
BLUR = tuple(ChangeLevel("blur", "Blur", 0.5 * level, "mm", level) for level in (1, 2))

# image, patient, label, predicted; answers under dose noise of 10, 20, 30 HU, under blur of 0.5, 1 mm
IMAGES = (
    ("a", "p1", 0, 0, (0, 0, 1), (0, 0)),
    ("b", "p1", 0, 0, (0, 1, 0), (1, 1)),
    ("c", "p2", 1, 1, (1, 1, 1), (1, 1)),
    ("d", "p3", 1, 0, (0, 1, 1), None),
)
MINIMAL_L2 = {"a": 0.4, "b": 0.2, "c": np.nan, "d": 0.1}


def made_rows() -> pd.DataFrame:
    """Rows of four images; sizes grow with the level, and the noise of equal size flips nothing but image d."""
    rows = [
        {
            **{"image_id": image, "patient_id": patient, "label": label, "predicted": predicted},
            **{"change": level.change, "severity": level.severity, "unit": level.unit, "level": level.level},
            **{"changed_predicted": answer, "flipped": answer != predicted},
            **{"l_inf": 0.1 * level.level, "l2": 1.0 * level.level + 0.25 * place},
            **{"noise_l_inf_predicted": predicted, "noise_l_inf_flipped": False},
            **{"noise_l2_predicted": 1 if image == "d" else predicted, "noise_l2_flipped": image == "d"},
            "minimal_l2": MINIMAL_L2[image],
        }
        for place, (image, patient, label, predicted, *answers) in enumerate(IMAGES)
        for levels, found in zip((NOISE, BLUR), answers, strict=True)
        if found is not None
        for level, answer in zip(levels, found, strict=True)
    ]
    return pd.DataFrame(rows)


def made_reasons() -> pd.DataFrame:
    rows = [("d", "blur", "needs a spacing"), ("d", "kernel", "needs HU"), ("a", "kernel", "needs HU")]
    return pd.DataFrame(rows, columns=["image_id", "change", "reason"])


TITLES = {"dose_noise": "Dose noise", "blur": "Blur"}


def test_the_summary_counts_what_the_rows_say() -> None:
    found = summarise_acquisition(made_rows(), made_reasons(), titles=TITLES)
    assert (found["n_images"], found["n_patients"]) == (4, 3)
    assert found["clean_accuracy"] == 0.75
    assert found["worst_accuracy"] == 0.25, "only image c is right at all"
    assert found["median_minimal_l2"] == 0.2
    assert found["share_with_minimal_l2"] == 0.75
    noise, blur = found["changes"]["dose_noise"], found["changes"]["blur"]
    assert (noise["title"], noise["unit"], noise["n_images"], noise["clean_accuracy"]) == ("Dose noise", "HU", 4, 0.75)
    assert noise["worst_accuracy"] == 0.25
    assert noise["half_flipped_severity"] == 20.0, "b and d"
    assert blur["half_flipped_severity"] is None, "b alone, one of three"
    assert (blur["n_images"], blur["clean_accuracy"], blur["worst_accuracy"]) == (3, 1.0, pytest.approx(2 / 3))
    # At 20 HU: a right, b flipped and wrong, c right, d flipped and right.
    assert noise["levels"]["level_2"] == {
        **{"severity": 20.0, "n_images": 4, "accuracy": 0.75, "flips": 0.5},
        **{"noise_l_inf_accuracy": 0.75, "noise_l_inf_flips": 0.0, "median_l_inf": pytest.approx(0.2)},
        **{"noise_l2_accuracy": 1.0, "noise_l2_flips": 0.25, "median_l2": pytest.approx(2.375)},
    }
    assert found["not_possible"] == {
        "blur": [{"reason": "needs a spacing", "n_images": 1}],
        "kernel": [{"reason": "needs HU", "n_images": 2}],
    }


def test_rows_and_summary_fit_their_schema(tmp_path: Path) -> None:
    write_csv(tmp_path / "acquisition.csv", made_rows())
    assert table_problems(tmp_path / "acquisition.csv", ACQUISITION) == []
    summary = summarise_acquisition(made_rows(), made_reasons(), titles=TITLES)
    about = {"dataset": "lung", "model": "clean", "synthetic": True}
    write_results(tmp_path / "acquisition.json", about | summary)
    assert document_problems(tmp_path / "acquisition.json", ACQUISITION_SUMMARY) == []


def test_without_any_possible_change_the_summary_says_only_why(tmp_path: Path) -> None:
    summary = summarise_acquisition(made_rows()[:0], made_reasons(), titles={})
    assert (summary["n_images"], summary["clean_accuracy"], summary["worst_accuracy"]) == (0, None, None)
    assert summary["changes"] == {}
    json.dumps(summary, allow_nan=False)


def test_fewer_than_half_with_a_minimal_distance_have_no_median() -> None:
    rows = made_rows().assign(minimal_l2=lambda one: one["minimal_l2"].where(one["image_id"] == "a"))
    assert summarise_acquisition(rows, made_reasons(), titles=TITLES)["median_minimal_l2"] is None


def test_the_worst_case_needs_the_unchanged_image_and_every_severity() -> None:
    found = worst_case(made_rows()[made_rows()["change"] == "dose_noise"])
    assert found["image_id"].tolist() == ["a", "b", "c", "d"]
    assert found["right"].tolist() == [False, False, True, False]
    assert found["clean"].tolist() == [True, True, True, False], "d is right at 20 and 30 HU, but not unchanged"


def four_images() -> LabelledImages:
    rows = pd.DataFrame(
        [
            {"image_id": image, "patient_id": patient, "label": label, "class_name": "ab"[label], "split": "test"}
            | {"source": image, "position": place}
            for place, (image, patient, label, *_) in enumerate(IMAGES)
        ]
    )
    pixels = np.linspace(0, 1, 4 * 64, dtype=np.float32).reshape(4, 8, 8, 1)
    return LabelledImages(rows, pixels, ("benign", "malignant"), synthetic=True, name="lung")


def made_rescan(position: int) -> Rescanned:
    """Each change adds a tenth of its level."""
    image, answers = four_images().pixels[position], IMAGES[position][4:]
    levels = [
        level for group, found in zip((NOISE, BLUR), answers, strict=True) if found is not None for level in group
    ]
    images = {level: np.clip(image + np.float32(0.1 * level.level), 0, 1) for level in levels}
    return Rescanned(images, {} if len(levels) == 5 else {"blur": "needs a spacing"})


def test_the_example_of_a_class_is_its_first_image_that_is_predicted_right() -> None:
    reversed_rows = made_rows()[::-1]
    found = changed_examples(four_images(), reversed_rows, made_rescan)
    assert [one.image_id for one in found] == ["b", "c"]
    assert found[0].predicted == "benign"
    assert {level: answer for level, (_, answer) in found[0].changed.items()} == {
        **{NOISE[0]: "benign", NOISE[1]: "malignant", NOISE[2]: "benign"},
        **{BLUR[0]: "malignant", BLUR[1]: "malignant"},
    }
    np.testing.assert_array_equal(found[0].image[..., 0], four_images().pixels[1, ..., 0])


def test_changed_images_that_no_model_takes_are_refused() -> None:
    level = NOISE[1]
    for image, found in (
        (np.full((8, 8, 1), 1.5, np.float32), r"pixel \(0, 0, 0\): expected a value in \[0, 1\], got 1.5"),
        (np.zeros((8, 8, 3), np.float32), r"expected float32 values of shape \(8, 8, 1\), got float32 \(8, 8, 3\)"),
        (np.zeros((8, 8, 1)), "got float64"),
    ):
        with pytest.raises(InputError, match=f"lung, dose_noise 20 HU, image b.*{found}"):
            rescanned(lambda _, image=image: Rescanned({level: image}, {}), four_images(), 1)
    with pytest.raises(InputError, match="lung, image b: expected a change, or the reason for none, got neither"):
        rescanned(lambda _: Rescanned({}, {}), four_images(), 1)


def picture(synthetic: bool = True, examples: list[ChangedExample] | None = None) -> bytes:
    made = changed_examples(four_images(), made_rows(), made_rescan) if examples is None else examples
    return to_png(draw_acquisition_sheet(made, title="lung, clean model", synthetic=synthetic))


def test_the_picture_is_the_same_to_the_byte_and_marks_synthetic_images() -> None:
    assert picture() == picture()
    marked, plain = (np.asarray(PIL.Image.open(io.BytesIO(picture(one)))).astype(int) for one in (True, False))
    changed = np.argwhere((marked != plain).any(axis=2))
    assert len(changed) > 100
    assert changed[:, 0].max() < 50, "only the mark in the header"


def test_a_flip_changes_frame_and_text_and_nothing_elsewhere() -> None:
    example = changed_examples(four_images(), made_rows(), made_rescan)[0]
    kept = {level: (image, example.predicted) for level, (image, _) in example.changed.items()}
    one_flip = kept | {NOISE[1]: (kept[NOISE[1]][0], "malignant")}
    pictures = [
        np.asarray(PIL.Image.open(io.BytesIO(picture(examples=[ChangedExample(**{**vars(example), "changed": one})]))))
        for one in (kept, one_flip)
    ]
    differs = np.argwhere((pictures[0] != pictures[1]).any(axis=2))
    (top, left), (bottom, right_) = differs.min(axis=0), differs.max(axis=0)
    assert 112 <= right_ - left <= 124
    assert 124 < bottom - top < 160, "the frame and the second line of text"


def test_names_that_files_may_hold_are_drawn_as_text() -> None:
    example = changed_examples(four_images(), made_rows(), made_rescan)[0]
    hostile = ChangedExample(**{**vars(example), "image_id": "a\x1b\u202eb" * 99, "class_name": "$x_{"})
    assert picture(examples=[hostile])
