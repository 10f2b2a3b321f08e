"""From a format's name to its reader: the one place that lists them."""

from pathlib import Path
from typing import Literal

from oncorobust.data.cifar10 import open_cifar10
from oncorobust.data.manifest import open_manifest
from oncorobust.data.mnist import open_mnist
from oncorobust.data.records import RawImages
from oncorobust.errors import InputError


def open_raw(folder: str | Path, format: Literal["mnist", "cifar10", "manifest"]) -> RawImages:
    """Open a raw tree without reading its pixels (MNIST's files are read at once). Raises InputError."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"expected a folder with a raw tree of format {format}, got none at {folder}")
    match format:
        case "mnist":
            return open_mnist(folder)
        case "cifar10":
            return open_cifar10(folder)
        case "manifest":
            return open_manifest(folder)
