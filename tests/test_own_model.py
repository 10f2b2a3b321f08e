"""Models of a user's own: the same answers as the file's, as logits of our images; and the files that are refused."""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from oncorobust.backend.functions import compile_gradient, selected_logits
from oncorobust.backend.precision import check_model_is_float32
from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.models import keras_files
from oncorobust.models.build import build_model, model_record
from oncorobust.models.keras_files import read_model
from oncorobust.models.own import check_class_order
from oncorobust.models.vgg16 import load_classifier, save_model
from oncorobust.settings.own_models import OwnModel

SIZE = 12
IMAGES = np.random.default_rng(0).random((5, SIZE, SIZE, 3), dtype=np.float32)


def own(
    path: Path, *, n_classes: int = 2, input_range: tuple[float, float] = (0.0, 1.0), size: int = SIZE
) -> keras.Model:
    settings = OwnModel(path=str(path), input_range=input_range, fine_tune=True)
    return build_model(settings, size=size, n_classes=n_classes, seed=0)


def answers(model: keras.Model, x: np.ndarray = IMAGES) -> np.ndarray:
    found: np.ndarray = keras.ops.convert_to_numpy(model(x, training=False))
    return found


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def features(shape: tuple[int | None, ...] = (SIZE, SIZE, 3)) -> list[layers.Layer]:
    return [
        keras.Input(shape),
        layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.3),
    ]


def saved(model: keras.Model, folder: Path) -> keras.Model:
    """Give every weight a value of its own, moving averages too, and write model.keras."""
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.2, 1, one.shape) * rng.choice([-1, 1]) ** (one.ndim > 1) for one in model.weights])
    model.save(folder / "model.keras")
    return model


def functional(*end: layers.Layer) -> keras.Model:
    first, *others = features()
    x = first
    for layer in [*others, *end]:
        x = layer(x)
    return keras.Model(first, x)


def nested(*end: layers.Layer) -> keras.Model:
    inner = keras.Sequential([*features(), *end])
    x = keras.Input((SIZE, SIZE, 3))
    return keras.Model(x, inner(layers.RandomFlip()(x)))


def with_operation(*end: layers.Layer) -> keras.Model:
    logits = functional(*end)
    return keras.Model(logits.inputs, keras.ops.softmax(logits.outputs[0]))


SOFTMAX = {
    "dense": lambda: keras.Sequential([*features(), layers.Dense(3, activation="softmax")]),
    "log softmax": lambda: functional(layers.Dense(3, activation="log_softmax")),
    "activation": lambda: functional(layers.Dense(3), layers.Activation("softmax", dtype="float32")),
    "softmax layer": lambda: functional(layers.Dense(3), layers.Softmax()),
    "operation": lambda: with_operation(layers.Dense(3)),
    "nested": lambda: nested(layers.Dense(3, activation="softmax")),
    "linear after it": lambda: functional(layers.Dense(3, activation="softmax"), layers.Activation("linear")),
}


@pytest.mark.parametrize("kind", SOFTMAX)
def test_a_softmax_is_cut_off_and_the_probabilities_stay(kind: str, tmp_path: Path) -> None:
    original = saved(SOFTMAX[kind](), tmp_path)
    logits = answers(own(tmp_path / "model.keras", n_classes=3))
    expected = np.exp(answers(original)) if kind == "log softmax" else answers(original)
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-6)
    assert np.ptp(expected, axis=0).max() > 1e-3
    assert not np.allclose(logits, answers(original))


@pytest.mark.parametrize("make", [keras.Sequential, lambda parts: functional(*parts[5:])])
def test_logits_stay_as_they_are(make, tmp_path: Path) -> None:
    original = saved(make([*features(), layers.Dense(4)]), tmp_path)
    model = own(tmp_path / "model.keras", n_classes=4)
    np.testing.assert_allclose(answers(model), answers(original), rtol=1e-6)


@pytest.mark.parametrize(
    "end", [[layers.Dense(1, activation="sigmoid")], [layers.Dense(1), layers.Activation("sigmoid")]]
)
def test_one_sigmoid_becomes_two_logits(end: list[layers.Layer], tmp_path: Path) -> None:
    original = saved(functional(*end), tmp_path)
    second = answers(original)
    logits = answers(own(tmp_path / "model.keras"))
    np.testing.assert_allclose(softmax(logits), np.hstack([1 - second, second]), atol=1e-6)


def test_one_linear_unit_is_the_second_logit(tmp_path: Path) -> None:
    original = saved(functional(layers.Dense(1)), tmp_path)
    score = answers(original)
    logits = answers(own(tmp_path / "model.keras"))
    np.testing.assert_allclose(logits, np.hstack([0 * score, score]), rtol=1e-6)


def test_images_are_resized_and_stretched_to_what_the_file_takes(tmp_path: Path) -> None:
    original = saved(keras.Sequential([*features((9, 15, 3)), layers.Dense(2)]), tmp_path)
    model = own(tmp_path / "model.keras", input_range=(-1.0, 255.0))
    resized = keras.ops.image.resize(IMAGES, (9, 15), interpolation="bilinear", antialias=False)
    expected = answers(original, keras.ops.convert_to_numpy(resized) * 256 - 1)
    np.testing.assert_allclose(answers(model), expected, rtol=1e-4)


def test_bilinear_without_antialiasing_takes_the_middle_of_three_pixels(tmp_path: Path) -> None:
    """By hand: 12 pixels on 4 lie at (i + 0.5) 3 - 0.5, which is 1, 4, 7 and 10."""
    saved(keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(2, use_bias=False)]), tmp_path)
    model = own(tmp_path / "model.keras")
    kernel = read_model(tmp_path / "model.keras").get_weights()[0]
    np.testing.assert_allclose(answers(model), IMAGES[:, 1::3, 1::3].reshape(5, -1) @ kernel, rtol=1e-4, atol=1e-5)


def test_one_channel_is_the_mean_of_three(tmp_path: Path) -> None:
    original = saved(keras.Sequential([*features((SIZE, SIZE, 1)), layers.Dense(2)]), tmp_path)
    expected = answers(original, IMAGES.mean(axis=-1, keepdims=True))
    np.testing.assert_allclose(answers(own(tmp_path / "model.keras")), expected, rtol=1e-5)


def test_an_open_size_is_that_of_the_data(tmp_path: Path) -> None:
    original = saved(keras.Sequential([*features((None, None, 3)), layers.Dense(2)]), tmp_path)
    model = own(tmp_path / "model.keras")
    assert model.input_shape == (None, SIZE, SIZE, 3)
    assert [layer.name for layer in model.layers] == ["images", "network"]
    np.testing.assert_allclose(answers(model), answers(original), rtol=1e-6)


def test_a_model_first_called_on_one_batch_takes_any_number_of_images(tmp_path: Path) -> None:
    """Keras takes the size of that batch for the model's."""
    original = keras.Sequential([*features()[1:], layers.Dense(2, activation="softmax")])
    original(IMAGES[:2])
    saved(original, tmp_path)
    assert original.input_shape == (2, SIZE, SIZE, 3)
    model = own(tmp_path / "model.keras")
    np.testing.assert_allclose(softmax(answers(model)), answers(original), atol=1e-6)
    save_model(model, tmp_path / "clean.keras")
    loaded = load_classifier(tmp_path / "clean.keras", image_shape=(SIZE, SIZE, 3), n_classes=2)
    np.testing.assert_array_equal(answers(loaded), answers(model))
    gradient = compile_gradient(loaded, selected_logits)(IMAGES, np.eye(2, dtype=np.float32)[[0, 0, 1, 1, 1]])
    assert (np.abs(gradient).sum(axis=(1, 2, 3)) > 0).all()


def test_the_model_is_saved_to_the_same_bytes_and_loaded_in_safe_mode(tmp_path: Path) -> None:
    inner = keras.Sequential([*features((16, 10, 1)), layers.Dense(1, activation="sigmoid")])
    inner.layers[0].trainable = False
    saved(keras.Sequential([keras.Input((16, 10, 1)), layers.RandomRotation(0.1), inner]), tmp_path)
    first, second = (own(tmp_path / "model.keras", input_range=(0.0, 255.0)) for _ in range(2))
    save_model(first, tmp_path / "first.keras")
    save_model(second, tmp_path / "second.keras")
    assert (tmp_path / "first.keras").read_bytes() == (tmp_path / "second.keras").read_bytes()
    loaded = load_classifier(tmp_path / "first.keras", image_shape=(SIZE, SIZE, 3), n_classes=2)
    np.testing.assert_array_equal(answers(loaded), answers(first))
    trainable = [layer.name for layer in loaded._flatten_layers() if layer.weights and not layer.trainable]
    assert trainable == [inner.layers[0].name]
    assert len(loaded.trainable_variables) == len(inner.trainable_variables) == 4


def test_the_gradient_reaches_the_image_through_every_step(tmp_path: Path) -> None:
    flat = [keras.Input((9, 7, 1)), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    original = saved(keras.Sequential(flat), tmp_path)
    model = own(tmp_path / "model.keras", input_range=(0.0, 255.0), size=9)
    images = IMAGES[:, :9, :9]
    gradient = compile_gradient(model, selected_logits)(images, np.eye(2, dtype=np.float32)[[0, 1, 1, 1, 1]])
    np.testing.assert_array_equal(gradient[0], 0)  # the first of the two logits is 0
    step = 0.01 * np.sign(gradient[1:])
    up, down = (answers(model, images[1:] + sign * step)[:, 1] for sign in (1, -1))
    np.testing.assert_allclose((up - down) / 0.02, np.abs(gradient[1:]).sum(axis=(1, 2, 3)), rtol=1e-2)
    total = 255 * original.get_weights()[0].sum()
    np.testing.assert_allclose(gradient[1:].sum(axis=(1, 2, 3)), total, rtol=1e-3)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_becomes_float32(policy: str, tmp_path: Path) -> None:
    parts = [
        keras.Input((SIZE, SIZE, 3)),
        layers.Conv2D(4, 3, dtype=policy),
        layers.GlobalAveragePooling2D(dtype=policy),
        layers.Dense(2, dtype=policy),
        layers.Activation("softmax", dtype="float32"),
    ]
    mixed = saved(keras.Sequential(parts), tmp_path)
    model = own(tmp_path / "model.keras")
    check_model_is_float32(model)
    for layer in mixed.layers:
        layer.dtype_policy = "float32"
    np.testing.assert_allclose(softmax(answers(model)), answers(mixed), atol=1e-6)
    save_model(model, tmp_path / "clean.keras")
    check_model_is_float32(load_classifier(tmp_path / "clean.keras", image_shape=(SIZE, SIZE, 3), n_classes=2))


def flat(*end: layers.Layer, shape: tuple[int | None, ...] = (SIZE, SIZE, 3), **chosen) -> keras.Model:
    return keras.Sequential([keras.Input(shape, **chosen), layers.Flatten(), *end])


def two_inputs() -> keras.Model:
    first, second = keras.Input((SIZE, SIZE, 3)), keras.Input((SIZE, SIZE, 3))
    return keras.Model([first, second], layers.Dense(2)(layers.Flatten()(layers.Add()([first, second]))))


def two_outputs() -> keras.Model:
    x = keras.Input((SIZE, SIZE, 3))
    return keras.Model(x, [layers.Dense(2)(layers.Flatten()(x)), layers.Dense(2)(layers.Flatten()(x))])


def hidden_softmax() -> keras.Model:
    return keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), layers.Conv2D(2, 1, activation="softmax"), layers.GlobalAveragePooling2D()]
    )


REFUSED = {
    "never built": (lambda: keras.Sequential([layers.Flatten(), layers.Dense(2)]), "the model has no defined input"),
    "two inputs": (two_inputs, "a model with one input and one output, got 2 and 1"),
    "two outputs": (two_outputs, "one input and one output, got 1 and 2"),
    "a vector": (lambda: flat(layers.Dense(2), shape=(7,)), r"1 or 3 channels\), got \(None, 7\)"),
    "two channels": (lambda: flat(layers.Dense(2), shape=(9, 9, 2)), r"got \(None, 9, 9, 2\)"),
    "channels first": (lambda: flat(layers.Dense(2), shape=(3, 9, 9)), r"got \(None, 3, 9, 9\)"),
    "whole numbers": (lambda: flat(layers.Dense(2), dtype="uint8"), "floating-point images, got uint8"),
    "float64": (lambda: flat(layers.Dense(2, dtype="float64")), "a float32 model, got dtype policy float64"),
    "pictures": (
        lambda: keras.Sequential([keras.Input((9, 9, 3)), layers.Conv2D(2, 3)]),
        "one row of outputs per image",
    ),
    "three classes": (lambda: flat(layers.Dense(3)), "a model with 2 classes, got 3"),
    "one tanh": (lambda: flat(layers.Dense(1, activation="tanh")), "sigmoid or a linear dense layer, got tanh"),
    "two sigmoids": (lambda: flat(layers.Dense(2, activation="sigmoid")), "got a sigmoid for each class"),
    "a hidden softmax": (hidden_softmax, r"got probabilities \(rows sum to 1\)"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_that_is_no_classifier_of_these_images_is_refused(kind: str, tmp_path: Path) -> None:
    make, message = REFUSED[kind]
    make().save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=message) as caught:
        own(tmp_path / "model.keras")
    assert str(tmp_path / "model.keras") in str(caught.value)


def test_one_unit_is_no_answer_to_three_classes(tmp_path: Path) -> None:
    flat(layers.Dense(1)).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"model.keras: expected a model with 3 classes, got 1"):
        own(tmp_path / "model.keras", n_classes=3)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    kind = r"expected a Keras 3 model \(.keras\), got"
    good = tmp_path / "good.keras"
    flat(layers.Dense(2)).save(good)
    flat(layers.Dense(2)).save(tmp_path / "old.h5")
    (tmp_path / "renamed.keras").write_bytes((tmp_path / "old.h5").read_bytes())
    (tmp_path / "text.keras").write_text("weights: none\n")
    (tmp_path / "empty.keras").touch()
    (tmp_path / "cut.keras").write_bytes(good.read_bytes()[:-200])
    (tmp_path / "model.zip").write_bytes(good.read_bytes())
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("word/document.xml", "")
    for name, message in {
        "old.h5": "an HDF5 file of Keras 3",
        "renamed.keras": "an HDF5 file of Keras 3",
        "text.keras": "a file that is not a whole zip archive",
        "empty.keras": "a file that is not a whole zip archive",
        "cut.keras": "a file that is not a whole zip archive",
        "model.zip": "a file whose name ends in '.zip'",
        "other.keras": "a zip archive without config.json and model.weights.h5",
        "missing.keras": "no such file",
    }.items():
        with pytest.raises(InputError, match=rf"{kind} {message}.* in .*{name}"):
            own(tmp_path / name)


def rewritten(path: Path, **contents: bytes) -> Path:
    """A copy of a .keras file with other contents for some of its parts."""
    changed = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            target.writestr(name, contents.get(name.partition(".")[0], source.read(name)))
    return changed


def test_broken_parts_are_refused(tmp_path: Path) -> None:
    flat(layers.Dense(2)).save(tmp_path / "model.keras")
    kind = r"expected a Keras 3 model \(.keras\), got .+ in .*changed.keras"
    for contents in ({"config": b"{"}, {"config": b"[]"}, {"config": b"{}"}, {"model": b"\x89HDF"}, {"model": b""}):
        with pytest.raises(InputError, match=kind):
            own(rewritten(tmp_path / "model.keras", **contents))
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][-1]["config"]["units"] = 5
    with pytest.raises(InputError, match=kind):
        own(rewritten(tmp_path / "model.keras", config=json.dumps(config).encode()))
    weights = layers.Dense(2)
    config["config"]["layers"][-1] = keras.saving.serialize_keras_object(weights)
    with pytest.raises(InputError, match=kind):
        own(rewritten(tmp_path / "model.keras", config=json.dumps(config["config"]["layers"][-1]).encode()))


class Doubling(layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    flat(layers.Lambda(lambda x: 2 * x), layers.Dense(2)).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"without code of its own, got a Lambda layer in .*model.keras: safe mode"):
        own(tmp_path / "model.keras")
    flat(Doubling(), layers.Dense(2)).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"got custom object 'Doubling' of module 'test_own_model' in .*model.keras"):
        own(tmp_path / "model.keras")


@pytest.mark.parametrize(("module", "name"), [("made_up", "touch"), ("keras_made_up", "Layer")])
def test_no_module_that_a_file_names_is_imported(
    module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat(layers.Dense(2)).save(tmp_path / "model.keras")
    (tmp_path / f"{module}.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'sprung')!r}).touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][-1] |= {"module": module, "class_name": name, "registered_name": None}
    with pytest.raises(InputError, match=rf"got custom object '{name}' of module '{module}' in .*changed.keras"):
        own(rewritten(tmp_path / "model.keras", config=json.dumps(config).encode()))
    assert not (tmp_path / "sprung").exists()


def test_a_part_that_unpacks_to_more_than_the_limit_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_files, "_PLAIN_BYTES", 1 << 20)
    monkeypatch.setattr(keras_files.keras.saving, "load_model", None)
    flat(layers.Dense(2)).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as source:
        parts = {name: source.read(name) for name in source.namelist()}
    for name in ("config.json", "model.weights.h5"):
        with zipfile.ZipFile(tmp_path / "large.keras", "w", zipfile.ZIP_DEFLATED) as target:
            for part, content in parts.items():
                target.writestr(part, content + b" " * (2 << 20) if part == name else content)
        with pytest.raises(InputError, match=rf"got a part '{name}' that unpacks to 2 MiB in .*large.keras"):
            own(tmp_path / "large.keras")


def changed_layer(layer: dict[str, object], folder: Path) -> Path:
    """A model.keras to whose layers one is added, as its configuration would have it."""
    flat(layers.Dense(2)).save(folder / "model.keras")
    with zipfile.ZipFile(folder / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"].append({"registered_name": None, **layer})
    return rewritten(folder / "model.keras", config=json.dumps(config).encode())


@pytest.mark.parametrize("module", ["keras.utils", "keras.saving", "keras.config", "keras.made_up"])
def test_modules_of_keras_that_no_network_is_made_of_are_refused(module: str, tmp_path: Path) -> None:
    function = {"module": module, "class_name": "function", "config": "made_up", "registered_name": "made_up"}
    layer = {"module": "keras.layers", "class_name": "Activation", "config": {"name": "a", "activation": function}}
    with pytest.raises(InputError, match=rf"got custom object 'made_up' of module '{module}' in .*changed.keras"):
        own(changed_layer(layer, tmp_path))


def test_models_are_read_in_safe_mode_and_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat(layers.Dense(2)).save(tmp_path / "model.keras")
    asked = {}

    def load_model(path: str, **options: Any) -> keras.Model:
        asked.update(options)
        return flat(layers.Dense(2))

    monkeypatch.setattr(keras.saving, "load_model", load_model)
    read_model(tmp_path / "model.keras")
    assert asked == {"custom_objects": {}, "compile": False, "safe_mode": True}


def test_parts_named_outside_of_the_file_are_not_unpacked(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    flat(layers.Dense(2)).save(inside / "model.keras")
    with zipfile.ZipFile(inside / "model.keras", "a") as archive:
        archive.writestr("../outside", "x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says that it passes them over
        own(inside / "model.keras")
    assert not list(tmp_path.rglob("outside"))


def test_how_a_model_was_compiled_does_not_matter(tmp_path: Path) -> None:
    def own_loss(true, predicted):
        return keras.ops.mean((true - predicted) ** 2)

    model = flat(layers.Dense(2))
    model.compile(loss=own_loss)
    model.save(tmp_path / "model.keras")
    own(tmp_path / "model.keras")


def test_answers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = flat(layers.Dense(2))
    model.layers[-1].bias.assign([np.nan, 0])
    model.save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"expected finite logits, got \[nan, .*model.keras"):
        own(tmp_path / "model.keras")


def test_the_record_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(b"anything")
    record = model_record(OwnModel(path=str(path), input_range=(0.0, 1.0), fine_tune=False))
    sha256 = file_sha256(path)
    assert record == {"source": "path", "architecture": None, "weights": str(path), "weights_sha256": sha256}


def test_three_classes_that_were_only_sorted_are_refused() -> None:
    settings = OwnModel(path="own/mine.keras", input_range=(0.0, 1.0), fine_tune=False)
    message = (
        r"expected the order of the outputs of own/mine\.keras, got 3 classes that were only sorted \(a, b, c\): write"
        r" their names in the order of the model's outputs, one per line, into data/raw/x/classes\.txt"
    )
    with pytest.raises(InputError, match=message):
        check_class_order(settings, ("a", "b", "c"), order="sorted", tree="data/raw/x")
    for names, order in ((("a", "b", "c"), "stated"), (("0", "1", "2"), "numbered"), (("a", "b"), "sorted")):
        check_class_order(settings, names, order=order, tree="data/raw/x")
