"""An ONNX graph with its constants and shapes at hand, and small edits of nodes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.models.onnx_checks import images_of, opset_of

_MOVING = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Cast", "Concat")
"""Operators that exporters put between a weight and its layer, which onnx2torch wants to be a constant."""


class Graph:
    """The graph of a checked model."""

    def __init__(self, model: Any, *, opset: int) -> None:
        """Look up constants and shapes of a model, whose nodes are rewritten in `opset` or in its own if earlier."""
        import onnx

        self._model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        self.written = opset_of(model)
        self.opset = min(self.written, opset)
        graph = self._model.graph
        self._constants = {one.name: one for one in graph.initializer}
        values = (*graph.value_info, *graph.input, *graph.output)
        self._ranks: dict[str, int] = {}
        self._shapes = {one.name: [axis.dim_value for axis in one.type.tensor_type.shape.dim] for one in values}

    def nodes(self) -> Iterator[Any]:
        """Yield copies of the nodes but constants, identities and dropout, whose values go where they are used."""
        import onnx

        passed: dict[str, str] = {}
        end = self._model.graph.output[0].name
        for number, written in enumerate(self._model.graph.node):
            node = onnx.NodeProto()
            node.CopyFrom(written)
            node.name = f"node_{number}_{node.op_type}"
            node.input[:] = [passed.get(name, name) for name in node.input]
            if node.op_type == "Constant":
                self._constants[node.output[0]] = _constant(node)
            elif node.op_type in _MOVING and all(name in self._constants for name in node.input):
                self._constants[node.output[0]] = self._computed(node)
            elif node.op_type not in ("Identity", "Dropout"):
                yield node
            elif node.output[0] == end:
                yield onnx.helper.make_node("Identity", node.input[:1], node.output[:1], name=node.name)
            else:
                passed[node.output[0]] = node.input[0]

    def _computed(self, node: Any) -> Any:
        """Return the tensor that a node makes of constants, by the reference implementation of ONNX."""
        from onnx import helper, numpy_helper
        from onnx.reference import ReferenceEvaluator

        constants = [_named(self._constants[name], name) for name in dict.fromkeys(node.input)]
        result = helper.make_empty_tensor_value_info(node.output[0])
        graph = helper.make_graph([node], "constant", [], [result], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.written)])
        (values,) = ReferenceEvaluator(model).run(None, {})
        return numpy_helper.from_array(np.asarray(values), node.output[0])

    def shape(self, name: str) -> list[int]:
        """Return the shape of a value, with 0 for an axis of any length; [] where it is unknown."""
        return self._shapes.get(name, [])

    def values(self, name: str) -> np.ndarray | None:
        """Return the values of a constant; None for another name."""
        from onnx import numpy_helper

        return numpy_helper.to_array(self._constants[name]) if name in self._constants else None

    def set_rank(self, name: str, rank: int) -> None:
        """State the number of axes of a value whose shape is unknown."""
        if not self.shape(name):
            self._ranks[name] = rank

    def set_input(self, node: Any, position: int, values: np.ndarray) -> None:
        """Give a node a new constant as an input."""
        from onnx import numpy_helper

        name = f"{node.name}_input_{position}"
        self._constants[name] = numpy_helper.from_array(values, name)
        node.input[position] = name

    def assembled(self, nodes: list[Any]) -> Any:
        """Return a model of these nodes with the input, output and shapes of the graph."""
        from onnx import TensorProto, helper

        graph, used = self._model.graph, {name for node in nodes for name in node.input}
        constants = [_named(tensor, name) for name, tensor in self._constants.items() if name in used]
        stated = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in self._ranks.items()
        ]
        known = [one for one in graph.value_info if one.name not in self._ranks]
        images, values = images_of(self._model), [*known, *stated]
        made = helper.make_graph(nodes, "network", images, graph.output, constants, value_info=values)
        return helper.make_model(made, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def set_attribute(node: Any, name: str, value: Any) -> None:
    """Set an attribute of a node."""
    import onnx

    remove_attribute(node, name)
    node.attribute.append(onnx.helper.make_attribute(name, value))


def remove_attribute(node: Any, name: str) -> None:
    """Remove an attribute of a node, if it has it."""
    kept = [one for one in node.attribute if one.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)


def _constant(node: Any) -> Any:
    """Return the tensor of a Constant node."""
    import onnx

    (attribute,) = node.attribute
    value = onnx.helper.get_attribute_value(attribute)
    match attribute.name:
        case "value":
            return value
        case "value_float" | "value_floats":
            return onnx.numpy_helper.from_array(np.asarray(value, np.float32))
        case "value_int" | "value_ints":
            return onnx.numpy_helper.from_array(np.asarray(value, np.int64))
        case other:
            raise InputError(f"expected a constant of numbers, got attribute {other} of operator Constant")


def _named(tensor: Any, name: str) -> Any:
    made = type(tensor)()
    made.CopyFrom(tensor)
    made.name = name
    return made
