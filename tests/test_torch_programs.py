"""Programs of torch.export (.pt2): the native module's numbers, and what in a file is refused or left out."""

import copy
import io
import json
import logging
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import BACKEND, passes_on
from torch_modules import nn, torch

from oncorobust.backend.functions import compile_gradient, compile_logits, selected_logits
from oncorobust.base.errors import InputError
from oncorobust.models.torch_module import torch_classifier
from oncorobust.models.torch_program_operators import check_operator
from oncorobust.models.torch_program_sizes import checked_size
from oncorobust.models.torch_programs import program_bytes, program_size, read_program

SIZE = 32
MODEL, WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"
CONSTANTS, SAMPLE = "data/constants/model_constants_config.json", "data/sample_inputs/model.pt"
IMAGES = np.random.default_rng(0).uniform(0.2, 0.8, (3, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def on_torch(request: pytest.FixtureRequest) -> None:
    if BACKEND != "torch" and "other_backends" not in request.node.name:
        pytest.skip("Keras runs on another backend: KERAS_BACKEND=torch")


class Cnn(nn.Module):
    """Batch normalisation, dropout, a view that needs the batch, a constant, a buffer that is not saved; logits."""

    def __init__(self, end: Callable[[Any], Any] | None = None, units: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 3, stride=2, groups=4),
        )
        self.drop, self.head, self.end = nn.Dropout(0.5), nn.Linear(8, units), end
        self.register_buffer("scale", torch.linspace(0.5, 2, 8), persistent=False)
        self.features[1].running_mean.normal_(0, 0.3)
        self.features[1].running_var.uniform_(0.5, 2)

    def forward(self, x: Any) -> Any:
        x = self.features(x)
        x = nn.functional.adaptive_avg_pool2d(x, 1).view(x.shape[0], 8) * self.scale
        x = x + torch.tensor([0.5] * 8) * torch.arange(8, device=x.device)
        logits = self.head(self.drop(x))
        return logits if self.end is None else self.end(logits)


def cnn(**settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return Cnn(**settings).eval()


def resnet() -> nn.Module:
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    torch.manual_seed(0)
    return models.resnet18(num_classes=3).eval()


def vit() -> nn.Module:
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    torch.manual_seed(0)
    module = models.VisionTransformer(SIZE, 8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=3)
    nn.init.normal_(module.heads.head.weight)  # zero at first
    return module.eval()


def batch(**limits: int) -> dict[int, Any]:
    return {0: torch.export.Dim("batch", **limits)}


def images(**settings: Any) -> Any:
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0), **settings)


def exported(module: nn.Module, *inputs: Any, **settings: Any) -> bytes:
    inputs = inputs or (images(),)
    settings = {"dynamic_shapes": tuple(batch() for _ in inputs)} | settings
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(module, inputs, **settings), stream)
    return stream.getvalue()


@cache
def cnn_file() -> bytes:
    return exported(cnn())


def read(content: bytes) -> Any:
    return read_program(content, where="model.pt2")


def test_a_program_states_the_size_of_its_images(tmp_path: Path) -> None:
    auto = torch.export.Dim.AUTO
    any_size = {"dynamic_shapes": ({0: torch.export.Dim("n"), 2: auto, 3: auto},)}
    sizeless = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    for content, size in ((cnn_file(), (SIZE, SIZE)), (exported(sizeless, **any_size), (None, None))):
        (tmp_path / "model.pt2").write_bytes(content)
        assert program_size(tmp_path / "model.pt2") == size


def changed(
    content: bytes,
    entry: str = MODEL,
    change: Callable[[Any], Any] | None = None,
    *,
    entries: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """Write a .pt2 file again, with a JSON entry changed in place and other entries added or replaced."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", compression) as new:
        found = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
        if change is not None:
            parsed = json.loads(found[entry])
            change(parsed)
            found[entry] = json.dumps(parsed).encode()
        for name, value in (found | (entries or {})).items():
            new.writestr(f"model/{name}", value)
    return stream.getvalue()


@pytest.fixture
def unreached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test fail if PyTorch's reader is reached."""

    def load(*_: Any, **__: Any) -> None:
        pytest.fail("torch.export.load was reached")

    monkeypatch.setattr(torch.export, "load", load)


class Marker:
    """A pickle of this creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def torch_pickle(marker: Marker) -> bytes:
    stream = io.BytesIO()
    torch.save((marker,), stream)
    return stream.getvalue()


@pytest.mark.slow
def test_other_backends_run_these_tests_on_torch() -> None:
    assert "skipped" not in passes_on("torch", __file__)


@pytest.mark.parametrize("native", [cnn, resnet, vit])
def test_logits_and_gradients_are_the_native_modules(native):
    module = native()
    program = read(exported(module))
    settings = {"image_shape": (SIZE, SIZE, 3), "n_classes": 3, "mean": 0.5, "std": 0.25}
    classifier = torch_classifier(program, **settings)
    for n_images in (1, 3):
        given = torch.from_numpy(IMAGES[:n_images]).requires_grad_(True)
        logits = module((given.permute(0, 3, 1, 2) - 0.5) / 0.25)
        targets = np.eye(3, dtype=np.float32)[[0, 1, 2][:n_images]]
        (gradient,) = torch.autograd.grad((logits * torch.from_numpy(targets)).sum(), given)
        assert np.abs(gradient.numpy()).max() > 1e-4
        np.testing.assert_allclose(
            compile_logits(classifier)(given.detach().numpy()), logits.detach(), rtol=0, atol=1e-5
        )
        found = compile_gradient(classifier, selected_logits)(given.detach().numpy(), targets)
        np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("end", "units", "name", "native"),
    [
        (lambda z: torch.softmax(z, 1), 3, "softmax", lambda z: z),
        (nn.Softmax(dim=-1), 3, "softmax", lambda z: z),
        (lambda z: nn.functional.log_softmax(z, dim=1).clone(), 3, "log_softmax", lambda z: z),
        (torch.sigmoid, 1, "sigmoid", lambda z: z),
        (lambda z: torch.sigmoid(z).squeeze(1), 1, "sigmoid", lambda z: z.squeeze(1)),
        (None, 3, "", lambda z: z),
    ],
)
def test_the_last_activation_is_cut_off_exactly(end, units, name, native):
    program = read(exported(cnn(end=end, units=units)))
    assert program.cut_off == name
    expected = native(cnn(units=units)(images()))
    torch.testing.assert_close(program(images()), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "end",
    [
        lambda z: torch.softmax(z, 1)[:, :3],
        lambda z: torch.softmax(z.view(-1, 2, 2), 2).flatten(1)[:, :3],
        lambda z: torch.softmax(z, 0)[:, :3],
    ],
)
def test_a_probability_head_that_cannot_be_cut_off_is_left(end):
    program = read(exported(cnn(end=end, units=4)))
    assert program.cut_off == ""
    torch.testing.assert_close(program(images()), cnn(end=end, units=4)(images()), rtol=0, atol=1e-6)


def test_a_probability_head_that_cannot_be_cut_off_is_refused_by_the_engine():
    program = read(exported(cnn(end=lambda z: torch.softmax(z, 1)[:, :3], units=4)))
    with pytest.raises(InputError, match="expected logits, got the output of a softmax"):
        torch_classifier(program, image_shape=(SIZE, SIZE, 3), n_classes=3)


def test_the_module_stays_as_exported_and_has_the_native_weights():
    module, program = cnn(), read(cnn_file())
    before = program(images())
    assert not any(layer.training for layer in program.train().modules())
    assert program.eval() is program
    torch.testing.assert_close(program(images()), before, rtol=0, atol=0)
    weights = program.state_dict()
    assert set(weights) == set(module.state_dict())
    other = cnn()
    nn.init.zeros_(other.head.weight)
    other.load_state_dict(weights)
    torch.testing.assert_close(other(images()), before, rtol=0, atol=1e-6)
    torch.testing.assert_close(copy.deepcopy(program)(images()), before, rtol=0, atol=0)
    with torch.no_grad():
        program.head.bias += 1
    torch.testing.assert_close(program(images()), before + 1, rtol=0, atol=1e-6)


def test_a_layer_that_is_called_twice_keeps_one_weight():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 3)
            self.other = self.conv

        def forward(self, x: Any) -> Any:
            return self.head(self.other(self.conv(x).relu()).mean((2, 3)))

    torch.manual_seed(0)
    module = Twice().eval()
    torch.testing.assert_close(read(exported(module))(images()), module(images()), rtol=0, atol=1e-6)


def test_two_layers_with_one_weight_step_as_one():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
            self.second.weight = self.first.weight

        def forward(self, x):
            return self.second(torch.relu(self.first(x))).mean((2, 3))

    torch.manual_seed(2)
    native = Tied()
    module = read(exported(native, torch.rand(2, 3, 8, 8)))
    assert module.get_parameter("first.weight") is module.get_parameter("second.weight")
    assert len(list(module.parameters())) == len(list(native.parameters())) == 3
    x = torch.rand(4, 3, 8, 8)
    for network in (native, module):
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            network(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(module(x), native(x))


def test_a_program_for_the_core_operators_gives_the_same_logits():
    program = torch.export.export(cnn(), (images(),), dynamic_shapes=(batch(),)).run_decompositions()
    stream = io.BytesIO()
    torch.export.save(program, stream)
    torch.testing.assert_close(read(stream.getvalue())(images()), cnn()(images()), rtol=0, atol=1e-6)


def test_devices_of_the_export_become_the_cpu_and_follow_the_weights():
    def to_cuda(program: Any) -> None:
        text = json.dumps(program).replace('{"type": "cpu", "index": null}', '{"type": "cuda", "index": 0}')
        program.update(json.loads(text))

    def config_to_cuda(config: Any) -> None:
        for one in config["config"].values():
            one["tensor_meta"]["device"] = {"type": "cuda", "index": 0}

    content = changed(changed(cnn_file(), MODEL, to_cuda), WEIGHTS, config_to_cuda)
    program = read(content)
    torch.testing.assert_close(program(images()), cnn()(images()), rtol=0, atol=1e-6)
    program.to("meta")
    assert program(images(device="meta")).device.type == "meta"


def test_images_of_other_sizes_than_exported_are_refused():
    with pytest.raises(InputError, match=r"exported for images \(n, 3, 32, 32\), got \(4, 3, 40, 40\)"):
        torch_classifier(read(cnn_file()), image_shape=(40, 40, 3), n_classes=3)
    with pytest.raises(InputError, match=r"exported for images \(n, 3, 32, 32\), got \(4, 1, 32, 32\)"):
        torch_classifier(read(cnn_file()), image_shape=(SIZE, SIZE, 1), n_classes=3)


def test_a_batch_beyond_the_limits_of_the_export_is_refused():
    program = read(exported(cnn(), dynamic_shapes=(batch(min=2, max=3),)))
    assert program(torch.rand(3, 3, SIZE, SIZE)).shape == (3, 3)
    for n_images in (1, 4):
        with pytest.raises(ValueError, match=rf"batches of 2 to 3 images, got {n_images}: export it with"):
            program(torch.rand(n_images, 3, SIZE, SIZE))


def test_other_sizes_may_be_dynamic():
    height = torch.export.Dim("height", min=8, max=64)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    program = read(exported(module, dynamic_shapes=({**batch(), 2: height},)))
    given = torch.rand(1, 3, 20, SIZE)
    torch.testing.assert_close(program(given), module(given), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precision_becomes_float32_with_a_warning(kind):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    module = module.eval().to(kind)
    content = exported(module, images().to(kind))
    with pytest.warns(UserWarning, match=f"converted from {kind} to float32"):
        program = read(content)
    torch.testing.assert_close(program(images()), module.float()(images()), rtol=0, atol=1e-5)


class Broken(nn.Module):
    """A module that is exported in a way that the engine cannot use."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        super().__init__()
        self.head, self.does = nn.Linear(3, 3), forward

    def forward(self, x: Any, y: Any = None) -> Any:
        return self.does(self, x) if y is None else self.does(self, x, y)


def logits_of(module: Any, x: Any) -> Any:
    return module.head(x.mean((2, 3)))


@pytest.mark.usefixtures("unreached")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: exported(cnn(), dynamic_shapes=None), "any number of images, got one for batches of 2: export the"),
        (
            lambda: exported(cnn().train()),
            "in evaluation mode, got torch.ops.aten.batch_norm.default with training=True",
        ),
        (
            lambda: exported(Broken(lambda m, x: logits_of(m, nn.functional.dropout(x)))),
            "in evaluation mode, got dropout that is active (torch.ops.aten.dropout.default): call model.eval()",
        ),
        (
            lambda: exported(Broken(lambda m, x: logits_of(m, x + torch.randn_like(x)))),
            "torch.ops.aten.randn_like.default, which draws random numbers",
        ),
        (
            lambda: exported(Broken(lambda m, x, y: logits_of(m, x + y)), images(), images()),
            "with one input, the images, got 2: wrap the model",
        ),
        (
            lambda: exported(Broken(lambda m, x: (logits_of(m, x), x))),
            "one output, the logits, got 2 (user_output, user_output): wrap the model",
        ),
        (
            lambda: exported(Broken(lambda m, x: logits_of(m, x.half().float()))),
            "torch.ops.aten.to.dtype with type float16: export the model in float32",
        ),
        (
            lambda: exported(Broken(lambda m, x: logits_of(m, x.bfloat16().float()))),
            "torch.ops.aten.to.dtype with type bfloat16: export the model in float32",
        ),
        (
            lambda: exported(Broken(lambda m, x: logits_of(m, x.float())), images().mul(255).byte()),
            "takes floating-point images, got type number 1",
        ),
        (
            lambda: exported(Broken(lambda m, x: m.head(x)), torch.rand(2, 3)),
            "takes images (n, c, h, w), got an input of 2 dimensions",
        ),
    ],
)
def test_an_export_that_the_engine_cannot_use_is_refused(content, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read(content())


def zip_of(entries: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, value in entries.items():
            archive.writestr(name, value)
    return stream.getvalue()


OLDER = {"version": b"8.8", "serialized_exported_program.json": b"{}", "serialized_state_dict.pt": b""}


@pytest.mark.usefixtures("unreached")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file: export the model like this"),
        (b"not a model", "got a file that is no zip archive"),
        (zip_of({"a/b.txt": b""}), "got a zip archive of another kind"),
        (zip_of({}), "got a zip archive of another kind"),
        (
            zip_of({"model/data.pkl": b"", "model/version": b"3"}),
            r"got a pickle of PyTorch \(.pt, .pth\), which runs code",
        ),
        (zip_of({"model/data.pkl": b"", "model/code/a.py": b""}), "got a TorchScript archive, which runs code"),
        (
            zip_of(OLDER),
            r"got a program of the older layout of PyTorch 2.7 and before \(version '8.8'\), whose weights",
        ),
        (zip_of({"model/archive_format": b"pt2"}), "got an archive of PyTorch without models/model.json"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, message):
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}: expected a program of torch.export.*{message}"):
        program_bytes(path)
    with pytest.raises(InputError, match=message):
        read(content)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "model.pt2"
    for length in (100, len(cnn_file()) // 2, len(cnn_file()) - 100):  # the last one holds the whole sample inputs
        path.write_bytes(cnn_file()[:length])
        with pytest.raises(InputError, match=r"got a zip archive that is cut off: export the model like this"):
            program_bytes(path)


def test_another_backend_of_keras_is_refused(monkeypatch, unreached):
    monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
    with pytest.raises(InputError, match="a PyTorch module needs Keras on PyTorch, got Keras on tensorflow"):
        read(cnn_file())


def test_a_file_is_read_as_it_is_and_a_missing_one_is_named(tmp_path):
    path = tmp_path / "model.pt2"
    with pytest.raises(InputError, match=f"{path}: .* got no such file.*\n.*torch.export.export.*\n.*save"):
        program_bytes(path)
    path.write_bytes(cnn_file())
    assert program_bytes(path) == cnn_file()


@pytest.mark.usefixtures("unreached")
def test_pickles_of_torch_save_are_refused_and_not_read(tmp_path):
    marker = tmp_path / "ran"
    for name, settings in {"new.pt": {}, "old.pth": {"_use_new_zipfile_serialization": False}}.items():
        torch.save(Marker(marker), tmp_path / name, **settings)
        with pytest.raises(InputError, match=r"got a pickle .*runs code when it is read: export the model like this"):
            program_bytes(tmp_path / name)
    assert not marker.exists()


def to_pickle(config: Any) -> None:
    entry = next(iter(config["config"].values()))
    entry["use_pickle"] = True


def to_object(name: str) -> Callable[[Any], None]:
    def change(config: Any) -> None:
        config["config"]["thing"] = {"path_name": name, "is_param": False, "use_pickle": True, "tensor_meta": None}

    return change


@pytest.mark.usefixtures("unreached")
@pytest.mark.parametrize(
    ("config", "change", "entry"),
    [
        (WEIGHTS, to_pickle, "data/weights/weight_0"),
        (CONSTANTS, to_pickle, "data/constants/tensor_0"),
        (CONSTANTS, to_object("custom_obj_0"), "data/constants/custom_obj_0"),
        (CONSTANTS, to_object("opaque_obj_0"), "data/constants/opaque_obj_0"),
        (CONSTANTS, to_object("tensor_0"), "data/constants/tensor_0"),
        (WEIGHTS, None, "data/weights/model.pt"),
        (CONSTANTS, None, "data/constants/model.pt"),
        (CONSTANTS, None, "data/aotinductor/model/model.so"),
        (CONSTANTS, None, "models/other.json"),
        (CONSTANTS, None, "data/weights/../weight_0"),
    ],
)
def test_a_pickle_as_a_weight_or_constant_is_refused_and_not_read(tmp_path, config, change, entry):
    marker = tmp_path / "ran"
    content = changed(cnn_file(), config, change, entries={entry: torch_pickle(Marker(marker))})
    with pytest.raises(InputError, match=r"model.pt2: expected .*, got (a pickle|compiled code|'data/|'models/)"):
        read(content)
    assert not marker.exists()


def test_a_pickle_as_sample_inputs_or_extra_file_is_not_read(tmp_path):
    marker = tmp_path / "ran"
    entries = {SAMPLE: torch_pickle(Marker(marker)), "extra/notes": pickle.dumps(Marker(marker))}
    torch.testing.assert_close(read(changed(cnn_file(), entries=entries))(images()), cnn()(images()), rtol=0, atol=1e-6)
    assert not marker.exists()
    logging.disable(logging.WARNING)  # whose text has a wrong number of arguments in PyTorch 2.14
    try:
        torch.export.load(io.BytesIO(changed(cnn_file(), entries={SAMPLE: torch_pickle(Marker(marker))})))
    finally:
        logging.disable(logging.NOTSET)
    # The marker works: PyTorch alone reads the pickle.
    assert marker.exists()


def set_target(name: str) -> Callable[[Any], None]:
    def change(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][-1]["target"] = name

    return change


@pytest.mark.usefixtures("unreached")
@pytest.mark.parametrize(
    "name",
    [
        *("os.getcwd", "torch.os.getcwd", "torch.hub.get_dir", "torch.load", "torch.ops.load_library", "math.sqrt"),
        *("torch.ops.aten.from_file.default", "torch.ops.aten.set_.source_Storage", "torch.ops.aten.save.default"),
        *("torch.ops.aten.linear", "torch.ops.aten.linear.default.__class__", "torch.ops.aten.__class__.mro"),
        *("torch.ops.prims.mul.default", "torch.ops.higher_order.cond", "torch.ops.mine.run.default", "#mine:run"),
        *("_operator.attrgetter", "_operator.pow", "_operator.getitem", "_operator.mul.__self__", "", "linear"),
        "torch.ops.aten.linear.default\n",
    ],
)
def test_an_operator_that_is_not_in_the_list_is_refused_by_name(name):
    with pytest.raises(InputError, match=re.escape(f"that networks are made of, got {name!r}")):
        read(changed(cnn_file(), MODEL, set_target(name)))


def test_operators_that_networks_use_are_accepted():
    for name in ("aten.conv2d.default", "aten.relu_.default", "aten.__and__.Tensor", "aten.sym_size.int"):
        check_operator(f"torch.ops.{name}")
    check_operator("_operator.floordiv")
    check_operator("torch.sym_max")


def set_argument(**argument: Any) -> Callable[[Any], None]:
    def change(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][-1]["inputs"][0]["arg"] = argument

    return change


@pytest.mark.usefixtures("unreached")
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"as_operator": "torch.os.getcwd"}, "tensors, numbers and sizes, got 'as_operator'"),
        ({"as_graph": {"name": "a", "graph": {}}}, "tensors, numbers and sizes, got 'as_graph'"),
        ({"as_custom_obj": {"name": "a", "class_fqn": "b"}}, "tensors, numbers and sizes, got 'as_custom_obj'"),
        ({"as_string_to_argument": {}}, "tensors, numbers and sizes, got 'as_string_to_argument'"),
        ({"as_string": "a/file"}, "name of a mode, got the text 'a/file'"),
        ({"as_int": 2**70}, "TypeError: expected an integer, got 1180591620717411303424"),
        ({"as_int": "1"}, "TypeError: expected an integer, got '1'"),
        ({"as_layout": 2}, "dense tensors, got a tensor of layout 2"),
        ({"as_int": 1, "as_float": 1.0}, "ValueError: too many values"),
    ],
)
def test_an_argument_of_another_kind_is_refused(argument, message):
    with pytest.raises(InputError, match=message):
        read(changed(cnn_file(), MODEL, set_argument(**argument)))


def set_size(text: str) -> Callable[[Any], None]:
    def change(program: Any) -> None:
        sizes = program["graph_module"]["graph"]["tensor_values"]["linear"]["sizes"]
        sizes[0]["as_expr"]["expr_str"] = text

    return change


HOSTILE_SIZES = [
    *(
        "__import__('os').getcwd()",
        "Symbol('s77').__class__",
        "s77.name",
        "s77[0]",
        "lambda: 1",
        "[s77]",
        "s77 if s77 else 1",
    ),
    *(
        "Function('f')(s77)",
        "Lambda(s77, s77)",
        "Symbol('os.getcwd()')",
        "Symbol(name='s77')",
        "Symbol('s77', commutative=False)",
    ),
    *("s77**9", "Pow(s77, 9)", "2.5*s77", "'s77'", "Max()", "s77;s77", "", "u0", "x", "Add(*s77)", "s77 < 1", "1" * 40),
    *("(" * 50 + "s77" + ")" * 50, "s77" + "+s77" * 600, "Integer(s77)", "Integer('7')", "s7777777", "ｓ77"),
]


@pytest.mark.usefixtures("unreached")
@pytest.mark.parametrize("text", HOSTILE_SIZES)
def test_a_size_that_is_not_made_of_names_and_integers_is_refused(text):
    with pytest.raises(InputError, match=r"(a size of names, integers|the name of a size)"):
        read(changed(cnn_file(), MODEL, set_size(text)))


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("Symbol('s77', positive=True, integer=True)", "Symbol('s77', positive=True, integer=True)"),
        ("Mul(Integer(-4), Symbol('s0'))", "Mul(Integer(-4), Symbol('s0'))"),
        ("4*s0 + 1", "Add(Mul(Integer(4), s0), Integer(1))"),
        ("s0//2 - 3", "Add(FloorDiv(s0, Integer(2)), Mul(Integer(-1), Integer(3)))"),
        ("Max(1, Mod(s0, 7), Min(s0, s1))", "Max(Integer(1), Mod(s0, Integer(7)), Min(s0, s1))"),
    ],
)
def test_a_size_is_written_again_from_its_parts(text, again):
    assert checked_size(text) == again
    assert checked_size(again) == again


def test_guards_names_trees_and_metadata_of_the_file_are_left_out():
    harmless = "x); raise AssertionError('a name was run'); (x"

    def change(program: Any) -> None:
        module = program["graph_module"]
        text = json.dumps(module["graph"]).replace('"name": "linear"', f'"name": "{harmless}"')
        module["graph"] = json.loads(text.replace('"linear": {"dtype"', f'"{harmless}": {{"dtype"'))
        output = module["signature"]["output_specs"][0]["user_output"]["arg"]["as_tensor"]
        assert output["name"] == "linear"
        output["name"] = harmless
        root = module["module_call_graph"][0]["signature"]
        root["in_spec"] = root["out_spec"] = json.dumps([1, {"type": "not.a.type", "context": "", "children_spec": []}])
        root["forward_arg_names"] = [harmless]
        module["metadata"] = {"custom": "no JSON"}
        module["graph"]["nodes"][0]["metadata"] = {"nn_module_stack": "not a stack", "custom": "no JSON"}
        program["guards_code"] = ["[][0]"]
        program["verifiers"] = ["none"]

    program = read(changed(cnn_file(), MODEL, change))
    torch.testing.assert_close(program(images()), cnn()(images()), rtol=0, atol=1e-6)
    assert "AssertionError" not in program.code


def add_field(*path: Any) -> Callable[[Any], None]:
    def change(program: Any) -> None:
        for step in path:
            program = program[step]
        program["hook"] = "code"

    return change


@pytest.mark.usefixtures("unreached")
@pytest.mark.parametrize(
    "path",
    [
        (),
        ("graph_module",),
        ("graph_module", "graph"),
        ("graph_module", "graph", "nodes", 0),
        ("graph_module", "graph", "nodes", 0, "inputs", 0),
        ("graph_module", "graph", "tensor_values", "linear"),
        ("graph_module", "signature"),
    ],
)
def test_a_field_that_is_not_known_is_refused(path):
    with pytest.raises(InputError, match="parts that networks are made of, got 'hook'"):
        read(changed(cnn_file(), MODEL, add_field(*path)))


@pytest.mark.usefixtures("unreached")
def test_names_of_weights_and_arguments_are_checked():
    def rename(program: Any) -> None:
        spec = program["graph_module"]["signature"]["input_specs"][0]
        spec["parameter"]["parameter_name"] = 'a"); print("'

    def private(program: Any) -> None:
        program["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = "a.__class__"

    def argument(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][-1]["inputs"][0]["name"] = "a=1"

    for change in (rename, private):
        with pytest.raises(InputError, match=r"expected the name of a weight, got"):
            read(changed(cnn_file(), MODEL, change))
    with pytest.raises(InputError, match="expected the name of an argument, got 'a=1'"):
        read(changed(cnn_file(), MODEL, argument))


@pytest.mark.usefixtures("unreached")
def test_weights_that_are_missing_or_of_another_network_are_refused():
    def lose(config: Any) -> None:
        del config["config"]["head.weight"]

    def of_another(config: Any) -> None:
        config["config"]["head.weight"] = config["config"]["head.bias"]

    def too_large(config: Any) -> None:
        meta = config["config"]["head.weight"]["tensor_meta"]
        meta["storage_offset"] = {"as_int": 10**9}

    with pytest.raises(InputError, match=r"weights of the program, got none for 'head.weight'"):
        read(changed(cnn_file(), WEIGHTS, lose))
    with pytest.raises(InputError, match=r"another one: 'head.weight' has sizes \[3\], not \[3, 8\]"):
        read(changed(cnn_file(), WEIGHTS, of_another))
    with pytest.raises(InputError, match=r"bytes for 'head.weight' of sizes \[3, 8\]"):
        read(changed(cnn_file(), WEIGHTS, too_large))
    with pytest.raises(InputError, match=r"got 0 bytes for 'features.0.weight'"):
        read(changed(cnn_file(), entries={"data/weights/weight_0": b""}))


@pytest.mark.usefixtures("unreached")
def test_an_archive_in_another_form_is_refused():
    twice = io.BytesIO(cnn_file())
    with warnings.catch_warnings(), zipfile.ZipFile(twice, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr(archive.namelist()[0], b"")
    for content in (changed(cnn_file(), compression=zipfile.ZIP_DEFLATED), twice.getvalue()):
        with pytest.raises(InputError, match=r"an archive as torch.export.save writes it, got"):
            read(content)
    with pytest.raises(InputError, match="expected numbers with the lowest byte first"):
        read(changed(cnn_file(), entries={"byteorder": b"big"}))
    with pytest.raises(InputError, match=r"as torch.export.save writes it, got JSONDecodeError"):
        read(changed(cnn_file(), entries={MODEL: b"{"}))
    with pytest.raises(InputError, match=r"as torch.export.save writes it, got RecursionError"):
        read(changed(cnn_file(), entries={MODEL: b"[" * 200_000}))
    with pytest.raises(InputError, match=r"as torch.export.save writes it, got KeyError: 'graph_module'"):
        read(changed(cnn_file(), entries={MODEL: b"{}"}))


@pytest.mark.usefixtures("unreached")
def test_a_format_of_another_pytorch_is_refused_by_version():
    def later(program: Any) -> None:
        program["schema_version"]["major"], program["torch_version"] = 99, "9.9.0"

    with pytest.raises(InputError, match=r"reads, got format 99 of PyTorch 9.9.0: export the model again"):
        read(changed(cnn_file(), MODEL, later))


def test_what_pytorch_does_not_read_is_told_with_its_reason():
    def undefined(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][-1]["target"] = "torch.ops.aten.linear.missing"

    with pytest.raises(InputError, match=r"model.pt2: expected a program that PyTorch .* reads, got .*linear.missing"):
        read(changed(cnn_file(), MODEL, undefined))
