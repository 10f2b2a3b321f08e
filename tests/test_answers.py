"""A model's recorded answers: the same bytes from the same model, and refused where another backend gives others."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from schema_check import document_problems

from oncorobust.base.errors import InputError
from oncorobust.base.files import read_json, write_json
from oncorobust.base.schema.training import ANSWERS
from oncorobust.base.schema.version import write_results
from oncorobust.models import answers
from oncorobust.models.answers import TOLERANCE, check_answers, record_answers
from oncorobust.models.vgg16 import load_classifier, save_model

BACKEND = keras.backend.backend()


def network(pool: layers.Layer | None = None, *, size: int = 16) -> keras.Model:
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(6, 3, activation="relu")(inputs)
    x = (pool or layers.AveragePooling2D(3, strides=2, padding="same"))(x)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.2, one.shape) for one in model.weights])
    return model


def kept(model: keras.Model, folder: Path, **changed: object) -> Path:
    """The model and its answers as a stage writes them, with some entries of the answers changed."""
    save_model(model, folder / "clean.keras")
    write_results(folder / "clean.answers.json", record_answers(model) | changed)
    return folder / "clean.keras"


def load(path: Path) -> keras.Model:
    return load_classifier(path, image_shape=(16, 16, 3), n_classes=2)


def test_the_record_has_the_logits_and_the_versions_and_fits_its_schema(tmp_path: Path) -> None:
    model = network()
    path = kept(model, tmp_path).with_suffix(".answers.json")
    assert document_problems(path, ANSWERS) == []
    content = read_json(path)
    assert (content["keras"], content["backend"]) == (keras.__version__, BACKEND)
    assert content["backend_version"][0].isdigit()
    logits = keras.ops.convert_to_numpy(model(answers._images((16, 16, 3)), training=False))
    assert np.allclose(np.reshape(content["logits"], (8, 2)), logits, rtol=1e-5, atol=1e-6)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        kept(network(), tmp_path / name)
    first, second = ((tmp_path / name / "clean.answers.json").read_bytes() for name in ("a", "b"))
    assert first == second


@pytest.mark.parametrize("size", [5, 16, 33])
def test_the_images_are_noise_in_two_sizes_for_every_model(size: int) -> None:
    images = answers._images((size, size, 3))
    assert images.shape == (8, size, size, 3)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    white, blocks = images[:4], images[4:]
    assert len(np.unique(white)) > 0.9 * white.size
    assert len(np.unique(blocks)) == 4 * 4 * 4 * 3


def test_on_the_same_versions_nothing_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept(network(), tmp_path)
    monkeypatch.setattr(answers, "compile_logits", None)
    load(path)


def test_a_model_without_recorded_answers_is_read(tmp_path: Path) -> None:
    save_model(network(), tmp_path / "mine.keras")
    load(tmp_path / "mine.keras")


@pytest.mark.parametrize("other", [{"backend": "made_up"}, {"backend_version": "0.0"}, {"keras": "3.0.0"}])
def test_equal_answers_of_another_version_are_accepted(other: dict[str, str], tmp_path: Path) -> None:
    load(kept(network(), tmp_path, **other))


@pytest.mark.parametrize(("share", "accepted"), [(0.9, True), (1.1, False)])
def test_the_tolerance_is_relative_to_the_largest_logit(share: float, accepted: bool, tmp_path: Path) -> None:
    logits = np.array(record_answers(network())["logits"])
    allowed = TOLERANCE * np.abs(logits).max()
    logits[np.abs(logits).argmin()] += share * allowed
    path = kept(network(), tmp_path, backend="made_up", logits=logits.tolist())
    if accepted:
        load(path)
    else:
        with pytest.raises(InputError, match="expected the answers that"):
            load(path)


def test_other_answers_are_refused_with_both_backends_and_the_largest_difference(tmp_path: Path) -> None:
    model = network()
    logits = np.array(record_answers(model)["logits"])
    path = kept(
        model, tmp_path, backend="made_up", backend_version="1.2", logits=(logits + np.tile([0, 0.25], 8)).tolist()
    )
    with pytest.raises(InputError) as refused:
        load(path)
    text = str(refused.value)
    assert text.startswith(f"expected the answers that {path} gave on made_up 1.2 with Keras {keras.__version__}, ")
    assert f"; on {BACKEND} " in text
    assert "logits differ by up to 0.25 (tolerance 0.00" in text


def test_answers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = network()
    path = kept(model, tmp_path, backend="made_up")
    model.set_weights([np.full_like(one, np.nan) for one in model.get_weights()])
    with pytest.raises(InputError, match="logits differ by up to nan"):
        check_answers(model, path)


@pytest.mark.parametrize("logits", ["one", [1.0, 2.0], [[1.0, 2.0], [3.0]]])
def test_a_damaged_record_is_refused(logits: object, tmp_path: Path) -> None:
    path = kept(network(), tmp_path, backend="made_up", logits=logits)
    with pytest.raises(InputError, match=r"expected .*logits, got .* in .*clean\.answers\.json"):
        load(path)
    content = json.loads(path.with_suffix(".answers.json").read_text())
    del content["logits"]
    write_json(path.with_suffix(".answers.json"), content)
    with pytest.raises(InputError, match="expected a list of logits, got none"):
        load(path)


LOAD = """
import sys
from test_answers import load
load(sys.argv[1])
"""


@pytest.mark.skipif(
    BACKEND == "torch" or not importlib.util.find_spec("torch"), reason="needs another backend, PyTorch"
)
@pytest.mark.parametrize(
    ("layer", "accepted"),
    [
        (layers.AveragePooling2D(3, strides=2, padding="same"), False),
        (layers.Resizing(10, 10, interpolation="bicubic", antialias=False), False),
        (layers.MaxPooling2D(3, strides=2, padding="same"), True),
    ],
    ids=["average, uneven same", "bicubic", "maximum, uneven same"],
)
def test_layers_that_pytorch_computes_otherwise_are_refused_there(
    layer: layers.Layer, accepted: bool, tmp_path: Path
) -> None:
    path = kept(network(layer), tmp_path)
    environment = os.environ | {"KERAS_BACKEND": "torch", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", LOAD, path], env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) == accepted, done.stderr
    assert accepted or "; on torch " in done.stderr
