"""Check the graph of a program in a .pt2 file, and write it again from its accepted parts.

PyTorch turns texts of a graph into Python: names of values into variables, names of operators into attributes, sizes
into expressions. So each field is taken over by its name and type, values get names of our own, and functions, objects
and operators that are not in the list are refused. So is a field that is not known here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.models.torch_program_operators import check_inference, check_operator, shown
from oncorobust.models.torch_program_sizes import checked_size

_ASSERTION = "torch.ops.aten._assert_tensor_metadata.default"
"""Repeats the type and device of a tensor that were true at export; it returns nothing, and is left out."""

_CPU = {"type": "cpu", "index": None}
_STRIDED = 7
_LARGEST = 2**63
_WORD = re.compile(r"[A-Za-z0-9_ ,.>-]{0,200}", re.ASCII)
_ARGUMENT_NAME = re.compile(r"([A-Za-z]\w{0,60})?", re.ASCII)


@dataclass
class Names:
    """Names of our own for the values of a graph."""

    known: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """Return the name of our own for a name of the file."""
        return self.known.setdefault(text(name), f"v{len(self.known)}")


def checked_graph(graph: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Return a graph, written again, with names of our own; devices become the CPU.

    Raises InputError, and KeyError, TypeError or ValueError for a form that PyTorch does not write.
    """
    only(graph, "inputs", "outputs", "nodes", "tensor_values", "sym_int_values", "is_single_tensor_return")
    return {
        "inputs": [_tensor(one, names) for one in graph["inputs"]],
        "nodes": [_node(one, names) for one in graph["nodes"] if one["target"] != _ASSERTION],
        "outputs": [_tensor(one, names) for one in graph["outputs"]],
        "tensor_values": {names.of(name): tensor_meta(meta) for name, meta in graph["tensor_values"].items()},
        "sym_int_values": {names.of(name): _size(size) for name, size in graph["sym_int_values"].items()},
        "sym_bool_values": {},
        "is_single_tensor_return": False,
    }


def only(entry: Mapping[str, Any], *known: str) -> None:
    """Refuse a field of an entry that is not known, unless it is empty. Raises InputError naming it."""
    if others := [name for name, value in entry.items() if name not in known and value]:
        raise InputError(f"expected a program of the parts that networks are made of, got {shown(others[0])}")


def only_kind(union: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the kind and the value of an entry that has one."""
    ((kind, value),) = union.items()
    return kind, value


def tensor_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sizes, strides and type of a tensor, written again."""
    only(meta, "dtype", "sizes", "requires_grad", "device", "strides", "storage_offset", "layout")
    if meta["layout"] != _STRIDED:
        raise InputError(f"expected dense tensors, got a tensor of layout {shown(meta['layout'])}")
    return {
        "dtype": integer(meta["dtype"]),
        "sizes": [_size(one) for one in meta["sizes"]],
        "requires_grad": flag(meta["requires_grad"]),
        "device": _CPU,
        "strides": [_size(one) for one in meta["strides"]],
        "storage_offset": _size(meta["storage_offset"]),
        "layout": _STRIDED,
    }


def integer(value: Any) -> int:
    """Return an integer of at most 64 bits. Raises TypeError for anything else."""
    if type(value) is not int or abs(value) >= _LARGEST:
        raise TypeError(f"expected an integer, got {shown(value)}")
    return value


def flag(value: Any) -> bool:
    """Return true or false. Raises TypeError for anything else."""
    if type(value) is not bool:
        raise TypeError(f"expected true or false, got {shown(value)}")
    return value


def text(value: Any) -> str:
    """Return a text. Raises TypeError for anything else."""
    if type(value) is not str:
        raise TypeError(f"expected a text, got {shown(value)}")
    return value


def _number(value: Any) -> float | str:
    if type(value) is str and value in ("Infinity", "-Infinity", "NaN"):
        return value
    if type(value) is float:
        return value
    return float(integer(value))


def _word(value: Any) -> str:
    if not _WORD.fullmatch(text(value)):
        raise InputError(f"expected the name of a mode, got the text {shown(value)}")
    return str(value)


def _size(size: Mapping[str, Any]) -> dict[str, Any]:
    kind, value = only_kind(size)
    if kind == "as_int":
        return {kind: integer(value)}
    if kind != "as_expr":
        raise TypeError(f"expected a size, got {shown(kind)}")
    only(value, "expr_str", "hint")
    hint = value.get("hint") and {"as_int": integer(value["hint"]["as_int"])}
    return {kind: {"expr_str": checked_size(value["expr_str"]), "hint": hint}}


def _tensor(argument: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Return an input or output of a graph: a tensor."""
    kind, value = only_kind(argument)
    if kind != "as_tensor":
        raise InputError(f"expected a program that takes images and returns logits, got {shown(kind)} among them")
    return {kind: {"name": names.of(value["name"])}}


def _node(node: Mapping[str, Any], names: Names) -> dict[str, Any]:
    only(node, "target", "inputs", "outputs", "metadata", "name", "is_hop_single_tensor_return")
    target = text(node["target"])
    check_operator(target)
    check_inference(target, {one["name"]: one["arg"] for one in node["inputs"]})
    return {
        "target": target,
        "inputs": [_input(one, names) for one in node["inputs"]],
        "outputs": [_argument(one, names) for one in node["outputs"]],
        "metadata": {},
        "name": node.get("name") and names.of(node["name"]),
    }


def _input(entry: Mapping[str, Any], names: Names) -> dict[str, Any]:
    only(entry, "name", "arg", "kind")
    if not _ARGUMENT_NAME.fullmatch(text(entry["name"])):
        raise InputError(f"expected the name of an argument, got {shown(entry['name'])}")
    kind = entry.get("kind")
    return {
        "name": entry["name"],
        "arg": _argument(entry["arg"], names),
        "kind": None if kind is None else integer(kind),
    }


def _argument(argument: Mapping[str, Any], names: Names) -> dict[str, Any]:
    kind, value = only_kind(argument)
    if kind in _ONE:
        return {kind: _ONE[kind](value, names)}
    if kind in _SEVERAL:
        return {kind: [_SEVERAL[kind](one, names) for one in value]}
    raise InputError(f"expected arguments that are tensors, numbers and sizes, got {shown(kind)}")


def _name(value: Mapping[str, Any], names: Names) -> dict[str, str]:
    only(value, "name")
    return {"name": names.of(value["name"])}


def _optional_tensor(value: Mapping[str, Any], names: Names) -> dict[str, Any]:
    kind, tensor = only_kind(value)
    return {"as_none": True} if kind == "as_none" else {"as_tensor": _name(tensor, names)}


def _symbolic(value: Mapping[str, Any], names: Names) -> dict[str, Any]:
    kind, size = only_kind(value)
    return {"as_int": integer(size)} if kind == "as_int" else {"as_name": names.of(size)}


def _layout(value: Any) -> int:
    if value != _STRIDED:
        raise InputError(f"expected dense tensors, got a tensor of layout {shown(value)}")
    return _STRIDED


_ONE: dict[str, Callable[[Any, Names], Any]] = {
    "as_none": lambda _value, _names: True,
    "as_tensor": _name,
    "as_optional_tensor": _optional_tensor,
    "as_int": lambda value, _names: integer(value),
    "as_float": lambda value, _names: _number(value),
    "as_bool": lambda value, _names: flag(value),
    "as_string": lambda value, _names: _word(value),
    "as_sym_int": _symbolic,
    "as_scalar_type": lambda value, _names: integer(value),
    "as_memory_format": lambda value, _names: integer(value),
    "as_layout": lambda value, _names: _layout(value),
    "as_device": lambda _value, _names: _CPU,
}
"""How an argument of each kind is written again."""

_SEVERAL: dict[str, Callable[[Any, Names], Any]] = {
    "as_tensors": _name,
    "as_optional_tensors": _optional_tensor,
    "as_ints": _ONE["as_int"],
    "as_floats": _ONE["as_float"],
    "as_bools": _ONE["as_bool"],
    "as_sym_ints": _symbolic,
}
"""How each entry of an argument that is a list is written again."""
