"""ONNX files as PyTorch modules: the native module's logits and gradients, and each refused file's message."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from backends import on_torch
from onnx_files import (
    FLOAT,
    constant,
    dynamo_export,
    helper,
    legacy_export,
    numpy_helper,
    onnx,
    small,
    small_logits,
    weight,
    weights_of,
    written,
)
from torch_modules import SHAPE, Attention, Convolutional, nn, seeded, torch

from oncorobust.backend.functions import compile_logits
from oncorobust.base.errors import InputError
from oncorobust.models.onnx_networks import read_onnx
from oncorobust.models.torch_module import torch_classifier

with_runtime = pytest.mark.skipif(
    pytest.importorskip("importlib.util").find_spec("onnxruntime") is None, reason="onnxruntime is not installed"
)
X = torch.from_numpy(np.random.default_rng(1).random((5, 3, 8, 8), dtype=np.float32))


def read(model: Any) -> nn.Module:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module: nn.Module = read_onnx(content, where="net.onnx")
    return module


def refused(model: Any) -> str:
    with pytest.raises(InputError) as error:
        read(model)
    assert "net.onnx" in str(error.value)
    return str(error.value)


def check_same(found: nn.Module, native: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor = X) -> None:
    """Logits within 1e-5 of the largest, gradients of all of them within 1e-4, in two batch sizes."""
    for batch in (images[:1], images):
        inputs, others = batch.clone().requires_grad_(True), batch.clone().requires_grad_(True)
        logits, expected = found(inputs), native(others)
        assert expected.abs().max() > 1e-3
        assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()
        weights = torch.linspace(-1, 2, expected.numel()).reshape(expected.shape)
        (ours,), (theirs,) = (
            torch.autograd.grad((one * weights).sum(), x) for one, x in ((logits, inputs), (expected, others))
        )
        assert theirs.abs().max() > 1e-6
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


class Attending(Attention):
    """Attention whose batch size is not fixed by an export, as it is by `len`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        y = self.before(x)
        query, key, value = self.attention.in_proj_weight.reshape(3, 16, 16)
        heads = [(y @ one.T).unflatten(-1, (2, 8)).transpose(1, 2) for one in (query, key, value)]
        x = x + nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        return self.head((x + self.mlp(self.after(x)))[:, 0])


def convolutional() -> nn.Module:
    return seeded(Convolutional, views=False).eval()


class Varied(nn.Module):
    """Operators that onnx2torch lacks or reads otherwise, of common exporters."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")
        self.groups, self.single, self.mish = nn.GroupNorm(2, 8), nn.InstanceNorm2d(8), nn.Mish()
        self.smaller, self.larger = nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.Upsample(scale_factor=2, mode="bilinear")
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.larger(self.smaller(nn.functional.silu(self.mish(self.groups(self.convolution(x))))))
        x = self.single(x) + nn.functional.adaptive_max_pool2d(x, 1)
        first, second = x.chunk(2, 1)
        x = torch.cat([first.clamp(max=1), nn.functional.leaky_relu(second)], 1)
        x = nn.functional.pad(x, (1, 2, 0, 1)).flip(2)[:, :, ::2]
        return self.head(x.amax((2, 3)) + nn.functional.gelu(x, approximate="tanh").mean((2, 3)) + x.norm(dim=(2, 3)))


def attending() -> nn.Module:
    return seeded(Attending).eval()


def varied() -> nn.Module:
    return seeded(Varied).eval()


def loud(kind: Callable[[], nn.Module], gain: float) -> nn.Module:
    """Random weights under which no signal of a deep network vanishes or explodes."""
    torch.manual_seed(0)
    module = kind()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.constant_(layer.weight, gain)
    return module.eval()


@pytest.mark.parametrize("make", [convolutional, attending, varied])
@pytest.mark.parametrize("opset", [13, 17, 20])
def test_a_traced_export_gives_the_native_logits_and_gradients(make, opset):
    if (make, opset) == (attending, 13):
        pytest.skip("PyTorch exports attention from opset 14 on")
    module = make()
    check_same(read(legacy_export(module, X[:2], opset_version=opset)), module)


def test_an_export_that_holds_the_batch_size_is_refused():
    told = refused(legacy_export(seeded(Convolutional).eval(), X[:2]))  # view(len(x), -1) is traced as view(2, -1)
    assert "expected outputs for 1 images of shape (3, 8, 8), got " in told
    assert "If it holds a fixed batch size, export it with a dynamic batch" in told
    assert "with x.shape[0] instead of len(x) in forward" in told


@pytest.mark.slow
@pytest.mark.parametrize(("make", "opset"), [(convolutional, 20), (attending, 23), (varied, 21)])
def test_an_export_by_dynamo_gives_the_native_logits_and_gradients(make, opset):
    module = make()
    found = read(dynamo_export(module, X[:2], opset_version=opset))
    assert not any(layer.training for layer in found.modules())
    check_same(found, module)


def vision_networks() -> dict[str, Callable[[], nn.Module]]:
    vision = pytest.importorskip("torchvision", reason="torchvision is not installed").models
    settings = {"num_classes": 3}
    return {
        "resnet": lambda: vision.ResNet(vision.resnet.BasicBlock, [1, 1, 1, 1], **settings),
        "densenet": lambda: vision.DenseNet(8, (2, 2), 8, **settings),
        "mobilenet": lambda: vision.mobilenet_v3_small(**settings),
        "efficientnet": lambda: vision.efficientnet_b0(**settings),
    }


@pytest.mark.parametrize(("name", "gain"), [("resnet", 1), ("densenet", 1), ("mobilenet", 3), ("efficientnet", 3.2)])
def test_networks_of_torchvision_give_the_native_logits_and_gradients(name, gain):
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    module = loud(vision_networks()[name], gain)
    check_same(read(legacy_export(module, images[:2])), module, images)


@pytest.mark.slow
@pytest.mark.parametrize("export", [legacy_export, dynamo_export])
def test_a_vision_transformer_of_timm_gives_the_native_logits_and_gradients(export):
    timm = pytest.importorskip("timm", reason="timm is not installed")
    settings = {"img_size": 32, "depth": 2, "embed_dim": 48, "num_heads": 2, "num_classes": 3}
    module = seeded(lambda: timm.create_model("vit_tiny_patch16_224", **settings)).eval()
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    check_same(read(export(module, images[:2])), module, images)


@on_torch
def test_the_engine_takes_the_module():
    module = convolutional()
    model = torch_classifier(read(legacy_export(module, X[:2])), image_shape=SHAPE, n_classes=3)
    logits = compile_logits(model)(X.permute(0, 2, 3, 1).numpy())
    np.testing.assert_allclose(logits, module(X).detach().numpy(), rtol=0, atol=1e-5)


def channels_last(pool: str, padding: str) -> Any:
    """As tf2onnx writes it: images with channels last, transposes, `SAME` padding, matrix product and bias."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["a", "kernel"], ["b"], strides=[2, 2], auto_pad=padding, kernel_shape=[3, 3]),
        helper.make_node("Elu", ["b"], ["c"]),
        helper.make_node(pool, ["c"], ["d"], kernel_shape=[3, 3], auto_pad=padding),
        helper.make_node("Transpose", ["d"], ["e"], perm=[0, 2, 3, 1]),
        helper.make_node("ReduceMean", ["e"], ["f"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["f", "dense"], ["g"]),
        helper.make_node("Add", ["g", "bias"], ["y"]),
    ]
    weights = [weight("kernel", 4, 3, 3, 3), weight("dense", 4, 2, scale=3), weight("bias", 2)]
    return written(nodes, weights, images=("n", 8, 8, 3), opset=13)


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(("padding", "pads"), [("SAME_UPPER", (0, 1, 0, 1)), ("SAME_LOWER", (1, 0, 1, 0))])
def test_a_network_for_channels_last_takes_channels_first(pool, padding, pads):
    model = channels_last(pool, padding)
    weights, functions = weights_of(model), nn.functional

    def native(x: torch.Tensor) -> torch.Tensor:
        x = functions.elu(functions.conv2d(functions.pad(x, pads), weights["kernel"], stride=2))
        x = (
            functions.max_pool2d(x, 3, 1, 1)
            if pool == "MaxPool"
            else functions.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        )
        return x.mean((2, 3)) @ weights["dense"] + weights["bias"]

    check_same(read(model), native)


def test_weights_listed_as_inputs_are_no_inputs():
    model = small()
    model.graph.input.extend(
        helper.make_tensor_value_info(one.name, FLOAT, list(one.dims)) for one in model.graph.initializer
    )
    check_same(read(model), lambda x: small_logits(model, x))


def test_a_kernel_behind_a_transpose_is_a_constant():
    model = small()
    model.graph.initializer.append(weight("as_in_keras", 3, 3, 3, 4))
    turned = helper.make_node("Transpose", ["as_in_keras"], ["turned"], perm=[3, 2, 0, 1])
    model.graph.node.insert(0, turned)
    model.graph.node[1].input[1] = "turned"
    kernel = weights_of(model)["as_in_keras"].permute(3, 2, 0, 1)
    same = small()
    for one in same.graph.initializer:
        one.CopyFrom(next(other for other in model.graph.initializer if other.name == one.name))
    same.graph.initializer[0].CopyFrom(numpy_helper.from_array(kernel.contiguous().numpy(), "kernel"))
    check_same(read(model), lambda x: small_logits(same, x))


def test_identities_constants_and_dropout_leave_nothing_behind():
    model = small(
        helper.make_node("Dropout", ["z", "share"], ["dropped", "mask"]),
        helper.make_node("Identity", ["dropped"], ["same"]),
        helper.make_node("Constant", [], ["shape"], value_ints=[0, -1]),
        helper.make_node("Reshape", ["same", "shape"], ["y"]),
        end="z",
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "share"))
    found = read(model)
    check_same(found.train(), lambda x: small_logits(model, x))


@pytest.mark.parametrize(
    ("operator", "settings"), [("Softmax", {"axis": 1}), ("Softmax", {}), ("LogSoftmax", {"axis": -1}), ("Sigmoid", {})]
)
def test_the_last_activation_is_taken_off_and_told(operator, settings):
    last = helper.make_node(operator, ["z"], ["p"], **settings), helper.make_node("Identity", ["p"], ["y"])
    model = small(*last, end="z")
    with pytest.warns(UserWarning, match=f"net.onnx: the last node, a {operator}, is taken off, because attacks need"):
        found = read_onnx(model.SerializeToString(), where="net.onnx")
    check_same(found, lambda x: small_logits(model, x))


def test_one_unit_with_a_sigmoid_gives_its_logit():
    model = small(helper.make_node("Sigmoid", ["z"], ["y"]), end="z", units=1)
    with pytest.warns(UserWarning, match="a Sigmoid, is taken off"):
        found = read_onnx(model.SerializeToString(), where="net.onnx")
    check_same(found, lambda x: small_logits(model, x))


@pytest.mark.parametrize(
    ("last", "settings", "says"),
    [
        ([("Softmax", ["z"], ["y"], {"axis": 0})], {}, "expected logits, got the output of a Softmax over axis 0 of 2"),
        (
            [("Softmax", ["z"], ["p"], {}), ("Add", ["p", "p"], ["q"], {}), ("Identity", ["p"], ["y"], {})],
            {},
            "got the output of a Softmax that the graph also uses elsewhere",
        ),
        (
            [("Softmax", ["z"], ["y"], {})],
            {"units": 1},
            "expected a single unit with a sigmoid or none, got a Softmax",
        ),
    ],
)
def test_an_activation_that_cannot_be_taken_off_is_refused(last, settings, says):
    nodes = [helper.make_node(name, inputs, outputs, **given) for name, inputs, outputs, given in last]
    assert says in refused(small(*nodes, end="z", **settings))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_becomes_float32_with_a_warning(kind):
    number = getattr(onnx.TensorProto, kind.upper())
    model = small(helper.make_node("Cast", ["z"], ["y"], to=number), end="z", opset=22, kind=number)
    for one in model.graph.initializer:
        values = torch.from_numpy(numpy_helper.to_array(one).copy()).to(getattr(torch, kind)).float().numpy()
        raw = numpy_helper.to_array(one).astype(helper.tensor_dtype_to_np_dtype(number))
        one.CopyFrom(numpy_helper.from_array(raw, one.name))
        np.testing.assert_array_equal(numpy_helper.to_array(one).astype(np.float32), values)
    with pytest.warns(UserWarning, match=f"net.onnx: {kind} weights are converted to float32"):
        found = read_onnx(model.SerializeToString(), where="net.onnx")
    assert found(X).dtype == torch.float32
    weights = {name: value.float() for name, value in half_weights(model).items()}
    features = nn.functional.conv2d(X, weights["kernel"], weights["bias"], padding=1).relu().mean((2, 3))
    torch.testing.assert_close(found(X), features @ weights["dense"], rtol=0, atol=1e-5)


def half_weights(model: Any) -> dict[str, torch.Tensor]:
    return {
        one.name: torch.from_numpy(numpy_helper.to_array(one).astype(np.float32)) for one in model.graph.initializer
    }


def test_names_in_the_file_are_not_in_the_modules_source():
    model = small()
    for node in model.graph.node:
        node.name, node.domain = "marker", "ai.onnx"
    model.opset_import[0].domain = "ai.onnx"
    found = read(model)
    assert "marker" not in found.code
    assert "marker" not in [name for name, _ in found.named_modules()]
    assert "self.node_0_Conv" in found.code


def test_a_file_cut_anywhere_is_refused():
    content = small().SerializeToString()
    for length in [*range(0, len(content) - 1, 37), len(content) - 1]:
        assert "expected " in refused(content[:length])
    assert "expected an ONNX model, got a file that is cut or of another kind" in refused(content[:-300])
    assert "expected an ONNX model, got a file" in refused(b"PK\x03\x04" + bytes(100))


def edited(edit: Callable[[Any], Any], **settings: Any) -> Any:
    model = small(**settings)
    edit(model)
    return model


def in_another_file(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")


def add_input(model: Any) -> None:
    model.graph.input.append(helper.make_tensor_value_info("age", FLOAT, ["n", 1]))


def add_output(model: Any) -> None:
    model.graph.output.append(helper.make_tensor_value_info("d", FLOAT, ["n", 4]))


def add_function(model: Any) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [node], [helper.make_opsetid("", 17)]))


def custom(model: Any) -> None:
    model.graph.node[1].domain = "com.company"
    model.opset_import.append(helper.make_opsetid("com.company", 1))


def as_in_training(model: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "training"))
    model.graph.node[1].CopyFrom(helper.make_node("Dropout", ["a", "", "training"], ["b"]))


def normalising(model: Any) -> None:
    model.graph.initializer.extend(weight(name, 4) for name in "mvsb")
    node = helper.make_node("BatchNormalization", ["a", *"mvsb"], ["b", "m2", "v2"], training_mode=1)
    model.graph.node[1].CopyFrom(node)


def quantised(model: Any) -> None:
    model.graph.node[1].CopyFrom(helper.make_node("DequantizeLinear", ["a", "bias"], ["b"]))


def eight_bits(model: Any) -> None:
    model.graph.initializer.append(helper.make_tensor("scale8", onnx.TensorProto.FLOAT8E4M3FN, [1], [1.0]))


def sparse(model: Any) -> None:
    values, indices = weight("sparse_values", 1), constant("indices", 0)
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))


def huge(model: Any) -> None:
    model.graph.initializer.append(constant("size", 1 << 20, 1 << 20))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["large"]))


def with_operator(name: str, **settings: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        model.graph.node[1].CopyFrom(helper.make_node(name, ["a"], ["b"], **settings))

    return edit


@pytest.mark.parametrize(
    ("edit", "settings", "says"),
    [
        (in_another_file, {}, "expected one file, got weights 'kernel' in another file: save the model in one file"),
        (add_input, {}, "expected one input and one output, got inputs x, age and outputs y"),
        (add_output, {}, "expected one input and one output, got inputs x and outputs y, d"),
        (add_function, {}, "expected a graph of standard operators, got function Relu"),
        (custom, {}, "expected standard operators of ONNX, got operator com.company.Relu"),
        (as_in_training, {}, "expected a model for inference, got a Dropout in training mode: call module.eval()"),
        (normalising, {}, "expected a model for inference, got a BatchNormalization in training mode"),
        (with_operator("Bernoulli"), {}, "expected a model without random numbers, got operator Bernoulli"),
        (with_operator("RandomNormalLike"), {}, "without random numbers, got operator RandomNormalLike"),
        (with_operator("Hardmax"), {}, "expected operators that can be imported, got Hardmax (opset 17): export the"),
        (with_operator("Nonsense"), {}, "expected a valid ONNX model, got: No Op registered for Nonsense"),
        (quantised, {}, "expected float32 weights, got a quantised model (operator DequantizeLinear)"),
        (eight_bits, {}, "expected float32 weights, got weights 'scale8' of type FLOAT8E4M3FN"),
        (sparse, {}, "expected dense weights, got sparse weights 'sparse_values'"),
        (huge, {}, "expected tensors of at most 2147483648 elements, got 1099511627776 in 'large'"),
        (lambda _: None, {"images": (1, 3, 8, 8)}, "expected a batch of any size, got batches of 1: export it with a"),
        (lambda _: None, {"images": (4, 3, 8, 8)}, "got batches of 4: export it with a dynamic batch: torch.onnx.exp"),
        (lambda _: None, {"images": ("n", 3, 8)}, "expected an input of images of four axes, got shape ['n', 3, 8]"),
        (lambda _: None, {"opset": 8}, "expected opset 9 or later, got 8: onnx.version_converter.convert_version"),
        (lambda _: None, {"kind": onnx.TensorProto.DOUBLE}, "expected float32 images, got an input of type DOUBLE"),
    ],
)
def test_other_files_are_refused_by_name(edit, settings, says):
    assert says in refused(edited(edit, **settings))


def test_a_batch_fixed_inside_the_graph_is_refused():
    model = small(helper.make_node("Reshape", ["z", "shape"], ["y"]), end="z")
    model.graph.initializer.append(constant("shape", 1, 2))
    assert "expected outputs for 3 images" in (told := refused(model))
    assert "dynamic batch" in told


@with_runtime
def test_other_logits_than_those_of_the_file_are_refused():
    nearest = {"mode": "nearest", "nearest_mode": "ceil", "coordinate_transformation_mode": "half_pixel"}
    nodes = [
        helper.make_node("Resize", ["x", "", "", "sizes"], ["a"], **nearest),  # onnx2torch takes another pixel
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "dense"], ["y"]),
    ]
    shape = helper.make_node("Concat", ["first", "rest"], ["sizes"], axis=0)
    count = [helper.make_node("Shape", ["x"], ["first"], start=0, end=1)]
    model = written([*count, shape, *nodes], [constant("rest", 3, 5, 5), weight("dense", 75, 2)])
    found = refused(model)
    assert "expected the outputs of ONNX Runtime, got differences up to " in found
    assert "from the converted module (largest output " in found


def test_without_onnx_runtime_the_reference_implementation_compares(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = small()
    check_same(read(model), lambda x: small_logits(model, x))
    monkeypatch.setitem(sys.modules, "onnx.reference", None)
    with pytest.warns(
        UserWarning, match=r"net.onnx: the logits were compared with nothing \(ONNX Runtime is not installed; the ref"
    ):
        found = read_onnx(model.SerializeToString(), where="net.onnx")
    check_same(found, lambda x: small_logits(model, x))


def test_images_of_any_size_are_compared_too():
    model = small(images=("n", 3, "h", "w"))
    check_same(read(model), lambda x: small_logits(model, x), torch.rand(3, 3, 9, 7))
