"""Checks of an ONNX file before it is converted: each refuses by the name of what was found.

Subgraphs, which `If`, `Loop` and `Scan` hold, are looked into as well.
"""

from collections.abc import Iterator
from typing import Any

from oncorobust.base.errors import InputError

FIRST_OPSET = 9
"""onnx2torch knows no definitions of most operators before it."""

_MOST_ELEMENTS = 2**31
"""Of one tensor in the graph, per image; a larger one would exhaust the memory."""

_STANDARD = ("", "ai.onnx")
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
_QUANTISED = (
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"),
    *("ConvInteger", "MatMulInteger"),
)
_TYPES = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "INT16", "INT32", "INT64", "UINT8", "BOOL", "STRING")
"""Types of tensors that may occur."""

DYNAMIC_BATCH = (
    "export it with a dynamic batch: torch.onnx.export(module, (images,), FILE, "
    'dynamic_shapes=({0: torch.export.Dim("n")},)), with x.shape[0] instead of len(x) in forward; tf2onnx: with None '
    "as the first axis of the input signature"
)
"""The way out of a fixed batch size."""


def parse_onnx(content: bytes) -> Any:
    """Return the onnx.ModelProto in the bytes of a file, without external data. Raises InputError."""
    import onnx

    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # of protobuf, which raises one of its own
        raise InputError(f"expected an ONNX model, got a file that is cut or of another kind ({error})") from error
    if not model.ir_version or not model.graph.node:
        raise InputError("expected an ONNX model, got a file without a graph")
    _check_tensors(model)
    _check_operators(model)
    _use_one_domain(model)
    if (opset := opset_of(model)) < FIRST_OPSET:
        raise InputError(
            f"expected opset {FIRST_OPSET} or later, got {opset}: onnx.version_converter.convert_version(model, 17)"
        )
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        raise InputError(f"expected a valid ONNX model, got: {_first_line(error)}") from error
    return model


def check_graph(model: Any) -> None:
    """Refuse a graph that is no classifier of images, or that takes batches of one size. Raises InputError."""
    images, outputs = images_of(model), list(model.graph.output)
    if len(images) != 1 or len(outputs) != 1:
        raise InputError(
            f"expected one input and one output, got inputs {_names(images)} and outputs {_names(outputs)}"
        )
    kind = images[0].type.tensor_type
    if type_name(kind.elem_type) not in ("FLOAT", "FLOAT16", "BFLOAT16"):
        raise InputError(f"expected float32 images, got an input of type {type_name(kind.elem_type)}")
    dimensions = kind.shape.dim
    if len(dimensions) != 4:
        shape = [one.dim_param or one.dim_value for one in dimensions]
        raise InputError(f"expected an input of images of four axes, got shape {shape}")
    if dimensions[0].dim_value:
        raise InputError(f"expected a batch of any size, got batches of {dimensions[0].dim_value}: {DYNAMIC_BATCH}")
    _check_sizes(model)


def opset_of(model: Any) -> int:
    """Return the version of the standard operators of a model."""
    return max((one.version for one in model.opset_import if one.domain in _STANDARD), default=0)


def images_of(model: Any) -> list[Any]:
    """Return the inputs of a model that are no weights, which older files list, too."""
    weights = {one.name for one in model.graph.initializer}
    return [one for one in model.graph.input if one.name not in weights]


def nodes_of(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph and of its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from nodes_of(inner)


def tensors_of(graph: Any) -> Iterator[Any]:
    """Yield the tensors that a graph and its subgraphs hold, in weights and in attributes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (*attribute.tensors, *([attribute.t] if attribute.HasField("t") else []))
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from tensors_of(inner)


def attribute_of(node: Any, name: str, default: Any = None) -> Any:
    """Return an attribute of a node, or the default."""
    import onnx

    return next((onnx.helper.get_attribute_value(one) for one in node.attribute if one.name == name), default)


def type_name(number: int) -> str:
    """Return the name of a tensor type, such as FLOAT16."""
    import onnx

    known = onnx.TensorProto.DataType
    return str(known.Name(number)) if number in known.values() else f"number {number}"


def _check_tensors(model: Any) -> None:
    import onnx

    for tensor in tensors_of(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise InputError(
                f"expected one file, got weights {tensor.name!r} in another file: save the model in one file, as "
                "onnx.save_model(onnx.load(FILE), NEW_FILE) does, or torch.onnx.export(..., external_data=False)"
            )
        if (found := type_name(tensor.data_type)) not in _TYPES:
            raise InputError(f"expected float32 weights, got weights {tensor.name!r} of type {found}")
    if model.graph.sparse_initializer:
        raise InputError(
            f"expected dense weights, got sparse weights {model.graph.sparse_initializer[0].values.name!r}"
        )


def _check_operators(model: Any) -> None:
    if model.functions:
        raise InputError(f"expected a graph of standard operators, got function {_full_name(model.functions[0])}")
    if model.training_info:
        raise InputError("expected a model for inference, got one with training information")
    for node in nodes_of(model.graph):
        if node.domain not in _STANDARD:
            raise InputError(f"expected standard operators of ONNX, got operator {node.domain}.{node.op_type}")
        if node.op_type in _QUANTISED:
            raise InputError(f"expected float32 weights, got a quantised model (operator {node.op_type})")
        if node.op_type in _RANDOM:
            raise InputError(f"expected a model without random numbers, got operator {node.op_type}")
    _check_mode(model)


def _use_one_domain(model: Any) -> None:
    """Write the standard operators' domain as "" everywhere; its other name is ai.onnx."""
    for one in (*nodes_of(model.graph), *model.opset_import):
        one.domain = "" if one.domain in _STANDARD else one.domain


def _check_mode(model: Any) -> None:
    """Refuse dropout and batch normalisation as in training."""
    opset, constants = opset_of(model), _true_constants(model.graph)
    for node in nodes_of(model.graph):
        if node.op_type == "BatchNormalization":
            training = attribute_of(node, "training_mode", 0) or len([name for name in node.output if name]) > 1
        elif node.op_type == "Dropout" and opset >= 12:
            training = len(node.input) > 2 and node.input[2] and constants.get(node.input[2], True)
        else:
            continue
        if training:
            raise InputError(
                f"expected a model for inference, got a {node.op_type} in training mode: call module.eval() before the "
                "export"
            )


def _true_constants(graph: Any) -> dict[str, bool]:
    """Return whether each constant of one element is true."""
    from onnx import numpy_helper

    tensors = {one.name: one for one in graph.initializer}
    tensors |= {node.output[0]: attribute_of(node, "value") for node in graph.node if node.op_type == "Constant"}
    return {
        name: bool(numpy_helper.to_array(one).any())
        for name, one in tensors.items()
        if one is not None and type_name(one.data_type) == "BOOL"
    }


def _check_sizes(model: Any) -> None:
    """Refuse a tensor that would not fit into memory, as far as shapes are known."""
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:
        raise InputError(f"expected a graph whose shapes fit, got: {_first_line(error)}") from error
    for value in inferred.graph.value_info:
        elements = 1
        for dimension in value.type.tensor_type.shape.dim:
            elements *= max(dimension.dim_value, 1)
        if elements > _MOST_ELEMENTS:
            raise InputError(f"expected tensors of at most {_MOST_ELEMENTS} elements, got {elements} in {value.name!r}")


def _full_name(function: Any) -> str:
    return f"{function.domain}.{function.name}".lstrip(".")


def _names(values: list[Any]) -> str:
    return ", ".join(one.name for one in values) or "none"


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:240]
