"""Rewrite a checked ONNX graph in the operators that onnx2torch knows: those of opset 17 and before.

onnx.version_converter does not do it: it has no way back for operators that exporters write, such as Gelu, Pad and
ConstantOfShape. Here the schemas decide. Most later definitions only add types, attributes and inputs: a node that uses
none of the new ones means the same in both. The others are rewritten one by one (`onnx_rewrites`), and an operator that
onnx2torch lacks becomes a sum, which the converted module replaces by a layer of PyTorch (`Replacement`).
"""

from collections.abc import Sequence
from typing import Any

from oncorobust.backend.onnx_modules import Replacement
from oncorobust.base.errors import InputError
from oncorobust.models.onnx_graph import Graph, remove_attribute
from oncorobust.models.onnx_rewrites import replacement, rewrite

OPSET = 17
"""Of the rewritten graph, unless the file has an earlier one."""


def lower(model: Any) -> tuple[Any, dict[str, Replacement]]:
    """Return the rewritten model, and the layers that replace nodes of it, by name of the node.

    Constants become weights; nodes get names of our own. Raises InputError naming the operators that cannot be
    imported.
    """
    graph = Graph(model, opset=OPSET)
    nodes, replaced = list(graph.nodes()), {}
    for node in nodes:
        if layer := replacement(node, graph):
            replaced[node.name] = layer
            node.op_type = "Sum"  # takes any number of inputs
            del node.attribute[:], node.input[layer.n_inputs :]
        else:
            rewrite(node, graph)
            _to_older_definition(node, graph.written, graph.opset)
    _check_known(nodes, graph)
    return graph.assembled(nodes), replaced


def _to_older_definition(node: Any, written: int, opset: int) -> None:
    """Remove what the older definition of an operator lacks; refuse it where it says more than the default."""
    import onnx

    if not onnx.defs.has(node.op_type, opset, ""):
        return
    new, old = (onnx.defs.get_schema(node.op_type, version, "") for version in (written, opset))
    for attribute in [one for one in node.attribute if one.name not in old.attributes]:
        value = onnx.helper.get_attribute_value(attribute)
        default = new.attributes[attribute.name].default_value
        neutral = (default.type and onnx.helper.get_attribute_value(default) == value) or _all_ones(value)
        if not neutral:
            raise InputError(f"expected an operator that can be imported, got {node.op_type} with {attribute.name}")
        remove_attribute(node, attribute.name)
    while node.input and not node.input[-1]:
        del node.input[-1]
    if len(node.input) > old.max_input:
        raise InputError(f"expected an operator that can be imported, got {node.op_type} with {len(node.input)} inputs")


def _all_ones(value: Any) -> bool:
    """Whether a value is a list of ones, such as dilations that do not dilate."""
    return isinstance(value, list) and set(value) == {1}


def _check_known(nodes: Sequence[Any], graph: Graph) -> None:
    """Refuse operators that onnx2torch lacks, all by name."""
    from onnx2torch.node_converters import get_converter

    lacking = set()
    for node in nodes:
        try:
            get_converter(node.op_type, version=graph.opset)
        except NotImplementedError:
            lacking.add(node.op_type)
    if lacking:
        raise InputError(
            f"expected operators that can be imported, got {', '.join(sorted(lacking))} (opset {graph.written}): "
            "export the model from PyTorch with torch.export.save instead, or write it with other operators"
        )
