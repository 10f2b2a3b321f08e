"""A model's logits on fixed images, kept beside its file and compared where another backend or version reads it.

Backends compute some layers differently: AveragePooling2D with uneven `same` padding and Resizing with bicubic
interpolation give other values on PyTorch, so a model trained on TensorFlow is another model there. The stage that
makes a model writes its logits into `<model>.answers.json`. Where Keras, the backend or the backend's version differs,
reading the model compares them. On the same versions nothing is computed: another device differs by rounding alone.

The images are half white noise and half noise in blocks, because an average over white noise hides differences.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from oncorobust.backend.functions import compile_logits
from oncorobust.backend.runtime import backend_version
from oncorobust.base.arrays import Images
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results

TOLERANCE = 1e-3
"""Largest accepted difference of a logit, relative to the largest logit. Rounding in float32 stays below a tenth."""

_EACH = 4
_BLOCKS = 4


def record_answers(model: keras.Model) -> dict[str, Any]:
    """Return a model's logits on the fixed images, with the versions that computed them, for `<model>.answers.json`."""
    return {**_here(), "logits": _answers(model).tolist()}


def check_answers(model: keras.Model, path: str | Path) -> None:
    """Compare a model read from `path` with its recorded answers, if there are any and versions differ.

    Raises InputError naming both backends and the largest difference where that is above the tolerance.
    """
    file = Path(path).with_suffix(".answers.json")
    if not file.is_file():
        return
    recorded, here = read_results(file), _here()
    if all(recorded.get(key) == value for key, value in here.items()):
        return
    try:
        logits = np.asarray(recorded["logits"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"expected a list of logits, got none ({error!r}) in {file}") from error
    found = _answers(model)
    if logits.shape != found.shape:
        raise InputError(f"expected {found.size} logits, got {logits.size} in {file}")
    largest, allowed = float(np.abs(found - logits).max()), TOLERANCE * float(np.abs(logits).max())
    if not largest <= allowed:  # NaN as well
        raise InputError(
            f"expected the answers that {path} gave on {_named(recorded)}, where it was made; on {_named(here)} logits "
            f"differ by up to {largest:.3g} (tolerance {allowed:.3g}): use the backend that made it, or train again "
            "here. Keras computes some layers differently, such as AveragePooling2D with padding 'same' and bicubic "
            "Resizing"
        )


def _here() -> dict[str, str]:
    backend = keras.backend.backend()
    return {"keras": keras.__version__, "backend": backend, "backend_version": backend_version(backend)}


def _named(versions: Mapping[str, Any]) -> str:
    return f"{versions.get('backend')} {versions.get('backend_version')} with Keras {versions.get('keras')}"


def _answers(model: keras.Model) -> np.ndarray:
    """Return the logits of the fixed images, one image after the other."""
    return compile_logits(model)(_images(tuple(model.input_shape[1:]))).astype(np.float64).ravel()


def _images(shape: tuple[int, ...]) -> Images:
    """Return the fixed images (8, h, w, c) in [0, 1]."""
    height, width, channels = shape
    rng = np.random.default_rng(0)
    white = rng.random((_EACH, height, width, channels), dtype=np.float32)
    blocks = rng.random((_EACH, _BLOCKS, _BLOCKS, channels), dtype=np.float32)
    rows, columns = (np.arange(length) * _BLOCKS // length for length in (height, width))
    return np.concatenate([white, blocks[:, rows][:, :, columns]])
