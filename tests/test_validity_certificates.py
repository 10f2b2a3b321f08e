"""The validity gate on certificates: sound rows are green, and each planted unsound bound turns its own check red."""

from functools import cache
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from certificate_rows_fixture import PLAN, SIZE, certificate_rows, certify_metrics

from oncorobust.certificates.counts import certified_epsilon, l2_radius, lower_bound
from oncorobust.evaluation.validity import Check, red_names
from oncorobust.evaluation.validity_certificates import CertifiedImages, judge_certificates
from oncorobust.report.tables.row_statistics import read_rows

N = 30
BOX = {"lesion_top": 4, "lesion_left": 8, "lesion_bottom": 10, "lesion_right": 13.5}
"""A lesion box that touches 6 x 6 pixels."""
IN_BOX = 36


@cache
def sound_rows() -> pd.DataFrame:
    labels = np.arange(N) % 2
    test = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(N)],
            "patient_id": [f"p{k // 2}" for k in range(N)],
            "label": labels,
            "predicted": np.where(np.arange(N) % 10 == 3, 1 - labels, labels),
        }
    )
    validation = test.assign(image_id="v" + test["image_id"], patient_id="v" + test["patient_id"])
    p = np.linspace(0.3, 1.0, N)
    of_splits = {"validation": validation, "test": test}
    parts = [certificate_rows(rows, p, split=split, seed=3) for split, rows in of_splits.items()]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def sound() -> pd.DataFrame:
    return sound_rows().copy()


def written(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as they come back from their file."""
    return read_rows(BytesIO(rows.to_csv(index=False).encode()))


def checks(rows: pd.DataFrame, *, n_classes: int = 2, grey: bool = True, **changed: object) -> dict[str, Check]:
    """Checks of rows beside the index.csv and the certify.json of the sound rows, of which some keys are changed."""
    index = written(sound_rows()[["image_id", "patient_id", "label", "split"]].assign(**BOX))
    images = CertifiedImages(index, size=SIZE, grey=grey, n_classes=n_classes)
    metrics = certify_metrics(sound_rows()) | changed
    return {one.name: one for one in judge_certificates(written(rows), metrics, images=images)}


def red(rows: pd.DataFrame, **changed: object) -> list[str]:
    return red_names(checks(rows, **changed).values())


def derived(rows: pd.DataFrame, *, n_free: int = SIZE**2) -> pd.DataFrame:
    """The rows with radius and epsilon as they follow from p_lower."""
    radius = l2_radius(rows["p_lower"].to_numpy(), sigma=0.1)
    return rows.assign(
        n_free=n_free,
        radius=radius,
        certified_epsilon=certified_epsilon(radius, n_free=n_free),
        abstained=~(rows["p_lower"] > 0.5),
    )


def test_sound_certificates_are_green_and_some_images_abstain(sound: pd.DataFrame) -> None:
    assert {one.status for one in checks(sound).values()} == {"green"}
    assert 0 < sound["abstained"].sum() < len(sound)
    assert len(set(sound["n_samples"])) > 2, "images end at different looks"


def test_the_values_of_one_side_in_place_of_all_pixels_are_red(sound: pd.DataFrame) -> None:
    planted = derived(sound, n_free=SIZE)
    assert "free values" in red(planted)
    found = checks(planted)["free values"]
    assert found.finding.startswith("60 of 60 certificates are others (vi0, vi1")
    assert "the 1024 values that tied noise moves in images of 32 x 32" in found.expected


def test_tied_values_under_untied_noise_are_red(sound: pd.DataFrame) -> None:
    assert "free values" in red(sound.assign(noise="untied"), noise="untied")


@pytest.mark.parametrize(("n_free", "grey", "wrong"), [(36, True, 0), (108, False, 0), (30, True, 60), (1, True, 60)])
def test_noise_in_the_lesion_moves_the_pixels_of_its_box(
    sound: pd.DataFrame, n_free: int, grey: bool, wrong: int
) -> None:
    """Fewer free values make every certified epsilon larger than what was sampled allows."""
    found = checks(derived(sound.assign(noise="lesion"), n_free=n_free), noise="lesion", grey=grey)["free values"]
    assert found.finding.startswith(f"{wrong} of 60 certificates are others")
    assert found.status == ("red" if wrong else "green")


def test_an_epsilon_that_does_not_follow_from_its_radius_is_red(sound: pd.DataFrame) -> None:
    assert red(sound.assign(certified_epsilon=sound["certified_epsilon"] * 1.001)) == ["free values"]


def test_samples_of_the_selection_used_again_are_red(sound: pd.DataFrame) -> None:
    again = sound.copy()
    for name in ("n_samples", "look_samples"):
        again[name] += again["n_selection"]
    for name in ("n_top", "look_top"):
        again[name] += again["selection_count"]
    again["p_lower"] = lower_bound(*(again[name].to_numpy() for name in ("look_top", "look_samples", "look_alpha")))
    assert "samples of certificates" in red(derived(again))


@pytest.mark.parametrize(
    "selection",
    [{"n_selection": 0, "selection_count": 0}, {"n_selection": 17}, {"selection_count": 15}, {"selection_count": 33}],
)
def test_an_answer_that_no_samples_of_its_own_selected_is_red(sound: pd.DataFrame, selection: dict[str, int]) -> None:
    """Of 32 samples and two classes, the leading one has 16 at least."""
    assert red(sound.assign(**selection)) == ["samples of certificates"]


def test_of_more_classes_the_leading_one_may_have_fewer_samples(sound: pd.DataFrame) -> None:
    assert red(sound.assign(selection_count=11), n_classes=3) == []


IMAGES, SUMMARY = "images of certificates", "summary of certificates"


def test_rows_that_are_repeated_or_missing_are_red(sound: pd.DataFrame) -> None:
    test = sound["split"] == "test"
    repeated = checks(pd.concat([sound, sound[test]]))[IMAGES]
    assert repeated.status == "red" and repeated.finding.startswith("60 of 90 certificates are repeated")
    halved = checks(sound[~test | (np.arange(60) % 2 == 0)])
    assert halved[IMAGES].finding.endswith("15 test images at sigma 0.1 and not 30")
    assert halved[SUMMARY].status == "red"


def test_validation_images_among_the_test_images_are_red(sound: pd.DataFrame) -> None:
    found = checks(sound.assign(split="test"))[IMAGES]
    assert found.status == "red"
    assert found.finding.startswith("30 of 60 certificates are repeated") and "vi0" in found.finding
    assert found.finding.endswith(
        "; 60 test images at sigma 0.1 and not 30; 0 validation images at sigma 0.1 and not 30"
    )


@pytest.mark.parametrize("planted", [{"noise": "untied"}, {"sigma": 0.2}, {"label": 7}, {"patient_id": "other"}])
def test_rows_of_other_images_noise_or_sigma_are_red(sound: pd.DataFrame, planted: dict[str, object]) -> None:
    assert IMAGES in red(sound.assign(**planted))


def test_a_sigma_that_was_not_sampled_is_red_wherever_the_looks_are_the_same(sound: pd.DataFrame) -> None:
    """Rows of one sigma under the name of another one, twice as large, with all that follows from it."""
    planted = sound.assign(sigma=0.2, **{name: 2 * sound[name] for name in ("radius", "certified_epsilon")})
    assert IMAGES in red(planted)


@pytest.mark.parametrize("name", ["p_lower", "n_free", "look_top", "sigma"])
def test_an_empty_cell_is_red(sound: pd.DataFrame, name: str) -> None:
    planted = sound.astype({name: object})
    planted.loc[planted.index[:1], name] = ""
    found = checks(planted)
    assert found[IMAGES].finding.startswith("1 of 60 certificates are repeated, have an empty cell")
    assert found[IMAGES].status == "red"


def test_a_number_of_free_values_below_one_is_red(sound: pd.DataFrame) -> None:
    assert IMAGES in red(sound.assign(n_free=-4))


def test_a_number_of_the_summary_that_the_rows_do_not_give_is_red(sound: pd.DataFrame) -> None:
    metrics = certify_metrics(sound)
    for name in ("smoothed_accuracy", "base_accuracy", "abstained", "samples_per_image", "largest_epsilon"):
        found = checks(sound, **{name: metrics[name] + 0.01})[SUMMARY]
        assert (found.status, found.finding) == ("red", f"1 do not follow ({name})")
    accuracies = metrics["certified_accuracy"]
    assert (
        checks(sound, certified_accuracy=accuracies | {"eps_0_001": 1.0})[SUMMARY].finding
        == "1 do not follow (eps_0_001)"
    )
    assert checks(sound, sigma=0.2)[SUMMARY].status == "red"


def test_an_answer_that_is_called_right_and_is_not_is_red(sound: pd.DataFrame) -> None:
    assert SUMMARY in red(sound.assign(correct=True))


def test_a_bound_without_alpha_is_red(sound: pd.DataFrame) -> None:
    planted = derived(sound.assign(p_lower=sound["look_top"] / sound["look_samples"].clip(lower=1)))
    assert "certified bounds" in red(planted)


def test_a_look_with_all_of_alpha_is_red(sound: pd.DataFrame) -> None:
    bound = lower_bound(sound["look_top"].to_numpy(), sound["look_samples"].clip(lower=1).to_numpy(), PLAN.alpha)
    planted = derived(sound.assign(p_lower=bound, look_alpha=PLAN.alpha))
    assert "certified bounds" in red(planted)
    assert red(sound.assign(look_alpha=PLAN.alpha)) == ["certified bounds"], "the share that is told counts, too"


def test_alpha_of_each_image_where_it_is_shared_is_red(sound: pd.DataFrame) -> None:
    assert "certified bounds" in red(sound, alpha_of="table")


def test_an_abstention_that_is_not_told_is_red(sound: pd.DataFrame) -> None:
    assert "certified bounds" in red(sound.assign(abstained=False))


def test_an_attack_inside_a_certified_epsilon_is_red_and_names_the_image(sound: pd.DataFrame) -> None:
    hit = (sound["split"] == "test") & sound["correct"] & (sound["image_id"] == "i28")
    assert hit.sum() == 1
    planted = sound.assign(first_flipped=np.where(hit, sound["certified_epsilon"] / 2, sound["first_flipped"]))
    assert red(planted) == ["certified and attacked"]
    assert "1 of" in (finding := checks(planted)["certified and attacked"].finding)
    assert "(i28)" in finding
