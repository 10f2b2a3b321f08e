"""A person's PyTorch network through the models' files, training and attacks: the native network's numbers."""

import dataclasses
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from backends import BACKEND, on_torch, passes_on
from models import Quiet, two_classes
from msgspec.structs import replace
from recipes import HARDEN, NO_COPIES, TRAIN
from torch_modules import MEAN, SHAPE, STD, Convolutional, natively, nn, seeded, torch

from oncorobust.attacks.goals import leave
from oncorobust.attacks.target import Target
from oncorobust.backend.functions import compile_gradient, compile_logits, selected_logits
from oncorobust.backend.precision import check_model_is_float32
from oncorobust.base.errors import InputError
from oncorobust.base.progress import Stopped
from oncorobust.base.run_state import RunState
from oncorobust.models.build import build_model, model_record
from oncorobust.models.dropout import dropout_logits
from oncorobust.models.exported import write_exported
from oncorobust.models.exported_weights import write_weights
from oncorobust.models.keras_files import read_model
from oncorobust.models.onnx_networks import read_onnx
from oncorobust.models.torch_programs import read_program
from oncorobust.models.vgg16 import load_classifier, save_model
from oncorobust.settings.own_models import ExpectedAccuracy, Onnx, Preprocessing, Timm, TorchExport
from oncorobust.training.expected_accuracy import accuracy_as_brought
from oncorobust.training.recipes import harden, train

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'oncorobust[networks]'")
safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")

SIZE = 32
X = np.random.default_rng(0).uniform(0, 1, (5, SIZE, SIZE, 3)).astype(np.float32)
PAIR = two_classes(0), two_classes(1, 24)
AS_IT_IS = Preprocessing(mean=(0.5,), std=(0.25,))


@pytest.mark.slow
def test_other_backends_run_these_tests_on_torch() -> None:
    assert "skipped" not in passes_on("torch", __file__)


def native(channels: int = 3, n_classes: int = 2) -> nn.Module:
    """A small residual network with batch normalisation whose statistics are not those of a new one."""
    torch.manual_seed(3)
    network = timm.create_model("resnet10t", num_classes=n_classes, in_chans=channels).train()
    with torch.no_grad():
        network(torch.rand(16, channels, 48, 48))
    return network.eval()


@pytest.fixture
def weights(tmp_path: Path) -> str:
    path = tmp_path / "weights.safetensors"
    safetensors.save_file(native().state_dict(), path)
    return str(path)


def settings_of(weights: str, preprocessing: Preprocessing = AS_IT_IS, **changes: Any) -> Timm:
    chosen: dict[str, Any] = {"architecture": "resnet10t", "fine_tune": True} | changes
    return Timm(weights=weights, preprocessing=preprocessing, **chosen)


def built(settings: Timm, **changes: Any) -> keras.Model:
    return build_model(settings, **({"size": SIZE, "n_classes": 2, "seed": 2**40} | changes))


def channels_first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()


def resized(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def coloured(x: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in ((103.5, 116.3, 123.7), (57.4, 57.1, 58.4)))
    return (255 * x.flip(1) - mean) / std


def windowed(x: torch.Tensor) -> torch.Tensor:
    hounsfield = -1000 + 1400 * x
    return ((hounsfield + 600) / 700).clip(0, 1)


PREPROCESSINGS = [
    (AS_IT_IS, lambda x: (x - 0.5) / 0.25),
    (Preprocessing(mean=(0.0,), std=(1.0,), size=(48, 40)), lambda x: resized(x, (48, 40))),
    (
        Preprocessing(mean=(103.5, 116.3, 123.7), std=(57.4, 57.1, 58.4), range=(0.0, 255.0), channels="bgr"),
        coloured,
    ),
    (Preprocessing(mean=(0.0,), std=(1.0,), window=(-600.0, 100.0)), windowed),
]


@on_torch
@pytest.mark.parametrize(("preprocessing", "by_hand"), PREPROCESSINGS, ids=["mean", "size", "bgr", "window"])
def test_logits_and_gradients_are_those_of_the_native_network_behind_its_preprocessing(preprocessing, by_hand, weights):
    network = native()
    model = built(settings_of(weights, preprocessing), intensity_range=(-1000.0, 400.0))
    images = channels_first(X).requires_grad_(True)
    logits = network(by_hand(images))
    ours = compile_logits(model)(X)
    np.testing.assert_allclose(ours, logits.detach(), rtol=0, atol=1e-5 * float(logits.abs().max()))
    one_hot = np.eye(2, dtype=np.float32)[[0, 1, 0, 0, 1]]
    (logits * torch.from_numpy(one_hot)).sum().backward()
    expected = images.grad.permute(0, 2, 3, 1).numpy()
    found = compile_gradient(model, selected_logits)(X, one_hot)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    check_model_is_float32(model)


@on_torch
def test_a_grey_network_takes_the_mean_of_the_channels(tmp_path):
    network, path = native(channels=1), str(tmp_path / "grey.safetensors")
    safetensors.save_file(network.state_dict(), path)
    model = built(settings_of(path, Preprocessing(mean=(0.2,), std=(0.5,), channels="grey")))
    expected = network((channels_first(X).mean(1, keepdim=True) - 0.2) / 0.5).detach()
    np.testing.assert_allclose(compile_logits(model)(X), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@on_torch
def test_a_file_holds_the_network_and_its_state(weights, tmp_path):
    model = built(settings_of(weights))
    save_model(model, tmp_path / "clean.keras")
    again = load_classifier(tmp_path / "clean.keras", image_shape=(SIZE, SIZE, 3), n_classes=2)
    np.testing.assert_array_equal(compile_logits(again)(X), compile_logits(model)(X))
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    save_model(built(settings_of(weights)), tmp_path / "second.keras")
    assert (tmp_path / "second.keras").read_bytes() == (tmp_path / "clean.keras").read_bytes()
    record = model_record(settings_of(weights))
    assert (record["source"], record["architecture"], record["weights"]) == ("timm", "resnet10t", weights)
    assert len(record["weights_sha256"]) == 64


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A module with a softmax at its end, exported for a batch of any length."""
    network = nn.Sequential(seeded(Convolutional, 2, views=False), nn.Softmax(dim=1)).eval()
    batch = {0: torch.export.Dim("batch")}
    exported = torch.export.export(network, (torch.rand(4, *SHAPE[::-1]),), dynamic_shapes=(batch,))
    torch.export.save(exported, tmp_path / "network.pt2")
    return str(tmp_path / "network.pt2")


def exported_settings(path: str, **changes: Any) -> TorchExport:
    preprocessing = Preprocessing(mean=MEAN, std=STD)
    return TorchExport(**({"path": path, "preprocessing": preprocessing, "fine_tune": True} | changes))


@on_torch
def test_an_exported_program_becomes_a_model_whose_file_needs_no_other(program, tmp_path):
    model = built(exported_settings(program, head="softmax"), size=8)
    x = X[:, :8, :8]
    expected = seeded(Convolutional, 2, views=False).eval()(natively(torch.from_numpy(x))).detach()
    np.testing.assert_allclose(compile_logits(model)(x), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    save_model(model, tmp_path / "clean.keras")
    Path(program).unlink()
    again = load_classifier(tmp_path / "clean.keras", image_shape=(8, 8, 3), n_classes=2)
    np.testing.assert_array_equal(compile_logits(again)(x), compile_logits(model)(x))


@on_torch
def test_an_exported_program_is_trained_with_its_statistics_as_they_are(program):
    model = built(exported_settings(program), size=8)
    before = {variable.path: variable.numpy() for variable in model.weights}
    settings = replace(HARDEN, epochs=1, max_iter=1, validation_max_iter=1, keep="last")
    chosen: dict[str, Any] = {"augment_settings": NO_COPIES, "seed": 0, "checkpoint": None, "listener": Quiet()}
    data = [dataclasses.replace(one, pixels=np.pad(one.pixels, ((0, 0), (1, 1), (1, 1), (0, 0)))) for one in PAIR]
    harden(model, *data, settings=settings, **chosen)
    same = {variable.path for variable in model.weights if (variable.numpy() == before[variable.path]).all()}
    assert {path for path in before if "running" in path or "order" in path} <= same
    assert not {path for path in before if "weight" in path} & same


@on_torch
def test_an_onnx_network_becomes_a_model_whose_file_needs_no_other(tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnx2torch", reason="onnx2torch is not installed")
    helper, weights = onnx.helper, np.random.default_rng(1).normal(size=(2, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["maps"], kernel_shape=[3, 3]),
        helper.make_node("GlobalAveragePool", ["maps"], ["means"]),
        helper.make_node("Flatten", ["means"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["shares"], axis=1),
    ]
    value = partial(helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT)
    kernel = onnx.numpy_helper.from_array(weights, "kernel")
    graph = helper.make_graph(
        nodes, "net", [value("images", shape=["n", 3, 8, 8])], [value("shares", shape=["n", 2])], [kernel]
    )
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "network.onnx").write_bytes(content.SerializeToString())
    settings = Onnx(path=str(tmp_path / "network.onnx"), preprocessing=AS_IT_IS, fine_tune=False, head="softmax")
    with pytest.warns(UserWarning, match="a Softmax, is taken off"):
        model = built(settings, size=8)
    x = X[:, :8, :8]
    expected = nn.functional.conv2d((channels_first(x) - 0.5) / 0.25, torch.from_numpy(weights)).mean((2, 3))
    np.testing.assert_allclose(compile_logits(model)(x), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    save_model(model, tmp_path / "clean.keras")
    (tmp_path / "network.onnx").unlink()
    again = load_classifier(tmp_path / "clean.keras", image_shape=(8, 8, 3), n_classes=2)
    np.testing.assert_array_equal(compile_logits(again)(x), compile_logits(model)(x))


@on_torch
def test_a_program_that_normalises_by_the_batch_is_refused(tmp_path):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Linear(144, 2)]
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(nn.Sequential(*layers).eval(), (torch.rand(4, 3, 8, 8),), dynamic_shapes=(batch,))
    torch.export.save(program, tmp_path / "network.pt2")
    with pytest.raises(
        InputError, match=r"network\.pt2: expected .*exported in evaluation mode, got .*batch_norm.* training=True"
    ):
        built(exported_settings(str(tmp_path / "network.pt2")), size=8)


@on_torch
def test_a_softmax_that_the_settings_do_not_know_of_is_told(program):
    with pytest.raises(InputError, match=r"model\.head: expected auto or softmax, which the network gives, got logits"):
        built(exported_settings(program, head="logits"), size=8)


@on_torch
def test_random_weights_depend_on_the_seed_alone():
    kernels = [built(settings_of("none"), seed=seed).get_weights()[0] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).any()


def images_of_32(seed: int, n: int = 24) -> Any:
    small = two_classes(seed, n)
    pixels = np.repeat(np.repeat(small.pixels, 6, axis=1), 6, axis=2)[:, :SIZE, :SIZE]
    return dataclasses.replace(small, pixels=pixels)


class Killer(Quiet):
    """A listener that stops the run at an update."""

    def __init__(self, at: int) -> None:
        self.at = at

    def update(self, done: int, total: int, text: str) -> None:
        super().update(done, total, text)
        if done == self.at:
            raise Stopped


def fitted(recipe: Any, settings: Any, weights: str, **changes: Any) -> tuple[keras.Model, Any]:
    model = built(settings_of(weights, arguments={"drop_rate": 0.5}))
    chosen = {"augment_settings": NO_COPIES, "seed": 0, "checkpoint": None, "listener": Quiet()} | changes
    return model, recipe(model, images_of_32(0), images_of_32(1, 12), settings=settings, **chosen)


SHORT = {
    "train": (train, replace(TRAIN, epochs=2, keep="last", optimizer=replace(TRAIN.optimizer, learning_rate=0.001))),
    "harden": (harden, replace(HARDEN, epochs=2, max_iter=2, validation_max_iter=2, keep="last")),
}


@on_torch
@pytest.mark.parametrize("name", SHORT)
def test_training_moves_weights_and_statistics_and_resumes_exactly(name, weights, tmp_path):
    recipe, settings = SHORT[name]
    before = built(settings_of(weights, arguments={"drop_rate": 0.5})).get_weights()
    expected, _ = fitted(recipe, settings, weights)
    moved = [bool((one != other).any()) for one, other in zip(before, expected.get_weights(), strict=True)]
    names = [variable.name for variable in expected.weights]
    assert all(moved), [name for name, one in zip(names, moved, strict=True) if not one]
    assert any(name.endswith("running_mean") for name in names)
    checkpoint = RunState(tmp_path / ".x.state", fingerprint="one run")
    with pytest.raises(Stopped):
        fitted(recipe, settings, weights, checkpoint=checkpoint, listener=Killer(4))
    resumed, _ = fitted(recipe, settings, weights, checkpoint=checkpoint)
    for one, other in zip(resumed.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@on_torch
def test_training_drops_units_and_evaluation_does_not(weights):
    model = built(settings_of(weights, arguments={"drop_rate": 0.5}))
    first, second = (np.asarray(model(X, training=True).detach()) for _ in range(2))
    assert (first != second).any()
    module = model.get_layer("network").held.module
    assert module.training
    logits = compile_logits(model)
    np.testing.assert_array_equal(logits(X), logits(X))
    assert not module.training


@on_torch
def test_dropout_stays_active_for_its_score_alone():
    assert dropout_logits(built(settings_of("none"))) is None
    model = built(
        settings_of("none", architecture="vit_tiny_patch16_224", arguments={"img_size": 32, "drop_rate": 0.5})
    )
    dropped, logits = dropout_logits(model), compile_logits(model)
    assert dropped is not None
    exact = logits(X)
    np.testing.assert_array_equal(dropped(X, 1), dropped(X, 1))
    assert (dropped(X, 1) != dropped(X, 2)).any()
    assert (dropped(X, 1) != exact).any()
    np.testing.assert_array_equal(logits(X), exact)


@on_torch
def test_an_attack_by_the_engine_leaves_the_statistics_alone(weights):
    model = built(settings_of(weights))
    before = model.get_weights()
    target = Target(model)
    labels = target.logits(X).argmax(axis=1)
    goal, radius = leave(labels, n_classes=2), np.full((5, 1, 1, 1), 0.02)
    walk = target.walk(X, X, goal, radius=radius, eps_step=np.full(5, 0.01), n_steps=2)
    assert np.abs(walk.x_last - X).max() > 0.01
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@on_torch
def test_mixed_precision_computes_the_inner_layers_in_bfloat16(weights):
    model = built(settings_of(weights))
    one_hot = np.eye(2, dtype=np.float32)[[0, 1, 0, 0, 1]]
    exact = compile_gradient(model, selected_logits)(X, one_hot)
    layer = model.get_layer("network")
    coarse = {}
    with layer.computing_in("mixed"):
        coarse["gradient"] = compile_gradient(model, selected_logits)(X, one_hot)
    difference = np.abs(coarse["gradient"] - exact).max() / np.abs(exact).max()
    assert 1e-4 < difference < 0.2
    np.testing.assert_array_equal(compile_gradient(model, selected_logits)(X, one_hot), exact)


@on_torch
def test_an_accuracy_other_than_the_expected_one_is_refused_with_its_causes(weights):
    model, validation = built(settings_of(weights)), images_of_32(1, 12)
    right = float((compile_logits(model)(validation.pixels).argmax(axis=1) == validation.labels).mean())
    expected = ExpectedAccuracy(value=right, tolerance=0.01)
    settings = settings_of(weights, expected_accuracy=expected)
    assert accuracy_as_brought(model, validation, settings=settings, batch_size=5) == right
    other = settings_of(weights, expected_accuracy=replace(expected, value=(right + 0.3) % 1))
    with pytest.raises(InputError, match=r"of the 12 validation images .* got .*model\.preprocessing is not that of"):
        accuracy_as_brought(model, validation, settings=other, batch_size=5)
    with pytest.raises(InputError, match="expected validation images to compare it on"):
        accuracy_as_brought(model, None, settings=settings, batch_size=5)


@on_torch
def test_a_head_that_the_settings_name_wrongly_is_refused(weights):
    with pytest.raises(InputError, match=r"resnet10t of timm .*model\.head: expected auto or logits, .* got softmax"):
        built(settings_of(weights, head="softmax"))


@pytest.mark.skipif(BACKEND == "torch", reason="Keras runs on PyTorch")
def test_another_backend_is_refused_with_the_way_out(weights):
    with pytest.raises(InputError, match="KERAS_BACKEND=torch"):
        built(settings_of(weights))


@on_torch
def test_a_file_with_weights_of_another_network_is_refused(weights, tmp_path):
    save_model(built(settings_of(weights)), tmp_path / "clean.keras")
    with zipfile.ZipFile(tmp_path / "clean.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = parts["config.json"].decode().replace("resnet10t", "resnet14t")
    assert "resnet14t" in config
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        for name, content in (parts | {"config.json": config.encode()}).items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=r"expected \d+ weights of timm, got \d+"):
        read_model(tmp_path / "other.keras")


@on_torch
def test_weights_are_written_for_plain_pytorch(weights, tmp_path):
    model = built(settings_of(weights))
    for variable in model.trainable_variables:
        variable.assign(variable.value * 1.01)
    record = write_weights(model, tmp_path / "out.safetensors")
    plain = native()
    plain.load_state_dict(safetensors.load_file(tmp_path / "out.safetensors"))
    expected = plain((channels_first(X) - 0.5) / 0.25).detach()
    np.testing.assert_allclose(compile_logits(model)(X), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert record["network"]["architecture"] == "resnet10t"
    assert record["largest_difference"] <= 1e-5


@on_torch
@pytest.mark.parametrize("form", ["pt2", "onnx"])
def test_an_export_has_the_preprocessing_inside_and_each_weight_once(form, weights, tmp_path):
    if form == "onnx":
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    preprocessing = Preprocessing(mean=(0.5,), std=(0.25,), channels="bgr", size=(40, 40))
    model = built(settings_of(weights, preprocessing))
    path = tmp_path / f"network.{form}"
    write_exported(model, path, form=form)
    held = sum(variable.numpy().nbytes for variable in model.variables)
    assert held < path.stat().st_size < 1.2 * held
    read = {"pt2": read_program, "onnx": read_onnx}[form](path.read_bytes(), where=path.name)
    expected = compile_logits(model)(X)
    found = read(channels_first(X)).detach()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@on_torch
def test_weights_of_a_keras_model_are_refused_with_the_way_out(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(InputError, match="got a Keras model: use --to pt2 or --to onnx"):
        write_weights(model, tmp_path / "out.safetensors")
