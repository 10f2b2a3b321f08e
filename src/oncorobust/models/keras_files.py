"""Reading of .keras files from other people, without running anything in them.

A .keras file is a zip archive of `config.json` (the layers), `model.weights.h5` (their weights) and `metadata.json`.
The configuration is checked before Keras reads it. Accepted are objects of Keras's own modules that a network is made
of; layers that hold code and objects of any other module are refused, and the error names them. Keras then reads the
file in safe mode, whose advisories are in maintenance/reviewed.toml. A file that Keras 2 wrote, which the metadata say,
is refused before that. The one layer of another module is this project's own, `models.torch_network`.

Parts whose unpacked size is above a limit are refused before they are unpacked. The compile settings of a model (loss,
metrics, optimiser) are not read.
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from oncorobust.backend.torch_classifier import need_torch_backend
from oncorobust.base.errors import InputError
from oncorobust.models.older_files import hdf5_file, keras_2_file, written_by

_CODE = ("Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
"""Classes of Keras whose configuration holds code, or names a folder with code."""

_PARTS = {
    *("activations", "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics", "models"),
    *("ops", "optimizers", "quantizers", "random", "regularizers", "src"),
}
"""Modules of Keras that a network is made of."""

_TORCH_NETWORK = {
    "class_name": "TorchNetwork",
    "module": "oncorobust.models.torch_network",
    "registered_name": "oncorobust>TorchNetwork",
}

_PLAIN_BYTES = 64 * 2**20  # the configuration of a network with 700 layers takes 1 MiB
_MOST_PACKED = 20  # ratio; Keras does not compress, and float32 weights compress to nine tenths

_LONGEST_REASON = 240  # characters; Keras repeats the whole configuration of a layer that it cannot build

_COUNTED = re.compile(r"A total of \d+ objects could not be loaded\.")
"""How Keras begins the error of objects whose weights do not fit."""

_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_model(path: str | Path) -> keras.Model:
    """Read the model in a .keras file, in safe mode, without compiling it.

    Raises InputError naming the file, for a file that is missing, cut off, of another kind, or that holds code.
    """
    found, version = _wrong_kind(Path(path)), ""
    if found:
        raise InputError(f"expected a Keras 3 model (.keras), got {found} in {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            version, older = written_by(archive), keras_2_file(archive)
            config = json.loads(archive.read("config.json"))
        if older:
            raise InputError(f"expected a Keras 3 model (.keras), got {older} in {path}")
        _refuse_code(config, str(path))
        own = _own_layers(config)
        model = keras.saving.load_model(str(path), custom_objects=own, compile=False, safe_mode=True)
    except InputError:
        raise
    except Exception as error:
        if told := _own_error(error):
            raise InputError(f"{told} in {path}") from error
        # Keras, zipfile and json raise ValueError, TypeError, KeyError, OSError and more for a file they cannot use.
        reason = _reason(error)[:_LONGEST_REASON]
        other = f" (written by Keras {version}, read by {keras.__version__})" if version != keras.__version__ else ""
        raise InputError(
            f"expected a Keras 3 model (.keras), got {reason}{other if version else ''} in {path}"
        ) from error
    if not isinstance(model, keras.Model):
        raise InputError(f"expected a Keras 3 model (.keras), got a {type(model).__name__} in {path}")
    return model


def _own_layers(config: Any) -> dict[str, Any]:
    """Return this project's own layer by its name in files, if a configuration has it."""
    if not any(map(_is_torch_network, _objects(config))):
        return {}
    need_torch_backend()
    from oncorobust.models.torch_network import TorchNetwork

    return {_TORCH_NETWORK["registered_name"]: TorchNetwork}


def _own_error(error: BaseException | None) -> InputError | None:
    """Return the error of this project's own layer that Keras wrapped in another one."""
    while error is not None and not isinstance(error, InputError):
        error = error.__context__
    return error


def _reason(error: Exception) -> str:
    """Return the first sentence of an error, with what follows where it ends in a colon.

    Of objects whose weights do not fit, which Keras counts first, that is the error of one of them.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if len(lines) > 1 and _COUNTED.match(lines[0]):
        del lines[0]
    told = lines[0]
    for line in lines[1:]:
        if not told.endswith(":"):
            break
        told = f"{told} {line}"
    return told


def _wrong_kind(path: Path) -> str:
    """Return why a file cannot be a Keras 3 model; empty if it may be one."""
    if not path.is_file():
        return "no such file"
    with path.open("rb") as stream:
        if stream.read(len(_HDF5)) == _HDF5:
            return hdf5_file(path)
    if not zipfile.is_zipfile(path):
        return "a file that is not a whole zip archive"
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    missing = {"config.json", "model.weights.h5"} - {part.filename for part in parts}
    if missing:
        return f"a zip archive without {' and '.join(sorted(missing))}"
    for part in parts:
        allowed = _PLAIN_BYTES if part.filename == "config.json" else _PLAIN_BYTES + _MOST_PACKED * part.compress_size
        if part.file_size > allowed:
            return f"a part {part.filename!r} that unpacks to {part.file_size >> 20} MiB"
    return "" if path.suffix == ".keras" else f"a file whose name ends in {path.suffix!r}"


def _refuse_code(config: Any, path: str) -> None:
    for entry in _objects(config):
        if _is_torch_network(entry):
            continue
        kind, module = entry["class_name"], entry.get("module")
        if kind in _CODE:
            raise InputError(
                f"expected a model without code of its own, got a {kind} layer in {path}: safe mode does not run it"
            )
        name = entry.get("registered_name") or kind
        if not _is_part(module) or (module is None and entry.get("registered_name")):
            raise InputError(
                f"expected a model of Keras's own layers, got custom object {name!r} of module {module!r} in {path}"
            )


def _is_torch_network(entry: Mapping[str, Any]) -> bool:
    """Say whether an object is the layer that holds a PyTorch network, whose description and program it checks."""
    return {name: entry.get(name) for name in _TORCH_NETWORK} == _TORCH_NETWORK


def _is_part(module: object) -> bool:
    """Say whether an object of a module may be part of a network."""
    if module is None or module in ("builtins", "keras"):
        return True
    package, _, rest = str(module).partition(".")
    return package == "keras" and rest.split(".")[0] in _PARTS


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a configuration that has a class name."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config
        for key, value in config.items():
            if key != "compile_config":
                yield from _objects(value)
    elif isinstance(config, list):
        for value in config:
            yield from _objects(value)
