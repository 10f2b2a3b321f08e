"""Load a program of torch.export, from an archive that `models.torch_program_archive` wrote, as a module for inference.

The module that PyTorch makes of a program raises an error on train() and eval(), checks its inputs in Python at each
call, and keeps constants on the device of the export. Here the same graph becomes a module that stays in evaluation
mode and moves as a whole.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from oncorobust.base.errors import InputError

_LONGEST_REASON = 240  # characters


def check_format(version: tuple[int, int], torch_version: str) -> None:
    """Refuse a program in a format that the installed PyTorch does not read.

    version: (major, minor) of the format. torch_version: of PyTorch that wrote it. Raises InputError naming both.
    """
    import torch
    from torch._export.serde.schema import SCHEMA_VERSION

    if version[0] != SCHEMA_VERSION[0]:
        raise InputError(
            f"expected a program of format {SCHEMA_VERSION[0]}, which PyTorch {torch.__version__} reads, got format "
            f"{version[0]} of PyTorch {torch_version or 'of an unknown version'}: export the model again"
        )


def load_program(
    archive: bytes, *, image_shape: Sequence[int | None], batch: tuple[int, int | None], constants: Sequence[str]
) -> Any:
    """Return a program as a torch.nn.Module on the CPU, without a softmax, log-softmax or sigmoid at its end.

    archive: checked. image_shape: (c, h, w) of its images, None for any. batch: fewest and most images. constants:
    names of tensors that are no weights. The attribute `cut_off` names the activation. Raises InputError if PyTorch
    does not read the archive.
    """
    exported = _exported(archive)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants that require a gradient
        module = exported.module(check_guards=False)
    graph = module.graph
    cut_off = _simplify(graph)
    program = _program_class()(module, graph)
    program.cut_off = cut_off
    _forget(program, constants)
    _tie(program)
    _make_float32(program)
    for layer in program.modules():
        layer.training = False
    program.register_forward_pre_hook(_check_of(image_shape, batch))
    return program


def _exported(archive: bytes) -> Any:
    import torch

    with _last_reason() as reasons:
        try:
            return torch.export.load(io.BytesIO(archive))
        except Exception as error:
            # torch.export.load tells the reason to its log, and raises another error.
            reason = [line for line in str(reasons[0] if reasons else error).splitlines() if line.strip()]
            told = (reason or [type(error).__name__])[-1].strip()[:_LONGEST_REASON]
            raise InputError(f"expected a program that PyTorch {torch.__version__} reads, got {told}") from error


@contextmanager
def _last_reason() -> Iterator[list[BaseException]]:
    """Collect the errors that torch.export writes to its log inside the block, instead of printing them."""
    reasons: list[BaseException] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            reasons.append(record.exc_info[1])
        return False

    log = logging.getLogger("torch.export")
    log.addFilter(collect)
    try:
        yield reasons
    finally:
        log.removeFilter(collect)


@cache
def _program_class() -> Any:
    """Return the class of a program's module, which needs PyTorch to be defined."""
    import torch

    class Program(torch.fx.GraphModule):
        """A program of torch.export that stays in evaluation mode."""

        def train(self, mode: bool = True) -> "Program":
            """Change nothing: what a program does was fixed when it was exported."""
            del mode
            return self

        def _apply(self, change: Callable[[Any], Any], recurse: bool = True) -> "Program":
            super()._apply(change, recurse)
            _follow(self)
            return self

    return Program


def _follow(program: Any) -> None:
    """Let the devices in a program's graph follow its weights."""
    import torch

    device = next((one.device for one in [*program.parameters(), *program.buffers()]), None)
    if device is None:
        return

    def moved(value: Any) -> Any:
        return device if isinstance(value, torch.device) else value

    for node in program.graph.nodes:
        node.args = torch.fx.node.map_aggregate(node.args, moved)
        node.kwargs = torch.fx.node.map_aggregate(node.kwargs, moved)
    program.recompile()


def _simplify(graph: Any) -> str:
    """Let a graph take and return tensors alone, and cut its last activation off; return the activation's name."""
    import torch

    graph.set_codegen(torch.fx.graph.CodeGen())
    output = graph.output_node()
    (logits,) = output.args[0]
    output.args = (logits,)
    return _cut(logits)


_ACTIVATIONS = {
    "softmax": "softmax",
    "_softmax": "softmax",
    "special_softmax": "softmax",
    "log_softmax": "log_softmax",
    "_log_softmax": "log_softmax",
    "sigmoid": "sigmoid",
    "special_expit": "sigmoid",
}
_SAME = ("alias", "clone", "contiguous", "dropout")
_SHAPES = ("view", "_unsafe_view", "reshape", "flatten", "squeeze", "unsqueeze")


def _cut(last: Any) -> str:
    """Replace an activation at the end of a graph by its input; return its name, empty if there is none.

    A sigmoid works on each number alone, so it may also stand before operators that change the shape.
    """
    node, shaped = last, False
    while _name(node) in (*_SAME, *_SHAPES) and len(node.users) == 1:
        shaped |= _name(node) in _SHAPES
        node = node.args[0]
    activation = _ACTIVATIONS.get(_name(node), "")
    if not activation or len(node.users) != 1 or (activation != "sigmoid" and (shaped or not _over_classes(node))):
        return ""
    node.replace_all_uses_with(node.args[0])
    node.graph.erase_node(node)
    return activation


def _name(node: Any) -> str:
    """Return the name of a node's operator without its overload; empty for other nodes."""
    return str(node.target).split(".")[-2] if node.op == "call_function" and "." in str(node.target) else ""


def _over_classes(node: Any) -> bool:
    """Say whether a softmax of a graph runs over several classes of one image."""
    shape = node.meta["val"].shape
    return len(shape) == 2 and node.args[1:2] in ((1,), (-1,)) and shape[1] != 1


def _forget(program: Any, constants: Sequence[str]) -> None:
    """Leave tensors that are no weights out of a program's state_dict, as in the exported model."""
    for name in constants:
        path, _, field = name.rpartition(".")
        program.get_submodule(path)._non_persistent_buffers_set.add(field)


def _tie(program: Any) -> None:
    """Let names of one tensor share one parameter: a program gives each its own, which training would step apart."""
    known: dict[tuple[Any, ...], Any] = {}
    for name, one in [*program.named_parameters(remove_duplicate=False)]:
        path, _, field = name.rpartition(".")
        place = (one.data_ptr(), one.shape, one.stride(), one.dtype)
        if one.numel():
            program.get_submodule(path)._parameters[field] = known.setdefault(place, one)


def _make_float32(program: Any) -> None:
    kinds = {str(one.dtype) for one in [*program.parameters(), *program.buffers()] if one.is_floating_point()}
    if other := sorted(kinds - {"torch.float32"}):
        warnings.warn(f"the program's weights are converted from {', '.join(other)} to float32", stacklevel=5)
        program.float()


def _check_of(
    image_shape: Sequence[int | None], batch: tuple[int, int | None]
) -> Callable[[Any, tuple[Any, ...]], None]:
    """Return a hook that refuses images of other sizes than a program was exported for: its numbers would be wrong."""
    shown = ", ".join("any" if size is None else str(size) for size in image_shape)
    fewest, most = batch

    def check(_program: Any, inputs: tuple[Any, ...]) -> None:
        found = tuple(inputs[0].shape)
        fits = len(found) == 4 and all(want in (None, size) for want, size in zip(image_shape, found[1:], strict=True))
        if not fits:
            raise ValueError(f"the program was exported for images (n, {shown}), got {found}")
        if found[0] < fewest or (most is not None and found[0] > most):
            raise ValueError(
                f"the program was exported for batches of {fewest} to {most or 'any number of'} images, got "
                f"{found[0]}: export it with torch.export.Dim('batch') without min and max"
            )

    return check
