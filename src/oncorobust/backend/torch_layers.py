"""What one forward pass tells about the layers of a PyTorch module.

    its last activation    a softmax, log-softmax or sigmoid at its end, which attacks need to be taken off
    its first and last kernel    the layers between them compute in bfloat16 under mixed precision, as Keras models do
                           (`backend.mixed_precision`)
    its memory             whether its layers take images with channels last in memory, which are faster; `view` on
                           such images raises an error

The last operation is read from the graph of gradients, so that a softmax which the module calls as a function is found,
too. That one cannot be taken off; the module is refused.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from oncorobust.base.errors import InputError

_ACTIVATIONS = {"SoftmaxBackward": "softmax", "LogSoftmaxBackward": "log-softmax", "SigmoidBackward": "sigmoid"}
_RESHAPES = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Alias", "Clone", "ToCopy")
_PARTS = ("Select", "Slice", "Index")


class Call(NamedTuple):
    """One call of a layer: its positional arguments and its output."""

    layer: Any
    inputs: Sequence[Any]
    output: Any


@dataclass(frozen=True)
class Layers:
    """Layers of a module that the engine treats apart.

    activation: the last layer, if it is a softmax, log-softmax or sigmoid; it is skipped. kernels: the first and the
    last layer with a kernel, if there are others between them. channels_last: of the images in memory.
    """

    activation: Any = None
    kernels: tuple[Any, Any] | None = None
    channels_last: bool = True

    @contextmanager
    def logits_alone(self) -> Iterator[None]:
        """Skip the last activation inside the block."""
        if self.activation is None:
            yield
            return
        skipping = self.activation.register_forward_hook(lambda _layer, inputs, _output: inputs[0])
        try:
            yield
        finally:
            skipping.remove()

    @contextmanager
    def computing_in(self, precision: str, *, device: str) -> Iterator[None]:
        """With `mixed`, compute what lies between the first and the last kernel in bfloat16 inside the block."""
        if precision != "mixed" or self.kernels is None:
            yield
            return
        first, last = self.kernels
        between = _Autocast(device)
        hooks = first.register_forward_hook(between.begin), last.register_forward_pre_hook(between.end)
        try:
            yield
        finally:
            between.close()
            for hook in hooks:
                hook.remove()


class _Autocast:
    """PyTorch's automatic bfloat16 from one layer's end to another one's start."""

    def __init__(self, device: str) -> None:
        import torch

        self._kind, self._open = torch.device(device).type, ExitStack()

    def begin(self, *_: Any) -> None:
        """Start, as a forward hook."""
        import torch

        self.close()  # an error may have left the last pass before its end
        self._open.enter_context(torch.autocast(self._kind, dtype=torch.bfloat16))

    def end(self, _layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """End, as a hook before the forward pass of a layer, which gets float32."""
        self.close()
        return tuple(one.float() if one.is_floating_point() else one for one in inputs)

    def close(self) -> None:
        """End, if it has started."""
        self._open.close()


def calls_of(module: Any, images: Any) -> tuple[list[Call], Any]:
    """Run a module; return the calls of its layers in the order in which they end, and its output."""
    calls: list[Call] = []

    def record(layer: Any, inputs: Sequence[Any], output: Any) -> None:
        calls.append(Call(layer, inputs, output))

    hooks = [layer.register_forward_hook(record) for layer in module.modules()]
    try:
        return calls, module(images)
    finally:
        for hook in hooks:
            hook.remove()


def last_activation(calls: Sequence[Call], output: Any) -> Any:
    """Return the softmax, log-softmax or sigmoid layer that gives the output; None if none does.

    Raises InputError for one that cannot be taken off: a call of a function, a layer that also works elsewhere in the
    module, or one of whose outputs the module gives a part.
    """
    import torch

    node, parts = output.grad_fn, False
    while node is not None and _is(node, (*_RESHAPES, *_PARTS)):
        parts |= _is(node, _PARTS)
        node = node.next_functions[0][0]
    name = "" if node is None else _ACTIVATIONS.get(re.sub(r"\d+$", "", node.name()), "")
    if not name:
        return None
    kinds = (torch.nn.Softmax, torch.nn.LogSoftmax, torch.nn.Sigmoid)
    found = [call.layer for call in calls if isinstance(call.layer, kinds) and call.output.grad_fn is node]
    refused = f"expected logits, got the output of a {name}"
    if parts or not found:
        raise InputError(
            f"{refused} that is no layer at the end of the module: let the module return what goes into it"
        )
    if sum(call.layer is found[0] for call in calls) > 1:
        raise InputError(f"{refused} whose layer the module also calls elsewhere: let it return what goes into it")
    return found[0]


def _is(node: Any, names: Sequence[str]) -> bool:
    return re.sub(r"Backward\d*$", "", node.name()) in names


def outer_kernels(calls: Sequence[Call]) -> tuple[Any, Any] | None:
    """Return the first and the last layer called that has a kernel, None if fewer than three have.

    A layer made of such layers is not one itself, so that a parameter of its own, such as a position embedding, does
    not make the whole of it count.
    """
    called = list({id(call.layer): call.layer for call in calls if _has_kernel(call.layer)}.values())
    leaves = [layer for layer in called if not any(_has_kernel(one) for one in [*layer.modules()][1:])]
    return (leaves[0], leaves[-1]) if len(leaves) > 2 else None


def _has_kernel(layer: Any) -> bool:
    return any(weight.ndim > 1 for weight in layer.parameters(recurse=False))


def random_layer(module: Any, images: Any) -> str:
    """Name the innermost layer whose output differs between two passes although its inputs agree; "" if none does."""
    import torch

    names = {layer: name for name, layer in module.named_modules()}
    with torch.no_grad():
        (first, _), (second, _) = calls_of(module, images), calls_of(module, images)
    for one, other in zip(first, second, strict=False):
        if one.layer is other.layer and _same(one.inputs, other.inputs) and not _same([one.output], [other.output]):
            return f"{names[one.layer] or 'the module itself'} ({type(one.layer).__name__})"
    return ""


def _same(first: Sequence[Any], second: Sequence[Any]) -> bool:
    tensors = [(one, other) for one, other in zip(first, second, strict=True) if hasattr(one, "shape")]
    return all(one.shape == other.shape and bool((one == other).all()) for one, other in tensors)


def batch_layers(module: Any) -> list[str]:
    """Name the layers that normalise by the statistics of the batch even in evaluation mode."""
    import torch

    kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d, torch.nn.SyncBatchNorm)
    return [
        f"{name} ({type(layer).__name__})"
        for name, layer in module.named_modules()
        if isinstance(layer, kinds) and (layer.training or layer.running_mean is None)
    ]
