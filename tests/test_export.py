"""Exported models: Keras's logits from ONNX Runtime and plain PyTorch, what stands beside them, what is refused."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from backends import on_torch, passes_on
from keras import layers

from oncorobust.backend.functions import compile_logits
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import write_results
from oncorobust.models import exported
from oncorobust.models.onnx_networks import read_onnx
from oncorobust.models.vgg16 import caffe_scaling, save_model
from oncorobust.pipeline.exported_model import export_model

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'oncorobust[torch]'")
ROOT = Path(__file__).parents[1]
SIZE = 16
X = np.random.default_rng(1).random((5, SIZE, SIZE, 3), dtype=np.float32)


@pytest.mark.slow
def test_other_backends_run_these_tests_on_torch() -> None:
    assert "skipped" not in passes_on("torch", __file__)


def vgg_like(n_classes: int = 3) -> keras.Model:
    """Scaling inside, convolutions, pooling, dropout with a seed, max-norm, dense layers: as in the paper's VGG16."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((SIZE, SIZE, 3))
    x = caffe_scaling()(x)
    for filters in (8, 12):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(layers.Dropout(0.5, seed=1)(x))
    x = layers.Dense(16, activation="relu", kernel_constraint=keras.constraints.MaxNorm(3.0))(x)
    model = keras.Model(inputs, layers.Dense(n_classes)(layers.Dropout(0.5, seed=2)(x)))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 2, one.shape) for one in layer.get_weights()])
    model.layers[2].trainable = False
    return model


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a data set of the demo and its clean model."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "presets" / "demo.yaml", "params.yaml")
    Path("Snakefile").touch()
    for folder in ("models/mnist", "data/processed/mnist"):
        Path(folder).mkdir(parents=True)
    save_model(vgg_like(), "models/mnist/clean.keras")
    summary = {
        "class_names": ["3", "5", "8"],
        "synthetic": True,
        "size": SIZE,
        "channels": 1,
        "intensity_range": [-1000.0, 400.0],
        "intensity_unit": "HU",
    }
    write_results("data/processed/mnist/summary.json", summary)
    return tmp_path


def exported_to(form: str) -> tuple[Path, dict[str, Any]]:
    out = Path(f"model.{form}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return out, export_model("mnist", "clean", form=form, out=out)


def check_close(logits: np.ndarray, n: int) -> None:
    expected = compile_logits(keras.saving.load_model("models/mnist/clean.keras", compile=False))(X[:n])
    assert logits.shape == (n, 3)
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@on_torch
def test_a_program_of_pytorch_gives_kerass_logits(repository):
    out, content = exported_to("pt2")
    program = torch.export.load(out)
    for n in (1, 5):
        check_close(program.module()(torch.from_numpy(X[:n].transpose(0, 3, 1, 2).copy())).detach().numpy(), n)
    weights = keras.saving.load_model("models/mnist/clean.keras", compile=False).weights
    held = {name: tuple(one.shape) for name, one in program.state_dict.items()}
    assert held == {one.path: tuple(one.shape) for one in weights if keras.backend.is_float_dtype(one.dtype)}
    assert sum(one.numel() for one in program.constants.values()) < 20, "each weight is in the file once"
    assert content["compared_with"] == f"PyTorch {torch.__version__}"
    assert 0 <= content["largest_difference"] <= 1e-5


@on_torch
def test_an_onnx_file_gives_kerass_logits(repository):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    out, content = exported_to("onnx")
    session = runtime.InferenceSession(out.read_bytes(), providers=["CPUExecutionProvider"])
    for n in (1, 5):
        (logits,) = session.run(["logits"], {"images": X[:n].transpose(0, 3, 1, 2)})
        check_close(logits, n)
    assert content["compared_with"] == f"ONNX Runtime {runtime.__version__}"
    pytest.importorskip("onnx2torch", reason="onnx2torch is not installed")
    module = read_onnx(out.read_bytes(), where=str(out))
    check_close(module(torch.from_numpy(X.transpose(0, 3, 1, 2).copy())).detach().numpy(), 5)
    graph = onnx.load(out).graph
    (shape,) = ([axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim] for one in graph.input)
    assert shape == ["n", 3, SIZE, SIZE]
    onnx.checker.check_model(onnx.load(out), full_check=True)


@on_torch
@pytest.mark.slow
@pytest.mark.parametrize("form", ["pt2", "onnx"])
def test_a_second_export_has_the_same_bytes_and_names_no_place(repository, form):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    first = exported_to(form)[0].read_bytes()
    environment = os.environ | {"KERAS_BACKEND": "torch", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "oncorobust.cli.main", "export", "mnist", "clean", "--to", form]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (
        f"Wrote models/mnist/clean.{form} and clean.{form}.json (relative difference of logits at most" in done.stdout
    )
    assert "SYNTHETIC" in done.stdout
    second = Path(f"models/mnist/clean.{form}").read_bytes()
    assert hashlib.sha256(second).hexdigest() == hashlib.sha256(first).hexdigest()
    assert Path(f"models/mnist/clean.{form}.json").read_bytes() == Path(f"model.{form}.json").read_bytes()
    for place in (ROOT, Path(sys.prefix), Path.cwd()):
        assert str(place).encode() not in first


@on_torch
def test_the_file_beside_it_tells_what_goes_in_and_comes_out(repository):
    _, content = exported_to("pt2")
    assert json.loads(Path("model.pt2.json").read_text(encoding="utf-8")) == content
    assert content["classes"] == ["3", "5", "8"]
    assert content["image_size"] == SIZE
    assert (
        content["input"] == "images (n, 3, 16, 16), float32 in [0, 1], for any n; channels: the grey image three times"
    )
    assert content["intensities"] == "0 stands for -1000 and 1 for 400 (HU); values outside are cut off"
    assert (content["intensity_range"], content["intensity_unit"]) == ([-1000.0, 400.0], "HU")
    sha256 = hashlib.sha256(Path("models/mnist/clean.keras").read_bytes()).hexdigest()
    assert (content["checkpoint"], content["checkpoint_sha256"]) == ("models/mnist/clean.keras", sha256)
    assert content["synthetic"] is True
    assert content["mark"].startswith("SYNTHETIC")
    assert content["versions"].keys() == {"keras", "oncorobust", "torch"}


@on_torch
def test_other_logits_are_refused_and_leave_no_file(repository, monkeypatch):
    right = exported.program_logits
    monkeypatch.setattr(exported, "program_logits", lambda path, images: right(path, images) * np.float32(1.0001))
    with pytest.raises(
        InputError, match=r"expected the logits of the Keras model, got relative differences up to 0.0001 from PyTorch"
    ):
        exported_to("pt2")
    assert not [*repository.glob("*model.pt2*")]


@on_torch
def test_without_onnx_runtime_the_export_warns(repository, monkeypatch):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.warns(UserWarning, match="the ONNX file was not compared: pip install onnxruntime"):
        content = export_model("mnist", "clean", form="onnx", out=Path("model.onnx"))
    assert Path("model.onnx").is_file()
    assert (content["compared_with"], content["largest_difference"]) == (None, None)


@on_torch
def test_a_model_of_another_size_is_refused(repository):
    summary = json.loads(Path("data/processed/mnist/summary.json").read_text(encoding="utf-8"))
    write_results("data/processed/mnist/summary.json", summary | {"size": 32})
    with pytest.raises(InputError, match=r"expected a model for images \(32, 32, 3\) and 3 classes, got \(16, 16, 3\)"):
        exported_to("pt2")


@pytest.mark.parametrize(
    ("backend", "words", "says"),
    [
        ("tensorflow", "mnist clean --to onnx", "needs Keras on PyTorch, got Keras on tensorflow: KERAS_BACKEND=torch"),
        ("", "mnist clean --to onnx", "needs Keras on PyTorch, got Keras on tensorflow: KERAS_BACKEND=torch onco"),
        ("torch", "lung clean --to onnx", "expected a data set of run.datasets (lidc, "),
        ("torch", "mnist best --to onnx", "expected a model of mnist (clean, adversarial"),
        (
            "torch",
            "mnist adversarial --to pt2",
            "expected models/mnist/adversarial.keras, got no such file; `snakemake",
        ),
        ("torch", "mnist clean --to pt2 --out x.pth", "expected a file name that ends in .pt2, got x.pth"),
    ],
)
def test_the_command_refuses_by_name(repository, monkeypatch, capsys, backend, words, says):
    from oncorobust.cli.main import main

    monkeypatch.setenv("KERAS_BACKEND", backend)
    assert main(["export", *words.split()]) == 1
    assert says in capsys.readouterr().err
    assert not [*repository.glob("models/mnist/*.pt2"), *repository.glob("*.pth"), *repository.glob("models/*/*.onnx")]
