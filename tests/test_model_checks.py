"""Bad input to the strict evaluation: each mistake is refused in words that say what, where and what to do."""

import keras
import numpy as np
import pytest
from keras import layers
from models import SHAPE, small_convolutional_net

from oncorobust.attacks.target import Target
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import check_images
from oncorobust.models.checks import (
    check_epsilons,
    check_logits,
    check_model,
)
from oncorobust.models.torch_module import torch_classifier

IDS = ["a", "b", "c"]


def ending_in(*last: layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input(SHAPE), layers.Flatten(), *last])


def test_a_model_that_fits_passes():
    check_model(small_convolutional_net(), image_shape=SHAPE, n_classes=3, where="net")


@pytest.mark.parametrize(("image_shape", "n_classes"), [((8, 8, 3), 3), (SHAPE, 2)])
def test_a_model_of_another_shape_is_refused(image_shape, n_classes):
    message = rf"expected a model for images .* and {n_classes} classes, got \(6, 6, 3\) and 3 in clean.keras"
    with pytest.raises(InputError, match=message):
        check_model(small_convolutional_net(), image_shape=image_shape, n_classes=n_classes, where="clean.keras")


@pytest.mark.parametrize(
    ("last", "activation"),
    [
        ([layers.Dense(2, activation="softmax", name="end")], "softmax"),
        ([layers.Dense(2, activation="sigmoid", name="end")], "sigmoid"),
        ([layers.Dense(2), layers.Activation("softmax", name="end")], "softmax"),
        ([layers.Dense(2), layers.Softmax(name="end")], "softmax"),
    ],
)
def test_a_model_that_ends_in_probabilities_is_refused_by_its_last_layer(last, activation):
    message = f"expected logits, got layer 'end' that ends in {activation}: cut it off in clean.keras"
    with pytest.raises(InputError, match=message):
        check_model(ending_in(*last), image_shape=SHAPE, n_classes=2, where="clean.keras")


def test_probabilities_are_known_by_their_values_too():
    hidden = ending_in(keras.Sequential([keras.Input((108,)), layers.Dense(3, activation="softmax")]))
    check_model(hidden, image_shape=SHAPE, n_classes=3, where="clean.keras")
    x = np.random.default_rng(0).uniform(0, 1, (3, *SHAPE)).astype(np.float32)
    with pytest.raises(InputError, match=r"got probabilities \(rows sum to 1\): cut the softmax off in clean.keras"):
        check_logits(Target(hidden).logits(x), image_ids=IDS, where="clean.keras")


@pytest.mark.parametrize(
    "logits",
    [[[0.2, 0.8], [-0.5, 1.5], [0.3, 0.7]], [[0.2, 0.8], [0.1, 0.8], [0.3, 0.7]], [[2, -1], [4, -3], [0.4, 0.6]]],
    ids=["outside", "another sum", "outside by much"],
)
def test_logits_that_only_resemble_probabilities_pass(logits):
    check_logits(np.array(logits, dtype=np.float32), image_ids=IDS, where="net")


def test_one_image_cannot_tell_logits_from_probabilities():
    check_logits(np.array([[0.25, 0.75]], dtype=np.float32), image_ids=["a"], where="net")


@pytest.mark.parametrize(("value", "printed"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_answers_that_are_not_finite_name_the_first_image(value, printed):
    logits = np.array([[1, 2], [3, value], [value, 4]], dtype=np.float32)
    with pytest.raises(InputError, match=rf"expected finite logits, got \[3.0, {printed}\] for image b in clean.keras"):
        check_logits(logits, image_ids=IDS, where="clean.keras")


@pytest.mark.parametrize(("value", "printed"), [(np.nan, "nan"), (np.inf, "inf"), (255.0, "255.0"), (-0.5, "-0.5")])
def test_a_pixel_out_of_range_is_named(value, printed):
    x = np.full((3, *SHAPE), 0.5, dtype=np.float32)
    check_images(x, image_ids=IDS, where="lidc")
    x[1, 2, 3, 0] = x[2, 0, 0, 0] = value
    message = rf"lidc, image b, pixel \(2, 3, 0\): expected a value in \[0, 1\], got {printed}"
    with pytest.raises(InputError, match=message):
        check_images(x, image_ids=IDS, where="lidc")


@pytest.mark.parametrize("value", [-0.1, 0.0, 1.5, float("nan"), float("inf")])
def test_an_epsilon_out_of_range_is_named(value):
    with pytest.raises(InputError, match=rf"above 0 and at most 1, got {value} at position 1 in lidc\.attack"):
        check_epsilons((0.1, value, 0.3), where="lidc.attack")


@pytest.mark.parametrize("value", [0.1, 0.2])
def test_epsilons_that_do_not_increase_are_named(value):
    with pytest.raises(InputError, match=f"strictly increasing epsilons, got {value} at position 2 after 0.2 in lidc"):
        check_epsilons((0.1, 0.2, value), where="lidc")


def test_no_epsilons_are_refused_and_a_grid_passes():
    with pytest.raises(InputError, match="expected at least one epsilon, got none in lidc"):
        check_epsilons((), where="lidc")
    check_epsilons((0.00001, 0.5, 1.0), where="lidc")


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="tests/test_torch_classifier.py is for this backend")
def test_a_pytorch_module_needs_keras_on_pytorch():
    says = f"got Keras on {keras.backend.backend()}: set KERAS_BACKEND=torch before Keras is first imported"
    with pytest.raises(InputError, match=says):
        torch_classifier(object(), image_shape=(8, 8, 3), n_classes=2)
