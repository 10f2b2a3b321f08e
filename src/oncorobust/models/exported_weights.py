"""Write the weights of a model that holds a PyTorch network, for the person's own code: a state_dict as safetensors."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from oncorobust.backend.functions import compile_logits
from oncorobust.backend.runtime import backend_version
from oncorobust.base.errors import InputError, missing_package
from oncorobust.models.exported import TOLERANCE, relative_difference
from oncorobust.models.torch_network import TorchNetwork
from oncorobust.models.torch_sources import network_of

_N_IMAGES = 3


def write_weights(model: keras.Model, path: Path) -> dict[str, Any]:
    """Write parameters and buffers under the names that the network has in plain PyTorch, and compare it with them.

    The comparison builds the network again, reads the file into it and compares the logits of noise. Returns what the
    file was compared with, the largest difference relative to the largest logit, and the network's description, with
    mean and std of its images in [0, 1] units. Raises InputError for a model without such a network, where safetensors
    is not installed, and for a difference above `exported.TOLERANCE`.
    """
    layer = _network(model)
    try:
        from safetensors.torch import save_file
    except ModuleNotFoundError as error:
        raise missing_package("safetensors", extra="networks") from error
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in layer.state().items()}, path)
    again = network_of(layer.network, layer.program, where=layer.name, weights=str(path))
    images = np.random.default_rng(0).random((_N_IMAGES, *layer.held.image_shape), dtype=np.float32)
    found = relative_difference(compile_logits(again)(images), compile_logits(layer.held)(images))
    if not found <= TOLERANCE:  # NaN as well
        raise InputError(
            f"expected the logits of the network with its weights in {path}, got differences of {found:.3g}"
        )
    about = {"compared_with": f"PyTorch {backend_version('torch')}", "largest_difference": found}
    return {**about, "versions": {"torch": backend_version("torch")}, "network": layer.network, "input": _input(layer)}


def _network(model: keras.Model) -> TorchNetwork:
    for layer in model.layers:
        if isinstance(layer, TorchNetwork):
            return layer
    raise InputError(
        "expected a model of source torch_export, onnx, timm or monai, whose weights plain PyTorch knows by name, got "
        "a Keras model: use --to pt2 or --to onnx"
    )


def _input(layer: TorchNetwork) -> str:
    height, width, channels = layer.held.image_shape
    order = ", blue first" if layer.network["reversed"] else ""
    return (
        f"images (n, {channels}, {height}, {width}){order}, float32 in [0, 1] minus mean, divided by std of `network`, "
        "after window and size of model.preprocessing"
    )
