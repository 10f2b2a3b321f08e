"""Strangers' .keras files with a PyTorch network: what they describe is checked before anything is built."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from backends import on_torch

from oncorobust.base.errors import InputError
from oncorobust.models.keras_files import read_model
from oncorobust.models.named_networks import timm_network
from oncorobust.models.torch_network import TorchNetwork, _bytes_of

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("timm", reason="timm is not installed: pip install 'oncorobust[networks]'")
pytestmark = on_torch

DESCRIBED = {
    "source": "timm",
    "architecture": "test_resnet",
    "arguments": {},
    "image_shape": [32, 32, 3],
    "n_classes": 3,
    "mean": [0.5],
    "std": [0.25],
    "reversed": False,
    "head": "auto",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layer = TorchNetwork(network=DESCRIBED, seed=3, name="network")
    layer.open(None, where="the network")
    images = keras.Input((32, 32, 3))
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    keras.Model(images, layer(images)).save(path)
    return path


def edited(saved: Path, to: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy a file, with its layer's entry in the configuration changed."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(to, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(next(one for one in config["config"]["layers"] if one["class_name"] == "TorchNetwork"))
                content = json.dumps(config).encode()
            target.writestr(name, content)
    return to


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "hf-hub:timm/resnet18"}, "nothing is fetched from a hub"),
        ({"architecture": 3}, "architecture: expected the name of a network, got 3"),
        ({"source": ["timm"]}, "expected a network of torch_export, onnx, timm or monai"),
        ({"source": "path"}, "expected a network of torch_export, onnx, timm or monai, got 'path'"),
        ({"source": "onnx"}, "got an unknown one for 'architecture'"),
        ({"arguments": [1]}, "arguments: expected arguments by their names"),
        ({"arguments": {"pretrained": True}}, "expected pretrained False"),
        ({"arguments": {"layers": [[[[1]]]]}}, "at most 3 levels"),
        ({"image_shape": [2**20, 2**20, 3]}, "image_shape: expected height and width of at most 4096 pixels"),
        ({"image_shape": [32.5, 32, 3]}, "image_shape: expected height"),
        ({"n_classes": 10**9}, "n_classes: expected 2 to 100000 classes, got 1000000000"),
        ({"n_classes": "3"}, "n_classes: expected 2 to 100000 classes, got '3'"),
        ({"n_classes": 4}, "expected 184 weights of timm, got 92"),
        ({"mean": [float("nan")]}, r"mean: expected finite numbers, got \[nan\]"),
        ({"mean": [0.5, 0.5]}, "mean: expected one number, or one for each of 3 channels"),
        ({"std": [0]}, "std: expected finite numbers above 0"),
        ({"reversed": "no"}, "reversed: expected true or false, got 'no'"),
        ({"more": 1}, "got an unknown one for 'more'"),
    ],
)
def test_wrong_descriptions_are_refused_by_key(saved: Path, tmp_path: Path, changes: Any, message: str) -> None:
    path = edited(saved, tmp_path / "bad.keras", lambda entry: entry["config"]["network"].update(changes))
    with pytest.raises(InputError, match=message) as refused:
        read_model(path)
    assert str(path) in str(refused.value)
    assert "A total of" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_name": "Lambda", "module": "keras.layers"},
        {"class_name": "function", "module": "os", "config": "getcwd"},
        {"class_name": "function", "module": "keras.utils", "config": "get_file"},
        {"module": "os"},
        {"class_name": "__lambda__", "config": {"value": "x"}},
    ],
)
def test_the_registered_name_alone_does_not_pass_an_object(saved: Path, tmp_path: Path, changes: Any) -> None:
    path = edited(saved, tmp_path / "bad.keras", lambda entry: entry.update(changes))
    with pytest.raises(InputError, match=r"expected a model (of Keras's own layers|without code of its own)"):
        read_model(path)


def test_half_precision_is_refused(saved: Path, tmp_path: Path) -> None:
    path = edited(saved, tmp_path / "half.keras", lambda entry: entry["config"].update(dtype="float16"))
    with pytest.raises(InputError, match="computes in float32, got float16"):
        read_model(path)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("test_vit", {"depth": 10**9}),
        ("test_vit", {"mlp_ratio": 1e9}),
        ("test_vit", {"img_size": 90_000}),
        ("resnet10t", {"stem_width": 90_000}),
    ],
)
def test_arguments_that_would_fill_the_memory_are_refused(architecture: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"expected (at most 100000|a network of at most \d+ weights)"):
        timm_network(architecture, arguments=arguments, channels=3, n_classes=2)


@pytest.mark.parametrize("array", [np.zeros(4), np.zeros((2, 2), np.uint8)])
def test_a_program_is_bytes(array: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected a program as bytes"):
        _bytes_of(array)


def test_a_clone_is_refused_with_the_way_out(saved: Path) -> None:
    clone = keras.models.clone_model(read_model(saved))
    with pytest.raises(InputError, match="save the model and read its file instead"):
        clone(np.zeros((2, 32, 32, 3), np.float32))


def test_a_batch_of_one_image_in_training_is_refused_with_the_way_out(saved: Path) -> None:
    with pytest.raises(InputError, match="got one image, the rest of an epoch: choose another batch_size") as refused:
        read_model(saved)(np.zeros((1, 32, 32, 3), np.float32), training=True)
    assert "\n" not in str(refused.value)


def test_a_file_without_the_weights_of_the_layer_is_refused(saved: Path, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.create_group("layers")
    path = tmp_path / "empty.keras"
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        target.writestr("config.json", source.read("config.json"))
        target.writestr("metadata.json", source.read("metadata.json"))
        target.write(tmp_path / "empty.h5", "model.weights.h5")
    with pytest.raises(InputError, match="expected 184 weights of timm, got 0"):
        read_model(path)
