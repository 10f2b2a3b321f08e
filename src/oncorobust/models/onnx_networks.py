"""Read a classifier in an ONNX file as a differentiable PyTorch module.

    bytes -> checks (`onnx_checks`) -> float32, logits, channels first (`onnx_edits`)
          -> operators that onnx2torch knows (`onnx_lowering`) -> torch.nn.Module -> compared (`onnx_comparison`)

ONNX Runtime gives no gradients, so onnx2torch converts the graph. It knows the operators of opset 17 and before, while
exporters write later ones; those are rewritten first. The module's logits are then compared with those that ONNX
Runtime, or the reference implementation of ONNX, computes from the file. Nothing in the file runs as code: onnx2torch
builds the module's source from names in the graph, so the graph gets names of our own before.
"""

import warnings
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.models.onnx_checks import check_graph, parse_onnx
from oncorobust.models.onnx_comparison import check_agreement
from oncorobust.models.onnx_edits import put_channels_first, raise_half_precision, take_off_activation
from oncorobust.models.onnx_lowering import lower


def read_onnx(content: bytes, *, where: str) -> Any:
    """Return the classifier in an ONNX file as a torch.nn.Module in evaluation mode.

    The module takes images (n, c, h, w) float32, of any n, and returns logits. A softmax, log-softmax or sigmoid at its
    end is taken off, float16 weights become float32, and a network for channels last gets a transpose in front; the
    first two are told by a warning, and the attribute `cut_off` names what was taken off. where: the file, for
    messages. Raises InputError for a file that is cut, of another kind or in several parts; for several inputs or
    outputs, a fixed batch size, quantised weights, random or training operators, functions and custom operators,
    operators that cannot be imported, each by name; and for a module whose logits differ from those of the file.
    """
    try:
        return _read(content, where)
    except InputError as error:
        raise error if where in str(error) else InputError(f"{where}: {error}") from error


def _read(content: bytes, where: str) -> Any:
    from oncorobust.backend.onnx_modules import build_module

    model = parse_onnx(content)
    check_graph(model)
    if raised := raise_half_precision(model):
        warnings.warn(f"{where}: {', '.join(raised)} weights are converted to float32", stacklevel=4)
    removed = take_off_activation(model)
    put_channels_first(model)
    lowered, replaced = lower(model)
    module = build_module(lowered, replaced)
    agreement = check_agreement(model, module)
    if agreement.units == 1 and removed in ("Softmax", "LogSoftmax"):
        raise InputError(f"expected a single unit with a sigmoid or none, got a {removed}")
    if removed:
        warnings.warn(f"{where}: the last node, a {removed}, is taken off, because attacks need logits", stacklevel=4)
    if not agreement.by:
        warnings.warn(
            f"{where}: the logits were compared with nothing ({agreement.why_not}): pip install onnxruntime",
            stacklevel=4,
        )
    module.cut_off = removed
    return module
