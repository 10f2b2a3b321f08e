"""Rows of certificates on the linear classifier, whose smoothed answer and largest certified epsilon are known exactly.

Under Gaussian noise the score w . x keeps its mean, so the share of the answer is Phi(|w . x| / (sigma |w|)), with w
summed over the channels for tied noise. No epsilon above |w . x| / (|w| sqrt(d)) can be certified.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from models import SHAPE, WEIGHTS, images_in_memory, linear_model, scores
from msgspec.structs import replace as with_settings

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.certificate_rows import CERTIFICATE_COLUMNS, Smoothing, choose_sigma
from oncorobust.evaluation.certified_images import certified_images
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.validity_certificates import CertifiedImages, judge_certificates
from oncorobust.settings.certify import Certify, CertifyAttack

SETTINGS = Certify(
    sigmas=(0.05, 0.1),
    noise="tied",
    n_selection=16,
    n_samples=200,
    alpha=0.01,
    alpha_of="image",
    max_images=None,
    validation_images=8,
    attack=CertifyAttack(max_iter=3, n_draws=4),
)
EPSILONS, GRID = (0.01, 0.02), (0.01, 0.02, 0.05, 0.2)
TIED = WEIGHTS.sum(axis=-1)
D = SHAPE[0] * SHAPE[1]


def quiet() -> ResumableRows:
    return ResumableRows(lambda *_: None)


def grey(split: str, n: int, seed: int) -> LabelledImages:
    pixels = np.random.default_rng(seed).uniform(0.3, 0.7, (n, *SHAPE[:2], 1)).astype(np.float32)
    labels = (scores(np.repeat(pixels, 3, axis=-1)) > 0).astype(int)
    labels[0] = 1 - labels[0]  # one image that no model answers as labelled
    data = images_in_memory(pixels, labels)
    names = {name: f"{split}-" + data.rows[name] for name in ("image_id", "patient_id")}
    return replace(data, rows=data.rows.assign(split=split, **names))


@pytest.fixture(scope="module")
def smoothing() -> Smoothing:
    classifier = KerasClassifier(linear_model(WEIGHTS), batch_size=8)
    return Smoothing(classifier, SETTINGS, "float32", EPSILONS, seed=3, batch_size=8)


@pytest.fixture(scope="module")
def images() -> tuple[LabelledImages, LabelledImages]:
    return grey("test", 12, seed=1), grey("validation", 8, seed=2)


@pytest.fixture(scope="module")
def found(
    smoothing: Smoothing, images: tuple[LabelledImages, LabelledImages]
) -> tuple[pd.DataFrame, dict[str, object]]:
    return certified_images(smoothing, *images, attack_epsilons=GRID, resumable=quiet())


def red_and_undone(found: tuple[pd.DataFrame, dict[str, object]], *data: LabelledImages) -> list[str]:
    index = pd.concat([one.rows for one in data])
    checks = judge_certificates(*found, images=CertifiedImages(index, size=SHAPE[0], grey=True, n_classes=2))
    return [one.name for one in checks if one.status != "green"]


def test_each_image_has_a_row_for_each_sigma_validation_first(found: tuple[pd.DataFrame, dict[str, object]]) -> None:
    rows, summary = found
    assert list(rows.columns) == CERTIFICATE_COLUMNS
    assert rows.groupby(["split", "sigma"], sort=False).size().tolist() == [8, 8, 12, 12]
    assert rows["split"].iloc[0] == "validation"
    assert (summary["n_images"], summary["n_validation_images"], summary["n_patients"]) == (12, 8, 6)


def test_no_certified_epsilon_is_above_the_exact_one_and_the_closest_are_near(
    found: tuple[pd.DataFrame, dict[str, object]], images: tuple[LabelledImages, LabelledImages]
) -> None:
    rows, _ = found
    exact = dict(
        (one, abs(score) / (np.linalg.norm(TIED) * np.sqrt(D)))
        for data in images
        for one, score in zip(data.image_ids, scores(data.images()), strict=True)
    )
    largest = rows["image_id"].map(exact)
    assert (rows["certified_epsilon"] <= largest).all()
    sure = rows[~rows["abstained"]]
    assert (sure["certified_epsilon"] / sure["image_id"].map(exact)).max() > 0.6
    assert (rows["n_free"] == D).all()


def test_sigma_is_chosen_on_validation_images_alone(found: tuple[pd.DataFrame, dict[str, object]]) -> None:
    rows, summary = found
    validation = rows[rows["split"] == "validation"]
    assert summary["sigma"] == choose_sigma(validation, epsilons=EPSILONS)
    swapped = validation.assign(correct=validation["sigma"] != summary["sigma"], certified_epsilon=1.0)
    assert choose_sigma(swapped, epsilons=EPSILONS) != summary["sigma"]
    assert choose_sigma(validation.assign(correct=False), epsilons=EPSILONS) == 0.05, "the smallest where none is right"


def validation_rows(correct: dict[float, list[bool]]) -> pd.DataFrame:
    """Rows of four images of two classes, certified up to 0.002, or at every epsilon where sigma is above 0.1."""
    return pd.concat(
        pd.DataFrame({"sigma": sigma, "image_id": list("abcd"), "label": [0, 0, 1, 1], "correct": right}).assign(
            certified_epsilon=[0.01 if sigma > 0.1 else 0.002] * 4
        )
        for sigma, right in correct.items()
    )


def test_a_sigma_that_makes_all_answers_alike_is_not_chosen() -> None:
    epsilons = (0.001, 0.002, 0.004, 0.006)
    alike, telling = [True, True, False, False], [True, True, True, False]
    # mean certified accuracy: 1/2 of the answer that is the same everywhere, 3/8 of the one that tells images apart
    assert choose_sigma(validation_rows({0.05: telling, 0.2: alike}), epsilons=epsilons) == 0.05
    assert choose_sigma(validation_rows({0.05: telling, 0.2: telling}), epsilons=epsilons) == 0.2
    assert choose_sigma(validation_rows({0.05: alike, 0.2: alike}), epsilons=epsilons) == 0.05, "the least change"
    assert choose_sigma(validation_rows({0.15: telling, 0.2: telling}), epsilons=epsilons) == 0.15, "of equal ones"


def test_a_rare_class_that_is_found_makes_a_sigma_count() -> None:
    """Three right answers of four are no more than one answer for all has, but they are of both classes."""
    epsilons, missed, alike = (0.001, 0.004), [True, True, False, True], [True, True, True, False]
    rows = validation_rows({0.05: missed, 0.2: alike}).assign(label=[0, 0, 0, 1] * 2)
    assert choose_sigma(rows, epsilons=epsilons) == 0.05


def test_the_attack_is_at_the_chosen_sigma_and_never_inside_a_certificate(
    found: tuple[pd.DataFrame, dict[str, object]],
) -> None:
    rows, summary = found
    attacked = rows["first_flipped"].notna()
    assert attacked.equals((rows["split"] == "test") & (rows["sigma"] == summary["sigma"]))
    shown = rows[attacked]
    assert (shown["first_flipped"] >= shown["certified_epsilon"])[shown["correct"]].all()
    assert (shown.loc[~shown["correct"], "first_flipped"] == 0).all()
    assert set(shown["first_flipped"]) <= {0.0, *GRID, np.inf}
    assert np.isfinite(shown.loc[shown["correct"], "first_flipped"]).any()


def test_the_gate_is_green_on_them(
    found: tuple[pd.DataFrame, dict[str, object]], images: tuple[LabelledImages, LabelledImages]
) -> None:
    assert red_and_undone(found, *images) == []


def test_a_second_run_and_another_batch_size_give_the_same_rows(
    smoothing: Smoothing,
    images: tuple[LabelledImages, LabelledImages],
    found: tuple[pd.DataFrame, dict[str, object]],
) -> None:
    again, _ = certified_images(replace(smoothing, batch_size=16), *images, attack_epsilons=GRID, resumable=quiet())
    pd.testing.assert_frame_equal(again, found[0])


def test_alpha_shared_by_the_images_of_the_table_is_that_of_each_row(
    smoothing: Smoothing, images: tuple[LabelledImages, LabelledImages]
) -> None:
    shared = with_settings(SETTINGS, alpha_of="table", sigmas=(0.1,))
    found = certified_images(
        replace(smoothing, settings=shared), images[0], None, attack_epsilons=GRID[:1], resumable=quiet()
    )
    assert found[0]["alpha"].unique().tolist() == [0.01 / 12]
    assert red_and_undone(found, images[0]) == []


def test_tied_noise_is_refused_for_images_in_colour(smoothing: Smoothing) -> None:
    colour = images_in_memory(np.full((2, *SHAPE), 0.5, np.float32), np.array([0, 1]))
    with pytest.raises(InputError, match=r"certify.noise: expected untied for images in colour, .*, got tied"):
        smoothing.noise(colour, 0.1)


def test_noise_in_the_lesion_needs_a_box_and_moves_its_pixels_alone(
    smoothing: Smoothing, images: tuple[LabelledImages, LabelledImages]
) -> None:
    boxed = replace(smoothing, settings=with_settings(SETTINGS, noise="lesion", sigmas=(0.1,)))
    with pytest.raises(InputError, match="expected images with a lesion box for lesion, got none"):
        boxed.certifiable(images[0])
    edges = {"lesion_top": 1, "lesion_left": 2, "lesion_bottom": 4, "lesion_right": 4}
    rows = images[0].rows.assign(**edges)
    rows.loc[rows.index[0], list(edges)] = np.nan
    found, summary = certified_images(
        boxed, replace(images[0], rows=rows), None, attack_epsilons=GRID[:1], resumable=quiet()
    )
    assert found["n_free"].unique().tolist() == [6]
    assert red_and_undone((found, summary), replace(images[0], rows=rows)) == []
    assert len(found) == summary["n_images"] == 11, "the image without a box is left out"
