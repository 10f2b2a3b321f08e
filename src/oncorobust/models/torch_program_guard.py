"""Check the description of a program in a .pt2 file (models/model.json), and write it again from its accepted parts.

PyTorch turns guards into functions, trees of inputs into classes, and metadata into attributes: these are left out.
The graph is checked in `torch_program_graph`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.models.torch_program_graph import Names, checked_graph, flag, integer, only, only_kind, text
from oncorobust.models.torch_program_operators import shown
from oncorobust.models.torch_program_sizes import checked_symbol, symbol_of

HOW_TO_EXPORT = (
    "export the model like this, with at least two images:\n"
    "  program = torch.export.export(model.eval(), (images,), dynamic_shapes=({0: torch.export.Dim('batch')},))\n"
    "  torch.export.save(program, 'model.pt2')"
)

_FLOATS = (6, 7, 8, 13)  # float16, float32, float64, bfloat16
_WEIGHT_NAME = re.compile(r"(?!__)[\w-]+(\.(?!__)[\w-]+)*", re.ASCII)
_NAMES_OF_WEIGHTS = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}

_LEAF: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
_ARGS = {"type": "builtins.tuple", "context": "null", "children_spec": [_LEAF]}
_KWARGS = {"type": "builtins.dict", "context": "[]", "children_spec": []}
_ONE_INPUT = json.dumps([1, {"type": "builtins.tuple", "context": "null", "children_spec": [_ARGS, _KWARGS]}])
_CALL = {
    "inputs": [],
    "outputs": [],
    "in_spec": _ONE_INPUT,
    "out_spec": json.dumps([1, _LEAF]),
    "forward_arg_names": ["images"],
}
"""A call with the images alone that returns the logits alone."""


@dataclass(frozen=True)
class Weight:
    """A parameter, buffer or constant that a program needs.

    meta: its sizes and type, as in the file. is_weight: among the weights of the file, not its constants.
    """

    meta: Mapping[str, Any]
    is_weight: bool


@dataclass(frozen=True)
class Description:
    """A checked program.

    text: model.json, written again. version: (major, minor) of its format. torch_version: of PyTorch that wrote it.
    image_shape: (c, h, w) of its images, None where a program takes any. batch: fewest and most images, None for any.
    weights: by name.
    """

    text: bytes
    version: tuple[int, int]
    torch_version: str
    image_shape: tuple[int | None, ...]
    batch: tuple[int, int | None]
    weights: Mapping[str, Weight]


def checked_description(program: Mapping[str, Any]) -> Description:
    """Return a program's description, checked.

    Raises InputError, and KeyError, TypeError or ValueError for a form that PyTorch does not write.
    """
    known = ("graph_module", "opset_version", "range_constraints", "schema_version", "verifiers", "torch_version")
    only(program, *known, "guards_code")
    module, version = program["graph_module"], program["schema_version"]
    only(module, "graph", "signature", "module_call_graph", "metadata", "treespec_namedtuple_fields")
    names = Names()
    graph, signature = checked_graph(module["graph"], names), _signature(module["signature"], names)
    limits = {checked_symbol(name): _limits(both) for name, both in program["range_constraints"].items()}
    again = {
        "graph_module": {
            "graph": graph,
            "signature": signature,
            "module_call_graph": [{"fqn": "", "signature": _CALL}],
        },
        "opset_version": {},
        "range_constraints": limits,
        "schema_version": {part: integer(version[part]) for part in ("major", "minor")},
        "verifiers": ["TRAINING"],
    }
    images = graph["tensor_values"][_images(signature)]
    return Description(
        text=json.dumps(again, allow_nan=False).encode(),
        version=(integer(version["major"]), integer(version["minor"])),
        torch_version=text(program.get("torch_version", "")),
        image_shape=_image_shape(images),
        batch=_batch(images["sizes"][0], limits),
        weights=_weights(signature, graph["tensor_values"]),
    )


def _signature(signature: Mapping[str, Any], names: Names) -> dict[str, Any]:
    only(signature, "input_specs", "output_specs")
    return {
        "input_specs": [_input(spec, names) for spec in signature["input_specs"]],
        "output_specs": _outputs(signature["output_specs"], names),
    }


def _input(spec: Mapping[str, Any], names: Names) -> dict[str, Any]:
    kind, entry = only_kind(spec)
    if kind == "user_input":
        return {kind: {"arg": _tensor(entry["arg"], names, "images")}}
    if kind not in _NAMES_OF_WEIGHTS:
        raise InputError(f"expected a program of one input, the images, and of weights, got {shown(kind)}")
    name = _NAMES_OF_WEIGHTS[kind]
    only(entry, "arg", name, "persistent")
    again = {"arg": {"name": names.of(entry["arg"]["name"])}, name: weight_name(entry[name])}
    return {kind: again | {"persistent": flag(entry["persistent"])} if kind == "buffer" else again}


def _outputs(specs: Sequence[Mapping[str, Any]], names: Names) -> list[dict[str, Any]]:
    kinds = [only_kind(spec) for spec in specs]
    for kind, entry in kinds:
        if kind.endswith("mutation"):
            changed = next((entry[name] for name in ("buffer_name", "parameter_name") if name in entry), "its input")
            raise InputError(
                f"expected a program that changes nothing when it runs, got one that changes {shown(changed)}: call "
                "model.eval() before torch.export.export"
            )
    if [kind for kind, _ in kinds] != ["user_output"]:
        raise InputError(
            f"expected a program with one output, the logits, got {len(kinds)} ({', '.join(kind for kind, _ in kinds)})"
            ": wrap the model in a module that returns the logits alone"
        )
    return [{"user_output": {"arg": _tensor(kinds[0][1]["arg"], names, "logits")}}]


def _tensor(argument: Mapping[str, Any], names: Names, what: str) -> dict[str, Any]:
    kind, value = only_kind(argument)
    if kind != "as_tensor":
        raise InputError(f"expected {what} that are one tensor, got {shown(kind)}")
    return {kind: {"name": names.of(value["name"])}}


def weight_name(name: Any) -> str:
    """Return the name of a weight, such as layer1.0.conv.weight. Raises InputError for any other text."""
    if not _WEIGHT_NAME.fullmatch(text(name)):
        raise InputError(f"expected the name of a weight, got {shown(name)}")
    return str(name)


def _images(signature: Mapping[str, Any]) -> str:
    """Return the name of the one input."""
    found = [spec["user_input"]["arg"] for spec in signature["input_specs"] if "user_input" in spec]
    if len(found) != 1:
        raise InputError(
            f"expected a program with one input, the images, got {len(found)}: wrap the model in a module that takes "
            "the images alone"
        )
    return str(found[0]["as_tensor"]["name"])


def _image_shape(meta: Mapping[str, Any]) -> tuple[int | None, ...]:
    sizes = meta["sizes"]
    if len(sizes) != 4:
        raise InputError(f"expected a program that takes images (n, c, h, w), got an input of {len(sizes)} dimensions")
    if meta["dtype"] not in _FLOATS:
        raise InputError(
            f"expected a program that takes floating-point images, got type number {meta['dtype']} of PyTorch's "
            "format, which has no gradient"
        )
    if "as_int" in sizes[0]:
        raise InputError(
            f"expected a program for any number of images, got one for batches of {sizes[0]['as_int']}: {HOW_TO_EXPORT}"
        )
    return tuple(size.get("as_int") for size in sizes[1:])


def _limits(both: Mapping[str, Any]) -> dict[str, int | None]:
    only(both, "min_val", "max_val")
    return {end: None if both[end] is None else integer(both[end]) for end in ("min_val", "max_val")}


def _batch(size: Mapping[str, Any], limits: Mapping[str, Mapping[str, int | None]]) -> tuple[int, int | None]:
    expression = size["as_expr"]["expr_str"]
    if (symbol := symbol_of(expression)) is None:
        raise InputError(f"expected a program for any number of images, got {shown(expression)}: {HOW_TO_EXPORT}")
    both = limits.get(symbol, {})
    return both.get("min_val") or 0, both.get("max_val")


def _weights(signature: Mapping[str, Any], metas: Mapping[str, Mapping[str, Any]]) -> dict[str, Weight]:
    weights = {}
    for spec in signature["input_specs"]:
        kind, entry = only_kind(spec)
        if kind != "user_input":
            is_weight = kind == "parameter" or entry.get("persistent", False)
            weights[entry[_NAMES_OF_WEIGHTS[kind]]] = Weight(metas[entry["arg"]["name"]], is_weight)
    return weights
