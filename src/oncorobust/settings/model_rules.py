"""Rules on the model of a data set beyond the type and range of each key, for models that a person brings."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.settings.base import tag
from oncorobust.settings.own_models import Brought, Monai, Onnx, OwnModel, Preprocessing, Timm, TorchExport, TorchModel
from oncorobust.settings.pipeline import Dataset

_OUTPUTS = (layout.MODELS_FOLDER, layout.REPORTS_FOLDER)
_SMALLEST_SIZE = 32
NO_WEIGHTS = "none"
"""`weights` of a network of random ones."""


def check_model(dataset: Dataset, where: str) -> None:
    """Check the settings of a data set's model. where: path of the data set's block. Raises InputError."""
    model, size = dataset.model, dataset.preprocess.size
    match model:
        case OwnModel():
            _check_file(model.path, (".keras",), f"{where}.model.path")
            _check_range(model.input_range, f"{where}.model.input_range")
        case TorchModel():
            _check_torch(model, dataset, f"{where}.model")
        case _ if size < _SMALLEST_SIZE:
            raise InputError(
                f"{where}.preprocess.size: expected at least {_SMALLEST_SIZE} for model.source {tag(model)}, "
                f"which halves the image five times, got {size}"
            )


def brought_files(model: Mapping[str, Any]) -> set[str]:
    """Return the files of a model as params.yaml gives it, or the names of weights that stand for one."""
    return {model[key] for key in ("path", "weights", "bundle") if isinstance(model.get(key), str)}


def _check_torch(model: TorchModel, dataset: Dataset, where: str) -> None:
    match model:
        case TorchExport():
            _check_file(model.path, (".pt2",), f"{where}.path")
        case Onnx():
            _check_file(model.path, (".onnx",), f"{where}.path")
            _check_only_evaluated(model, dataset, where)
        case Timm():
            _check_weights(model.weights, model, where)
        case Monai():
            _check_weights(model.weights, model, where)
            _check_network(model, where)
    _check_preprocessing(model.preprocessing, dataset, f"{where}.preprocessing")


def _check_only_evaluated(model: Onnx, dataset: Dataset, where: str) -> None:
    block = where.removesuffix(".model")
    trained = {
        f"{where}.fine_tune: expected false": model.fine_tune,
        f"{block}.harden: expected null": dataset.harden is not None,
        f"{block}.smooth: expected null": dataset.smooth is not None,
    }
    for expected, found in trained.items():
        if found:
            raise InputError(f"{expected}, because a network of an .onnx file is evaluated and never trained")


def _check_weights(weights: str, model: Brought, where: str) -> None:
    if weights != NO_WEIGHTS:
        _check_file(weights, (".safetensors",), f"{where}.weights")
    elif not model.fine_tune:
        raise InputError(f"{where}.weights: expected a .safetensors file where fine_tune is false, got none")


def _check_network(model: Monai, where: str) -> None:
    if (model.architecture is None) == (model.bundle is None):
        raise InputError(f"{where}: expected architecture or bundle, got {'both' if model.bundle else 'neither'}")
    if model.bundle is not None:
        _check_file(model.bundle, (".json", ".yaml", ".yml"), f"{where}.bundle")
        if model.arguments:
            raise InputError(f"{where}.arguments: expected none with bundle, which has them, got {model.arguments}")


def _check_file(path: str, endings: tuple[str, ...], where: str) -> None:
    found = PurePath(path)
    if found.suffix not in endings:
        raise InputError(f"{where}: expected a {' or '.join(endings)} file, got {path!r}")
    if found.is_absolute() or ".." in found.parts:
        raise InputError(f"{where}: expected a path inside the repository, got {path!r}")
    if found.parts[0] in _OUTPUTS and found.stem in layout.TRAINED:
        raise InputError(f"{where}: expected a file that no stage writes, got {path!r}")


def _check_range(limits: tuple[float, float], where: str) -> None:
    if limits[0] >= limits[1]:
        raise InputError(f"{where}: expected low < high, got {list(limits)}")


def _check_preprocessing(settings: Preprocessing, dataset: Dataset, where: str) -> None:
    channels = 1 if settings.channels == "grey" else 3
    for name, values in (("mean", settings.mean), ("std", settings.std)):
        if len(values) not in (1, channels):
            raise InputError(
                f"{where}.{name}: expected one number, or one per channel ({channels}), got {list(values)}"
            )
    _check_range(settings.range, f"{where}.range")
    if settings.window is None:
        return
    _check_range(settings.window, f"{where}.window")
    limits = dataset.preprocess.intensity_range
    if isinstance(limits, str):
        raise InputError(
            f"{where}.window: expected preprocess.intensity_range in numbers, which the window lies in, got {limits!r}"
        )
    if settings.window[0] < limits[0] or settings.window[1] > limits[1]:
        raise InputError(
            f"{where}.window: expected a window inside preprocess.intensity_range {list(limits)}, because the images "
            f"hold nothing outside it, got {list(settings.window)}"
        )
