"""PyTorch modules of ONNX graphs, by onnx2torch."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError


@dataclass(frozen=True)
class Replacement:
    """A layer of PyTorch in the place of a node: its operator, attributes, constant weights and number of inputs."""

    operator: str
    attributes: dict[str, Any]
    weights: tuple[np.ndarray, ...] = ()
    n_inputs: int = 1


def build_module(model: Any, replaced: dict[str, Replacement]) -> Any:
    """Return a model, whose nodes have names that are identifiers, as a torch.nn.Module in evaluation mode.

    replaced: layers by the name of the node that stands for them in the model. Raises InputError for what onnx2torch
    cannot convert.
    """
    from onnx2torch import convert

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that results may differ, which is checked
            module = convert(model)
    except Exception as error:
        raise InputError(f"expected operators that can be imported, got {_message(error)}") from error
    for name, one in replaced.items():
        module.set_submodule(name, _layer(one))
    for name, one in [*module.named_children()]:
        if type(one).__name__ == "OnnxSlice":
            module.set_submodule(name, _slice_layer())
    return module.float().eval()


def module_outputs(module: Any, images: np.ndarray) -> np.ndarray:
    """Return the outputs of a module on images (n, c, h, w)."""
    import torch

    with torch.no_grad():
        outputs = module(torch.from_numpy(images))
    return np.asarray(outputs.numpy())


def _layer(one: Replacement) -> Any:
    import torch

    attributes = one.attributes
    match one.operator:
        case "Gelu":
            return torch.nn.GELU(approximate=attributes.get("approximate", b"none").decode())
        case "Attention":
            return _attention_layer(attributes)
        case "Mish":
            return torch.nn.Mish()
        case "Swish" if attributes.get("alpha", 1.0) == 1:
            return torch.nn.SiLU()
        case "GlobalMaxPool":
            return torch.nn.AdaptiveMaxPool2d(1)
        case "LayerNormalization":
            return _layer_normalisation(attributes, *one.weights)
        case "GroupNormalization":
            return _group_normalisation(attributes, *one.weights)
        case other:
            raise InputError(f"expected operators that can be imported, got {other} with {attributes}")


def _group_normalisation(attributes: dict[str, Any], scale: np.ndarray, bias: np.ndarray) -> Any:
    import torch

    layer = torch.nn.GroupNorm(attributes["num_groups"], len(scale), eps=attributes.get("epsilon", 1e-5))
    return _with_weights(layer, scale, bias)


def _layer_normalisation(attributes: dict[str, Any], scale: np.ndarray, bias: np.ndarray | None = None) -> Any:
    import torch

    layer = torch.nn.LayerNorm(scale.shape, eps=attributes.get("epsilon", 1e-5))
    return _with_weights(layer, scale, np.zeros_like(scale) if bias is None else bias)


def _with_weights(layer: Any, weight: np.ndarray, bias: np.ndarray) -> Any:
    import torch

    layer.load_state_dict({"weight": torch.from_numpy(weight.copy()), "bias": torch.from_numpy(bias.copy())})
    return layer


def _attention_layer(settings: dict[str, Any]) -> Any:
    import torch

    class Attention(torch.nn.Module):
        def forward(self, query: Any, key: Any, value: Any, mask: Any = None) -> Any:
            return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, **settings)

    return Attention()


def _slice_layer() -> Any:
    """Return a layer for Slice; onnx2torch's indexes by a list, which PyTorch will read as a tensor of indices."""
    import torch

    class Slice(torch.nn.Module):
        def forward(self, x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
            count = len(starts)
            places = range(count) if axes is None else axes.tolist()
            strides = [1] * count if steps is None else steps.tolist()
            for axis, first, end, step in zip(places, starts.tolist(), ends.tolist(), strides, strict=True):
                kept = range(*slice(first, end, step).indices(x.shape[axis]))
                if step == 1:
                    x = x.narrow(axis, kept.start, len(kept))
                else:
                    x = x.index_select(axis, torch.tensor(kept, dtype=torch.int64, device=x.device))
            return x

    return Slice()


def _message(error: Exception) -> str:
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"[:240]
