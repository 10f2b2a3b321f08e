"""Operators of ONNX in definitions that onnx2torch knows, one by one.

Each is exact. What depends on values that the graph computes, or on sizes that it does not tell, is refused by name.
"""

from typing import Any

import numpy as np

from oncorobust.backend.onnx_modules import Replacement
from oncorobust.base.errors import InputError
from oncorobust.models.onnx_checks import attribute_of
from oncorobust.models.onnx_graph import Graph, remove_attribute, set_attribute

_LACKING = ("Attention", "Gelu", "Mish", "Swish", "GlobalMaxPool", "GroupNormalization")
"""Operators that onnx2torch lacks, and that are one layer of PyTorch."""

_SAME = (b"SAME_UPPER", b"SAME_LOWER")
_REDUCING = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
_REDUCTIONS = tuple(f"Reduce{one}" for one in _REDUCING)  # ReduceSum has axes as an input since opset 13


def replacement(node: Any, graph: Graph) -> Replacement | None:
    """Return the layer of PyTorch for a node that onnx2torch lacks, or reads otherwise; None for others.

    Raises InputError for weights that are not constant.
    """
    import onnx

    if node.op_type not in _LACKING and not _is_plain_layer_norm(node, graph):
        return None
    if node.op_type == "Attention":
        return _attention(node, graph)
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    weights = tuple(_constant(node, position, graph) for position in range(1, len(node.input)))
    if node.op_type == "GroupNormalization" and graph.written < 21:  # one weight per group, not per channel
        channels = graph.shape(node.input[0])[1]
        weights = tuple(np.repeat(one, channels // len(one)) for one in weights)
    return Replacement(node.op_type, attributes, weights)


def rewrite(node: Any, graph: Graph) -> None:
    """Rewrite a node in place where its definition changed, or onnx2torch reads it otherwise."""
    if node.op_type in ("MaxPool", "AveragePool"):
        graph.set_rank(node.input[0], 2 + len(attribute_of(node, "kernel_shape")))
    match node.op_type:
        case "Reshape" if attribute_of(node, "allowzero"):
            _drop_allowzero(node, graph)
        case "Split" if attribute_of(node, "num_outputs"):
            _check_even(node, graph)
        case "Pad" if len(node.input) > 3 and node.input[3]:
            _pad_all_axes(node, graph)
        case "Clip" if len(node.input) > 1 and not node.input[1]:
            graph.set_input(node, 1, np.array(-np.inf, np.float32))
        case "Conv" | "MaxPool" | "AveragePool" if attribute_of(node, "auto_pad") in _SAME:
            _pad_explicitly(node, graph)
        case name if name in _REDUCTIONS and len(node.input) > 1:
            _set_axes(node, graph)


def _attention(node: Any, graph: Graph) -> Replacement:
    """Return the layer for queries, keys and values (n, heads, length, size), with a mask or without."""
    inputs = [name for name in node.input if name]
    heads = {tuple(graph.shape(name)[1:2]) for name in inputs[:3] if len(graph.shape(name)) == 4}
    plain = len(inputs) == len(node.input) <= 4 and len(node.output) == 1 and not attribute_of(node, "softcap", 0.0)
    if not plain or len(heads) != 1:
        raise InputError("expected an operator that can be imported, got Attention with more than one set of heads")
    settings = {"scale": attribute_of(node, "scale"), "is_causal": bool(attribute_of(node, "is_causal", 0))}
    return Replacement(node.op_type, settings, n_inputs=len(inputs))


def _is_plain_layer_norm(node: Any, graph: Graph) -> bool:
    """Whether a node normalises layers by constants of their size; onnx2torch takes that from shapes that it lacks."""
    if node.op_type != "LayerNormalization" or any(graph.values(name) is None for name in node.input[1:]):
        return False
    axis, rank = attribute_of(node, "axis", -1), len(graph.shape(node.input[0]))
    shapes = [graph.values(name).shape for name in node.input[1:]]  # type: ignore[union-attr]
    return len(set(shapes)) == 1 and len(shapes[0]) == (rank - axis if axis >= 0 else -axis)


def _constant(node: Any, position: int, graph: Graph) -> np.ndarray:
    values = graph.values(node.input[position])
    if values is None:
        raise InputError(f"expected constants, got a computed input {position} of operator {node.op_type}")
    return values


def _drop_allowzero(node: Any, graph: Graph) -> None:
    """Drop `allowzero`: a zero stands for an axis of no length, which no network has, unless a constant says so."""
    shape = graph.values(node.input[1])
    if shape is not None and not shape.all():
        raise InputError("expected axes of at least one entry, got a Reshape to an axis without any")
    remove_attribute(node, "allowzero")


def _check_even(node: Any, graph: Graph) -> None:
    """Drop `num_outputs`, which the number of outputs tells; the last part must be as long as the others."""
    shape, axis = graph.shape(node.input[0]), attribute_of(node, "axis", 0)
    length = shape[axis] if shape else 0
    if length % len(node.output):
        raise InputError(f"expected parts of one size, got a Split of {length} in {len(node.output)}")
    remove_attribute(node, "num_outputs")


def _pad_all_axes(node: Any, graph: Graph) -> None:
    """Write the pads of some axes, the fourth input, as pads of all."""
    pads, axes, rank = _constant(node, 1, graph), _constant(node, 3, graph), len(graph.shape(node.input[0]))
    if not rank:
        raise InputError("expected a known number of axes, got a Pad of a value without shape")
    every = np.zeros((2, rank), np.int64)
    every[:, axes] = pads.reshape(2, -1)
    graph.set_input(node, 1, every.ravel())
    del node.input[3:]


def _pad_explicitly(node: Any, graph: Graph) -> None:
    """Write `auto_pad`, which depends on the height and width of the input, as numbers."""
    lengths = graph.shape(node.input[0])[2:]
    if not lengths or not all(lengths):
        raise InputError(f"expected images of a fixed height and width, got a {node.op_type} with auto_pad")
    ones = [1] * len(lengths)
    kernel = attribute_of(node, "kernel_shape") or _constant(node, 1, graph).shape[2:]
    strides, dilations = attribute_of(node, "strides", ones), attribute_of(node, "dilations", ones)
    totals = [
        max(0, (-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length)
        for length, size, stride, dilation in zip(lengths, kernel, strides, dilations, strict=True)
    ]
    small = [total // 2 for total in totals]
    large = [total - one for total, one in zip(totals, small, strict=True)]
    upper = attribute_of(node, "auto_pad") == b"SAME_UPPER"
    set_attribute(node, "pads", [*small, *large] if upper else [*large, *small])
    remove_attribute(node, "auto_pad")


def _set_axes(node: Any, graph: Graph) -> None:
    """Write the axes of a reduction as an attribute."""
    axes = _constant(node, 1, graph).tolist() if node.input[1] else []
    if not axes and attribute_of(node, "noop_with_empty_axes"):
        raise InputError(f"expected a reduction over axes, got a {node.op_type} over none")
    if axes:
        set_attribute(node, "axes", axes)
    remove_attribute(node, "noop_with_empty_axes")
    del node.input[1:]
