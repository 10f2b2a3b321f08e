"""The function that opens a raw tree with the reader that its format settings name.

A format is listed in three places: `settings.data.Format` names its settings, this module its reader, and
`acquire.acquire` the sources that can make or download its raw tree.
"""

from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.formats.brain_mets.reader import open_brain_mets
from oncorobust.formats.cbis_ddsm.reader import open_cbis_ddsm
from oncorobust.formats.cifar10 import open_cifar10
from oncorobust.formats.lidc.reader import open_lidc
from oncorobust.formats.luna16.reader import open_luna16
from oncorobust.formats.manifest import open_manifest
from oncorobust.formats.mnist import open_mnist
from oncorobust.formats.records import RawImages
from oncorobust.settings.data import BrainMets, CbisDdsm, Cifar10, Format, Lidc, Luna16, Manifest, Mnist


def open_raw(folder: str | Path, settings: Format, *, seed: int, on_progress: Notify) -> RawImages:
    """Open a raw tree without reading its pixels (MNIST's files are read whole). Raises InputError."""
    folder = Path(folder)
    if not folder.is_dir():
        name = type(settings).__struct_config__.tag
        raise InputError(f"expected a folder with a raw tree of format {name}, got no folder at {folder}")
    match settings:
        case Mnist():
            return open_mnist(folder)
        case Cifar10():
            return open_cifar10(folder)
        case Manifest():
            return open_manifest(folder, file=settings.file, classes=settings.classes)
        case Lidc():
            return open_lidc(folder, settings, on_progress=on_progress)
        case CbisDdsm():
            return open_cbis_ddsm(folder, settings, on_progress=on_progress)
        case BrainMets():
            return open_brain_mets(folder, settings, seed=seed, on_progress=on_progress)
        case Luna16():
            return open_luna16(folder, settings, seed=seed, on_progress=on_progress)
