"""Examples on the page: which images are shown, in which order, and as which pixels."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages
from oncorobust.report.page.examples import SHOWN, clean_errors, most_sensitive, shown_id, thumbnail

HU = (1400.0, "HU")


def images_of(n_images, *, size=4, channels=1):
    levels = np.linspace(0, 1, n_images * size * size * channels, dtype=np.float32)
    rows = pd.DataFrame(
        {
            "image_id": [f"i{number}" for number in range(n_images)],
            "patient_id": "p",
            "label": 0,
            "class_name": "benign",
            "split": "test",
            "source": "s",
            "position": np.arange(n_images),
        }
    )
    pixels = levels.reshape(n_images, size, size, channels)
    return LabelledImages(rows, pixels, ("benign", "malignant"), synthetic=False, name="made")


def opened(png):
    return Image.open(io.BytesIO(png))


def test_clean_errors_come_by_margin_and_then_by_id():
    predictions = pd.DataFrame(
        {
            "image_id": ["i0", "i1", "i2", "i3", "i3"],
            "label": [0, 1, 0, 1, 1],
            "predicted": [1, 0, 0, 0, 0],
            "attack": ["none", "none", "none", "none", "pgd"],
            "margin": [-1.25, -3.0, 2.0, -1.25, -9.0],
        }
    )
    found = clean_errors(predictions, images_of(4))
    assert found.n_images == 3
    assert [one.image_id for one in found.shown] == ["i1", "i0", "i3"]
    assert [(one.true, one.answer, one.told) for one in found.shown[:2]] == [
        ("malignant", "benign", "margin −3"),
        ("benign", "malignant", "margin −1.25"),
    ]


def ranking(**columns):
    made = {"image_id": ["i0", "i1", "i2", "i3"], "label": [0, 0, 0, 1], "predicted": [0, 0, 1, 1]}
    return pd.DataFrame(made | columns)


def test_sensitive_images_are_right_without_attack_and_flipped():
    rows = ranking(first_flipped=[0.004, 0.001, 0.0001, np.inf], min_epsilon=[0.001, 0.002, 0.001, 0.001])
    found = most_sensitive(rows, images_of(4), readable=HU)
    assert found.n_images == 2
    assert [(one.image_id, one.told) for one in found.shown] == [
        ("i1", "epsilon 0.001 (1.4 HU)"),
        ("i0", "epsilon 0.004 (5.6 HU)"),
    ]


def test_without_the_strict_search_the_grid_of_pgd_counts():
    found = most_sensitive(ranking(min_epsilon=[np.inf, 0.002, 0.001, 0.002]), images_of(4), readable=HU)
    assert [one.image_id for one in found.shown] == ["i1", "i3"]


def test_no_more_than_some_are_shown_and_all_are_counted():
    n_images = SHOWN + 3
    rows = pd.DataFrame(
        {
            "image_id": [f"i{one}" for one in range(n_images)],
            "label": 0,
            "predicted": 1,
            "attack": "none",
            "margin": -1.0,
        }
    )
    found = clean_errors(rows, images_of(n_images))
    assert (len(found.shown), found.n_images) == (SHOWN, n_images)


def test_none_is_shown_where_there_is_none():
    assert most_sensitive(ranking(min_epsilon=[np.inf] * 4), images_of(4), readable=HU).shown == ()


def test_an_image_that_the_data_set_lacks_is_named():
    rows = ranking(min_epsilon=[0.001] * 4)
    with pytest.raises(InputError, match=r"made: expected image i3 of the rows in index\.csv, got none"):
        most_sensitive(rows, images_of(3), readable=HU)


def test_a_thumbnail_has_the_pixels_of_the_processed_image():
    grey = np.repeat(np.array([[0.0, 0.5], [0.25, 1.0]])[:, :, None], 3, axis=2)
    assert np.asarray(opened(thumbnail(grey))).tolist() == [[0, 128], [64, 255]]
    colour = grey * np.array([1.0, 0.0, 1.0])
    assert np.asarray(opened(thumbnail(colour)))[0, 1].tolist() == [128, 0, 128]


def test_a_large_image_is_reduced():
    assert opened(thumbnail(np.zeros((300, 300, 3)))).size == (128, 128)


def test_a_long_id_loses_its_middle():
    assert shown_id("LIDC-IDRI-0001") == "LIDC-IDRI-0001"
    assert shown_id("a" * 5000 + "b" * 5000) == "a" * 24 + "…" + "b" * 24
