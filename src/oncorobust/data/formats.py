"""From a format's settings to its reader: the one place that lists them."""

from pathlib import Path

from oncorobust.data.brain_mets import open_brain_mets
from oncorobust.data.cbis_ddsm import open_cbis_ddsm
from oncorobust.data.cifar10 import open_cifar10
from oncorobust.data.lidc import open_lidc
from oncorobust.data.manifest import open_manifest
from oncorobust.data.mnist import open_mnist
from oncorobust.data.records import RawImages
from oncorobust.errors import InputError
from oncorobust.progress import Notify
from oncorobust.settings.data import BrainMets, CbisDdsm, Cifar10, Format, Lidc, Manifest, Mnist


def open_raw(folder: str | Path, settings: Format, *, seed: int, on_progress: Notify) -> RawImages:
    """Open a raw tree without reading its pixels (MNIST's files are read at once). Raises InputError."""
    folder = Path(folder)
    if not folder.is_dir():
        name = type(settings).__struct_config__.tag
        raise InputError(f"expected a folder with a raw tree of format {name}, got none at {folder}")
    match settings:
        case Mnist():
            return open_mnist(folder)
        case Cifar10():
            return open_cifar10(folder)
        case Manifest():
            return open_manifest(folder)
        case Lidc():
            return open_lidc(folder, settings, on_progress=on_progress)
        case CbisDdsm():
            return open_cbis_ddsm(folder, settings, on_progress=on_progress)
        case BrainMets():
            return open_brain_mets(folder, settings, seed=seed, on_progress=on_progress)
