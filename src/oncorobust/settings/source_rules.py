"""Rules on `acquire`: which source can provide which format."""

from oncorobust.base.errors import InputError
from oncorobust.settings.base import tag
from oncorobust.settings.data import BrainMets, CbisDdsm, Cifar10, Download, Lidc, Mnist, Packaged, Phantom
from oncorobust.settings.pipeline import Params

_FORMATS_TO_BE_HAD = {
    Packaged: (Mnist,),
    Download: (Mnist, Cifar10, Lidc, CbisDdsm),
    Phantom: (Cifar10, Lidc, CbisDdsm, BrainMets),
}
"""Formats that each source can provide."""


def check_sources(params: Params) -> None:
    """Raise InputError naming an entry of `acquire` that cannot provide the format of its data set."""
    for name, acquire in params.acquire.items():
        kinds = _FORMATS_TO_BE_HAD[type(acquire)]
        found = params.datasets[name].preprocess.format
        if not isinstance(found, kinds):
            raise InputError(
                f"acquire.{name}.source: expected {tag(acquire)} only for format {', '.join(map(tag, kinds))}, "
                f"got format {tag(found)}"
            )
        if getattr(acquire, "annotations", "xml") != "xml" and not isinstance(found, Lidc):
            raise InputError(
                f"acquire.{name}.annotations: expected dicom only for format lidc, got format {tag(found)}"
            )
