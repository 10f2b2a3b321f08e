"""Exact edits of a checked ONNX graph: float32 weights, logits at its end, images with channels first."""

from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.models.onnx_checks import attribute_of, images_of, nodes_of, opset_of, tensors_of, type_name

_HALF = ("FLOAT16", "BFLOAT16")
_ACTIVATIONS = ("Softmax", "LogSoftmax", "Sigmoid")
_RESHAPES = ("Identity", "Flatten", "Reshape", "Squeeze", "Cast", "Dropout")
"""Operators that may follow the last activation: they change no value."""


def raise_half_precision(model: Any) -> list[str]:
    """Convert float16 and bfloat16 to float32 everywhere in the graph. Returns the names of the types found."""
    import onnx
    from onnx import numpy_helper

    found = set()
    for tensor in tensors_of(model.graph):
        if (kind := type_name(tensor.data_type)) in _HALF:
            found.add(kind)
            values = numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for attribute in (one for node in nodes_of(model.graph) for one in node.attribute):
        if attribute.name in ("to", "dtype") and type_name(attribute.i) in _HALF:
            attribute.i = onnx.TensorProto.FLOAT
    for value in (*model.graph.input, *model.graph.output):
        if type_name(value.type.tensor_type.elem_type) in _HALF:
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    if found:
        del model.graph.value_info[:]
    return sorted(one.lower() for one in found)


def take_off_activation(model: Any) -> str:
    """Make a softmax, log-softmax or sigmoid at the end of the graph an identity. Returns its operator, or "".

    Raises InputError for one whose output is used elsewhere, or that does not go over the classes.
    """
    made_by = {name: node for node in model.graph.node for name in node.output}
    uses = [name for node in nodes_of(model.graph) for name in node.input]
    name = model.graph.output[0].name
    chain = [name]
    while (node := made_by.get(name)) is not None and node.op_type in _RESHAPES:
        name = node.input[0]
        chain.append(name)
    if node is None or node.op_type not in _ACTIVATIONS:
        return ""
    if [uses.count(one) for one in chain] != [0] + [1] * (len(chain) - 1):
        raise InputError(f"expected logits, got the output of a {node.op_type} that the graph also uses elsewhere")
    found = str(node.op_type)
    if found != "Sigmoid":
        _check_axis(model, node)
    node.op_type = "Identity"
    del node.attribute[:]
    return found


def put_channels_first(model: Any) -> None:
    """Put a transpose in front of a network for images (n, h, w, c), so that it takes (n, c, h, w).

    The last axis is that of the channels if it has 1 or 3 entries, and the second one has not.
    """
    import onnx

    (images,) = images_of(model)
    axes = images.type.tensor_type.shape.dim
    if axes[1].dim_value in (1, 3) or axes[3].dim_value not in (1, 3):
        return
    name = _new_name(model, "images_with_channels_first")
    node = onnx.helper.make_node("Transpose", [name], [images.name], perm=[0, 2, 3, 1])
    images.name = name
    channels = type(axes[3])()
    channels.CopyFrom(axes[3])
    ordered = [axes[0], channels, axes[1], axes[2]]
    shape = onnx.TensorShapeProto(dim=ordered)
    images.type.tensor_type.shape.CopyFrom(shape)
    nodes = [node, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _new_name(model: Any, name: str) -> str:
    taken = {one for node in nodes_of(model.graph) for one in (*node.input, *node.output)}
    while name in taken:
        name += "_"
    return name


def _check_axis(model: Any, node: Any) -> None:
    """Refuse a softmax over another axis than that of the classes."""
    axis = attribute_of(node, "axis", 1 if opset_of(model) < 13 else -1)
    rank = _rank(model, node.input[0])
    if axis != 1 and not (axis == -1 and rank == 2):
        raise InputError(f"expected logits, got the output of a {node.op_type} over axis {axis} of {rank or 'unknown'}")


def _rank(model: Any, name: str) -> int:
    """Return the number of axes of a value, 0 where it is unknown."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    return next((len(one.type.tensor_type.shape.dim) for one in values if one.name == name), 0)
