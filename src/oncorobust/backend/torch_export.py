"""Keras models on PyTorch as exported programs (torch.export) and ONNX files.

The program takes images (n, c, h, w) of any n, and holds each weight once, by its path in Keras. Keras's own layers
hold their weights out of sight of torch.export, which would then write them twice: as parameters that nothing uses, and
as constants. So the weights are parameters of a module of our own, which lends them to the model. A network of
PyTorch inside the model is a part of that module, under `networks`.
"""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from oncorobust.backend.torch_layer import TorchLayer
from oncorobust.base.arrays import Logits
from oncorobust.base.errors import missing_package


def export_program(model: keras.Model) -> Any:
    """Return a model for images (n, h, w, c) as a torch.export.ExportedProgram for (n, c, h, w), in inference mode.

    The model is on the CPU. The program names no file of this machine.
    """
    import torch

    height, width, channels = model.input_shape[1:]
    images = torch.zeros(2, channels, height, width)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            _channels_first(model), (images,), dynamic_shapes=({0: torch.export.Dim("n")},), strict=False
        )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def save_program(program: Any, path: str | Path) -> None:
    """Write an exported program into a .pt2 file."""
    import torch

    with Path(path).open("wb") as file:
        torch.export.save(program, file)


def program_logits(path: str | Path, images: np.ndarray) -> Logits:
    """Return what the exported program in a file that this process wrote gives for images (n, c, h, w)."""
    import torch

    with torch.no_grad():
        logits = torch.export.load(str(path)).module()(torch.from_numpy(images))
    return np.asarray(logits.numpy())


def onnx_model(program: Any) -> Any:
    """Return an exported program as an onnx.ModelProto, from `images` to `logits`, with `n` images.

    Raises InputError where a package is not installed.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported: Any = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=["images"], output_names=["logits"]
            )
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "onnxscript", extra="networks") from error
    model = exported.model_proto
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    return model


def _channels_first(model: keras.Model) -> Any:
    """Return a module for images (n, c, h, w) with the weights of a model."""
    import torch

    class ChannelsFirst(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            networks = [layer for layer in model.layers if isinstance(layer, TorchLayer)]
            self.networks = torch.nn.ModuleList([layer.held.module for layer in networks])
            theirs = {id(one) for layer in networks for one in layer.variables}
            own = [one for one in model.variables if _is_weight(one) and id(one) not in theirs]
            self._lent = [(one, _register(self, one)) for one in own]

        def forward(self, images: Any) -> Any:
            values = [(variable, getattr(self, name)) for variable, name in self._lent]
            with keras.StatelessScope(state_mapping=values):
                return model(images.permute(0, 2, 3, 1), training=False)

    return ChannelsFirst().eval()


def _is_weight(variable: Any) -> bool:
    """Whether a variable is a weight; others count, or hold the state of random numbers."""
    return bool(keras.backend.is_float_dtype(variable.dtype))


def _register(module: Any, variable: Any) -> str:
    """Give a module a weight of a model under its path. Returns the name."""
    import torch

    name = variable.path.replace(".", "_")
    while hasattr(module, name):
        name += "_"
    tensor = variable.value.detach()
    if variable.trainable:
        module.register_parameter(name, torch.nn.Parameter(tensor))
    else:
        module.register_buffer(name, tensor)
    return name
