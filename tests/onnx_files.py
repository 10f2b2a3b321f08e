"""ONNX files of small networks, exported from PyTorch or written node by node; skips its tests without onnx."""

import io
import logging
import warnings
from typing import Any

import numpy as np
import pytest
from torch_modules import nn, torch

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnx2torch", reason="onnx2torch is not installed")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT = onnx.TensorProto.FLOAT
RNG = np.random.default_rng(0)


def legacy_export(module: nn.Module, images: torch.Tensor, **settings: Any) -> bytes:
    """The file that torch.onnx.export writes by tracing, of a dynamic batch."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    file = io.BytesIO()
    settings = {"dynamic_axes": {"x": {0: "n"}}, "input_names": ["x"]} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (images,), file, dynamo=False, **settings)
    return file.getvalue()


def dynamo_export(module: nn.Module, images: torch.Tensor, **settings: Any) -> bytes:
    """The file that torch.onnx.export writes by torch.export, of a dynamic batch."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    settings = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module, (images,), dynamo=True, verbose=False, **settings)
    content: bytes = program.model_proto.SerializeToString()
    return content


def weight(name: str, *shape: int, scale: float = 0.3) -> Any:
    """A weight of random numbers."""
    return numpy_helper.from_array(RNG.normal(0, scale, shape).astype(np.float32), name)


def constant(name: str, *values: int) -> Any:
    """A constant of whole numbers."""
    return numpy_helper.from_array(np.array(values, np.int64), name)


def written(
    nodes: list[Any],
    weights: list[Any],
    *,
    images: tuple[Any, ...] = ("n", 3, 8, 8),
    outputs: tuple[Any, ...] = ("n", 2),
    opset: int = 17,
    kind: int = FLOAT,
) -> Any:
    """A model of these nodes from `x` to `y`."""
    inputs = [helper.make_tensor_value_info("x", kind, images)]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", kind, outputs)], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def small(*last: Any, end: str = "y", units: int = 2, **settings: Any) -> Any:
    """Convolution, rectifier, mean over pixels, dense layer, and nodes after it; the dense layer gives `end`."""
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "dense"], [end]),
        *last,
    ]
    weights = [weight("kernel", 4, 3, 3, 3), weight("bias", 4), weight("dense", 4, units, scale=3)]
    return written(nodes, weights, **({"outputs": ("n", units)} | settings))


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    """The weights of a model by name, in PyTorch."""
    return {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in model.graph.initializer}


def small_logits(model: Any, images: torch.Tensor) -> torch.Tensor:
    """What the dense layer of `small` gives, by PyTorch alone."""
    weights = weights_of(model)
    features = nn.functional.conv2d(images, weights["kernel"], weights["bias"], padding=1).relu().mean((2, 3))
    logits: torch.Tensor = features @ weights["dense"]
    return logits
