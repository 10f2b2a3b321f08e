"""Rows of a model under changes of the acquisition: linear models, whose answers and distances are known."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from models import SHAPE, images_in_memory, linear_model

from oncorobust.attacks.equal_noise import gaussian_noise, sign_noise
from oncorobust.base.errors import InputError
from oncorobust.base.progress import Stopped
from oncorobust.base.run_state import RunState
from oncorobust.base.seeds import child_rng
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.acquisition_rows import ACQUISITION_COLUMNS, AcquisitionRows, acquisition_rows
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.changed_images import ChangeLevel, Rescan, Rescanned
from oncorobust.evaluation.resumable_rows import ResumableRows

N = 6
SEED = 3
ONES = np.ones(SHAPE) / np.prod(SHAPE)
"""Weights of a model that tells images by their mean: class 1 above 0.5."""

SHIFT = tuple(
    ChangeLevel("shift", "Shift", severity, "grey level", level) for level, severity in enumerate((0.0, 5.0), 1)
)
FADE = (ChangeLevel("fade", "Fade", 2.0, "mm", 1),)


def mean_model() -> keras.Model:
    return linear_model(ONES, bias=-0.5)


def grey_images() -> LabelledImages:
    """Grey images whose means are 0.45, 0.46, ..., 0.5 plus 0.005."""
    x = np.random.default_rng(0).uniform(-0.05, 0.05, (N, 6, 6, 1))
    x += 0.455 + 0.01 * np.arange(N).reshape(-1, 1, 1, 1) - x.mean(axis=(1, 2, 3), keepdims=True)
    return images_in_memory(x.astype(np.float32), np.arange(N) % 2)


def rescan_of(data: LabelledImages) -> Rescan:
    """A shift of 0 and of 0.03, and, except for the last image, a fade of the right half to black."""

    def rescan(position: int) -> Rescanned:
        image = data.pixels[data.rows["position"].iloc[position]]
        half = image.copy()
        half[:, 3:] = 0
        shifts = {SHIFT[0]: image.copy(), SHIFT[1]: image + np.float32(0.03)}
        if data.image_ids[position] == f"image-{N - 1}":
            return Rescanned(shifts, {"fade": "needs a spacing"})
        return Rescanned(shifts | {FADE[0]: half}, {})

    return rescan


def rows_of(
    data: LabelledImages,
    *,
    rescan: Rescan | None = None,
    resumable: ResumableRows | None = None,
    size: int = 4,
    model: keras.Model | None = None,
) -> AcquisitionRows:
    return acquisition_rows(
        mean_model() if model is None else model,
        data,
        blocks_of(len(data), size),
        rescan=rescan_of(data) if rescan is None else rescan,
        max_iter=8,
        precision="float32",
        seed=SEED,
        resumable=ResumableRows(lambda *_: None) if resumable is None else resumable,
    )


def test_each_image_has_a_row_per_change_and_severity_and_a_reason_where_none_applies() -> None:
    found = rows_of(grey_images())
    assert list(found.rows.columns) == ACQUISITION_COLUMNS
    first = found.rows[found.rows["image_id"] == "image-0"]
    assert first[["change", "severity", "unit", "level"]].to_numpy().tolist() == [
        ["shift", 0.0, "grey level", 1],
        ["shift", 5.0, "grey level", 2],
        ["fade", 2.0, "mm", 1],
    ]
    assert found.rows.groupby("image_id").size().tolist() == [3] * (N - 1) + [2]
    assert found.not_possible.to_numpy().tolist() == [[f"image-{N - 1}", "fade", "needs a spacing"]]
    assert found.rows[["patient_id", "label"]].iloc[-1].tolist() == ["patient-2", 1]


def test_answers_and_sizes_are_those_of_the_changed_images() -> None:
    data = grey_images()
    rows = rows_of(data).rows
    means = data.pixels.astype(np.float64).mean(axis=(1, 2, 3))
    predicted = (means > 0.5).astype(int)
    assert 0 < predicted.sum() < N
    shifted = rows[(rows["change"] == "shift") & (rows["level"] == 2)]
    np.testing.assert_array_equal(shifted["predicted"], predicted)
    np.testing.assert_array_equal(shifted["changed_predicted"], means + 0.03 > 0.5)
    np.testing.assert_array_equal(shifted["flipped"], (means + 0.03 > 0.5) != (means > 0.5))
    assert 0 < shifted["flipped"].sum() < N
    np.testing.assert_allclose(shifted["l_inf"], 0.03, atol=1e-6)
    np.testing.assert_allclose(shifted["l2"], 0.03 * 6, rtol=1e-5, err_msg="36 values: the three channels count once")
    faded = rows[rows["change"] == "fade"]
    right_half = data.pixels[: N - 1, :, 3:]
    np.testing.assert_allclose(faded["l_inf"], right_half.max(axis=(1, 2, 3)))
    np.testing.assert_allclose(faded["l2"], np.sqrt((right_half.astype(float) ** 2).sum(axis=(1, 2, 3))), rtol=1e-6)


def test_a_change_of_size_zero_flips_nothing_and_has_no_noise() -> None:
    rows = rows_of(grey_images()).rows
    still = rows[(rows["change"] == "shift") & (rows["level"] == 1)]
    assert (still[["l_inf", "l2"]] == 0).all(axis=None)
    assert not still[["flipped", "noise_l_inf_flipped", "noise_l2_flipped"]].any(axis=None)
    for column in ("changed_predicted", "noise_l_inf_predicted", "noise_l2_predicted"):
        np.testing.assert_array_equal(still[column], still["predicted"])


def test_noise_has_the_size_of_the_change_and_a_seed_of_its_own() -> None:
    data = grey_images()
    rows, n_flips = rows_of(data).rows, 0
    for row in rows[rows["l_inf"] > 0].to_dict("records"):
        image = data.pixels[data.image_ids.index(row["image_id"])]
        rng = child_rng(SEED, "noise of equal size", data.name, row["image_id"], row["change"], row["level"])
        by_sign = sign_noise(image, row["l_inf"], rng).mean(dtype=np.float64)
        by_gaussian = gaussian_noise(image, row["l2"], rng).mean(dtype=np.float64)
        assert row["noise_l_inf_predicted"] == (by_sign > 0.5)
        assert row["noise_l2_predicted"] == (by_gaussian > 0.5)
        assert row["noise_l_inf_flipped"] == (row["noise_l_inf_predicted"] != row["predicted"])
        assert row["noise_l2_flipped"] == (row["noise_l2_predicted"] != row["predicted"])
        n_flips += row["noise_l_inf_flipped"] + row["noise_l2_flipped"]
    assert n_flips > 0


def test_the_minimal_l2_is_the_distance_from_the_boundary() -> None:
    data = grey_images()
    rows = rows_of(data).rows.drop_duplicates("image_id")
    # The mean moves fastest along the unit vector of 36 equal values: by 1/6 per unit of l2.
    exact = 6 * np.abs(data.pixels.astype(np.float64).mean(axis=(1, 2, 3)) - 0.5)
    np.testing.assert_allclose(rows["minimal_l2"], exact, rtol=1e-3, atol=1e-5)


def test_a_model_with_one_answer_has_no_minimal_l2() -> None:
    data = grey_images()
    found = acquisition_rows(
        linear_model(np.zeros(SHAPE), bias=1.0),
        data,
        blocks_of(N, 4),
        rescan=rescan_of(data),
        max_iter=2,
        precision="float32",
        seed=SEED,
        resumable=ResumableRows(lambda *_: None),
    )
    assert found.rows["minimal_l2"].isna().all()
    assert not found.rows["flipped"].any()


def test_a_row_is_the_same_whatever_else_is_evaluated() -> None:
    data = grey_images()
    whole = rows_of(data).rows
    part = data.take(np.array([1, 4]))
    alone = rows_of(part, rescan=lambda at: replace(rescan_of(part)(at), images=fade_only(rescan_of(part)(at)))).rows
    same = whole[whole["image_id"].isin(part.image_ids) & (whole["change"] == "fade")].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, same)


def fade_only(changed: Rescanned) -> dict[ChangeLevel, np.ndarray]:
    return {level: image for level, image in changed.images.items() if level.change == "fade"}


def test_colour_images_count_all_three_channels() -> None:
    pixels = np.random.default_rng(1).uniform(0.3, 0.6, (2, *SHAPE)).astype(np.float32)
    rows = rows_of(images_in_memory(pixels, np.array([0, 1]))).rows
    shifted = rows[(rows["change"] == "shift") & (rows["level"] == 2)]
    np.testing.assert_allclose(shifted["l2"], 0.03 * np.sqrt(108), rtol=1e-5)
    exact = np.sqrt(108) * np.abs(pixels.astype(np.float64).mean(axis=(1, 2, 3)) - 0.5)
    np.testing.assert_allclose(shifted["minimal_l2"], exact, rtol=1e-3, atol=1e-5)


def test_an_interrupted_run_resumes_with_the_rows_of_an_uninterrupted_one(tmp_path: Path) -> None:
    data, read = grey_images(), []

    def rescan(position: int) -> Rescanned:
        read.append(position)
        return rescan_of(data)(position)

    def stop_after_the_first(done: int, *_: object) -> None:
        if done == 2:
            raise Stopped

    state = RunState(tmp_path / ".rescan.state", fingerprint="one run")
    with pytest.raises(Stopped):
        rows_of(data, rescan=rescan, resumable=ResumableRows(stop_after_the_first, state), size=2)
    assert read == [0, 1]
    found = rows_of(data, rescan=rescan, resumable=ResumableRows(lambda *_: None, state), size=2)
    assert read == list(range(N))
    whole = rows_of(data, size=2)
    pd.testing.assert_frame_equal(found.rows, whole.rows, check_dtype=False)
    pd.testing.assert_frame_equal(found.not_possible, whole.not_possible, check_dtype=False)
    assert found.rows.to_csv() == whole.rows.to_csv()
    for rows in (found.rows, whole.rows):
        assert [name for name in rows if rows[name].dtype == bool] == [name for name in rows if "flipped" in name]


def test_images_without_any_change_have_reasons_alone() -> None:
    found = rows_of(grey_images(), rescan=lambda _: Rescanned({}, {"shift": "needs HU"}))
    assert found.rows.empty
    assert list(found.rows.columns) == ACQUISITION_COLUMNS
    assert len(found.not_possible) == N


def test_logits_that_are_not_finite_are_named_and_no_answer() -> None:
    """The model divides by the mean of the image, and the change makes it black."""
    images = keras.Input(SHAPE)
    mean = keras.ops.mean(images, axis=(1, 2, 3), keepdims=True)
    flat = keras.layers.Flatten()(images / mean)
    model = keras.Model(images, keras.layers.Dense(2)(flat))
    data = grey_images()

    def black(position: int) -> Rescanned:
        return Rescanned({SHIFT[1]: np.zeros_like(data.pixels[position])}, {})

    with pytest.raises(
        InputError, match=r"rescan: expected finite logits, got \[nan, nan\] for image image-0 under shift"
    ):
        rows_of(data, rescan=black, model=model)
