"""The format of a raw tree, from the names of its files: each reader looks for names that no other format has."""

import re
from itertools import islice
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.formats.manifest import NAME
from oncorobust.formats.tree_walk import files_below
from oncorobust.settings.data import BrainMets, CbisDdsm, Cifar10, Format, Lidc, Luna16, Manifest, Mnist

FORMATS = ("manifest", "lidc", "cbis_ddsm", "brain_mets", "luna16", "mnist", "cifar10")
"""Names of the formats, as `preprocess.format.name` has them."""

_LOOKED_AT = 20_000
"""Files whose names are looked at; names that decide stand at the top of published trees, or beside many others."""
_NAMES = {
    "mnist": re.compile(r"(train|t10k)-images[-.]idx3-ubyte(\.gz)?"),
    "cifar10": re.compile(r"data_batch_1(\.bin)?|test_batch(\.bin)?"),
    "cbis_ddsm": re.compile(r"(mass|calc)_case_description_(train|test)_set\.csv"),
    "lidc": re.compile(r"tcia-diagnosis-data-.*\.xlsx?"),
    "luna16": re.compile(r"candidates_V2\.csv"),
    "brain_mets": re.compile(r"lesions\.csv|.*-seg\.nii(\.gz)?"),
}
_DIAGNOSIS = "tcia-diagnosis-data-"


def recognise(tree: Path) -> str:
    """Return the name of a raw tree's format. Raises InputError where no file's name tells it."""
    if (tree / NAME).is_file():
        return "manifest"
    seen = set[str]()
    for path in islice(files_below(tree), _LOOKED_AT):
        for name, pattern in _NAMES.items():
            if pattern.fullmatch(path.name):
                return name
        seen.add(path.suffix.lower())
    if {".xml", ".dcm"} <= seen:
        return "lidc"
    raise InputError(
        f"{tree}: expected {NAME}, or files named as in LIDC-IDRI, CBIS-DDSM, brain metastases, LUNA16, MNIST or "
        f"CIFAR-10, got {_found(seen)}: `oncorobust manifest FOLDER --name {tree.name}` proposes a manifest, and "
        "--format states a format"
    )


def default_format(name: str, tree: Path, *, classes: tuple[str, ...] | None = None) -> Format:
    """Return the settings of a format with defaults that fit a tree.

    classes: names in the order of a model's outputs, of format `manifest`. The patients' diagnoses count in LIDC-IDRI
    where the spreadsheet lies at the top of the tree.
    """
    match name:
        case "mnist":
            return Mnist()
        case "cifar10":
            return Cifar10()
        case "cbis_ddsm":
            return CbisDdsm(abnormalities=("mass",))
        case "brain_mets":
            return BrainMets(crop_mm=40, min_distance_mm=10, max_per_patient=None)
        case "luna16":
            return Luna16(crop_mm=50, min_distance_mm=30, max_per_patient=5)
        case "lidc":
            known = any(path.name.startswith(_DIAGNOSIS) for path in tree.iterdir())
            methods = (2, 3) if known else ()
            return Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=methods, crop_mm=50)
    return Manifest(classes=classes)


def _found(endings: set[str]) -> str:
    return f"only files ending in {', '.join(sorted(filter(None, endings))[:5])}" if any(endings) else "none"
