"""Model files of Keras 2 and HDF5 files: a short refusal that names what is wrong, and a way out that works."""

import json
import re
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from oncorobust.base.errors import InputError
from oncorobust.models.keras_files import read_model

IMAGES = np.random.default_rng(0).random((5, 8, 8, 3), dtype=np.float32)


class Doubling(layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def network(*inside: layers.Layer) -> keras.Model:
    answers = inputs = keras.Input((8, 8, 3))
    for layer in (layers.Conv2D(2, 3), layers.BatchNormalization(), *inside, layers.Flatten(), layers.Dense(2)):
        answers = layer(answers)
    return keras.Model(inputs, answers)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        read_model(path)
    text = str(refused.value)
    assert text.startswith("expected a Keras 3 model (.keras), got "), text
    assert text.endswith(f" in {path}"), text
    assert len(text) < 400 + 3 * len(str(path)), text
    return text


def as_keras_2(path: Path, *, version: str = "2.13.1", module: str = "keras.src.engine.functional") -> Path:
    """A .keras file with the metadata and the modules that Keras 2 writes."""
    older = path.with_name("older.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(older, "w") as target:
        config = json.loads(source.read("config.json")) | {"module": module}
        for layer in config["config"]["layers"]:
            if layer["registered_name"]:
                layer["module"] = None
        text = json.dumps(config).replace('"batch_shape"', '"batch_input_shape"')
        target.writestr("config.json", text)
        target.writestr("metadata.json", json.dumps({"keras_version": version, "date_saved": "2025-06-26@18:35:35"}))
        target.writestr("model.weights.h5", source.read("model.weights.h5"))
    return older


def as_keras_2_hdf5(path: Path) -> None:
    """Give an HDF5 model the version and the names that Keras 2.15 writes."""
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = file.attrs["model_config"].replace('"batch_shape"', '"batch_input_shape"')


@pytest.mark.parametrize("older", [False, True], ids=["Keras 3", "Keras 2"])
def test_the_advice_for_hdf5_leads_to_a_file_that_is_read(older: bool, tmp_path: Path) -> None:
    model = network(layers.Dropout(0.2))
    model.compile("adam", "mse", metrics=["mae"])
    model.save(tmp_path / "mine.h5")
    if older:
        as_keras_2_hdf5(tmp_path / "mine.h5")
    text = refusal(tmp_path / "mine.h5")
    assert f"an HDF5 file of Keras {'2.15.0' if older else keras.__version__} (convert it in Keras 3: " in text
    call = re.search(r"load_model\('(.+)', compile=False\)\.save\('(.+)'\)", text)
    assert call
    keras.saving.load_model(call[1], compile=False).save(call[2])
    read = read_model(tmp_path / "mine.keras")
    assert np.array_equal(keras.ops.convert_to_numpy(read(IMAGES)), keras.ops.convert_to_numpy(model(IMAGES)))


def test_hdf5_under_another_name_is_told_apart(tmp_path: Path) -> None:
    network().save(tmp_path / "mine.h5")
    (tmp_path / "mine.h5").rename(tmp_path / "mine.keras")
    assert f"(rename it to {tmp_path / 'mine.h5'}, and convert it in Keras 3: " in refusal(tmp_path / "mine.keras")


def test_custom_layers_in_hdf5_are_named(tmp_path: Path) -> None:
    network(Doubling(), keras.Sequential([layers.Lambda(lambda x: x + 1)])).save(tmp_path / "mine.h5")
    text = refusal(tmp_path / "mine.h5")
    assert "with the custom layers 'Doubling', 'Lambda' (no code is loaded from a file: build the model" in text
    rebuilt = network(layers.Rescaling(2.0), keras.Sequential([layers.Rescaling(1.0, offset=1.0)]))
    rebuilt.load_weights(tmp_path / "mine.h5")


def test_hdf5_weights_without_a_model_and_broken_files_are_told_apart(tmp_path: Path) -> None:
    network().save_weights(tmp_path / "mine.weights.h5")
    assert "an HDF5 file without a model (weights alone: build the model" in refusal(tmp_path / "mine.weights.h5")
    (tmp_path / "cut.h5").write_bytes((tmp_path / "mine.weights.h5").read_bytes()[:600])
    assert "an HDF5 file that cannot be read (OSError)" in refusal(tmp_path / "cut.h5")


@pytest.mark.parametrize("module", ["keras.src.engine.functional", "tf_keras.src.engine.functional", "keras"])
def test_a_file_of_keras_2_is_refused_before_it_is_loaded(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network().save(tmp_path / "mine.keras")
    monkeypatch.setattr(keras.saving, "load_model", None)
    text = refusal(as_keras_2(tmp_path / "mine.keras", module=module))
    assert "got a file of Keras 2.13.1 (save the model as .h5 there, and convert that in Keras 3: keras.saving" in text


def test_custom_layers_in_a_file_of_keras_2_are_named(tmp_path: Path) -> None:
    network(Doubling()).save(tmp_path / "mine.keras")
    text = refusal(as_keras_2(tmp_path / "mine.keras"))
    assert "got a file of Keras 2.13.1 with the custom layer 'Doubling' (no code is loaded" in text


def test_custom_layers_without_a_module_are_named(tmp_path: Path) -> None:
    network(Doubling()).save(tmp_path / "mine.keras")
    with pytest.raises(InputError, match=r"got custom object 'Doubling' of module None in "):
        read_model(as_keras_2(tmp_path / "mine.keras", version="3.0.0", module="keras.src.models.functional"))


def test_a_layer_that_keras_cannot_build_gives_a_short_message_with_both_versions(tmp_path: Path) -> None:
    network().save(tmp_path / "mine.keras")
    newer = as_keras_2(tmp_path / "mine.keras", version="3.99.0", module="keras.src.models.functional")
    with zipfile.ZipFile(newer) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = parts["config.json"].replace(b'"filters"', b'"filters_of_3_99": null, "filters"')
    with zipfile.ZipFile(newer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert f"(written by Keras 3.99.0, read by {keras.__version__})" in refusal(newer)


@pytest.mark.parametrize("metadata", [b"{", b"[]", b"{}", b'{"keras_version": "made up"}'])
def test_a_file_without_a_version_is_read(metadata: bytes, tmp_path: Path) -> None:
    network().save(tmp_path / "mine.keras")
    with zipfile.ZipFile(tmp_path / "mine.keras") as source, zipfile.ZipFile(tmp_path / "bare.keras", "w") as target:
        for name in source.namelist():
            target.writestr(name, metadata if name == "metadata.json" else source.read(name))
    read_model(tmp_path / "bare.keras")
