"""Summary, estimates, distance ratios and picture of a model under changes, from rows made by hand; no framework."""

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
from oncorobust.evaluation.acquisition_distance import MinimalDistances, distance_ratio, minimal_l2
from oncorobust.evaluation.acquisition_estimates import (
    at_level,
    compare_models,
    compare_with_noise,
    right,
    share_of,
    worst_case,
)
from oncorobust.evaluation.acquisition_examples import ChangedExample, changed_examples
from oncorobust.evaluation.acquisition_summary import summarise_acquisition
from oncorobust.evaluation.changed_images import ChangeLevel, Rescanned, rescanned
from oncorobust.evaluation.resampling import Draws, draw_patients
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


def test_an_accuracy_has_an_interval_by_patient() -> None:
    rows = made_rows()
    draws = draw_patients(rows["patient_id"], n_draws=200, seed=0)
    one = at_level(rows, "dose_noise", 2)
    found = share_of(right(one), one["patient_id"].tolist(), draws, level=0.95)
    assert (found.value, found.n_images, found.n_patients) == (0.75, 4, 3)
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < 0.75 < found.high <= 1


def test_two_models_are_compared_on_the_same_images_in_any_order() -> None:
    rows = at_level(made_rows(), "dose_noise", 2)
    hardened = rows.assign(changed_predicted=rows["label"])[::-1]
    draws = draw_patients(rows["patient_id"], n_draws=200, seed=0)
    found = compare_models(rows, hardened, draws, names=("clean", "hardened"), level=0.95)
    assert found.difference.value == pytest.approx(0.25)
    assert (found.n_only_first, found.n_only_second) == (0, 1)
    with pytest.raises(InputError, match=r"clean and hardened: .*1 images are only in clean"):
        compare_models(rows, hardened[1:], draws, names=("clean", "hardened"), level=0.95)


def test_a_change_is_compared_with_noise_of_its_size() -> None:
    rows = at_level(made_rows(), "dose_noise", 2)
    draws = draw_patients(rows["patient_id"], n_draws=200, seed=0)
    by_l2 = compare_with_noise(rows, draws, size="l2", level=0.95)
    assert by_l2.difference.value == pytest.approx(0.25), "noise 1.0, change 0.75"
    by_l_inf = compare_with_noise(rows, draws, size="l_inf", level=0.95)
    assert by_l_inf.difference.value == 0
    assert (by_l_inf.n_only_first, by_l_inf.n_only_second) == (1, 1)


def ratio_rows(flipped: list[list[int]], size: float = 0.1) -> pd.DataFrame:
    """Rows of one change at three severities of l_inf size, twice and three times size; one patient per image."""
    return pd.DataFrame(
        [
            {"image_id": f"i{image}", "patient_id": f"p{image}", "change": "x", "level": level, "flipped": bool(flag)}
            | {"l_inf": size * level, "l2": 0.0, "minimal_l2": 0.0}
            for image, flags in enumerate(flipped)
            for level, flag in enumerate(flags, start=1)
        ]
    )


def minimal(*values: float, reach: float = 0.05) -> MinimalDistances:
    return MinimalDistances(pd.Series(values, index=[f"i{image}" for image in range(len(values))]), reach)


def draws_of(rows: pd.DataFrame, n_draws: int = 500) -> Draws:
    return draw_patients(rows["patient_id"], n_draws=n_draws, seed=0)


def test_the_ratio_is_of_the_severity_at_which_half_have_flipped() -> None:
    # Flipped at the first severity only, at the second, at the third, never: half have flipped at the second.
    rows = ratio_rows([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    found = distance_ratio(rows, minimal(0.01, 0.02, 0.03, np.inf), draws_of(rows), size="l_inf", level=0.95)
    assert (found.known, found.level, found.size, found.minimal) == ("exact", 2, pytest.approx(0.2), 0.02)
    assert found.ratio.value == pytest.approx(10)
    assert found.ratio.reason == "an interval of a median needs 6 patients, here are 4"


def test_a_change_that_flips_too_few_gives_a_lower_bound_at_its_largest_severity() -> None:
    rows = ratio_rows([[0, 0, 1], [0, 0, 0], [0, 0, 0]])
    found = distance_ratio(rows, minimal(0.01, 0.02, 0.03), draws_of(rows), size="l_inf", level=0.95)
    assert (found.known, found.level, found.size) == ("at least", 3, pytest.approx(0.3))
    assert found.ratio.value == pytest.approx(15)
    assert found.ratio.reason.startswith("at least; ")


def test_a_model_that_withstands_the_attacks_gives_an_upper_bound_at_their_reach() -> None:
    rows = ratio_rows([[1, 1, 1]] * 3)
    found = distance_ratio(rows, minimal(0.01, np.inf, np.inf), draws_of(rows), size="l_inf", level=0.95)
    assert (found.known, found.level, found.minimal) == ("at most", 1, 0.05)
    assert found.ratio.value == pytest.approx(2)


def test_with_both_censored_the_ratio_is_unknown() -> None:
    rows = ratio_rows([[0, 0, 0]] * 7)
    found = distance_ratio(rows, minimal(*[np.inf] * 7), draws_of(rows), size="l_inf", level=0.95)
    assert found.known == "unknown"
    assert (found.ratio.value, found.ratio.low, found.ratio.high) == (None, 0, None)


def test_the_interval_of_the_ratio_is_that_of_the_draws() -> None:
    flips = [[1, 1, 1]] * 5 + [[0, 0, 0]] * 4
    rows = ratio_rows(flips)
    epsilons = np.linspace(0.01, 0.02, 9)
    draws = draws_of(rows)
    found = distance_ratio(rows, minimal(*epsilons), draws, size="l_inf", level=0.9)
    lows, highs = [], []
    for counts in draws.counts:  # patients and images are in the same order
        drawn = np.repeat(np.arange(9), counts.astype(int))
        few = (drawn < 5).mean() < 0.5
        middle = np.sort(epsilons[drawn])[4]
        lows.append((0.3 if few else 0.1) / middle)
        highs.append(np.inf if few else 0.1 / middle)
    assert found.ratio.value == pytest.approx(0.1 / 0.015)
    assert found.ratio.low == pytest.approx(np.quantile(lows, 0.05, method="inverted_cdf"))
    assert np.quantile(highs, 0.95, method="inverted_cdf") == np.inf
    assert found.ratio.high is None


def test_l2_distances_not_found_exceed_all_that_were() -> None:
    found = minimal_l2(made_rows())
    assert found.of_image.to_dict() == {"a": 0.4, "b": 0.2, "c": np.inf, "d": 0.1}
    assert found.reach == 0.4
    with pytest.raises(InputError, match="expected one for at least one image, got none"):
        minimal_l2(made_rows().assign(minimal_l2=np.nan))


def test_ratios_of_incomplete_rows_are_refused() -> None:
    rows = ratio_rows([[1, 1, 1]] * 3)
    with pytest.raises(InputError, match="image i2: expected a minimal distance, got none"):
        distance_ratio(rows, minimal(0.1, 0.1), draws_of(rows), size="l_inf", level=0.95)
    with pytest.raises(InputError, match="image i0: expected a row at each severity of x"):
        distance_ratio(rows[1:], minimal(0.1, 0.1, 0.1), draws_of(rows), size="l_inf", level=0.95)


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
