"""What the precision `auto` means on this machine, measured by the first stage that needs it and kept.

All later stages take the same one, so that a rerun gives the same bytes. Remove the file to measure again.
"""

import os
import platform
from pathlib import Path
from typing import get_args

import keras
from msgspec.structs import replace

from oncorobust.backend.fastest_precision import fastest_precision, in_training
from oncorobust.backend.runtime import backend_version
from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.files import read_json, write_json
from oncorobust.settings.attacks import Attacks, SearchPrecision
from oncorobust.settings.training import Harden, Train


def decided(attacks: Attacks, *, threads: int) -> Attacks:
    """Return the attacks with the search precision that `auto` means on this machine; others as they are.

    threads: processor threads of the stage. Raises OSError when the measurement cannot be kept.
    """
    if attacks.strict.search_precision != "auto" or "strict" not in attacks.protocols:
        return attacks
    chosen = _kept(Path(layout.PRECISIONS), _machine(threads))
    return replace(attacks, strict=replace(attacks.strict, search_precision=chosen))


def decided_training(settings: Train | Harden, *, threads: int) -> Train | Harden:
    """Return the recipe with the precision that `auto` means on this machine; others as they are.

    threads and errors as for `decided`.
    """
    if settings.precision != "auto":
        return settings
    return replace(settings, precision=in_training(_kept(Path(layout.PRECISIONS), _machine(threads))))


def _machine(threads: int) -> str:
    backend = keras.backend.backend()
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    return f"{platform.node()}, {backend} {backend_version(backend)}, GPUs {seen}, threads {threads}"


def _kept(file: Path, machine: str) -> str:
    try:
        known = read_json(file)
    except InputError:  # not measured yet, or the file was cut short
        known = {}
    if known.get(machine) not in get_args(SearchPrecision):
        known[machine] = fastest_precision()
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.stem}.{os.getpid()}.part.json")
        write_json(draft, known)
        draft.replace(file)
    return str(known[machine])
