"""Networks of PyTorch by their description: a program (.pt2, .onnx), or a name in timm or MONAI.

A description is plain data: source, architecture and arguments (of a name), image_shape (h, w, c), n_classes, mean and
std in [0, 1] units, reversed (blue first), head. It is checked like any input, because it may come from a file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras import ops

from oncorobust.backend.runtime import torch_device
from oncorobust.backend.torch_classifier import TorchClassifier, need_torch_backend
from oncorobust.base.errors import InputError
from oncorobust.models.monai_bundles import read_bundle
from oncorobust.models.named_networks import monai_network, timm_network
from oncorobust.models.onnx_networks import read_onnx
from oncorobust.models.torch_module import torch_classifier
from oncorobust.models.torch_programs import program_bytes, read_program
from oncorobust.models.weight_files import load_weights
from oncorobust.settings.base import tag
from oncorobust.settings.model_rules import NO_WEIGHTS
from oncorobust.settings.own_models import Monai, Onnx, Timm, TorchExport, TorchModel

_HEADS = {"softmax": "softmax", "logsoftmax": "softmax", "sigmoid": "sigmoid"}
"""What a network gives, by the layer or operation that is taken off its end."""


def described(settings: TorchModel, *, size: int, n_classes: int) -> dict[str, Any]:
    """Return the description of the network that the settings name, for images of the pipeline's `size`."""
    preprocessing = settings.preprocessing
    height, width = preprocessing.size or (size, size)
    low, high = preprocessing.range
    about: dict[str, Any] = {"source": tag(settings)}
    match settings:
        case Timm():
            about |= {"architecture": settings.architecture, "arguments": dict(settings.arguments)}
        case Monai():
            architecture, arguments = monai_name(settings)
            about |= {"architecture": architecture, "arguments": arguments}
    return about | {
        "image_shape": [height, width, 1 if preprocessing.channels == "grey" else 3],
        "n_classes": n_classes,
        "mean": [(mean - low) / (high - low) for mean in preprocessing.mean],
        "std": [std / (high - low) for std in preprocessing.std],
        "reversed": preprocessing.channels == "bgr",
        "head": settings.head,
    }


def monai_name(settings: Monai) -> tuple[str | None, dict[str, Any]]:
    """Return name and arguments of a network of MONAI, from its bundle where the settings name one."""
    if settings.bundle is not None:
        return read_bundle(settings.bundle)
    return settings.architecture, dict(settings.arguments)


def program_of(settings: TorchModel) -> bytes | None:
    """Return the bytes of a source that is a program; None for a name. Raises InputError naming the file."""
    match settings:
        case TorchExport():
            return program_bytes(settings.path)
        case Onnx():
            if not (path := Path(settings.path)).is_file():
                raise InputError(f"{path}: expected an ONNX model, got no such file")
            return path.read_bytes()
    return None


def weights_of(settings: TorchModel) -> str | None:
    """Return the file of the weights of a name; None for random ones, and for a program, which has its own."""
    if isinstance(settings, Timm | Monai) and settings.weights != NO_WEIGHTS:
        return settings.weights
    return None


def network_of(
    network: Mapping[str, Any], program: bytes | None, *, where: str, weights: str | None = None
) -> TorchClassifier:
    """Return the network of a description, with the weights in a file. Raises InputError for what does not fit.

    where: what messages call the network.
    """
    need_torch_backend()
    module = _module(network, program, where)
    if weights is not None:
        load_weights(module, weights)
    height, width, channels = (int(length) for length in network["image_shape"])
    classifier = torch_classifier(
        module,
        image_shape=(height, width, channels),
        n_classes=int(network["n_classes"]),
        mean=network["mean"],
        std=network["std"],
        device=torch_device(),
    )
    _check_head(classifier, network["head"])
    return classifier.behind(_reversed, image_shape=classifier.image_shape) if network["reversed"] else classifier


def _reversed(images: Any) -> Any:
    """Reverse the channels of images (n, h, w, c)."""
    return ops.flip(images, axis=-1)


def _check_head(classifier: TorchClassifier, head: str) -> None:
    """Refuse a network whose end is not the one that the settings name."""
    last = getattr(classifier.module, "cut_off", "") or type(classifier.layers.activation).__name__
    found = _HEADS.get(last.lower().replace("_", ""), "logits")
    if head not in ("auto", found):
        raise InputError(f"model.head: expected auto or {found}, which the network gives, got {head}")


def _module(network: Mapping[str, Any], program: bytes | None, where: str) -> Any:
    source = network["source"]
    if source in ("torch_export", "onnx"):
        if program is None:
            raise InputError(f"expected the program of a {source} network, got none in {where}")
        return read_program(program, where=where) if source == "torch_export" else read_onnx(program, where=where)
    build = timm_network if source == "timm" else monai_network
    return build(
        network["architecture"],
        arguments=network["arguments"],
        channels=int(network["image_shape"][2]),
        n_classes=int(network["n_classes"]),
    )
