"""Write a model for use outside of this project, as ONNX or as a program of PyTorch, and compare it first."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from oncorobust.backend.functions import compile_logits
from oncorobust.backend.runtime import backend_version
from oncorobust.backend.torch_export import export_program, onnx_model, program_logits, save_program
from oncorobust.base.arrays import Logits
from oncorobust.base.errors import InputError

TOLERANCE = 1e-5
"""Largest accepted difference of a logit, relative to the largest logit."""

_BATCHES = (1, 3)


def write_exported(model: keras.Model, path: Path, *, form: str) -> dict[str, Any]:
    """Write a model for images (n, h, w, c) to a file for images (n, c, h, w), and compare the logits of both.

    form: `onnx`, which ONNX Runtime runs, or `pt2`, which PyTorch runs. Keras runs on PyTorch, on the CPU. Returns what
    the file was compared with, the largest difference relative to the largest logit (both null where ONNX Runtime is
    not installed, which a warning tells), and the versions of the packages. Raises InputError for a difference above
    the tolerance.
    """
    program = export_program(model)
    if form == "pt2":
        save_program(program, path)
        by, run = f"PyTorch {backend_version('torch')}", lambda images: program_logits(path, images)
    else:
        path.write_bytes(onnx_model(program).SerializeToString(deterministic=True))
        by, run = _runtime(path)
    record: dict[str, Any] = {"compared_with": by or None, "largest_difference": None, "versions": _versions(form)}
    if run is not None:
        record["largest_difference"] = _compare(model, run, by)
    return record


def relative_difference(found: Logits, expected: Logits) -> float:
    """Return the largest difference of logits, relative to the largest logit."""
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))


def _runtime(path: Path) -> tuple[str, Any]:
    """Return the name of ONNX Runtime and a function that runs a file; nothing where it is not installed."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        warnings.warn("the ONNX file was not compared: pip install onnxruntime", stacklevel=4)
        return "", None
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return f"ONNX Runtime {onnxruntime.__version__}", lambda images: session.run(["logits"], {"images": images})[0]


def _compare(model: keras.Model, run: Any, by: str) -> float:
    """Return the largest difference of the logits on noise, relative to the largest. Raises InputError above it."""
    height, width, channels = model.input_shape[1:]
    logits, rng, found = compile_logits(model), np.random.default_rng(0), []
    for n in _BATCHES:
        images = rng.random((n, channels, height, width), dtype=np.float32)
        expected = logits(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
        found.append(relative_difference(run(images), expected))
    if not (largest := max(found)) <= TOLERANCE:  # NaN as well
        raise InputError(
            f"expected the logits of the Keras model, got relative differences up to {largest:.3g} from {by} "
            f"(tolerance {TOLERANCE:.3g}): the model cannot be exported"
        )
    return largest


def _versions(form: str) -> dict[str, str]:
    from importlib.metadata import version

    packages = ["keras", "oncorobust", "torch", *(["onnx", "onnxscript"] if form == "onnx" else [])]
    return {name: version(name) for name in packages}
