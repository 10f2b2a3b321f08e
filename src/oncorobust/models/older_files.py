"""Descriptions of model files that Keras 3 does not read as .keras: HDF5 files and files of Keras 2, with the way out.

Keras 3 converts a whole model in HDF5, from Keras 2 or 3, if it has only Keras's own layers. It has no reader for a
.keras file of Keras 2: some of these it refuses, others it may read wrongly (keras issue 21663).
"""

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras

_MODELS = ("Functional", "Model", "Sequential")
_REBUILD = "build the model from Keras's own layers in Keras 3, load the weights into it and save it as .keras"


def hdf5_file(path: Path) -> str:
    """Describe an HDF5 file: what it holds, which of its layers are not Keras's own, and how to convert it."""
    try:
        with h5py.File(path) as file:
            version = _text(file.attrs.get("keras_version", ""))
            content = file.attrs.get("model_config")
            others = [] if content is None else other_layers(json.loads(_text(content)))
    except Exception as error:
        # h5py and json raise OSError, KeyError, ValueError, RecursionError and more for a file they cannot use.
        return f"an HDF5 file that cannot be read ({type(error).__name__})"
    kind = f"an HDF5 file{f' of Keras {version}' if version else ''}"
    if content is None:
        return f"{kind} without a model (weights alone: {_REBUILD})"
    if others:
        return f"{kind} with {_named(others)} (no code is loaded from a file: {_REBUILD})"
    # Keras goes by the end of the name.
    named = path.suffix in (".h5", ".hdf5")
    source = path if named else path.with_suffix(".h5")
    return f"{kind} ({'' if named else f'rename it to {source}, and '}convert it in Keras 3: {_conversion(source)})"


def keras_2_file(archive: zipfile.ZipFile) -> str:
    """Describe a .keras file that Keras 2 wrote, with the way out; empty for one of Keras 3."""
    version = written_by(archive)
    if not version or int(version.split(".")[0]) >= 3:
        return ""
    config = json.loads(archive.read("config.json"))
    others = other_layers(config) if isinstance(config, dict) else []
    if others:
        return f"a file of Keras {version} with {_named(others)} (no code is loaded from a file: {_REBUILD})"
    return (
        f"a file of Keras {version} (save the model as .h5 there, and convert that in Keras 3: "
        f"{_conversion(Path('model.h5'))})"
    )


def written_by(archive: zipfile.ZipFile) -> str:
    """Return the version of Keras that wrote a .keras file, such as 3.15.1; empty if the file does not say."""
    try:
        version = str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (KeyError, TypeError, ValueError):
        return ""
    return version if version.split(".")[0].isdecimal() else ""


def other_layers(config: dict[str, Any]) -> list[str]:
    """Return the classes of layers that are not Keras's own, and Lambda, in order and once each."""
    names = (str(layer.get("registered_name") or layer.get("class_name")) for layer in _layers(config))
    plain = (name for name in names if name == "Lambda" or (name not in _MODELS and not hasattr(keras.layers, name)))
    return list(dict.fromkeys(plain))


def _layers(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the configuration of each layer of a model, of the models inside it and of wrapped layers."""
    inside = config.get("config")
    # A Sequential of the first versions of Keras 2 holds its layers as a list.
    listed = inside.get("layers", [inside.get("layer")]) if isinstance(inside, dict) else inside
    for layer in listed if isinstance(listed, list) else []:
        if isinstance(layer, dict):
            yield layer
            yield from _layers(layer)


def _conversion(path: Path) -> str:
    return f"keras.saving.load_model({str(path)!r}, compile=False).save({str(path.with_suffix('.keras'))!r})"


def _named(layers: Sequence[str]) -> str:
    shown = ", ".join(map(repr, layers[:3])) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")
    return f"the custom layer{'s' if len(layers) > 1 else ''} {shown}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
