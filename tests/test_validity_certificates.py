"""The validity gate on certificates: sound rows are green, and each planted unsound bound turns its own check red."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from certificate_rows_fixture import PLAN, SIZE, certificate_rows, certify_metrics

from oncorobust.certificates.counts import certified_epsilon, l2_radius, lower_bound
from oncorobust.evaluation.validity import Check, red_names
from oncorobust.evaluation.validity_certificates import judge_certificates
from oncorobust.report.tables.row_statistics import read_rows

N = 30


def written(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as they come back from their file."""
    return read_rows(BytesIO(rows.to_csv(index=False).encode()))


@pytest.fixture(scope="module")
def sound() -> pd.DataFrame:
    labels = np.arange(N) % 2
    images = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(N)],
            "patient_id": [f"p{k // 2}" for k in range(N)],
            "label": labels,
            "predicted": np.where(np.arange(N) % 10 == 3, 1 - labels, labels),
        }
    )
    p = np.linspace(0.3, 1.0, N)
    return pd.concat([certificate_rows(images, p, split=one, seed=3) for one in ("validation", "test")])


def checks(rows: pd.DataFrame, **changed: object) -> dict[str, Check]:
    metrics = certify_metrics(rows) | changed
    return {one.name: one for one in judge_certificates(written(rows), metrics, size=SIZE, grey=True)}


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
    assert found.finding.startswith("60 of 60 certificates are others (i0, i1")
    assert "the 1024 values that tied noise moves in images of 32 x 32" in found.expected


def test_tied_values_under_untied_noise_are_red(sound: pd.DataFrame) -> None:
    assert "free values" in red(sound.assign(noise="untied"), noise="untied")


def test_noise_in_the_lesion_has_at_most_the_image_s_pixels(sound: pd.DataFrame) -> None:
    boxed = sound.assign(noise="lesion")
    assert "free values" not in red(boxed, noise="lesion")
    assert "free values" in red(derived(boxed, n_free=SIZE**2 + 1), noise="lesion")


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


def test_a_bound_without_alpha_is_red(sound: pd.DataFrame) -> None:
    planted = derived(sound.assign(p_lower=sound["look_top"] / sound["look_samples"].clip(lower=1)))
    assert "certified bounds" in red(planted)


def test_a_look_with_all_of_alpha_is_red(sound: pd.DataFrame) -> None:
    bound = lower_bound(sound["look_top"].to_numpy(), sound["look_samples"].clip(lower=1).to_numpy(), PLAN.alpha)
    planted = derived(sound.assign(p_lower=bound, look_alpha=PLAN.alpha))
    assert "certified bounds" in red(planted)


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
